"""Checks of the wrappers' arguments."""

from __future__ import annotations

from typing import Any

from pyoptim.checks import as_number, check_not_negative, check_positive


def as_share(name: str, value: Any) -> float:
    """Return a number from 0 to 1."""
    number = as_number(name, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {number}")
    return number


def as_positive(name: str, value: Any) -> float:
    """Return a finite number above 0."""
    number = as_number(name, value)
    check_positive(name, number)
    return number


def as_not_negative(name: str, value: Any) -> float:
    """Return a finite number of at least 0."""
    number = as_number(name, value)
    check_not_negative(name, number)
    return number
