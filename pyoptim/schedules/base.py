"""What every schedule is, and how schedules take their arguments."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from pyoptim.checks import as_count, as_not_negative, as_positive


class Schedule(ABC):
    """What every schedule is: a function of the step, counted from 0, that gives a rate.

    Schedules compare by their arguments, show them in their repr, and can be pickled.
    """

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the rate of this step."""

    def _take(self, take: Callable[[str, Any], Any], *names: str) -> None:
        """Check these arguments, and keep each as `take` returns it."""
        for name in names:
            object.__setattr__(self, name, take(name, getattr(self, name)))


rate = as_not_negative
positive = as_positive


def count(name: str, value: Any) -> int:
    """Return a whole number of at least 1."""
    return as_count(name, value)


def count_or_zero(name: str, value: Any) -> int:
    """Return a whole number of at least 0."""
    return as_count(name, value, least=0)


def counts(name: str, value: Any) -> tuple[int, ...]:
    """Return whole numbers of at least 1."""
    return tuple(as_count(name, number) for number in value)


def schedule(name: str, value: Any) -> Callable[[int], float]:
    """Return a schedule, or any other function of the step."""
    if not callable(value):
        raise TypeError(f"{name} must be a schedule, got {type(value).__name__}")
    function: Callable[[int], float] = value
    return function


def schedules(name: str, value: Any) -> tuple[Callable[[int], float], ...]:
    """Return one schedule or more."""
    found = tuple(schedule(name, member) for member in value)
    if not found:
        raise ValueError(f"{name} must have at least one schedule")
    return found


def between(start: float, end: float, left: float) -> float:
    """Return `start` where all is left (1), `end` where nothing is (0): both exactly."""
    return start * left + end * (1 - left)


def half_cosine(share: float) -> float:
    """Return what is left after this share of a way along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * share))
