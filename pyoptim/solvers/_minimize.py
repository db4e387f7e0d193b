"""Minimization by the name of a method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt

from pyoptim.optim._registry import rules
from pyoptim.solvers._methods import (
    gradient_descent,
    lbfgs,
    newton,
    newton_cg,
    optimizer,
    trust_region,
)
from pyoptim.solvers._result import OptimizeResult

METHODS: dict[str, Callable[..., OptimizeResult]] = {
    "gradient_descent": gradient_descent,
    "lbfgs": lbfgs,
    "newton": newton,
    "newton_cg": newton_cg,
    "trust_region": trust_region,
}
"""All methods by name."""

_ARGUMENTS = frozenset(
    "fun x0 args jac hess hessp bounds constraints callback state tol".split()  # noqa: SIM905
)


def _rule_names() -> list[str]:
    return [rule.name for rule in rules()]


def minimize(
    fun: Any,
    x0: npt.ArrayLike | None = None,
    args: Any = (),
    method: str = "lbfgs",
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    *,
    tol: float | None = None,
    callback: Any = None,
    options: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> OptimizeResult:
    """Minimize a function of one or more variables.

    The arguments are those of `scipy.optimize.minimize`. The loops are native, and functions of
    Python are called without copies of more than x and the gradient. Arrays that `fun` and
    `callback` receive are not changed later.

    Parameters
    ----------
    fun : callable or LinearObjective
        ``fun(x, *args)`` returns the value at x or, with ``jac=True``, the pair of value and
        gradient. A value that is infinite or NaN makes the step shorter. A
        `pyoptim.models.LinearObjective` is minimized without Python in the loop, and needs neither
        `jac` nor `hess`.
    x0 : array-like
        The start, of one axis. It is not changed. A run with `state` needs none.
    args : tuple
        More arguments of the functions.
    method : str
        ``"lbfgs"``, ``"gradient_descent"``, ``"newton"``, ``"newton_cg"`` or ``"trust_region"``.
        See the function of this name in `pyoptim.solvers`. Or the name of an optimizer, such as
        ``"adam"``: see `pyoptim.solvers.optimizer`.
    jac : True, callable or str
        True if `fun` returns the gradient as well, a function that returns it, or ``"2-point"`` or
        ``"3-point"`` for finite differences of `fun`.
    hess, hessp : callable, optional
        The Hessian, and its product with a vector: ``hess(x, *args)``, ``hessp(x, p, *args)``.
    bounds : sequence of pairs, or scipy.optimize.Bounds, optional
        Lower and upper bounds, for L-BFGS and gradient descent.
    tol : float, optional
        The same as the option `gtol`.
    callback : callable, optional
        Called after each iteration as ``callback(intermediate_result=result)``, with `x` and `fun`,
        if this is the name of its only parameter, else as ``callback(x)``. If it raises
        StopIteration, the run ends with status 99.
    options : dict, optional
        Keyword arguments of the method's function.
    state : dict, optional
        The `state` of a result. The run continues from there, bit-identical to a run that was not
        interrupted.

    Returns
    -------
    OptimizeResult
        The best point, with counts of evaluations and the state of the run.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> def fun(x, scale):
    ...     return scale * np.sum((x - 1) ** 2), 2 * scale * (x - 1)
    >>> part = po.minimize(fun, np.zeros(3), args=(5.0,), jac=True, options={"maxiter": 1})
    >>> part.success, part.nit
    (False, 1)
    >>> whole = po.minimize(fun, args=(5.0,), jac=True, state=part.state)
    >>> whole.success, whole.x.round(4)
    (True, array([1., 1., 1.]))
    """
    chosen = dict(options or {})
    solver = METHODS.get(method) if isinstance(method, str) else None
    if solver is None:
        if not isinstance(method, str) or method.lower() not in map(str.lower, _rule_names()):
            raise ValueError(
                f"method: expected one of {', '.join(METHODS)}, or an optimizer of "
                f"pyoptim.rules(), got {method!r}"
            )
        solver, chosen = optimizer, {"rule": method} | chosen
    known = inspect.signature(solver).parameters.keys() - _ARGUMENTS if chosen else set()
    if (unknown := sorted(chosen.keys() - known)) and solver is not optimizer:
        raise ValueError(
            f"options: {method} has no option {unknown[0]!r}; expected some of "
            f"{', '.join(sorted(known))}"
        )
    return solver(
        fun,
        x0,
        args,
        jac=jac,
        hess=hess,
        hessp=hessp,
        bounds=bounds,
        callback=callback,
        state=state,
        tol=tol,
        **chosen,
    )
