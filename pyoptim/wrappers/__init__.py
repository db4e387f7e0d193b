"""Wrappers, which extend the steps of an optimizer with any rule.

A wrapper holds an optimizer or another wrapper, and is used in its place. It has the same methods
and attributes: `step`, `eval`, `train`, `state_dict`, `load_state_dict`, `param_groups` and
`steps`. It can be pickled and copied.

Examples
--------
>>> import numpy as np, pyoptim as po
>>> w = np.array([3.0, -4.0])
>>> opt = po.wrappers.EMA(po.wrappers.Lookahead(po.Adam([w], lr=0.1)), decay=0.9)
>>> for _ in range(300):
...     info = opt.step([2 * w])  # the gradient of |w|^2
>>> with opt.evaluation():  # the averaged weights are in w
...     bool(abs(w).max() < 1e-2)
True
"""

from pyoptim.wrappers._base import Wrapper
from pyoptim.wrappers.accumulation import GradientAccumulation
from pyoptim.wrappers.agc import AGC
from pyoptim.wrappers.averages import EMA, SWA
from pyoptim.wrappers.lookahead import Lookahead
from pyoptim.wrappers.loss_scale import DynamicLossScale
from pyoptim.wrappers.sam import ASAM, SAM

__all__ = [
    "AGC",
    "ASAM",
    "EMA",
    "SAM",
    "SWA",
    "DynamicLossScale",
    "GradientAccumulation",
    "Lookahead",
    "Wrapper",
]
