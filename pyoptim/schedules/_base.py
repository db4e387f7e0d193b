"""The base class of schedules, and the checks of their arguments."""

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
    """Base class of schedules: functions from the step, counted from 0, to a learning rate.

    Schedules with equal arguments are equal. The repr shows the arguments, and schedules can be
    pickled.
    """

    def __call__(self, step: SupportsIndex) -> float:
        """Return the learning rate of a step.

        Parameters
        ----------
        step : int, from 0 to 2^53
            Step. NumPy integers are accepted, too.

        Raises
        ------
        ValueError
            If `step` is not an integer in this range.
        OverflowError
            If the rate is too large for a float.
        """
        return self._evaluate(self._at, step)

    def _at(self, step: int) -> float:
        """Return the rate of a valid step."""
        raise NotImplementedError

    def _evaluate(self, function: Callable[[int], float], step: SupportsIndex) -> float:
        """Check a step, and return the value of a function at it."""
        if type(step) is not int or not 0 <= step <= LARGEST_COUNT:
            step = as_count("step", step, LARGEST_COUNT, minimum=0)
        try:
            return function(step)
        except OverflowError as error:
            raise OverflowError(
                f"{type(self).__name__}: the value at step {step} is too large for a float"
            ) from error

    def _take(self, take: Callable[[str, Any], Any], *names: str) -> None:
        """Replace attributes by what `take` returns for their name and value."""
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
        raise TypeError(f"{name}: expected a schedule, got {type(value).__name__}")
    function: Callable[[int], float] = value
    return function


def schedules(name: str, value: Any) -> tuple[Callable[[int], float], ...]:
    """Return a nonempty tuple of schedules."""
    if not isinstance(value, Iterable):
        raise TypeError(f"{name}: expected a sequence of schedules, got {value!r}")
    result = tuple(schedule(f"{name}[{i}]", member) for i, member in enumerate(value))
    if not result:
        raise ValueError(f"{name}: expected at least one schedule, got none")
    return result


def between(start: float, end: float, left: float) -> float:
    """Interpolate from `start` at left = 1 to `end` at left = 0; both are exact."""
    return start * left + end * (1 - left)


def half_cosine(fraction: float) -> float:
    """Return the value at a fraction of half a cosine, which falls from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * fraction))
