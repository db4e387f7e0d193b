"""One run of a native solver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.validation import as_number, short_repr
from pyoptim.solvers._arguments import as_bounds, as_callback, as_objective, as_options, as_start
from pyoptim.solvers._result import OptimizeResult, restore

CONVERGED = 0


def solve(
    method: str,
    fun: Any,
    x0: npt.ArrayLike | None,
    args: Any,
    *,
    jac: Any,
    callback: Any,
    state: Mapping[str, Any] | None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    line_search: str = "strong_wolfe",
    rule: str = "",
    hyperparameters: Mapping[str, Any] | None = None,
    options: Mapping[str, Any],
) -> OptimizeResult:
    """Minimize by a method, and return the result."""
    if constraints is not None and np.size(constraints) > 0:
        raise ValueError(f"constraints: not supported by {method}, got {short_repr(constraints)}")
    if state is not None:
        if not isinstance(state, Mapping) or "x" not in state:
            raise TypeError(f"state: expected the state of a result, got {short_repr(state)}")
        size = np.size(state["x"])
        if x0 is not None and as_start(x0).size != size:
            raise ValueError(f"x0: expected {size} elements as in state, got {np.size(x0)}")
        start = None
    elif x0 is None:
        raise ValueError("x0: expected an array, got None; only a run with state needs no x0")
    else:
        start = as_start(x0)
        size = start.size
    chosen = dict(options)
    if tol is not None:
        chosen["gtol"] = tol
    if not isinstance(line_search, str):
        raise TypeError(f"line_search: expected a name, got {short_repr(line_search)}")
    low, high = as_bounds(bounds, size)
    objective = as_objective(fun, size, args, jac, hess, hessp, low, high)
    numbers = [(name, as_number(name, value)) for name, value in (hyperparameters or {}).items()]
    solver = _core.Solver(method, size, line_search, as_options(chosen), low, high, rule, numbers)
    if state is not None:
        solver.load(dict(state))
    status = solver.run(objective, start, as_callback(callback))
    found = solver.result()
    return restore(
        OptimizeResult, {**found, "status": status, "success": status == CONVERGED}, solver
    )
