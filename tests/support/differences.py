"""Derivatives by central differences, as a reference for gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np


def central_difference(
    function: Callable[[], float], array: np.ndarray, place: Any, h: float = 1e-6
) -> float:
    """Differentiate a function by one element of an array that it reads."""
    kept = array[place]
    array[place] = kept + h
    above = function()
    array[place] = kept - h
    below = function()
    array[place] = kept
    return (above - below) / (2 * h)
