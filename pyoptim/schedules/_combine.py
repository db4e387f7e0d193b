"""Combinations of schedules: in sequence, or multiplied."""

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
    """A linear warmup from `start` to the first rate of another schedule, then that schedule.

    ``start + (then(0) - start) step / steps``, then ``then(step - steps)``. So the steps of `then`
    count from 0 at the end of the warmup.

    Parameters
    ----------
    steps : int, at least 1
        Number of steps of the warmup.
    then : schedule
        Schedule after the warmup, or another function of the step.
    start : float, at least 0
        Initial learning rate.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If `then` is not callable.

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
    """WSD: a warmup, then a constant rate, then a decay.

    The constant rate does not depend on the length of the run. So you can continue training from
    any step in this phase, or start the decay there. At the fraction t of `decay_steps`, the decay
    is ``end + (lr - end) f(t)`` with f(t) = ``1 - sqrt(t)``, ``1 - t`` or ``(1 + cos(pi t)) / 2``.

    Parameters
    ----------
    lr : float, at least 0
        Learning rate of the constant phase.
    warmup_steps : int, at least 0
        Number of steps from `start` to `lr`.
    stable_steps : int, at least 0
        Number of steps at `lr`.
    decay_steps : int, at least 1
        Number of steps from `lr` to `end`.
    shape : "1-sqrt", "linear" or "cosine"
        Shape of the decay.
    end : float, at least 0
        Final learning rate, also for later steps.
    start : float, at least 0
        Initial learning rate, if there is a warmup.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Hu et al., MiniCPM: Unveiling the Potential of Small Language Models, 2024, arXiv:2404.06395;
    Hagele et al., Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations,
    2024, arXiv:2405.18392, who find 1-sqrt to be the best shape.

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
        done = min(max(decayed, 0), self.decay_steps) / self.decay_steps
        if self.shape == "1-sqrt":
            left = 1 - math.sqrt(done)
        else:
            left = half_cosine(done) if self.shape == "cosine" else 1 - done
        return between(self.lr, self.end, left)


@dataclass(frozen=True)
class sequence(Schedule):
    """Schedules in sequence: the next one starts at each step of `boundaries`.

    ``schedules[i](step - boundaries[i - 1])`` from ``boundaries[i - 1]`` on. So the steps of each
    schedule count from 0 at its start.

    Parameters
    ----------
    schedules : sequence of schedules
        Schedules, or other functions of the step; at least one.
    boundaries : sequence of int, at least 1
        Increasing steps, one fewer than schedules.

    Raises
    ------
    ValueError
        If the boundaries do not increase, or their number does not fit.
    TypeError
        If a schedule is not callable.

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
                f"boundaries: expected {len(self.schedules) - 1} for {len(self.schedules)} "
                f"schedules, got {len(self.boundaries)}"
            )
        if list(self.boundaries) != sorted(set(self.boundaries)):
            raise ValueError(f"boundaries: expected increasing steps, got {self.boundaries}")

    def _at(self, step: int) -> float:
        started = bisect_right(self.boundaries, step)
        start = self.boundaries[started - 1] if started else 0
        return self.schedules[started](step - start)


@dataclass(frozen=True)
class chain(Schedule):
    """The product of schedules: ``schedules[0](step) * schedules[1](step) * ...``.

    One schedule gives the rate, and the others are factors around 1. All have the same step.

    Parameters
    ----------
    schedules : sequence of schedules
        Schedules, or other functions of the step; at least one.

    Raises
    ------
    ValueError
        If there is no schedule.
    TypeError
        If a schedule is not callable.

    References
    ----------
    ``torch.optim.lr_scheduler.ChainedScheduler``. It is the same product for schedulers that
    multiply the rate, which are all but those with an ``eta_min`` above 0.

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
