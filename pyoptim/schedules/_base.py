"""What every schedule is, and how schedules take their arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex

from pyoptim._utils.validation import (
    LARGEST_COUNT,
    as_count,
    as_counts,
    as_not_negative,
    as_positive,
)


class Schedule:
    """What every schedule is: a function of the step, counted from 0, that gives a rate.

    Schedules compare by their arguments, show them in their repr, and can be pickled.
    """

    def __call__(self, step: SupportsIndex) -> float:
        """Return the rate of this step.

        Parameters
        ----------
        step : int, from 0 to 2^53
            NumPy's integers are taken, too.

        Raises
        ------
        ValueError
            If the step is none of these.
        OverflowError
            If the rate is too large for a float.
        """
        return self._evaluate(self._at, step)

    def _at(self, step: int) -> float:
        """Return the rate of a step that was checked."""
        raise NotImplementedError

    def _evaluate(self, function: Callable[[int], float], step: SupportsIndex) -> float:
        """Return the value of a function at a step, which is checked."""
        if type(step) is not int or not 0 <= step <= LARGEST_COUNT:
            step = as_count("step", step, LARGEST_COUNT, minimum=0)
        try:
            return function(step)
        except OverflowError as error:
            raise OverflowError(
                f"{type(self).__name__}: the value at step {step} is too large for a float"
            ) from error

    def _take(self, take: Callable[[str, Any], Any], *names: str) -> None:
        """Check these arguments, and keep each as `take` returns it."""
        for name in names:
            object.__setattr__(self, name, take(name, getattr(self, name)))


rate = as_not_negative
positive = as_positive


def count(name: str, value: Any) -> int:
    """Return a whole number of at least 1."""
    return as_count(name, value, LARGEST_COUNT)


def count_or_zero(name: str, value: Any) -> int:
    """Return a whole number of at least 0."""
    return as_count(name, value, LARGEST_COUNT, minimum=0)


def counts(name: str, value: Any) -> tuple[int, ...]:
    """Return whole numbers of at least 1."""
    return as_counts(name, value, LARGEST_COUNT)


def schedule(name: str, value: Any) -> Callable[[int], float]:
    """Return a schedule, or any other function of the step."""
    if not callable(value):
        raise TypeError(f"{name} must be a schedule, got {type(value).__name__}")
    function: Callable[[int], float] = value
    return function


def schedules(name: str, value: Any) -> tuple[Callable[[int], float], ...]:
    """Return one schedule or more."""
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a sequence of schedules, got {value!r}")
    found = tuple(schedule(f"{name}[{i}]", member) for i, member in enumerate(value))
    if not found:
        raise ValueError(f"{name} must have at least one schedule")
    return found


def between(start: float, end: float, left: float) -> float:
    """Return `start` where all is left (1), `end` where nothing is (0): both exactly."""
    return start * left + end * (1 - left)


def half_cosine(share: float) -> float:
    """Return the value of half a cosine, from 1 to 0, at this fraction of its length."""
    return 0.5 * (1 + math.cos(math.pi * share))
