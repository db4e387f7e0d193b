"""Wrappers: what is done around the steps of an optimizer, whatever its rule.

A wrapper holds an optimizer, or another wrapper, and takes its place: it has `step`, `eval`,
`train`, `state_dict` and `load_state_dict`, `param_groups`, `steps`, and can be pickled and copied.

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
