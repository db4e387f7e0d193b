"""Rules that support row-sparse gradients, and random parameters and gradients for them."""

from __future__ import annotations

import numpy as np
from reference import MOVED, VARIANTS, Array, some_numbers

import pyoptim as po

ROW_GRAD_CASES = [case for case in VARIANTS + MOVED if case.rule.supports_row_grad]


def numbers(seed: int, shape: tuple[int, ...], dtype: str) -> Array:
    return some_numbers(seed, int(np.prod(shape)), dtype).reshape(shape)


def some_rows(seed: int, table: int, count: int) -> Array:
    """Return row numbers of which some come several times."""
    return np.random.default_rng(seed).integers(0, table, count)


def row_grads(
    steps: int, count: int, shape: tuple[int, ...], dtype: str, seed: int = 0
) -> list[po.RowGrad]:
    return [
        po.RowGrad(
            some_rows(seed + t, shape[0], count), numbers(seed + t, (count, *shape[1:]), dtype)
        )
        for t in range(steps)
    ]


def make_params(*row_sparse: str, dtype: str = "float32") -> po.Parameters:
    params = po.Parameters(
        {"users": (6, 3), "w": (2, 2), "items": (40,)}, dtype=dtype, row_sparse=row_sparse
    )
    params.flat[...] = some_numbers(1, params.flat.size, dtype)
    return params


def row_grad(seed: int, table: np.ndarray, count: int = 4) -> po.RowGrad:
    shape = (count, *table.shape[1:])
    values = some_numbers(seed, int(np.prod(shape)), str(table.dtype)).reshape(shape)
    return po.RowGrad(some_rows(seed, len(table), count), values)
