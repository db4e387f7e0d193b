"""Optimizers that update matrices as wholes, and all other parameters by AdamW."""

from pyoptim.optim.matrix import _classes
from pyoptim.optim.matrix._classes import *
from pyoptim.optim.matrix._registry import RULES as RULES

__all__ = _classes.__all__
