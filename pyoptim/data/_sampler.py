"""Which rows are held out, and which each mini-batch has: functions of a seed and the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np

from pyoptim._utils.validation import as_count, as_share
from pyoptim.parameters._types import Array

Shuffle: TypeAlias = bool | Literal["blocks"]

_SPLIT = 0  # what a random stream is for: its key is (seed, purpose + epoch)
_SHUFFLE = 1
_KEPT = 2**22  # rows whose order is kept in memory; that of more is computed, a part at a time
_PART = 2**16
_MIXED = 64  # blocks that are shuffled together


def _random(seed: int, purpose: int, stream: int = 0) -> np.random.Generator:
    """Return random numbers that depend on their key and the number of their stream alone."""
    key = np.array([seed, purpose], np.uint64)  # of a list numbers from 2^63 on become floats
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, stream]))


def _permutation(seed: int, purpose: int, rows: int) -> Array:
    """Return an order of rows that depends on seed and purpose alone."""
    return _random(seed, purpose).permutation(rows)


def epoch_order(seed: int, epoch: int, rows: int, stream: int = 0) -> Array:
    """Return an order of rows of an epoch; those of other streams have nothing to do with it."""
    return _random(seed, _SHUFFLE + epoch, stream).permutation(rows)


def split_rows(rows: int, fraction: float, seed: int) -> tuple[Array, Array]:
    """Return the numbers of the rows to train on and of those to validate on, both sorted.

    Raises
    ------
    ValueError
        If one of the two would be empty, or the fraction or the seed is out of range.
    """
    seed = as_count("seed", seed, 2**64 - 1, least=0)
    fraction = as_share("validation", fraction)
    held_out = round(rows * fraction)
    if not 0 < held_out < rows:
        raise ValueError(
            f"validation={fraction} of {rows} rows leaves {rows - held_out} to train on and "
            f"{held_out} to validate on; both must be at least 1"
        )
    order = _permutation(seed, _SPLIT, rows)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


class Blocks:
    """The rows of some blocks of a table, numbered on: ``blocks[i]`` is the table's number.

    Parameters
    ----------
    blocks : array of int
        Sorted.
    block_rows : int
        Rows of a block; the last one of the table may have fewer.
    rows : int
        Of the table.
    """

    def __init__(self, blocks: Array, block_rows: int, rows: int) -> None:
        self.blocks = blocks
        self.block_rows = block_rows
        short = (blocks[-1] + 1) * block_rows - rows  # what the last block of the table lacks
        self.rows = int(len(blocks) * block_rows - max(short, 0))

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: slice | Array) -> Array:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.rows))
        block, within = np.divmod(rows, self.block_rows)
        found: Array = self.blocks[block] * self.block_rows + within
        return found


def split_blocks(rows: int, block_rows: int, fraction: float, seed: int) -> tuple[Blocks, Blocks]:
    """Return the rows to train on and those to validate on, in whole blocks.

    Raises
    ------
    ValueError
        If one of the two would be empty.
    """
    train, held_out = split_rows(-(-rows // block_rows), fraction, seed)
    return Blocks(train, block_rows, rows), Blocks(held_out, block_rows, rows)


def rows_of_block(rows: int, row_bytes: int) -> int:
    """Return the rows of a block: about a megabyte, at most a hundredth of all."""
    return max(1, min(2**20 // max(row_bytes, 1), 2**14, -(-rows // 100)))


def batches(
    rows: int,
    batch_size: int,
    *,
    shuffle: Shuffle,
    seed: int,
    epoch: int,
    first: int = 0,
    block_rows: int = 2**14,
) -> Iterator[Any]:
    """Yield which rows are in each mini-batch of an epoch, from batch number `first` on.

    They are row numbers, or a slice where rows are not shuffled; the last batch may be smaller. The
    order depends on seed and epoch alone: a batch's number is all there is to remember. With
    "blocks" it is that of blocks of consecutive rows, 64 of which at a time are shuffled row by
    row: it takes memory for the blocks, and a file is read a megabyte at a time.

    Examples
    --------
    >>> list(batches(5, 2, shuffle=False, seed=0, epoch=1, first=1))
    [slice(2, 4, None), slice(4, 5, None)]
    >>> whole = list(batches(5, 2, shuffle=True, seed=0, epoch=1))
    >>> later = list(batches(5, 2, shuffle=True, seed=0, epoch=1, first=1))
    >>> all((a == b).all() for a, b in zip(whole[1:], later, strict=True))
    True
    """
    if not shuffle:
        for start in range(first * batch_size, rows, batch_size):
            yield slice(start, min(start + batch_size, rows))
        return
    if shuffle == "blocks":
        orders = _by_blocks(rows, first * batch_size, block_rows, seed, _SHUFFLE + epoch)
    elif rows > _KEPT:
        orders = _computed(rows, first * batch_size, seed, _SHUFFLE + epoch)
    else:
        orders = iter([_permutation(seed, _SHUFFLE + epoch, rows)[first * batch_size :]])
    left = np.empty(0, np.int64)
    for order in orders:
        found = np.concatenate([left, order]) if len(left) else order
        whole = len(found) // batch_size * batch_size
        for start in range(0, whole, batch_size):
            yield found[start : start + batch_size]
        left = found[whole:]
    if len(left):
        yield left


def _by_blocks(rows: int, skip: int, block_rows: int, seed: int, purpose: int) -> Iterator[Array]:
    """Yield an order of rows, but for the first `skip`, a few blocks at a time."""
    order = _permutation(seed, purpose, -(-rows // block_rows))
    for start in range(0, len(order), _MIXED):
        blocks = order[start : start + _MIXED]
        has_last = len(order) - 1 in blocks
        size = len(blocks) * block_rows - (-rows % block_rows if has_last else 0)
        if skip >= size:
            skip -= size
            continue
        found = (blocks[:, None] * block_rows + np.arange(block_rows)).reshape(-1)
        mixed = _random(seed, purpose, 1 + start // _MIXED).permutation(found[found < rows])
        yield mixed[skip:]
        skip = 0


def _computed(rows: int, skip: int, seed: int, purpose: int) -> Iterator[Array]:
    """Yield an order of rows, but for the first `skip`, that takes no memory.

    A Feistel network permutes the numbers of an even count of bits; one that is not below `rows`
    is permuted again, until it is (Black and Rogaway, Ciphers with arbitrary finite domains, 2002).
    """
    keys = _random(seed, purpose).integers(2**64, size=8, dtype=np.uint64)
    half = np.uint64(((rows - 1).bit_length() + 1) // 2)
    mask = (np.uint64(1) << half) - np.uint64(1)

    def permuted(numbers: Array) -> Array:
        left, right = numbers >> half, numbers & mask
        for key in keys:
            left, right = right, left ^ (_mixed(right + key) & mask)
        found: Array = (left << half) | right
        return found

    for start in range(skip, rows, _PART):
        found = permuted(np.arange(start, min(start + _PART, rows), dtype=np.uint64))
        while (outside := np.flatnonzero(found >= rows)).size:
            found[outside] = permuted(found[outside])
        yield found.astype(np.int64)


def _mixed(numbers: Array) -> Array:
    """Return hashes of numbers (the last steps of SplitMix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: Array = numbers ^ (numbers >> np.uint64(31))
    return found
