"""Checks of arguments that several parts share."""

from __future__ import annotations

import math
import operator
from typing import SupportsIndex


def as_count(name: str, value: SupportsIndex, most: int | None = None) -> int:
    """Return a whole number of at least 1, and at most `most`; NumPy's numbers are taken too."""
    limit = "of at least 1" if most is None else f"from 1 to {most}"
    try:
        count = operator.index(value)
    except TypeError:
        count = 0
    if count < 1 or (most is not None and count > most):
        raise ValueError(f"{name} must be a whole number {limit}, got {value!r}")
    return count


def check_not_negative(name: str, value: float) -> None:
    """Raise ValueError unless the number is at least 0 and finite."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be at least 0 and finite, got {value}")


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless the number is above 0 and finite."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be above 0 and finite, got {value}")
