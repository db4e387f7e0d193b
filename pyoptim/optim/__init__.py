"""Optimizers: one class for each elementwise rule, and for each rule of whole matrices."""

from pyoptim.optim import _elementwise, matrix
from pyoptim.optim._base import Optimizer, ParamGroup
from pyoptim.optim._elementwise import *
from pyoptim.optim.matrix import *

__all__ = [
    "Optimizer",
    "ParamGroup",
    *_elementwise.__all__,
    *matrix.__all__,
]
