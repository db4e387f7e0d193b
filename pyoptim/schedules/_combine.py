"""Schedules made of parts: one after another, or multiplied."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pyoptim._utils.validation import check_choice
from pyoptim.schedules._base import (
    Schedule,
    between,
    count,
    count_or_zero,
    counts,
    half_cosine,
    rate,
    schedule,
    schedules,
)


@dataclass(frozen=True)
class warmup(Schedule):
    """A straight line from `start` up to the first rate of `then` in `steps` steps, then `then`.

    ``start + (then(0) - start) step / steps``, then ``then(step - steps)``: `then` counts its own
    steps from 0 when the warm-up ends.

    Parameters
    ----------
    steps : int, at least 1
        Steps of the warm-up.
    then : schedule
        What follows; any function of the step.
    start : float, at least 0
        The first rate.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If `then` is no function.

    References
    ----------
    Goyal et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, 2017,
    arXiv:1706.02677.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.warmup(10, then=po.schedules.linear(1.0, steps=100))
    >>> schedule(0), schedule(5), schedule(10), schedule(60)
    (0.0, 0.5, 1.0, 0.5)
    """

    steps: int
    then: Callable[[int], float]
    start: float = 0.0

    def __post_init__(self) -> None:
        self._take(count, "steps")
        self._take(schedule, "then")
        self._take(rate, "start")

    def _at(self, step: int) -> float:
        if step >= self.steps:
            return self.then(step - self.steps)
        return between(self.then(0), self.start, step / self.steps)


@dataclass(frozen=True)
class warmup_stable_decay(Schedule):
    """WSD: a warm-up, then a constant rate, then a decay at the end.

    The rate in the middle does not depend on how long it lasts: training can continue from any
    step there, or end with the decay. With t the fraction of `decay_steps` that is done, the
    decay is ``end + (lr - end) f(t)``, f(t) = ``1 - sqrt(t)``, ``1 - t`` or
    ``(1 + cos(pi t)) / 2``.

    Parameters
    ----------
    lr : float, at least 0
        The rate in the middle.
    warmup_steps : int, at least 0
        Steps of the straight line from `start` to `lr`.
    stable_steps : int, at least 0
        Steps at `lr`.
    decay_steps : int, at least 1
        Steps from `lr` to `end`.
    shape : "1-sqrt", "linear" or "cosine"
        The shape of the decay.
    end : float, at least 0
        The last rate, which stays.
    start : float, at least 0
        The first rate, if there is a warm-up.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Hu et al., MiniCPM: Unveiling the Potential of Small Language Models, 2024, arXiv:2404.06395;
    Hagele et al., Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations,
    2024, arXiv:2405.18392, compare the shapes and find 1-sqrt the best.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.warmup_stable_decay(
    ...     1.0, warmup_steps=10, stable_steps=70, decay_steps=20
    ... )
    >>> schedule(5), schedule(10), schedule(80), schedule(85), schedule(100)
    (0.5, 1.0, 1.0, 0.5, 0.0)
    """

    lr: float
    warmup_steps: int
    stable_steps: int
    decay_steps: int
    shape: Literal["1-sqrt", "linear", "cosine"] = "1-sqrt"
    end: float = 0.0
    start: float = 0.0

    def __post_init__(self) -> None:
        self._take(rate, "lr", "end", "start")
        self._take(count_or_zero, "warmup_steps", "stable_steps")
        self._take(count, "decay_steps")
        check_choice("shape", self.shape, "1-sqrt", "linear", "cosine")

    def _at(self, step: int) -> float:
        if step < self.warmup_steps:
            return between(self.lr, self.start, step / self.warmup_steps)
        decayed = step - self.warmup_steps - self.stable_steps
        share = min(max(decayed, 0), self.decay_steps) / self.decay_steps
        if self.shape == "1-sqrt":
            left = 1 - math.sqrt(share)
        else:
            left = half_cosine(share) if self.shape == "cosine" else 1 - share
        return between(self.lr, self.end, left)


@dataclass(frozen=True)
class sequence(Schedule):
    """One schedule after another: the next takes over at each of the steps in `boundaries`.

    ``schedules[i](step - boundaries[i - 1])`` from ``boundaries[i - 1]`` on: each counts its own
    steps from 0 when it takes over.

    Parameters
    ----------
    schedules : sequence of schedules
        At least one; any functions of the step.
    boundaries : sequence of int, at least 1
        Rising steps, one less than schedules.

    Raises
    ------
    ValueError
        If the boundaries do not rise, or their number does not fit.
    TypeError
        If one of the schedules is no function.

    References
    ----------
    ``torch.optim.lr_scheduler.SequentialLR``, ``optax.join_schedules``.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.sequence(
    ...     [po.schedules.constant(1.0), po.schedules.linear(1.0, steps=20)], boundaries=[100]
    ... )
    >>> schedule(99), schedule(100), schedule(110), schedule(120)
    (1.0, 1.0, 0.5, 0.0)
    """

    schedules: Sequence[Callable[[int], float]]
    boundaries: Sequence[int]

    def __post_init__(self) -> None:
        self._take(schedules, "schedules")
        self._take(counts, "boundaries")
        if len(self.boundaries) != len(self.schedules) - 1:
            raise ValueError(
                f"{len(self.schedules)} schedules need {len(self.schedules) - 1} boundaries, "
                f"got {len(self.boundaries)}"
            )
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError(f"boundaries must rise, got {self.boundaries}")

    def _at(self, step: int) -> float:
        started = bisect_right(self.boundaries, step)
        start = self.boundaries[started - 1] if started else 0
        return self.schedules[started](step - start)


@dataclass(frozen=True)
class chain(Schedule):
    """All schedules at once, multiplied: ``schedules[0](step) * schedules[1](step) * ...``.

    One gives the rate, the others are factors of it, around 1. All count the same steps.

    Parameters
    ----------
    schedules : sequence of schedules
        At least one; any functions of the step.

    Raises
    ------
    ValueError
        If there is none.
    TypeError
        If one is no function.

    References
    ----------
    ``torch.optim.lr_scheduler.ChainedScheduler``: the same product where its schedulers multiply
    the rate (all but those with an ``eta_min`` above 0).

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.chain(
    ...     [po.schedules.step(1.0, every=50, factor=0.5), po.schedules.linear(1.0, steps=100)]
    ... )
    >>> schedule(0), schedule(25), schedule(50), schedule(100)
    (1.0, 0.75, 0.25, 0.0)
    """

    schedules: Sequence[Callable[[int], float]]

    def __post_init__(self) -> None:
        self._take(schedules, "schedules")

    def _at(self, step: int) -> float:
        return math.prod(factor(step) for factor in self.schedules)
