"""Rows in memory: validation split and mini-batches, in an order that a seed fixes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

from pyoptim.parameters import Array

_SPLIT = 0  # what a random stream is for: its key is (seed, purpose + epoch)
_SHUFFLE = 1


def _permutation(seed: int, purpose: int, rows: int) -> Array:
    """Return an order of rows that depends on seed and purpose alone."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose])).permutation(rows)


def split_rows(rows: int, fraction: float, seed: int) -> tuple[Array, Array]:
    """Return the numbers of the rows to train on and of those to validate on, both sorted.

    Raises
    ------
    ValueError
        If one of the two would be empty.
    """
    held_out = round(rows * fraction)
    if not 0 < held_out < rows:
        raise ValueError(
            f"validation={fraction} of {rows} rows leaves {rows - held_out} to train on and "
            f"{held_out} to validate on; both must be at least 1"
        )
    order = _permutation(seed, _SPLIT, rows)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def batches(
    arrays: Sequence[Array | None], batch_size: int, *, shuffle: bool, seed: int, epoch: int
) -> Iterator[tuple[Any, ...]]:
    """Yield the mini-batches of an epoch, the same rows of all arrays; the last may be smaller.

    The first array gives the number of rows; None stays None.
    """
    count = len(cast(Array, arrays[0]))
    order = _permutation(seed, _SHUFFLE + epoch, count) if shuffle else None
    for start in range(0, count, batch_size):
        rows = slice(start, start + batch_size)
        chosen = rows if order is None else order[rows]
        yield tuple(None if array is None else array[chosen] for array in arrays)
