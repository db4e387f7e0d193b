"""What holds for every method of minimization."""

import copy
import ctypes
import pickle
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyoptim as po
from pyoptim import _core

Array = npt.NDArray[np.float64]
METHODS = sorted(po.solvers.METHODS)
BOUNDED = ["gradient_descent", "lbfgs"]


class Problem:
    """A function with its derivatives, which counts its calls."""

    def __init__(self, value: Any, grad: Any, hess: Any, x0: Any, best: Any) -> None:
        self.value, self.gradient, self.hessian = value, grad, hess
        self.x0, self.best = np.asarray(x0, float), np.asarray(best, float)
        self.calls = self.hess_calls = 0

    def fun(self, x: Array) -> tuple[float, Array]:
        self.calls += 1
        return self.value(x), self.gradient(x)

    def hess(self, x: Array) -> Array:
        self.hess_calls += 1
        return self.hessian(x)  # type: ignore[no-any-return]

    def minimize(self, method: str, **kwargs: Any) -> po.solvers.OptimizeResult:
        kwargs.setdefault("x0", self.x0)
        return po.minimize(self.fun, method=method, jac=True, hess=self.hess, **kwargs)


def quadratic(n: int = 12) -> Problem:
    rng = np.random.default_rng(n)
    root = rng.normal(size=(n, n))
    a, b = root @ root.T / n + np.eye(n), rng.normal(size=n)
    return Problem(
        lambda x: float(x @ a @ x / 2 - b @ x),
        lambda x: a @ x - b,
        lambda x: a,
        np.zeros(n),
        np.linalg.solve(a, b),
    )


def log_cosh(n: int = 7) -> Problem:
    best = np.linspace(-2, 2, n)
    return Problem(
        lambda x: float(np.sum(np.logaddexp(x - best, best - x) - np.log(2))),
        lambda x: np.tanh(x - best),
        lambda x: np.diag(1 - np.tanh(x - best) ** 2),
        np.ones(n),
        best,
    )


def rosenbrock(n: int = 6) -> Problem:
    def value(x: Array) -> float:
        return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))

    def grad(x: Array) -> Array:
        g, b = np.zeros_like(x), x[1:] - x[:-1] ** 2
        g[:-1] = -400 * x[:-1] * b - 2 * (1 - x[:-1])
        g[1:] += 200 * b
        return g

    def hess(x: Array) -> Array:
        h = np.diag(-400 * x[:-1], 1) + np.diag(-400 * x[:-1], -1)
        h[np.arange(n - 1), np.arange(n - 1)] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
        h[np.arange(1, n), np.arange(1, n)] += 200
        return h

    # From the usual start, -1.2 and 1 in turns, methods may find the other minimum.
    return Problem(value, grad, hess, np.resize([1.3, 0.7, 0.8, 1.9, 1.2], n), np.ones(n))


PROBLEMS = {"quadratic": quadratic, "log_cosh": log_cosh, "rosenbrock": rosenbrock}


def assert_same(a: po.solvers.OptimizeResult, b: po.solvers.OptimizeResult) -> None:
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_minimum_is_found(problem: str, method: str) -> None:
    case = PROBLEMS[problem]()
    result = case.minimize(method, tol=1e-8, options={"maxiter": 30000})
    assert result.success, result
    np.testing.assert_allclose(result.x, case.best, atol=1e-4)
    assert result.fun == case.value(result.x)
    np.testing.assert_array_equal(result.jac, case.gradient(result.x))


@pytest.mark.parametrize("method", METHODS)
def test_the_minimum_is_that_of_scipy(method: str) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    case = log_cosh()
    theirs = optimize.minimize(case.fun, case.x0, jac=True, method="BFGS", tol=1e-8)
    np.testing.assert_allclose(case.minimize(method, tol=1e-8).x, theirs.x, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_counts_are_exact(method: str) -> None:
    case = rosenbrock()
    result = case.minimize(method, options={"maxiter": 20})
    assert result.nfev == result.njev == case.calls
    assert result.nhev == case.hess_calls
    assert result.nit == 20 or result.success


@pytest.mark.parametrize("method", METHODS)
def test_counts_are_exact_with_separate_functions(method: str) -> None:
    case = log_cosh()
    calls = {"fun": 0, "jac": 0, "hessp": 0}

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            calls[name] += 1
            return function(*args)

        return call

    result = po.minimize(
        counted("fun", case.value),
        case.x0,
        method=method,
        jac=counted("jac", case.gradient),
        hess=case.hess,
        hessp=counted("hessp", lambda x, p: case.hessian(x) @ p),
    )
    assert result.success
    assert (result.nfev, result.njev) == (calls["fun"], calls["jac"])
    if method in ("newton_cg", "trust_region"):
        assert result.nhev == calls["hessp"]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_continues_from_every_iteration(method: str) -> None:
    whole = rosenbrock().minimize(method, options={"maxiter": 40})
    for stop in range(40):
        part = rosenbrock().minimize(method, options={"maxiter": stop})
        rest = rosenbrock().minimize(method, x0=None, state=part.state, options={"maxiter": 40})
        assert_same(rest, whole)


@pytest.mark.parametrize("line_search", ["strong_wolfe", "hager_zhang", "armijo"])
@pytest.mark.parametrize("method", [m for m in METHODS if m != "trust_region"])
def test_every_line_search_converges(method: str, line_search: str) -> None:
    for problem in PROBLEMS.values():
        case = problem()
        options = {"line_search": line_search, "maxiter": 50000}
        result = case.minimize(method, tol=1e-7, options=options)
        assert result.success, result
        np.testing.assert_allclose(result.x, case.best, atol=1e-3)


@pytest.mark.parametrize("line_search", ["fixed", "decay"])
def test_steps_of_given_length(line_search: str) -> None:
    case = quadratic()
    options = {"line_search": line_search, "lr": 0.1, "decay": 0.01, "maxiter": 3}
    result = case.minimize("gradient_descent", options=options)
    x = case.x0
    for i in range(3):
        x = x + 0.1 / (1 + (0.01 * i if line_search == "decay" else 0)) * -case.gradient(x)
    np.testing.assert_array_equal(result.x, x)


def test_the_best_point_is_returned_where_values_rise() -> None:
    values = []

    def fun(x: Array) -> tuple[float, Array]:
        values.append(x @ x)
        return x @ x, 2 * x

    options = {"line_search": "fixed", "lr": 1.1, "maxiter": 10}
    result = po.minimize(fun, [1.0, 2.0], method="gradient_descent", jac=True, options=options)
    assert values[-1] > values[0]
    assert result.fun == min(values) == result.x @ result.x


@contextmanager
def settings(threads: int, isa: str) -> Iterator[None]:
    before = po.get_num_threads(), _core.instruction_set()
    po.set_num_threads(threads)
    _core.set_instruction_set(isa)
    try:
        yield
    finally:
        po.set_num_threads(before[0])
        _core.set_instruction_set(before[1])


@pytest.mark.parametrize("method", [m for m in METHODS if m != "newton"])
def test_bits_do_not_depend_on_threads_or_instruction_set(method: str) -> None:
    n = 40_003
    scale, best = np.linspace(1, 30, n), np.sin(np.arange(n))

    def fun(x: Array) -> tuple[float, Array]:
        d = x - best
        return float(np.sum(scale * d**2 + d**4)), 2 * scale * d + 4 * d**3

    def run(threads: int, isa: str) -> po.solvers.OptimizeResult:
        with settings(threads, isa):
            return po.minimize(
                fun,
                np.zeros(n),
                method=method,
                jac=True,
                hessp=lambda x, p: (2 * scale + 12 * (x - best) ** 2) * p,
                options={"maxiter": 12, "num_threads": threads},
            )

    first = run(1, "baseline")
    for isa in _core.instruction_sets():
        for threads in (1, 2, 3, 4):
            assert_same(run(threads, isa), first)


def test_bits_of_newton_do_not_depend_on_the_instruction_set() -> None:
    results = []
    for isa in _core.instruction_sets():
        with settings(1, isa):
            results.append(rosenbrock(70).minimize("newton"))
    for result in results[1:]:
        assert_same(result, results[0])


@pytest.mark.parametrize("method", METHODS)
def test_a_callback_may_stop_the_run(method: str) -> None:
    seen: list[Array] = []

    def by_name(intermediate_result: po.solvers.OptimizeResult) -> None:
        seen.append(intermediate_result.x)
        assert intermediate_result.fun == rosenbrock().value(intermediate_result.x)
        if len(seen) == 3:
            raise StopIteration

    result = rosenbrock().minimize(method, callback=by_name)
    assert (result.success, result.status, result.nit) == (False, 99, 3)
    np.testing.assert_array_equal(result.x, seen[-1])
    positional: list[Array] = []
    rosenbrock().minimize(method, callback=positional.append, options={"maxiter": 3})
    np.testing.assert_array_equal(positional, seen)


@pytest.mark.parametrize("method", METHODS)
def test_exceptions_of_functions_travel_out(method: str) -> None:
    case = rosenbrock()

    def fail_in_fun(x: Array) -> tuple[float, Array]:
        if case.calls >= 4:
            raise KeyError("here")
        return case.fun(x)

    with pytest.raises(KeyError, match="here"):
        po.minimize(fail_in_fun, case.x0, method=method, jac=True, hess=case.hess)

    def fail_in_callback(x: Array) -> None:
        raise LookupError("there")

    with pytest.raises(LookupError, match="there"):
        case.minimize(method, callback=fail_in_callback)


@pytest.mark.parametrize(
    ("method", "n"),
    [(m, n) for m in METHODS for n in (6, 5000) if m != "newton" or n == 6],
)
def test_arrays_handed_out_are_never_written(method: str, n: int) -> None:
    case = rosenbrock(n)
    kept: list[tuple[Array, Array]] = []

    def fun(x: Array) -> tuple[float, Array]:
        kept.append((x, x.copy()))
        return case.fun(x)

    def hessp(x: Array, p: Array) -> Array:
        kept.extend([(x, x.copy()), (p, p.copy())])
        step = 1e-6
        return (case.gradient(x + step * p) - case.gradient(x - step * p)) / (2 * step)

    hess = case.hess if method == "newton" else None
    options = {"maxiter": 4}
    start = case.x0.copy()
    start.flags.writeable = False
    part = po.minimize(
        fun, start, method=method, jac=True, hess=hess, hessp=hessp, options=options,
        callback=lambda x: kept.append((x, x.copy())),
    )  # fmt: skip
    kept.append((part.x, part.x.copy()))
    kept.append((part.jac, part.jac.copy()))
    state = part.state
    assert state is not None
    kept.extend((v, v.copy()) for v in state.values() if isinstance(v, np.ndarray))
    po.minimize(fun, state=state, method=method, jac=True, hess=hess, hessp=hessp,
                options={"maxiter": 8})  # fmt: skip
    assert len(kept) > 8
    for array, copied in kept:
        np.testing.assert_array_equal(array, copied)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_shorten_the_step(method: str, bad: float) -> None:
    """The logarithm is not defined where a full step leads."""

    def fun(x: Array) -> tuple[float, Array]:
        if np.any(x <= 0):
            return bad, np.full_like(x, np.nan)
        return float(np.sum(x - np.log(x))), 1 - 1 / x

    result = po.minimize(
        fun, [1e-3, 5.0, 20.0], method=method, jac=True, hess=lambda x: np.diag(1 / x**2),
        tol=1e-6, options={"maxiter": 20000},
    )  # fmt: skip
    assert result.success, result
    np.testing.assert_allclose(result.x, 1, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_start_that_is_not_finite_is_reported(method: str, bad: float) -> None:
    result = po.minimize(
        lambda x: (bad, x), [1.0, 2.0], method=method, jac=True, hess=lambda x: np.eye(2)
    )
    assert (result.success, result.status) == (False, 3)
    assert "x0 is not finite" in result.message
    np.testing.assert_array_equal(result.x, [1, 2])


@pytest.mark.parametrize("method", METHODS)
def test_starts_of_other_types_are_converted(method: str) -> None:
    whole = log_cosh(3).minimize(method, x0=np.array([1.0, 2.0, 3.0]))
    for x0 in ([1, 2, 3], (1.0, 2.0, 3.0), np.array([1, 2, 3], np.int8), np.float32([1, 2, 3])):
        assert_same(log_cosh(3).minimize(method, x0=x0), whole)
    strided = np.array([1.0, 0, 2, 0, 3, 0])[::2]
    assert_same(log_cosh(3).minimize(method, x0=strided), whole)
    single = po.minimize(
        lambda x: (x[0] ** 2, 2 * x), 3, method=method, jac=True, hess=lambda x: 2 * np.eye(1)
    )
    assert single.x.shape == (1,)


@pytest.mark.parametrize("method", METHODS)
def test_a_start_at_the_minimum_needs_one_evaluation(method: str) -> None:
    case = quadratic()
    result = case.minimize(method, x0=case.best)
    assert (result.success, result.nit, result.nfev) == (True, 0, 1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("option", ["maxiter", "maxfun"])
def test_limits_are_kept(method: str, option: str) -> None:
    case = rosenbrock()
    for limit in (1, 5):
        result = case.minimize(method, options={option: limit})
        assert (result.success, result.status) == (False, 1)
        assert (result.nit if option == "maxiter" else result.nfev) <= limit


@pytest.mark.parametrize("method", BOUNDED)
def test_bounds_are_kept(method: str) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    case = rosenbrock()
    bounds = [(-2, 0.5), (None, None), (0.8, None), (None, 2), (1.1, 1.1), (-3, 3)]
    seen = []

    def fun(x: Array) -> tuple[float, Array]:
        seen.append(x)
        return case.fun(x)

    options = {"maxiter": 50000}
    result = po.minimize(fun, case.x0, method=method, jac=True, bounds=bounds, options=options)
    low = [-np.inf if b[0] is None else b[0] for b in bounds]
    high = [np.inf if b[1] is None else b[1] for b in bounds]
    assert all(np.all((low <= x) & (x <= high)) for x in seen)
    theirs = optimize.minimize(
        case.fun, np.clip(case.x0, low, high), jac=True, bounds=bounds, method="L-BFGS-B"
    )
    assert result.success, result
    np.testing.assert_allclose(result.x, theirs.x, atol=1e-3)
    same = po.minimize(
        fun, case.x0, method=method, jac=True, bounds=optimize.Bounds(low, high), options=options
    )
    assert_same(same, result)


@pytest.mark.parametrize("jac", ["2-point", "3-point"])
def test_finite_differences(jac: str) -> None:
    case = rosenbrock()
    calls = []

    def fun(x: Array) -> float:
        calls.append(x)
        return case.value(x)

    bounds = [(-2, 0.5), *[(None, None)] * 5]
    for limits in (None, bounds):
        calls.clear()
        result = po.minimize(fun, case.x0, jac=jac, bounds=limits, tol=1e-4)
        assert result.success
        assert result.nfev == len(calls) == result.njev * (7 if jac == "2-point" else 13)
        if limits is None:
            np.testing.assert_allclose(result.x, 1, atol=1e-3)
        else:
            assert max(x[0] for x in calls) <= 0.5


@pytest.mark.parametrize("method", METHODS)
def test_results_are_copied_and_pickled(method: str) -> None:
    result = rosenbrock().minimize(method, options={"maxiter": 3})
    for copied in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):
        assert type(copied) is type(result)
        assert_same(copied, result)
        rest = rosenbrock().minimize(method, x0=None, state=copied.state)
        assert_same(rest, rosenbrock().minimize(method))


RULES = [rule.name for rule in po.rules()]


@pytest.mark.parametrize("rule", RULES)
def test_every_optimizer_is_a_method(rule: str) -> None:
    """Its run is that of its class, and continues from every iteration."""
    case = quadratic(5)
    x = case.x0.copy()
    steps = getattr(po, rule)([x], lr=0.01)
    for _ in range(6):
        steps.step([case.gradient(x)])
    seen: list[Array] = []
    options = {"lr": 0.01, "maxiter": 6}
    whole = case.minimize(rule.lower(), options=options, callback=seen.append)
    np.testing.assert_array_equal(seen[-1], x)
    assert whole.fun == min(case.value(case.x0), *map(case.value, seen))
    for stop in range(6):
        part = case.minimize(rule, options=options | {"maxiter": stop})
        assert_same(case.minimize(rule, x0=None, state=part.state, options=options), whole)


def test_wrong_hyperparameters_are_refused() -> None:
    case = quadratic(3)
    with pytest.raises(ValueError, match="momentums"):
        case.minimize("sgd", options={"momentums": 1.0})
    with pytest.raises(ValueError, match="lr"):
        case.minimize("sgd", options={"lr": -1.0})
    with pytest.raises(ValueError, match=r"rule: expected one of .* got 'none'"):
        po.solvers.optimizer(case.fun, case.x0, jac=True, rule="none")
    with pytest.raises(ValueError, match="bounds: not supported by"):
        case.minimize("sgd", bounds=[(0, 1)] * 3)


def test_results_have_attributes_and_a_text() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    result = quadratic(3).minimize("lbfgs")
    assert result.x is result["x"]
    assert {"x", "state"} <= set(dir(result))
    result.more = 1
    assert result.pop("more") == 1
    with pytest.raises(AttributeError, match="no attribute 'more'"):
        _ = result.more
    theirs = optimize.OptimizeResult(result)
    lines = [line.split(":")[0].strip() for line in repr(result).splitlines()]
    assert lines == [line.split(":")[0].strip() for line in repr(theirs).splitlines()]


@pytest.mark.parametrize("method", METHODS)
def test_scipy_takes_every_method(method: str) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    case = rosenbrock()
    ours = case.minimize(method, tol=1e-6)
    theirs = optimize.minimize(
        case.fun, case.x0, jac=True, hess=case.hess, method=po.solvers.METHODS[method], tol=1e-6
    )
    np.testing.assert_array_equal(theirs.x, ours.x)
    assert theirs.nit == ours.nit


def test_arguments_are_passed_on() -> None:
    def fun(x: Array, a: float, b: Array) -> float:
        return a * float(np.sum((x - b) ** 2))

    def jac(x: Array, a: float, b: Array) -> Array:
        return 2 * a * (x - b)

    def hess(x: Array, a: float, b: Array) -> Array:
        return 2 * a * np.eye(2)

    b = np.array([1.0, -1.0])
    for method in METHODS:
        result = po.minimize(fun, [0, 0], (3.0, b), method, jac, hess, options={"maxiter": 1000})
        np.testing.assert_allclose(result.x, b, atol=1e-5)


def test_compiled_functions_run_like_python() -> None:
    case = rosenbrock()
    doubles = ctypes.POINTER(ctypes.c_double)

    @ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_size_t, doubles, doubles, ctypes.c_void_p)
    def function(size: int, x: Any, grad: Any, data: int) -> float:
        assert (size, data) == (6, 8)
        value, gradient = case.fun(np.ctypeslib.as_array(x, (size,)).copy())
        np.ctypeslib.as_array(grad, (size,))[:] = gradient
        return value

    address = ctypes.cast(function, ctypes.c_void_p).value
    whole = case.minimize("lbfgs")
    for form in (function, address, types.SimpleNamespace(address=address)):
        native = po.solvers.native_function(form, 6, data=8)
        assert_same(po.minimize(native, case.x0), whole)
        with pytest.raises(ValueError, match="x0: expected 6 elements, got 2"):
            po.minimize(native, [1.0, 2.0])
    for wrong in (None, 0, True, len, "f"):
        with pytest.raises(TypeError, match="function: expected a ctypes function"):
            po.solvers.native_function(wrong, 6)


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"x0": [[1.0, 2.0]]}, ValueError, r"x0: expected an array of one axis, got shape \(1, 2\)"),
    ({"x0": []}, ValueError, "x0: expected at least one element"),
    ({"x0": [1j]}, TypeError, "x0: expected real numbers, got complex128"),
    ({"x0": None}, ValueError, "x0: expected an array, got None"),
    ({"fun": 3}, TypeError, "fun: expected a callable, got 3"),
    ({"jac": None}, ValueError, "jac: expected True .* got None; '2-point' takes"),
    ({"jac": "4-point"}, ValueError, "jac: expected .* got '4-point'"),
    ({"jac": lambda x: [1.0]}, ValueError, r"jac: expected 2 elements, got shape \(1,\)"),
    ({"jac": lambda x: [1j, 1]}, TypeError, "jac: expected real numbers, got dtype complex128"),
    ({"fun": lambda x: "a"}, TypeError, "fun: expected a number, got str"),
    ({"fun": lambda x: x}, ValueError, r"fun: expected a number, got an array of shape \(2,\)"),
    ({"fun": lambda x: 1.0, "jac": True}, TypeError, "expected a pair .* got float"),
    ({"method": "BFGS"}, ValueError, "method: expected one of gradient_descent, lbfgs"),
    ({"method": "newton"}, ValueError, "hess: newton needs the Hessian, got None"),
    ({"method": "newton_cg", "hess": 3}, TypeError, "hess: expected a callable or None, got 3"),
    ({"options": {"momentum": 3}}, ValueError, "lbfgs has no option 'momentum'; expected some of"),
    ({"options": {"c1": 1.5}}, ValueError, r"c1: expected a number in \(0, 1\), got 1.5"),
    ({"options": {"gtol": -1}}, ValueError, r"gtol: expected a number in \[0, inf\), got -1"),
    ({"options": {"memory": 0}}, ValueError, "memory must be a whole number of at least 1"),
    ({"options": {"line_search": "x"}}, ValueError, "line_search: expected one of 'strong_wolfe'"),
    ({"bounds": [(0, 1)]}, ValueError, "bounds: expected 2 pairs .* got 1 items"),
    ({"bounds": [(0, 1), (1, 0)]}, ValueError, r"bounds\[1\]: expected a lower bound"),
    ({"method": "newton_cg", "bounds": [(0, 1)] * 2}, ValueError, "not supported by newton_cg"),
    ({"callback": 3}, TypeError, "callback: expected a callable or None, got 3"),
    ({"state": {}}, TypeError, "state: expected the state of a result"),
]


@pytest.mark.parametrize(("changes", "error", "message"), WRONG, ids=lambda value: None)
def test_wrong_arguments_are_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments: dict[str, Any] = {
        "fun": lambda x: float(x @ x),
        "x0": [1.0, 2.0],
        "jac": lambda x: 2 * x,
    }
    with pytest.raises(error, match=message):
        po.minimize(**arguments | changes)


def test_states_of_other_runs_are_refused() -> None:
    state = quadratic(3).minimize("lbfgs", options={"maxiter": 2}).state
    assert state is not None
    with pytest.raises(ValueError, match="state: expected the state of newton, got that of lbfgs"):
        quadratic(3).minimize("newton", x0=None, state=state)
    with pytest.raises(ValueError, match="x0: expected 3 elements as in state, got 4"):
        quadratic(4).minimize("lbfgs", state=state)
    with pytest.raises(ValueError, match="saved with 2 pairs, but memory is 1"):
        quadratic(3).minimize("lbfgs", x0=None, state=state, options={"memory": 1})
    del state["sg"]
    with pytest.raises(ValueError, match="state: missing the array 'sg'"):
        quadratic(3).minimize("lbfgs", x0=None, state=state)


def test_states_are_saved_in_checkpoints(tmp_path: Any) -> None:
    part = rosenbrock().minimize("lbfgs", options={"maxiter": 5})
    path = po.checkpoint.save(tmp_path, {}, step=part.nit, metadata={"solver": part.state})
    loaded = po.checkpoint.load(path).metadata["solver"]
    rest = rosenbrock().minimize("lbfgs", x0=None, state=loaded)
    assert_same(rest, rosenbrock().minimize("lbfgs"))
