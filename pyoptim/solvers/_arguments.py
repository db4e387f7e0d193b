"""The arguments of `minimize`, as native solvers take them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_number, as_real, short_repr
from pyoptim.solvers._result import OptimizeResult

Float64 = npt.NDArray[np.float64]
DIFFERENCES = {"2-point": 2, "3-point": 3}

# The lowest and highest value, and whether these themselves are excluded.
_REALS: dict[str, tuple[float, float, bool]] = {
    "gtol": (0, math.inf, False),
    "ftol": (0, math.inf, False),
    "c1": (0, 1, True),
    "c2": (0, 1, True),
    "lr": (0, math.inf, True),
    "decay": (0, math.inf, False),
    "radius": (0, math.inf, True),
    "max_radius": (0, math.inf, True),
    "eta": (0, 0.25, False),
}
_COUNTS = {
    "patience": 1,
    "maxiter": 0,
    "maxfun": 1,
    "maxls": 1,
    "memory": 1,
    "max_inner": 1,
    "num_threads": 1,
}


def as_start(x0: npt.ArrayLike) -> Float64:
    """Return the start as a float64 array of one axis."""
    array = np.atleast_1d(as_real("x0", x0))
    if array.ndim > 1:
        raise ValueError(
            f"x0: expected an array of one axis, got shape {array.shape}; pass x0.ravel()"
        )
    if array.size == 0:
        raise ValueError("x0: expected at least one element, got none")
    return np.array(array, np.float64)


def as_options(options: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the options that are not None, checked."""
    numbers = []
    for name, value in options.items():
        if value is None:
            continue
        if name in _COUNTS:
            numbers.append((name, float(as_count(name, value, 2**53, minimum=_COUNTS[name]))))
            continue
        low, high, is_open = _REALS[name]
        number = as_number(name, value)
        if not (low < number < high if is_open else low <= number <= high) or math.isinf(number):
            left, right = ("(", ")") if is_open else ("[", ")" if math.isinf(high) else "]")
            raise ValueError(
                f"{name}: expected a number in {left}{low}, {high}{right}, got {value}"
            )
        numbers.append((name, number))
    return numbers


def as_bounds(bounds: Any, size: int) -> tuple[Float64, Float64] | tuple[None, None]:
    """Return lower and upper bounds, from pairs or from an object with `lb` and `ub`."""
    if bounds is None:
        return None, None
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        low, high = (np.broadcast_to(as_real("bounds", b), size) for b in (bounds.lb, bounds.ub))
    else:
        pairs: Sequence[Any] = list(bounds)
        if len(pairs) != size or any(len(pair) != 2 for pair in pairs):
            raise ValueError(
                f"bounds: expected {size} pairs of a lower and an upper bound, one for each "
                f"variable, got {len(pairs)} items"
            )
        low = as_real("bounds", [-math.inf if pair[0] is None else pair[0] for pair in pairs])
        high = as_real("bounds", [math.inf if pair[1] is None else pair[1] for pair in pairs])
    low, high = low.astype(np.float64), high.astype(np.float64)
    wrong = np.flatnonzero(~(low <= high))
    if wrong.size:
        i = wrong[0]
        raise ValueError(
            f"bounds[{i}]: expected a lower bound that is at most the upper, got "
            f"({low[i]}, {high[i]})"
        )
    return low, high


def as_objective(
    fun: Any,
    size: int,
    args: Any,
    jac: Any,
    hess: Any,
    hessp: Any,
    low: Float64 | None,
    high: Float64 | None,
) -> _core.Objective:
    """Return the native objective of a function, or a native objective as it is."""
    native = getattr(fun, "native", fun)  # of a LinearObjective
    if isinstance(native, _core.Objective):
        fun = native
    if isinstance(fun, _core.Objective):
        if fun.size != size:
            raise ValueError(f"x0: expected {fun.size} elements, got {size}")
        return fun
    if not callable(fun):
        raise TypeError(f"fun: expected a callable, got {short_repr(fun)}")
    for name, value in (("hess", hess), ("hessp", hessp)):
        if value is not None and not callable(value):
            raise TypeError(f"{name}: expected a callable or None, got {short_repr(value)}")
    differences = DIFFERENCES.get(jac, 0) if isinstance(jac, str) else 0
    if jac is not True and not callable(jac) and not differences:
        raise ValueError(
            f"jac: expected True if fun returns (value, gradient), a callable, '2-point' or "
            f"'3-point', got {short_repr(jac)}; '2-point' takes finite differences, one more "
            "evaluation for each variable"
        )
    arguments = args if isinstance(args, tuple) else (args,)
    gradient = jac if callable(jac) else None
    return _core.PythonObjective(
        size, fun, gradient, hess, hessp, arguments, differences, low, high
    )


def as_callback(callback: Any) -> Callable[[Float64, float], bool] | None:
    """Return a function that calls the callback, and returns whether to stop."""
    if callback is None:
        return None
    if not callable(callback):
        raise TypeError(f"callback: expected a callable or None, got {short_repr(callback)}")
    by_name = _takes_result(callback)

    def call(x: Float64, value: float) -> bool:
        try:
            if by_name:
                callback(intermediate_result=OptimizeResult(x=x, fun=value))
            else:
                callback(x)
        except StopIteration:
            return True
        return False

    return call


def _takes_result(callback: Callable[..., Any]) -> bool:
    """Whether the only parameter is named `intermediate_result`, as scipy decides it."""
    try:
        return set(inspect.signature(callback).parameters) == {"intermediate_result"}
    except (TypeError, ValueError):
        return False
