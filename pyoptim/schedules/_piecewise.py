"""Piecewise constant and piecewise interpolated learning rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from typing import Any, Literal, TypeAlias, cast

from pyoptim._utils.validation import check_choice
from pyoptim.schedules._base import Schedule, between, count, half_cosine, rate

Pairs: TypeAlias = Iterable[tuple[int, float]]


def _pairs(name: str, value: Any) -> Pairs:
    """Return pairs of a boundary and a scale, sorted."""
    items = value.items() if isinstance(value, Mapping) else value
    try:
        pairs = [(boundary, scale) for boundary, scale in items]
    except (TypeError, ValueError):
        raise TypeError(
            f"{name}: expected a mapping, or pairs of a boundary and a scale, got {value!r}"
        ) from None
    checked = sorted((count(name, boundary), rate(name, scale)) for boundary, scale in pairs)
    if len({boundary for boundary, _ in checked}) < len(checked):
        raise ValueError(f"{name}: expected distinct boundaries, got {value}")
    return tuple(checked)


@dataclass(frozen=True)
class piecewise_constant(Schedule):
    """A staircase: at each boundary the rate is multiplied by its scale.

    ``lr * (product of all scales whose boundary <= step)``

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    boundaries_and_scales : mapping of int to float, or pairs of them
        Steps, at least 1, and the factors of the rate from these steps on, at least 0.

    Raises
    ------
    ValueError
        If a number is out of range, or a boundary occurs twice.

    References
    ----------
    ``optax.piecewise_constant_schedule``.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.piecewise_constant(1.0, {100: 0.5, 200: 0.1})
    >>> schedule(99), schedule(100), schedule(200)
    (1.0, 0.5, 0.05)
    """

    lr: float
    boundaries_and_scales: Mapping[int, float] | Pairs

    def __post_init__(self) -> None:
        self._take(rate, "lr")
        self._take(_pairs, "boundaries_and_scales")

    def _at(self, step: int) -> float:
        value = self.lr
        for boundary, scale in cast("Pairs", self.boundaries_and_scales):
            if step >= boundary:
                value *= scale
        return value


@dataclass(frozen=True)
class piecewise_interpolate(Schedule):
    """Interpolation between values at boundaries, along lines or half cosines.

    The value at a boundary is `lr` times the product of the scales up to there. Between two
    boundaries with the values a and b, the rate is ``b + (a - b) left``, where left falls from 1 to
    0 along a straight line or half a cosine. After the last boundary the rate is constant.

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    boundaries_and_scales : mapping of int to float, or pairs of them
        Steps, at least 1, and the ratios of their rates to the rates at the previous boundaries.
    interpolate_type : "linear" or "cosine"
        Shape of the curve between boundaries.

    Raises
    ------
    ValueError
        If an argument is out of range, or a boundary occurs twice.

    References
    ----------
    ``optax.piecewise_interpolate_schedule``.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.piecewise_interpolate(1.0, {100: 3.0, 200: 0.5})
    >>> schedule(0), schedule(50), schedule(100), schedule(150), schedule(200)
    (1.0, 2.0, 3.0, 2.25, 1.5)
    """

    lr: float
    boundaries_and_scales: Mapping[int, float] | Pairs
    interpolate_type: Literal["linear", "cosine"] = "linear"

    def __post_init__(self) -> None:
        self._take(rate, "lr")
        self._take(_pairs, "boundaries_and_scales")
        check_choice("interpolate_type", self.interpolate_type, "linear", "cosine")

    def _at(self, step: int) -> float:
        pairs = cast("Pairs", self.boundaries_and_scales)
        values = accumulate((scale for _, scale in pairs), mul, initial=self.lr)
        start, value = 0, next(values)
        for (boundary, _), following in zip(pairs, values, strict=True):
            if step < boundary:
                fraction = (step - start) / (boundary - start)
                cosine = self.interpolate_type == "cosine"
                return between(value, following, half_cosine(fraction) if cosine else 1 - fraction)
            start, value = boundary, following
        return value
