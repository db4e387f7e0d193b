"""Cyclic learning rates and warm restarts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, SupportsIndex

from pyoptim._utils.validation import as_flag, check_choice
from pyoptim.schedules._base import Schedule, between, count, half_cosine, positive, rate


@dataclass(frozen=True)
class cosine_restarts(Schedule):
    """SGDR: repeated half cosines from `lr` to `end`.

    ``end + (lr - end) (1 + cos(pi t / T)) / 2`` at step t of a cycle of T steps. The first cycle
    has `T0` steps, and each following one `T_mult` times as many as the previous one.

    Parameters
    ----------
    lr : float, at least 0
        Learning rate at the start of each cycle.
    T0 : int, at least 1
        Number of steps of the first cycle.
    T_mult : int, at least 1
        Ratio of the lengths of a cycle and the previous one.
    end : float, at least 0
        Learning rate at the end of each cycle.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2016,
    arXiv:1608.03983; ``torch.optim.lr_scheduler.CosineAnnealingWarmRestarts``.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.cosine_restarts(1.0, T0=10, T_mult=2)
    >>> schedule(0), schedule(10), schedule(30)
    (1.0, 1.0, 1.0)
    """

    lr: float
    T0: int
    T_mult: int = 1
    end: float = 0.0

    def __post_init__(self) -> None:
        self._take(rate, "lr", "end")
        self._take(count, "T0", "T_mult")

    def _at(self, step: int) -> float:
        length = self.T0
        if self.T_mult == 1:
            step %= length
        while step >= length:
            step -= length
            length *= self.T_mult
        return between(self.lr, self.end, half_cosine(step / length))


@dataclass(frozen=True)
class geometric_restarts(Schedule):
    """A rate that changes by the same ratio every `T` steps: ``lr (lr / lr_max)^floor(step / T)``.

    This form of SGDR is common in tutorials. The rate decreases if `lr_max` is above `lr`. The
    published form is `cosine_restarts`.

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    lr_max : float, above 0
        Denominator of the factor lr / lr_max of the learning rate.
    T : int, at least 1
        Number of steps between two changes.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.geometric_restarts(0.5, lr_max=1.0, T=10)
    >>> schedule(0), schedule(10), schedule(20)
    (0.5, 0.25, 0.125)
    """

    lr: float
    lr_max: float
    T: int

    def __post_init__(self) -> None:
        self._take(rate, "lr")
        self._take(positive, "lr_max")
        self._take(count, "T")

    def _at(self, step: int) -> float:
        return self.lr * (self.lr / self.lr_max) ** (step // self.T)


class Cycle(Schedule, ABC):
    """A rate that rises and falls, with a momentum that changes in the opposite direction."""

    def height(self, step: SupportsIndex) -> float:
        """Return the height of a step in the cycle: 0 at the minimum, 1 at the maximum."""
        return self._evaluate(self._height, step)

    @abstractmethod
    def _height(self, step: int) -> float:
        """Return the height of a valid step."""


@dataclass(frozen=True, repr=False)
class CycleMomentum(Schedule):
    """The momentum opposite to a cycle, as returned by the method `momentum` of the cycle."""

    cycle: Cycle
    base_momentum: float
    max_momentum: float

    def __post_init__(self) -> None:
        self._take(rate, "base_momentum", "max_momentum")

    def _at(self, step: int) -> float:
        return between(self.base_momentum, self.max_momentum, self.cycle.height(step))

    def __repr__(self) -> str:
        return (
            f"{self.cycle!r}.momentum(base_momentum={self.base_momentum!r}, "
            f"max_momentum={self.max_momentum!r})"
        )


@dataclass(frozen=True)
class one_cycle(Cycle):
    """Super-convergence: one cycle up to a large rate and down to a very small one.

    The rate rises from ``max_lr / div_factor`` at step 0 to `max_lr` at step
    ``pct_start * steps - 1``. Then it falls to ``max_lr / div_factor / final_div_factor`` at step
    ``steps - 1``, and stays there. With `three_phase`, the fall to the initial rate takes as many
    steps as the rise, and the remaining steps lead to the final rate. Each phase is half a cosine
    or a straight line.

    Parameters
    ----------
    max_lr : float, at least 0
        Maximum learning rate.
    steps : int, at least 1
        Number of steps of the cycle.
    pct_start : float, from 0 to 1
        Fraction of the steps for the rise, at most 0.5 with `three_phase`.
    anneal_strategy : "cosine" or "linear"
        Shape of each phase.
    div_factor : float, above 0
        Ratio of `max_lr` to the initial rate.
    final_div_factor : float, above 0
        Ratio of the initial rate to the final rate.
    three_phase : bool
        Whether the fall has two phases, as in the paper.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Smith and Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates, 2017, arXiv:1708.07120; ``torch.optim.lr_scheduler.OneCycleLR``, with the same
    rates and defaults.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> cycle = po.schedules.one_cycle(1.0, steps=100, div_factor=10, final_div_factor=100)
    >>> cycle(0), cycle(29), cycle(99)
    (0.1, 1.0, 0.001)
    >>> opt = po.SGD([np.zeros(3)], lr=cycle, momentum=cycle.momentum(0.85, 0.95))
    """

    max_lr: float
    steps: int
    pct_start: float = 0.3
    anneal_strategy: Literal["cosine", "linear"] = "cosine"
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    three_phase: bool = False

    def __post_init__(self) -> None:
        self._take(rate, "max_lr", "pct_start")
        self._take(count, "steps")
        self._take(positive, "div_factor", "final_div_factor")
        self._take(as_flag, "three_phase")
        check_choice("anneal_strategy", self.anneal_strategy, "cosine", "linear")
        limit, when = (0.5, " with three_phase") if self.three_phase else (1, "")
        if self.pct_start > limit:
            raise ValueError(f"pct_start must be at most {limit}{when}, got {self.pct_start}")

    def _at(self, step: int) -> float:
        phase, left = self._phase(step)
        initial = self.max_lr / self.div_factor
        final = initial / self.final_div_factor
        corners = (initial, self.max_lr, *([initial] if self.three_phase else []), final)
        return between(corners[phase], corners[phase + 1], left)

    def _height(self, step: int) -> float:
        phase, left = self._phase(step)
        corners = (0.0, 1.0, 0.0, 0.0)
        return between(corners[phase], corners[phase + 1], left)

    def _phase(self, step: int) -> tuple[int, float]:
        """Return the phase of a step, and the remaining part of that phase."""
        last = self.steps - 1
        top = self.pct_start * self.steps - 1
        ends = (top, 2 * top, last) if self.three_phase else (top, last)
        step = min(step, last)
        phase = next(i for i, end in enumerate(ends) if step <= end)
        start, end = (0, *ends)[phase], ends[phase]
        done = (step - start) / (end - start) if end > start else 1
        return phase, half_cosine(done) if self.anneal_strategy == "cosine" else 1 - done

    def momentum(self, base_momentum: float = 0.85, max_momentum: float = 0.95) -> Schedule:
        """Return a momentum that falls while the rate rises.

        It is `max_momentum` at the initial and final rate, and `base_momentum` at `max_lr`. Pass it
        as ``momentum``, or as ``beta1`` of optimizers such as Adam.

        Parameters
        ----------
        base_momentum, max_momentum : float, at least 0
            Minimum and maximum momentum.

        Raises
        ------
        ValueError
            If a momentum is negative or not finite.

        Examples
        --------
        >>> import pyoptim as po
        >>> momentum = po.schedules.one_cycle(0.1, steps=100).momentum()
        >>> momentum(0), momentum(29), momentum(99)
        (0.95, 0.85, 0.95)
        """
        return CycleMomentum(self, base_momentum, max_momentum)


@dataclass(frozen=True)
class cyclic(Cycle):
    """Triangular cycles between two rates.

    ``base_lr + (max_lr - base_lr) h s``, where h rises from 0 to 1 in `step_size_up` steps and
    falls to 0 in `step_size_down` steps. The scale s is 1 (triangular), ``1 / 2^cycle``
    (triangular2), or ``gamma^step`` (exp_range).

    Parameters
    ----------
    base_lr : float, at least 0
        Minimum learning rate.
    max_lr : float, at least 0
        Maximum learning rate of the first cycle.
    step_size_up : int, at least 1
        Number of steps of the rise.
    step_size_down : int, at least 1, optional
        Number of steps of the fall. By default `step_size_up`.
    mode : "triangular", "triangular2" or "exp_range"
        Scale of the cycles.
    gamma : float, above 0
        Base of the scale for exp_range.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Smith, Cyclical Learning Rates for Training Neural Networks, 2015, arXiv:1506.01186;
    ``torch.optim.lr_scheduler.CyclicLR``, with the same rates and defaults.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.cyclic(0.0, 1.0, step_size_up=10, mode="triangular2")
    >>> [schedule(step) for step in (0, 5, 10, 20, 30, 50)]
    [0.0, 0.5, 1.0, 0.0, 0.5, 0.25]
    """

    base_lr: float
    max_lr: float
    step_size_up: int = 2000
    step_size_down: int | None = None
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: float = 1.0

    def __post_init__(self) -> None:
        self._take(rate, "base_lr", "max_lr")
        self._take(count, "step_size_up")
        if self.step_size_down is not None:
            self._take(count, "step_size_down")
        check_choice("mode", self.mode, "triangular", "triangular2", "exp_range")
        self._take(positive, "gamma")

    def _at(self, step: int) -> float:
        return between(self.max_lr, self.base_lr, self._height(step))

    def _height(self, step: int) -> float:
        up, down = self.step_size_up, self.step_size_down or self.step_size_up
        cycle, position = divmod(step, up + down)
        height = position / up if position <= up else (up + down - position) / down
        if self.mode == "triangular2":
            return math.ldexp(height, -cycle)
        return height * self.gamma**step if self.mode == "exp_range" else height

    def momentum(self, base_momentum: float = 0.8, max_momentum: float = 0.9) -> Schedule:
        """Return a momentum that falls while the rate rises.

        It is `max_momentum` at `base_lr` and `base_momentum` at `max_lr`. Pass it as ``momentum``,
        or as ``beta1`` of optimizers such as Adam.

        Parameters
        ----------
        base_momentum, max_momentum : float, at least 0
            Minimum and maximum momentum.

        Raises
        ------
        ValueError
            If a momentum is negative or not finite.

        Examples
        --------
        >>> import pyoptim as po
        >>> momentum = po.schedules.cyclic(0.01, 0.1, step_size_up=10).momentum()
        >>> momentum(0), momentum(10), momentum(20)
        (0.9, 0.8, 0.9)
        """
        return CycleMomentum(self, base_momentum, max_momentum)
