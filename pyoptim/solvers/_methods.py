"""The methods of minimization, one function each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from pyoptim.optim._registry import rules
from pyoptim.solvers._result import OptimizeResult
from pyoptim.solvers._solve import solve

State = Mapping[str, Any]


def lbfgs(
    fun: Any,
    x0: npt.ArrayLike | None,
    args: Any = (),
    *,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Any = None,
    state: State | None = None,
    tol: float | None = None,
    memory: int = 10,
    line_search: str = "strong_wolfe",
    gtol: float = 1e-5,
    ftol: float = 1e-14,
    patience: int = 3,
    maxiter: int = 15000,
    maxfun: int | None = None,
    c1: float = 1e-4,
    c2: float = 0.9,
    maxls: int = 30,
    num_threads: int | None = None,
) -> OptimizeResult:
    """Minimize by L-BFGS: x <- x - a H g, with H from the last `memory` steps and gradients.

    The method of choice for smooth functions of many variables. H approximates the inverse Hessian
    by the two-loop recursion; pairs (s, y) of a step and its change of the gradient are used only
    if s y > 0. Within bounds, variables at a bound that the gradient points out of stay there, and
    the path along the others is projected.

    Parameters
    ----------
    fun, x0, args, jac, callback, state, tol
        As for `minimize`.
    hess, hessp
        Ignored.
    bounds : sequence of pairs, or scipy.optimize.Bounds, optional
        Lower and upper bound of each variable, None for no bound.
    constraints
        Not supported.
    memory : int
        Number of pairs.
    line_search : str
        ``"strong_wolfe"``, ``"hager_zhang"`` or ``"armijo"``. Bounded runs always backtrack.
    gtol : float
        The run converges when |g| is at most gtol max(1, |x|), with Euclidean norms.
    ftol, patience : float, int
        The run converges on a plateau, too: `patience` iterations in a row, each of which changes
        the objective by at most `ftol`, relatively.
    maxiter, maxfun : int, optional
        Largest numbers of iterations and evaluations, counted from the start of the run.
    c1, c2 : float
        Constants of the two Wolfe conditions, on the decrease and on the derivative.
    maxls : int
        Largest number of evaluations of a line search.
    num_threads : int, optional
        Number of threads. The result does not depend on it.

    References
    ----------
    J. Nocedal, Updating quasi-Newton matrices with limited storage, Math. Comp. 35 (1980).
    D. C. Liu and J. Nocedal, On the limited memory BFGS method for large scale optimization, Math.
    Program. 45 (1989).

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> target = np.arange(5.0)
    >>> def fun(x):
    ...     return np.sum((x - target) ** 4), 4 * (x - target) ** 3
    >>> result = po.solvers.lbfgs(fun, np.zeros(5), jac=True, bounds=[(None, 3.5)] * 5)
    >>> result.success, bool(abs(result.x - [0, 1, 2, 3, 3.5]).max() < 0.05)
    (True, True)
    """
    return solve(
        "lbfgs",
        fun,
        x0,
        args,
        jac=jac,
        bounds=bounds,
        constraints=constraints,
        callback=callback,
        state=state,
        tol=tol,
        line_search=_one_of(line_search, "lbfgs", "strong_wolfe", "hager_zhang", "armijo"),
        options={
            "memory": memory,
            "gtol": gtol,
            "ftol": ftol,
            "patience": patience,
            "maxiter": maxiter,
            "maxfun": maxfun,
            "c1": c1,
            "c2": c2,
            "maxls": maxls,
            "num_threads": num_threads,
        },
    )


def gradient_descent(
    fun: Any,
    x0: npt.ArrayLike | None,
    args: Any = (),
    *,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Any = None,
    state: State | None = None,
    tol: float | None = None,
    line_search: str = "armijo",
    lr: float | None = None,
    decay: float = 0.0,
    gtol: float = 1e-5,
    ftol: float = 1e-14,
    patience: int = 3,
    maxiter: int = 15000,
    maxfun: int | None = None,
    c1: float = 1e-4,
    c2: float = 0.9,
    maxls: int = 30,
    num_threads: int | None = None,
) -> OptimizeResult:
    """Minimize by gradient descent: x <- x - a g.

    A line search chooses a, starting from the length of Barzilai and Borwein. Or a is fixed, or
    decays: a = lr / (1 + decay n) in iteration n. With all but the Wolfe searches the objective may
    increase, with Armijo's not above the last ten values. The result is the best point of the run.

    Parameters
    ----------
    fun, x0, args, jac, callback, state, tol
        As for `minimize`.
    bounds, constraints, hess, hessp, gtol, ftol, patience, maxiter, maxfun
        As for `lbfgs`.
    c1, c2, maxls, num_threads
        As for `lbfgs`.
    line_search : str
        ``"armijo"``, ``"strong_wolfe"``, ``"hager_zhang"``, ``"fixed"`` or ``"decay"``.
    lr : float, optional
        Fixed length, and the first of decaying ones, by default 0.001. For a line search the first
        trial, by default min(1, 1 / |g|).
    decay : float
        Decay of the length, for ``line_search="decay"``.

    References
    ----------
    A. Cauchy, Méthode générale pour la résolution des systèmes d'équations simultanées (1847).
    J. Barzilai and J. M. Borwein, Two-point step size gradient methods, IMA J. Numer. Anal. 8
    (1988).
    M. Raydan, The Barzilai and Borwein gradient method for the large scale unconstrained
    minimization problem, SIAM J. Optim. 7 (1997).

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> def fun(x):
    ...     return x @ x, 2 * x
    >>> po.solvers.gradient_descent(fun, [3.0, 4.0], jac=True, line_search="fixed", lr=0.1).nit
    62
    """
    kinds = ("armijo", "strong_wolfe", "hager_zhang", "fixed", "decay")
    kind = _one_of(line_search, "gradient_descent", *kinds)
    if bounds is not None and kind in ("fixed", "decay"):
        raise ValueError(f"bounds: not supported with line_search={kind!r}; use 'armijo'")
    return solve(
        "gradient_descent",
        fun,
        x0,
        args,
        jac=jac,
        bounds=bounds,
        constraints=constraints,
        callback=callback,
        state=state,
        tol=tol,
        line_search=kind,
        options={
            "lr": lr,
            "decay": decay,
            "gtol": gtol,
            "ftol": ftol,
            "patience": patience,
            "maxiter": maxiter,
            "maxfun": maxfun,
            "c1": c1,
            "c2": c2,
            "maxls": maxls,
            "num_threads": num_threads,
        },
    )


def newton(
    fun: Any,
    x0: npt.ArrayLike | None,
    args: Any = (),
    *,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Any = None,
    state: State | None = None,
    tol: float | None = None,
    line_search: str = "strong_wolfe",
    gtol: float = 1e-5,
    ftol: float = 1e-14,
    patience: int = 3,
    maxiter: int = 15000,
    maxfun: int | None = None,
    c1: float = 1e-4,
    c2: float = 0.9,
    maxls: int = 30,
    num_threads: int | None = None,
) -> OptimizeResult:
    """Minimize by Newton's method: x <- x - a (H + d I)^-1 g.

    The fastest method near a minimum, for functions of up to some thousand variables. H is the
    Hessian, factored by Cholesky; the damping d is 0 where H is positive definite. A line search
    chooses a, starting from 1.

    Parameters
    ----------
    fun, x0, args, jac, callback, state, tol
        As for `minimize`.
    hess : callable
        ``hess(x, *args)`` returns the Hessian, an array of shape (n, n).
    hessp
        Ignored.
    bounds, constraints
        Not supported.
    line_search, gtol, ftol, patience, maxiter, maxfun, c1, c2, maxls, num_threads
        As for `lbfgs`.

    References
    ----------
    J. Nocedal and S. J. Wright, Numerical Optimization (2006), algorithm 3.3.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> a, b = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, 0.0])
    >>> def fun(x):
    ...     return x @ a @ x / 2 - b @ x, a @ x - b
    >>> result = po.solvers.newton(fun, [0.0, 0.0], jac=True, hess=lambda x: a)
    >>> result.nit, result.x.round(6)
    (1, array([ 0.4, -0.2]))
    """
    _refuse_bounds(bounds, "newton")
    if hess is None and callable(fun):
        raise ValueError("hess: newton needs the Hessian, got None; use newton_cg or lbfgs without")
    return solve(
        "newton",
        fun,
        x0,
        args,
        jac=jac,
        hess=hess,
        constraints=constraints,
        callback=callback,
        state=state,
        tol=tol,
        line_search=_one_of(line_search, "newton", "strong_wolfe", "hager_zhang", "armijo"),
        options={
            "gtol": gtol,
            "ftol": ftol,
            "patience": patience,
            "maxiter": maxiter,
            "maxfun": maxfun,
            "c1": c1,
            "c2": c2,
            "maxls": maxls,
            "num_threads": num_threads,
        },
    )


def newton_cg(
    fun: Any,
    x0: npt.ArrayLike | None,
    args: Any = (),
    *,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Any = None,
    state: State | None = None,
    tol: float | None = None,
    line_search: str = "strong_wolfe",
    max_inner: int | None = None,
    gtol: float = 1e-5,
    ftol: float = 1e-14,
    patience: int = 3,
    maxiter: int = 15000,
    maxfun: int | None = None,
    c1: float = 1e-4,
    c2: float = 0.9,
    maxls: int = 30,
    num_threads: int | None = None,
) -> OptimizeResult:
    """Minimize by a truncated Newton method: x <- x - a p, with H p = g by conjugate gradients.

    For functions of many variables whose Hessian products are known. The system is solved the more
    exactly the smaller g is. A direction p with p H p < 0 ends the conjugate gradients, with a step
    along it.

    Parameters
    ----------
    fun, x0, args, jac, callback, state, tol
        As for `minimize`.
    hess, hessp : callable, optional
        ``hessp(x, p, *args)`` returns the product of the Hessian with p, ``hess(x, *args)`` the
        Hessian. Without both, differences of gradients are taken.
    bounds, constraints
        Not supported.
    max_inner : int, optional
        Largest number of conjugate-gradient iterations, by default 10 for each variable.
    line_search, gtol, ftol, patience, maxiter, maxfun, c1, c2, maxls, num_threads
        As for `lbfgs`.

    References
    ----------
    J. Nocedal and S. J. Wright, Numerical Optimization (2006), algorithm 7.1.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> def fun(x):
    ...     return np.sum(np.cosh(x - 1)), np.sinh(x - 1)
    >>> def hessp(x, p):
    ...     return np.cosh(x - 1) * p
    >>> po.solvers.newton_cg(fun, np.zeros(3), jac=True, hessp=hessp).x.round(4)
    array([1., 1., 1.])
    """
    _refuse_bounds(bounds, "newton_cg")
    return solve(
        "newton_cg",
        fun,
        x0,
        args,
        jac=jac,
        hess=hess,
        hessp=hessp,
        constraints=constraints,
        callback=callback,
        state=state,
        tol=tol,
        line_search=_one_of(line_search, "newton_cg", "strong_wolfe", "hager_zhang", "armijo"),
        options={
            "max_inner": max_inner,
            "gtol": gtol,
            "ftol": ftol,
            "patience": patience,
            "maxiter": maxiter,
            "maxfun": maxfun,
            "c1": c1,
            "c2": c2,
            "maxls": maxls,
            "num_threads": num_threads,
        },
    )


def trust_region(
    fun: Any,
    x0: npt.ArrayLike | None,
    args: Any = (),
    *,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Any = None,
    state: State | None = None,
    tol: float | None = None,
    radius: float = 1.0,
    max_radius: float = 1e10,
    eta: float = 0.15,
    max_inner: int | None = None,
    gtol: float = 1e-5,
    ftol: float = 1e-14,
    patience: int = 3,
    maxiter: int = 15000,
    maxfun: int | None = None,
    num_threads: int | None = None,
) -> OptimizeResult:
    """Minimize within a trust region: the quadratic model's minimum at most `radius` away.

    The most reliable method where the Hessian is indefinite. The model g p + p H p / 2 is minimized
    by Steihaug's conjugate gradients, which follow a direction p with p H p < 0 to the boundary.
    The radius shrinks where the model predicts badly, and grows where it predicts well.

    Parameters
    ----------
    fun, x0, args, jac, callback, state, tol
        As for `minimize`.
    hess, hessp : callable, optional
        As for `newton_cg`.
    bounds, constraints
        Not supported.
    radius, max_radius : float
        First and largest radius.
    eta : float
        Smallest ratio of the actual to the predicted decrease of an accepted step.
    max_inner, gtol, ftol, patience, maxiter, maxfun, num_threads
        As for `newton_cg`.

    References
    ----------
    T. Steihaug, The conjugate gradient method and trust regions in large scale optimization, SIAM
    J. Numer. Anal. 20 (1983).

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> def fun(x):
    ...     return np.sum(x**4 - x**2), 4 * x**3 - 2 * x
    >>> result = po.solvers.trust_region(fun, [0.1, -0.1], jac=True)
    >>> result.x.round(4)
    array([ 0.7071, -0.7071])
    """
    _refuse_bounds(bounds, "trust_region")
    return solve(
        "trust_region",
        fun,
        x0,
        args,
        jac=jac,
        hess=hess,
        hessp=hessp,
        constraints=constraints,
        callback=callback,
        state=state,
        tol=tol,
        options={
            "radius": radius,
            "max_radius": max_radius,
            "eta": eta,
            "max_inner": max_inner,
            "gtol": gtol,
            "ftol": ftol,
            "patience": patience,
            "maxiter": maxiter,
            "maxfun": maxfun,
            "num_threads": num_threads,
        },
    )


def optimizer(
    fun: Any,
    x0: npt.ArrayLike | None,
    args: Any = (),
    *,
    rule: str,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Any = None,
    state: State | None = None,
    tol: float | None = None,
    gtol: float = 1e-5,
    ftol: float = 1e-14,
    patience: int = 3,
    maxiter: int = 15000,
    maxfun: int | None = None,
    num_threads: int | None = None,
    **hyperparameters: float,
) -> OptimizeResult:
    """Minimize by an elementwise optimizer, with the gradient of the whole objective.

    Use it to compare optimizers on functions, or where steps of L-BFGS are too expensive. The
    result is the best point of the run.

    Parameters
    ----------
    fun, x0, args, jac, callback, state, tol
        As for `minimize`.
    rule : str
        Name of an optimizer of `pyoptim.rules()`, in any case. `minimize` accepts it as `method`.
    bounds, constraints
        Not supported.
    hess, hessp
        Ignored.
    gtol, ftol, patience, maxiter, maxfun, num_threads
        As for `lbfgs`.
    **hyperparameters : float
        Hyperparameters of the optimizer, such as `lr`.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> def fun(x):
    ...     return np.sum((x - 1) ** 2), 2 * (x - 1)
    >>> result = po.minimize(fun, np.zeros(3), method="adam", jac=True, options={"lr": 0.1})
    >>> result.success, result.x.round(3)
    (True, array([1., 1., 1.]))
    """
    names = {known.name.lower(): known.name for known in rules()}
    if not isinstance(rule, str) or rule.lower() not in names:
        raise ValueError(f"rule: expected one of {', '.join(names.values())}, got {rule!r}")
    name = names[rule.lower()]
    _refuse_bounds(bounds, name)
    return solve(
        "optimizer",
        fun,
        x0,
        args,
        jac=jac,
        constraints=constraints,
        callback=callback,
        state=state,
        tol=tol,
        rule=name,
        hyperparameters=hyperparameters,
        options={
            "gtol": gtol,
            "ftol": ftol,
            "patience": patience,
            "maxiter": maxiter,
            "maxfun": maxfun,
            "num_threads": num_threads,
        },
    )


def _one_of(line_search: Any, method: str, *names: str) -> str:
    if line_search not in names:
        choices = ", ".join(map(repr, names))
        raise ValueError(
            f"line_search: expected one of {choices} for {method}, got {line_search!r}"
        )
    return str(line_search)


def _refuse_bounds(bounds: Any, method: str) -> None:
    if bounds is not None:
        raise ValueError(f"bounds: not supported by {method}; use 'lbfgs'")
