"""Equality of nested values that contain arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def same_values(a: Any, b: Any) -> bool:
    """Return whether nested values are equal, where NaN equals NaN.

    Arrays are equal if they have the same type, dtype, shape and elements.

    >>> values = {"w": np.ones(2), "x": [1.0, math.nan]}
    >>> same_values(values, {"w": np.ones(2), "x": [1.0, float("nan")]})
    True
    >>> same_values(np.ones(2), np.ones(2, np.float32)), same_values(np.ones(2), np.ones((2, 1)))
    (False, False)
    """
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return _same_arrays(np.asarray(a), np.asarray(b)) and isinstance(a, type(b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == list(b) and all(same_values(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        pairs = zip(a, b, strict=False)
        return len(a) == len(b) and all(same_values(*pair) for pair in pairs)
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


def _same_arrays(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind in "fcV" and a.dtype.names is None:
        return bool(((a == b) | ((a != a) & (b != b))).all())
    return bool((a == b).all())
