"""Constant learning rates, and rates that change in one direction."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from pyoptim.schedules._base import Schedule, between, count, counts, half_cosine, positive, rate


@dataclass(frozen=True)
class constant(Schedule):
    """A constant rate: ``lr``.

    Parameters
    ----------
    lr : float, at least 0
        Learning rate.

    Raises
    ------
    ValueError
        If `lr` is negative or not finite.

    Examples
    --------
    >>> import pyoptim as po
    >>> po.schedules.constant(0.1)(1000)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        self._take(rate, "lr")

    def _at(self, step: int) -> float:
        return self.lr


@dataclass(frozen=True)
class step(Schedule):
    """A staircase: the rate is multiplied by `factor` every `every` steps.

    ``lr * factor^floor(step / every)``

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    every : int, at least 1
        Number of steps between two changes.
    factor : float, above 0
        Factor of the learning rate.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    ``torch.optim.lr_scheduler.StepLR``.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.step(1.0, every=30, factor=0.5)
    >>> schedule(29), schedule(30), schedule(60)
    (1.0, 0.5, 0.25)
    """

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        self._take(rate, "lr")
        self._take(count, "every")
        self._take(positive, "factor")

    def _at(self, step: int) -> float:
        return self.lr * self.factor ** (step // self.every)


@dataclass(frozen=True)
class multi_step(Schedule):
    """A staircase: the rate is multiplied by `factor` at each of the `milestones`.

    ``lr * factor^(number of milestones <= step)``

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    milestones : sequence of int, at least 1
        Nondecreasing steps at which the rate is multiplied. A step that occurs twice counts twice.
    factor : float, above 0
        Factor of the learning rate.

    Raises
    ------
    ValueError
        If an argument is out of range, or the milestones decrease.

    References
    ----------
    ``torch.optim.lr_scheduler.MultiStepLR``; He et al., Deep Residual Learning for Image
    Recognition, 2015, arXiv:1512.03385, which uses it.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.multi_step(1.0, [30, 80], factor=0.5)
    >>> schedule(29), schedule(30), schedule(80)
    (1.0, 0.5, 0.25)
    """

    lr: float
    milestones: Sequence[int]
    factor: float = 0.1

    def __post_init__(self) -> None:
        self._take(rate, "lr")
        self._take(counts, "milestones")
        self._take(positive, "factor")
        if list(self.milestones) != sorted(self.milestones):
            raise ValueError(
                f"milestones: expected steps that do not decrease, got {self.milestones}"
            )

    def _at(self, step: int) -> float:
        return self.lr * self.factor ** bisect_right(self.milestones, step)


@dataclass(frozen=True)
class exponential(Schedule):
    """The rate is multiplied by `factor` at every step: ``lr * factor^step``.

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    factor : float, above 0
        Factor of each step. The rate decreases if it is below 1.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    ``torch.optim.lr_scheduler.ExponentialLR``.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.exponential(1.0, factor=0.5)
    >>> schedule(0), schedule(1), schedule(3)
    (1.0, 0.5, 0.125)
    """

    lr: float
    factor: float

    def __post_init__(self) -> None:
        self._take(rate, "lr")
        self._take(positive, "factor")

    def _at(self, step: int) -> float:
        return self.lr * self.factor**step


@dataclass(frozen=True)
class linear(Schedule):
    """A straight line from `lr` at step 0 to `end` at step `steps`, then `end`.

    ``lr + (end - lr) step / steps``

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    steps : int, at least 1
        Number of steps until `end`.
    end : float, at least 0
        Final learning rate, below or above `lr`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    ``torch.optim.lr_scheduler.LinearLR``; Defazio et al., Optimal Linear Decay Learning Rate
    Schedules and Further Refinements, 2023, arXiv:2310.07831.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.linear(1.0, steps=100)
    >>> schedule(0), schedule(25), schedule(100), schedule(200)
    (1.0, 0.75, 0.0, 0.0)
    """

    lr: float
    steps: int
    end: float = 0.0

    def __post_init__(self) -> None:
        self._take(rate, "lr", "end")
        self._take(count, "steps")

    def _at(self, step: int) -> float:
        return between(self.lr, self.end, max(self.steps - step, 0) / self.steps)


@dataclass(frozen=True)
class polynomial(Schedule):
    """A polynomial decay from `lr` to `end` in `steps` steps, then `end`.

    ``end + (lr - end) (1 - step / steps)^power``

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    steps : int, at least 1
        Number of steps until `end`.
    power : float, above 0
        Exponent: 1 gives a straight line, 2 a parabola.
    end : float, at least 0
        Final learning rate.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    ``torch.optim.lr_scheduler.PolynomialLR``; Chen et al., DeepLab, 2016, arXiv:1606.00915.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.polynomial(1.0, steps=100, power=2)
    >>> schedule(0), schedule(50), schedule(100), schedule(200)
    (1.0, 0.25, 0.0, 0.0)
    """

    lr: float
    steps: int
    power: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        self._take(rate, "lr", "end")
        self._take(count, "steps")
        self._take(positive, "power")

    def _at(self, step: int) -> float:
        left = max(self.steps - step, 0) / self.steps
        return between(self.lr, self.end, left**self.power)


@dataclass(frozen=True)
class inverse_time(Schedule):
    """A rate that decreases like 1 / step: ``lr / (1 + rate * step)``.

    The sum of the rates over all steps is infinite, and the sum of their squares is finite. Classic
    proofs of convergence need both.

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    rate : float, at least 0
        Decay: after 1 / rate steps, the learning rate is half of `lr`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Robbins and Monro, A Stochastic Approximation Method, 1951; Bottou, Large-Scale Machine
    Learning with Stochastic Gradient Descent, 2010.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.inverse_time(1.0, rate=0.1)
    >>> schedule(0), schedule(10), schedule(30)
    (1.0, 0.5, 0.25)
    """

    lr: float
    rate: float

    def __post_init__(self) -> None:
        self._take(rate, "lr", "rate")

    def _at(self, step: int) -> float:
        return self.lr / (1 + self.rate * step)


@dataclass(frozen=True)
class cosine(Schedule):
    """Half a cosine from `lr` at step 0 to `end` at step `steps`, then `end`.

    ``end + (lr - end) (1 + cos(pi step / steps)) / 2``

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    steps : int, at least 1
        Number of steps until `end`.
    end : float, at least 0
        Final learning rate.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    ``torch.optim.lr_scheduler.CosineAnnealingLR``, which rises again after `steps`; Loshchilov
    and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2016, arXiv:1608.03983.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.cosine(1.0, steps=100, end=0.5)
    >>> schedule(0), schedule(50), schedule(100), schedule(200)
    (1.0, 0.75, 0.5, 0.5)
    """

    lr: float
    steps: int
    end: float = 0.0

    def __post_init__(self) -> None:
        self._take(rate, "lr", "end")
        self._take(count, "steps")

    def _at(self, step: int) -> float:
        return between(self.lr, self.end, half_cosine(min(step, self.steps) / self.steps))
