"""Rows in memory: validation split and mini-batches, in an order that a seed fixes."""

from __future__ import annotations

from collections.abc import Iterator

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
    x: Array, y: Array, batch_size: int, *, shuffle: bool, seed: int, epoch: int
) -> Iterator[tuple[Array, Array]]:
    """Yield the mini-batches of an epoch; the last one may be smaller."""
    order = _permutation(seed, _SHUFFLE + epoch, len(x)) if shuffle else None
    for start in range(0, len(x), batch_size):
        rows = slice(start, start + batch_size)
        if order is None:
            yield x[rows], y[rows]
        else:
            yield x[order[rows]], y[order[rows]]
