"""Learning rates that change with the step.

A schedule is a small frozen object: ``schedule(step)`` is the rate of the step with that number,
counted from 0. Give one to an optimizer as ``lr``, and its n-th step uses ``schedule(n - 1)``.

Examples
--------
>>> import pyoptim as po
>>> schedule = po.schedules.warmup(100, then=po.schedules.cosine(1e-3, steps=900))
>>> schedule(0), schedule(50), schedule(100), schedule(1000)
(0.0, 0.0005, 0.001, 0.0)
>>> schedule
warmup(steps=100, then=cosine(lr=0.001, steps=900, end=0.0), start=0.0)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from pyoptim.checks import as_count, check_not_negative, check_positive

__all__ = [
    "Schedule",
    "constant",
    "cosine",
    "cosine_restarts",
    "exponential",
    "geometric_restarts",
    "inverse_time",
    "linear",
    "multi_step",
    "polynomial",
    "sequence",
    "step",
    "warmup",
]


class Schedule(ABC):
    """What every schedule is: a function of the step, counted from 0, that gives a rate."""

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the learning rate of this step."""


def _check_schedule(name: str, value: object) -> None:
    if not callable(value):
        raise TypeError(f"{name} must be a schedule, got {type(value).__name__}")


@dataclass(frozen=True)
class constant(Schedule):
    """The same rate at every step."""

    lr: float

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr)

    def __call__(self, step: int) -> float:
        return self.lr


@dataclass(frozen=True)
class step(Schedule):
    """``lr * factor^floor(step / every)``: multiplied by `factor` every so many steps."""

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr)
        as_count("every", self.every)
        check_positive("factor", self.factor)

    def __call__(self, step: int) -> float:
        return self.lr * self.factor ** (step // self.every)


@dataclass(frozen=True)
class multi_step(Schedule):
    """Multiplied by `factor` at each of the steps in `milestones`."""

    lr: float
    milestones: tuple[int, ...]
    factor: float = 0.1

    def __init__(self, lr: float, milestones: Sequence[int], factor: float = 0.1) -> None:
        object.__setattr__(self, "lr", lr)
        object.__setattr__(self, "milestones", tuple(milestones))
        object.__setattr__(self, "factor", factor)
        check_not_negative("lr", lr)
        check_positive("factor", factor)
        for milestone in self.milestones:
            as_count("milestones", milestone)
        if list(self.milestones) != sorted(self.milestones):
            raise ValueError(f"milestones must not fall, got {self.milestones}")

    def __call__(self, step: int) -> float:
        return self.lr * self.factor ** sum(step >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class exponential(Schedule):
    """``lr * factor^step``."""

    lr: float
    factor: float

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr)
        check_positive("factor", self.factor)

    def __call__(self, step: int) -> float:
        return self.lr * self.factor**step


@dataclass(frozen=True)
class polynomial(Schedule):
    """``end + (lr - end) (1 - step / steps)^power``; `end` from step `steps` on."""

    lr: float
    steps: int
    power: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr)
        as_count("steps", self.steps)
        check_positive("power", self.power)
        check_not_negative("end", self.end)

    def __call__(self, step: int) -> float:
        left = 1 - min(step, self.steps) / self.steps
        scale: float = left**self.power
        return self.end + (self.lr - self.end) * scale


@dataclass(frozen=True)
class linear(Schedule):
    """A straight line from `lr` at step 0 to `end` at step `steps`, and `end` from there on."""

    lr: float
    steps: int
    end: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr)
        as_count("steps", self.steps)
        check_not_negative("end", self.end)

    def __call__(self, step: int) -> float:
        return self.lr + (self.end - self.lr) * (min(step, self.steps) / self.steps)


@dataclass(frozen=True)
class inverse_time(Schedule):
    """``lr / (1 + rate * step)``."""

    lr: float
    rate: float

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr)
        check_not_negative("rate", self.rate)

    def __call__(self, step: int) -> float:
        return self.lr / (1 + self.rate * step)


def _half_cosine(high: float, low: float, share: float) -> float:
    """From `high` at share 0 to `low` at share 1 along half a cosine."""
    return low + 0.5 * (high - low) * (1 + math.cos(math.pi * share))


@dataclass(frozen=True)
class cosine(Schedule):
    """Half a cosine from `lr` at step 0 to `end` at step `steps`, and `end` from there on.

    ``end + (lr - end) (1 + cos(pi step / steps)) / 2``
    """

    lr: float
    steps: int
    end: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr)
        as_count("steps", self.steps)
        check_not_negative("end", self.end)

    def __call__(self, step: int) -> float:
        return _half_cosine(self.lr, self.end, min(step, self.steps) / self.steps)


@dataclass(frozen=True)
class cosine_restarts(Schedule):
    """SGDR: half a cosine from `lr` to `end`, over and over.

    The first cycle takes `T0` steps, each next one `T_mult` times as many as the one before.

    References
    ----------
    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2016,
    arXiv:1608.03983.
    """

    lr: float
    T0: int
    T_mult: int = 1
    end: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr)
        as_count("T0", self.T0)
        as_count("T_mult", self.T_mult)
        check_not_negative("end", self.end)

    def __call__(self, step: int) -> float:
        length = self.T0
        if self.T_mult == 1:
            step %= length
        while step >= length:
            step -= length
            length *= self.T_mult
        return _half_cosine(self.lr, self.end, step / length)


@dataclass(frozen=True)
class geometric_restarts(Schedule):
    """``lr (lr / lr_max)^floor(step / T)``: a rate that changes by the same ratio every `T` steps.

    A form of SGDR found in tutorials. With `lr_max` above `lr` the rate falls; the published form
    is `cosine_restarts`.
    """

    lr: float
    lr_max: float
    T: int

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr)
        check_positive("lr_max", self.lr_max)
        as_count("T", self.T)

    def __call__(self, step: int) -> float:
        return self.lr * (self.lr / self.lr_max) ** (step // self.T)


@dataclass(frozen=True)
class warmup(Schedule):
    """A straight line from `start` up to the first rate of `then` in `steps` steps, then `then`.

    `then` counts its own steps from 0 when the warm-up ends.
    """

    steps: int
    then: Schedule
    start: float = 0.0

    def __post_init__(self) -> None:
        as_count("steps", self.steps)
        _check_schedule("then", self.then)
        check_not_negative("start", self.start)

    def __call__(self, step: int) -> float:
        if step >= self.steps:
            return self.then(step - self.steps)
        return self.start + (self.then(0) - self.start) * (step / self.steps)


@dataclass(frozen=True)
class sequence(Schedule):
    """One schedule after another: the next takes over at each of the steps in `boundaries`.

    Each counts its own steps from 0 when it takes over.
    """

    schedules: tuple[Schedule, ...]
    boundaries: tuple[int, ...]

    def __init__(self, schedules: Sequence[Schedule], boundaries: Sequence[int]) -> None:
        object.__setattr__(self, "schedules", tuple(schedules))
        object.__setattr__(self, "boundaries", tuple(boundaries))
        if len(self.boundaries) != len(self.schedules) - 1:
            raise ValueError(
                f"{len(self.schedules)} schedules need {len(self.schedules) - 1} boundaries, "
                f"got {len(self.boundaries)}"
            )
        for schedule in self.schedules:
            _check_schedule("schedules", schedule)
        for boundary in self.boundaries:
            as_count("boundaries", boundary)
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError(f"boundaries must rise, got {self.boundaries}")

    def __call__(self, step: int) -> float:
        started = sum(step >= boundary for boundary in self.boundaries)
        start = self.boundaries[started - 1] if started else 0
        return self.schedules[started](step - start)
