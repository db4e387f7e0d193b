"""The result of a minimization."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pyoptim import _core

_ORDER = ("message", "success", "status", "fun", "x", "nit", "jac", "nfev", "njev", "nhev")


class OptimizeResult(dict[str, Any]):
    """The result of a minimization: a dict whose keys are attributes, like scipy's.

    Attributes
    ----------
    x : array
        The best point.
    fun, jac : float, array
        The objective and its gradient at `x`.
    success : bool
        Whether the run converged.
    status : int
        0 if the run converged, 1 at the limit of iterations or evaluations, 2 if no step decreases
        the objective, 3 if the objective is not finite at the start, 99 if the callback stopped
        the run.
    message : str
        The reason in words.
    nit, nfev, njev, nhev : int
        The numbers of iterations, and of evaluations of the objective, its gradient and its
        Hessian. All count from the start of the run, also if it was continued.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["_state"] = None

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __dir__(self) -> list[str]:
        return [*self, "state"]

    @property
    def state(self) -> dict[str, Any] | None:
        """The state of the run: a dict of numbers, arrays and the name of the method.

        Pass the state to `minimize` to continue. It is None for results of a callback.
        """
        source: _core.Solver | dict[str, Any] | None = self.__dict__["_state"]
        if isinstance(source, _core.Solver):
            source = self.__dict__["_state"] = source.state()
        return source

    def __reduce__(self) -> tuple[Any, ...]:
        return restore, (type(self), dict(self), self.state)

    def __copy__(self) -> OptimizeResult:
        return restore(type(self), dict(self), self.state)

    def __repr__(self) -> str:
        if not self:
            return f"{type(self).__name__}()"
        width = max(map(len, self)) + 1
        return "\n".join(f"{k.rjust(width)}: {_text(self[k], width + 2)}" for k in self._keys())

    def _keys(self) -> Iterator[str]:
        yield from (key for key in _ORDER if key in self)
        yield from (key for key in self if key not in _ORDER)


def _text(value: Any, indent: int) -> str:
    """Return a value in words, short if it is a large array."""
    if isinstance(value, float):
        return str(value)
    with np.printoptions(linewidth=76 - indent, edgeitems=2, threshold=12, precision=3):
        return str(value).replace("\n", "\n" + " " * indent)


def restore(
    kind: type[OptimizeResult],
    items: dict[str, Any],
    state: _core.Solver | dict[str, Any] | None,
) -> OptimizeResult:
    result = kind(items)
    result.__dict__["_state"] = state
    return result
