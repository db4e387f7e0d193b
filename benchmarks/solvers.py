"""Solvers against scipy's: how many test problems they solve, in how many calls, and their time.

python -m benchmarks.solvers            # everything, some minutes
python -m benchmarks.solvers --only problems,small,large
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

import pyoptim as po
from pyoptim._core import Problem, problem_names

SECTIONS = ("problems", "small", "large")
STARTS = (1, 10, 100)
MAX_ITERATIONS = 3000
# A problem is solved at the first point whose gradient is at most this times max(1, |x|), in
# Euclidean norms. Calls count up to there. Solvers are asked for a tenth, so that their rules for
# stopping do not matter.
SOLVED = 1e-5
TOLERANCE = 1e-6


@dataclass
class Run:
    """A run of a solver on a problem."""

    solved: bool
    calls: int
    hessians: int
    value: float


class Counted:
    """A problem whose calls are counted, for one evaluation of value and gradient at each point."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.calls, self.hessians = problem, 0, 0
        self.solution: Run | None = None

    def fun(self, x: Any) -> tuple[float, Any]:
        """Return the value and the gradient."""
        self.calls += 1
        value, grad = self.problem.value_and_grad(x)
        if self.solution is None and np.isfinite(value):
            size, limit = np.linalg.norm(grad), SOLVED * max(1.0, float(np.linalg.norm(x)))
            if size <= limit:
                self.solution = Run(True, self.calls, self.hessians, value)
        return value, grad

    def hess(self, x: Any) -> Any:
        """Return the Hessian."""
        self.hessians += 1
        return self.problem.hessian(x)

    def hessp(self, x: Any, p: Any) -> Any:
        """Return the product of the Hessian with p."""
        self.hessians += 1
        return self.problem.hess_vec(x, p)


def _ours(method: str, **options: Any) -> Callable[[Counted, Any], Any]:
    def run(problem: Counted, x0: Any) -> Any:
        return po.minimize(
            problem.fun, x0, method=method, jac=True, hess=problem.hess,
            hessp=None if method == "newton" else problem.hessp, tol=TOLERANCE,
            options={"maxiter": MAX_ITERATIONS} | options,
        ).x  # fmt: skip

    return run


def _scipy(method: str, **options: Any) -> Callable[[Counted, Any], Any]:
    second = method in ("Newton-CG", "trust-ncg")

    def run(problem: Counted, x0: Any) -> Any:
        return optimize.minimize(
            problem.fun, x0, method=method, jac=True, hessp=problem.hessp if second else None,
            options={"maxiter": MAX_ITERATIONS} | options,
        ).x  # fmt: skip

    return run


SOLVERS: dict[str, Callable[[Counted, Any], Any]] = {
    "pyoptim lbfgs": _ours("lbfgs"),
    "pyoptim lbfgs, hager_zhang": _ours("lbfgs", line_search="hager_zhang"),
    "pyoptim newton": _ours("newton"),
    "pyoptim newton_cg": _ours("newton_cg"),
    "pyoptim trust_region": _ours("trust_region"),
    "pyoptim gradient_descent": _ours("gradient_descent"),
    "scipy L-BFGS-B": _scipy("L-BFGS-B", gtol=TOLERANCE, ftol=0, maxfun=10**6),
    "scipy BFGS": _scipy("BFGS", gtol=TOLERANCE),
    "scipy Newton-CG": _scipy("Newton-CG", xtol=1e-10),
    "scipy trust-ncg": _scipy("trust-ncg", gtol=TOLERANCE),
}


def solve(name: str, scale: float, solver: Callable[[Counted, Any], Any]) -> Run:
    """Run a solver on a problem from `scale` times its start."""
    problem = Problem(name)
    counted = Counted(problem)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            x = np.asarray(solver(counted, scale * problem.x0))
            value = problem.value_and_grad(x)[0]
        except (FloatingPointError, ValueError, np.linalg.LinAlgError):
            value = np.inf
    return counted.solution or Run(False, counted.calls, counted.hessians, value)


def problems(details: bool) -> None:
    """Print how many of the problems each solver solves, and the calls it makes."""
    runs = {
        solver: {
            (name, scale): solve(name, scale, SOLVERS[solver])
            for name in problem_names()
            for scale in STARTS
        }
        for solver in SOLVERS
    }
    reference = runs["scipy L-BFGS-B"]
    total = len(reference)
    print(f"\n{total} runs: 35 problems of More, Garbow and Hillstrom from x0, 10 x0 and 100 x0")
    print(f"{'':28}  solved  median calls  mean calls  calls / L-BFGS-B  Hessians")
    for solver, found in runs.items():
        both = [key for key in found if found[key].solved and reference[key].solved]
        calls = [found[key].calls for key in both]
        theirs = [reference[key].calls for key in both]
        hessians = statistics.mean(found[key].hessians for key in both)
        print(
            f"{solver:28}  {sum(run.solved for run in found.values()):6}"
            f"  {statistics.median(calls):12}  {statistics.mean(calls):10.1f}"
            f"  {statistics.mean(calls) / statistics.mean(theirs):16.2f}  {hessians:8.1f}"
        )
    if details:
        for key in reference:
            texts = [
                f"{'' if runs[s][key].solved else '!'}{runs[s][key].calls} {runs[s][key].value:.4g}"
                for s in SOLVERS
            ]
            print(f"{key[0]:26}{key[1]:4}  " + " | ".join(texts))


def alternate(competitors: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Return the times of competitors that take turns."""
    times: dict[str, list[float]] = {name: [] for name in competitors}
    for _ in range(repeats):
        for name, run in competitors.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return times


def report(times: dict[str, list[float]], ours: str, unit: float, name: str) -> None:
    """Print medians, and the median of the ratios within rounds."""
    for competitor, values in times.items():
        ratio = statistics.median(t / o for t, o in zip(values, times[ours], strict=True))
        print(f"{competitor:44} {statistics.median(values) * unit:10.1f} {name}  {ratio:6.2f}")


def small(repeats: int) -> None:
    """Time runs on functions of 10 variables."""

    def rosenbrock(x: Any) -> tuple[float, Any]:
        b = x[1:] - x[:-1] ** 2
        a = 1 - x[:-1]
        grad = np.zeros_like(x)
        grad[:-1] = -400 * x[:-1] * b - 2 * a
        grad[1:] += 200 * b
        return 100 * (b @ b) + a @ a, grad

    x0 = np.full(10, 0.5)
    native = Problem.rosenbrock(10)
    print("\nRosenbrock of 10 variables: a whole run, and its time / pyoptim's")
    times = alternate(
        {
            "pyoptim lbfgs": lambda: po.minimize(rosenbrock, x0, jac=True),
            "pyoptim lbfgs, native function": lambda: po.minimize(native, x0),
            "scipy L-BFGS-B": lambda: optimize.minimize(
                rosenbrock, x0, jac=True, method="L-BFGS-B", options={"ftol": 0, "gtol": 1e-5}
            ),
            "scipy BFGS": lambda: optimize.minimize(rosenbrock, x0, jac=True, method="BFGS"),
        },
        repeats,
    )
    report(times, "pyoptim lbfgs", 1e6, "us")
    ours = po.minimize(rosenbrock, x0, jac=True)
    theirs = optimize.minimize(
        rosenbrock, x0, jac=True, method="L-BFGS-B", options={"ftol": 0, "gtol": 1e-5}
    )
    print(f"calls: {ours.nfev}, scipy L-BFGS-B {theirs.nfev}")


def large(size: int, iterations: int, repeats: int) -> None:
    """Time iterations of L-BFGS on the Rosenbrock function of many variables."""
    native = Problem.rosenbrock(size)

    def rosenbrock(x: Any) -> tuple[float, Any]:
        return optimize.rosen(x), optimize.rosen_der(x)

    options = {"maxiter": iterations}
    print(f"\nRosenbrock of {size} variables: {iterations} iterations, and the time / pyoptim's")
    results = {}

    def run(name: str, call: Callable[[], Any]) -> Callable[[], None]:
        def timed() -> None:
            results[name] = call()

        return timed

    x0 = native.x0
    calls = {
        "pyoptim lbfgs, native function": lambda: po.minimize(native, x0, options=options),
        "pyoptim lbfgs, function in NumPy": lambda: po.minimize(
            rosenbrock, x0, jac=True, options=options
        ),
        "scipy L-BFGS-B, function in NumPy": lambda: optimize.minimize(
            rosenbrock, x0, jac=True, method="L-BFGS-B", options=options | {"ftol": 0}
        ),
        "scipy L-BFGS-B, native function": lambda: optimize.minimize(
            native.value_and_grad, x0, jac=True, method="L-BFGS-B", options=options | {"ftol": 0}
        ),
    }
    times = alternate({name: run(name, call) for name, call in calls.items()}, repeats)
    report(times, "pyoptim lbfgs, native function", 1e3, "ms")
    for name, result in results.items():
        print(f"{name}: {result.nfev} calls, {result.nit} iterations, value {result.fun:.6g}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sections asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(SECTIONS), help="of " + ", ".join(SECTIONS))
    parser.add_argument("--details", action="store_true", help="calls and values of every run")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--size", type=int, default=10**6)
    parser.add_argument("--iterations", type=int, default=30)
    chosen = parser.parse_args(arguments)
    sections = chosen.only.split(",")
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"unknown sections: {', '.join(sorted(unknown))}")
    print(f"{po.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    if "problems" in sections:
        problems(chosen.details)
    if "small" in sections:
        small(20 * chosen.repeats)
    if "large" in sections:
        large(chosen.size, chosen.iterations, chosen.repeats)


if __name__ == "__main__":
    main()
