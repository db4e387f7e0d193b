"""The linear engine, compared with reading the data, our matrix multiplication and scikit-learn."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

import pyoptim as po
from benchmarks.bandwidth import bandwidth_loop
from benchmarks.compare import Comparison, Competitor, compare
from benchmarks.report import aligned
from benchmarks.workloads import Workload
from pyoptim import _core
from pyoptim.data._csr import CSR

_ROWS, _COLUMNS = 200_000, 100
_SPARSE_ROWS, _SPARSE_COLUMNS, _PER_ROW = 200_000, 20_000, 40


def dense(rows: int, columns: int) -> tuple[Any, Any]:
    """Return normal rows of float32, and the classes of a logistic model."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, columns), dtype=np.float32)
    scores = x @ (rng.standard_normal(columns, dtype=np.float32) / np.sqrt(columns))
    return x, (rng.random(rows) < 1 / (1 + np.exp(-scores))).astype(float)


def sparse(rows: int, columns: int, per_row: int) -> tuple[CSR, Any]:
    """Return compressed rows of float32 with as many entries each, and classes."""
    rng = np.random.default_rng(0)
    indices = np.sort(rng.integers(0, columns, (rows, per_row), dtype=np.int32), axis=1)
    values = rng.standard_normal(rows * per_row, dtype=np.float32)
    starts = np.arange(0, rows * per_row + 1, per_row, dtype=np.int64)
    x = CSR(values, indices.ravel(), starts, (rows, columns))
    return x, rng.integers(0, 2, rows).astype(float)


def same(name: str, step: Callable[[], object]) -> Competitor:
    """Return a competitor whose data do not depend on the workload."""
    return Competitor(name, lambda shapes: step)


def passes(x: Any, y: Any, entries: int, reads: int, repeats: int) -> Comparison:
    """Compare a pass of value and gradient with reading `reads` arrays of float32."""
    objective = po.models.LinearObjective(x, y, loss="logistic")
    coef = np.zeros(objective.size)
    return compare(
        [same("value and gradient", lambda: objective.value_and_grad(coef)),
         bandwidth_loop([(reads, 0)])],
        Workload("data", ((entries,),)),
        repeats,
    )  # fmt: skip


def grams(x: Any, y: Any, repeats: int) -> Comparison:
    """Compare X^T D X with our product of X^T and X, which computes both triangles."""
    objective = po.models.LinearObjective(x, y, loss="squared", fit_intercept=False)
    coef = np.zeros(objective.size)
    objective.hessian_product(coef, coef)  # the second derivatives are kept
    out = np.empty((x.shape[1], x.shape[1]), np.float32)
    return compare(
        [same("X^T D X", lambda: objective.hessian(coef)),
         same("X^T X by gemm", lambda: _core.matmul(x.T, x, out))],
        Workload("data", (x.shape,)),
        repeats,
    )  # fmt: skip


def main() -> None:
    """Print the time of each competitor, and its ratio to ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the rows")
    options = parser.parse_args()
    rows = int(_ROWS * options.scale)
    x, y = dense(rows, _COLUMNS)
    csr, labels = sparse(int(_SPARSE_ROWS * options.scale), _SPARSE_COLUMNS, _PER_ROW)
    results = {
        f"dense {rows} x {_COLUMNS}": passes(x, y, x.size, 1, options.repeats),
        f"CSR {len(csr)} x {_SPARSE_COLUMNS}": passes(
            csr, labels, csr.nonzeros, 2, options.repeats
        ),
        f"X^T D X, {rows} x {_COLUMNS}": grams(x, y, options.repeats),
    }
    table: list[list[str]] = []
    for label, comparison in results.items():
        ours = next(iter(comparison.seconds))
        for name in comparison.seconds:
            ratio = "" if name == ours else f"{1 / comparison.ratio(name, ours):.2f}"
            table.append([label, name, f"{1e3 * comparison.median(name):.3f}", ratio])
    print(aligned(["workload", "competitor", "ms", "ours / competitor"], table))


if __name__ == "__main__":
    main()
