"""Losses: the mean over a batch, and its derivatives by the scores, in one pass.

There is a class for each loss, which takes its parameters, and an instance with the defaults that
has the same name in small letters: ``Huber(delta=2.0)`` and ``huber``.

Examples
--------
>>> import numpy as np, pyoptim as po
>>> scores = np.array([[2.0, 0.0], [0.0, 1.0]])
>>> round(po.losses.softmax(scores, np.array([0, 1])), 12)
0.220094849281
>>> value, grad = po.losses.squared.value_and_grad(scores, np.zeros((2, 2)))
>>> value, grad.tolist()
(1.25, [[1.0, 0.0], [0.0, 0.5]])
>>> po.losses.squared(scores, np.zeros((2, 2)), sample_weight=[1, 3])
0.875
>>> po.losses.get("huber", delta=2)
Huber(delta=2.0)
"""

from pyoptim.losses import _builtin
from pyoptim.losses._base import Loss
from pyoptim.losses._builtin import *
from pyoptim.losses._class_weight import compute_class_weight, compute_sample_weight
from pyoptim.losses._registry import get

__all__ = [
    "Loss",
    "compute_class_weight",
    "compute_sample_weight",
    "get",
    *_builtin.__all__,
]
