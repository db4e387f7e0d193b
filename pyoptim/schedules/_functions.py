"""Learning rates given by a function of the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType

from pyoptim._utils.validation import as_number
from pyoptim.schedules._base import Schedule, rate, schedule


def _shown(function: object) -> str:
    """Return the name of a module's function, or the file and line of a nameless one."""
    if isinstance(function, BuiltinFunctionType):
        return function.__qualname__
    if not isinstance(function, FunctionType):
        return repr(function)
    if "<" not in function.__qualname__:
        return function.__qualname__
    code = function.__code__
    name, file = function.__name__.strip("<>"), PurePath(code.co_filename).name
    return f"<{name} at {file}:{code.co_firstlineno}>"


@dataclass(frozen=True, repr=False)
class lambda_(Schedule):
    """Any function of the step, times `lr`: ``lr * function(step)``.

    Two of them are equal if their functions are the same. Pickling needs a function with a name in
    a module.

    Parameters
    ----------
    function : callable
        Function of the step that returns the rate, or a factor of `lr`.
    lr : float, at least 0
        Factor of the function.

    Raises
    ------
    ValueError
        If `lr` is negative or not finite.
    TypeError
        If `function` is not callable, or does not return a number.

    References
    ----------
    ``torch.optim.lr_scheduler.LambdaLR``.

    Examples
    --------
    >>> import pyoptim as po
    >>> def falling(step):
    ...     return 1 / (1 + step) ** 0.5
    >>> schedule = po.schedules.lambda_(falling, lr=0.5)
    >>> schedule(0), schedule(3), schedule(24)
    (0.5, 0.25, 0.1)
    >>> schedule
    lambda_(function=falling, lr=0.5)
    """

    function: Callable[[int], float]
    lr: float = 1.0

    def __post_init__(self) -> None:
        self._take(schedule, "function")
        self._take(rate, "lr")

    def _at(self, step: int) -> float:
        return self.lr * as_number(f"function({step})", self.function(step))

    def __repr__(self) -> str:
        return f"lambda_(function={_shown(self.function)}, lr={self.lr!r})"


@dataclass(frozen=True, repr=False)
class multiplicative(Schedule):
    """The rate is multiplied by a different factor at every step.

    ``lr * function(1) * function(2) * ... * function(step)``

    Consecutive steps cost one multiplication each. Going back repeats all multiplications.

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    function : callable
        Function of the step, counted from 1, that returns its factor. Pickling needs a function
        with a name in a module.

    Raises
    ------
    ValueError
        If `lr` is negative or not finite.
    TypeError
        If `function` is not callable, or does not return a number.

    References
    ----------
    ``torch.optim.lr_scheduler.MultiplicativeLR``.

    Examples
    --------
    >>> import pyoptim as po
    >>> schedule = po.schedules.multiplicative(1.0, lambda step: 0.5 if step < 3 else 1.0)
    >>> schedule(0), schedule(1), schedule(2), schedule(100)
    (1.0, 0.5, 0.25, 0.25)
    """

    lr: float
    function: Callable[[int], float]
    _reached: tuple[int, float] = field(init=False, compare=False, default=(0, 1.0))

    def __post_init__(self) -> None:
        self._take(rate, "lr")
        self._take(schedule, "function")
        object.__setattr__(self, "_reached", (0, self.lr))

    def _at(self, step: int) -> float:
        reached, value = self._reached
        if step < reached:
            reached, value = 0, self.lr
        for i in range(reached + 1, step + 1):
            value *= as_number(f"function({i})", self.function(i))
        object.__setattr__(self, "_reached", (step, value))
        return value

    def __repr__(self) -> str:
        return f"multiplicative(lr={self.lr!r}, function={_shown(self.function)})"
