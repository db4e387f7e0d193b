"""Held-out rows and the rows of mini-batches, as functions of a seed and the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np

from pyoptim._utils.validation import as_count, as_fraction
from pyoptim.parameters._types import Array

Shuffle: TypeAlias = bool | Literal["blocks"]

_SPLIT = 0  # purposes of random numbers, whose key is (seed, purpose + epoch)
_SHUFFLE = 1
_MAX_PERMUTED_ROWS = 2**22  # the order of more rows is computed in parts, without a permutation
_PART_ROWS = 2**16
_BLOCKS_SHUFFLED_TOGETHER = 64


def _random(seed: int, purpose: int, stream: int = 0) -> np.random.Generator:
    """Return a generator of random numbers for a seed, a purpose and a stream."""
    key = np.array([seed, purpose], np.uint64)  # a list would convert numbers from 2^63 to floats
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, stream]))


def _permutation(seed: int, purpose: int, rows: int) -> Array:
    """Return a permutation of rows for a seed and a purpose."""
    return _random(seed, purpose).permutation(rows)


def epoch_order(seed: int, epoch: int, rows: int, stream: int = 0) -> Array:
    """Return a permutation of rows for an epoch; different streams are independent."""
    return _random(seed, _SHUFFLE + epoch, stream).permutation(rows)


def split_rows(rows: int, fraction: float, seed: int) -> tuple[Array, Array]:
    """Split rows into training and validation rows.

    Parameters
    ----------
    rows : int
        Number of rows.
    fraction : float, in (0, 1)
        Fraction of validation rows.
    seed : int
        Seed for the choice of validation rows.

    Returns
    -------
    train, validation : array of int
        Sorted row numbers.

    Raises
    ------
    ValueError
        If there would be no training or no validation rows, or `fraction` or `seed` is out of
        range.
    """
    seed = as_count("seed", seed, 2**64 - 1, minimum=0)
    fraction = as_fraction("validation", fraction)
    held_out = round(rows * fraction)
    if not 0 < held_out < rows:
        raise ValueError(
            f"validation: expected at least 1 row to train on and 1 to validate on, got "
            f"{rows - held_out} and {held_out} with validation={fraction} of {rows} rows"
        )
    order = _permutation(seed, _SPLIT, rows)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


class Blocks:
    """A selection of a table's rows in whole blocks of consecutive rows.

    Item i is the row number in the table of row i of the selection.

    Parameters
    ----------
    blocks : array of int
        Sorted numbers of the selected blocks.
    block_rows : int
        Number of rows in a block. The last block of the table can have fewer.
    rows : int
        Number of rows in the table.
    """

    def __init__(self, blocks: Array, block_rows: int, rows: int) -> None:
        self.blocks = blocks
        self.block_rows = block_rows
        missing = (blocks[-1] + 1) * block_rows - rows  # rows that the table's last block lacks
        self.rows = int(len(blocks) * block_rows - max(missing, 0))

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: slice | Array) -> Array:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.rows))
        block, within = np.divmod(rows, self.block_rows)
        numbers: Array = self.blocks[block] * self.block_rows + within
        return numbers


def split_blocks(rows: int, block_rows: int, fraction: float, seed: int) -> tuple[Blocks, Blocks]:
    """Split rows into training and validation rows, in whole blocks of consecutive rows.

    Raises
    ------
    ValueError
        If there would be no training or no validation rows, or `fraction` or `seed` is out of
        range.
    """
    train, held_out = split_rows(-(-rows // block_rows), fraction, seed)
    return Blocks(train, block_rows, rows), Blocks(held_out, block_rows, rows)


def rows_per_block(rows: int, row_bytes: int) -> int:
    """Return the number of rows in a block: about a megabyte, and at most 1% of all rows."""
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
    """Yield the row numbers of each mini-batch of an epoch, from batch number `first` on.

    Without shuffling a slice is yielded. The last batch can be smaller. The order depends only on
    the seed and the epoch, so the number of a batch suffices to resume.

    With ``shuffle="blocks"`` the blocks of consecutive rows are shuffled first. Then the rows of 64
    blocks at a time are shuffled. This takes memory only for the order of the blocks, and reads a
    file about a megabyte at a time.

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
        parts = _shuffled_blocks(rows, first * batch_size, block_rows, seed, _SHUFFLE + epoch)
    elif rows > _MAX_PERMUTED_ROWS:
        parts = _computed_order(rows, first * batch_size, seed, _SHUFFLE + epoch)
    else:
        parts = iter([_permutation(seed, _SHUFFLE + epoch, rows)[first * batch_size :]])
    rest = np.empty(0, np.int64)
    for part in parts:
        numbers = np.concatenate([rest, part]) if len(rest) else part
        end = len(numbers) // batch_size * batch_size
        for start in range(0, end, batch_size):
            yield numbers[start : start + batch_size]
        rest = numbers[end:]
    if len(rest):
        yield rest


def _shuffled_blocks(
    rows: int, skip: int, block_rows: int, seed: int, purpose: int
) -> Iterator[Array]:
    """Yield an order of rows without its first `skip` rows, a few blocks at a time."""
    order = _permutation(seed, purpose, -(-rows // block_rows))
    for start in range(0, len(order), _BLOCKS_SHUFFLED_TOGETHER):
        blocks = order[start : start + _BLOCKS_SHUFFLED_TOGETHER]
        has_last = len(order) - 1 in blocks
        size = len(blocks) * block_rows - (-rows % block_rows if has_last else 0)
        if skip >= size:
            skip -= size
            continue
        numbers = (blocks[:, None] * block_rows + np.arange(block_rows)).reshape(-1)
        random = _random(seed, purpose, 1 + start // _BLOCKS_SHUFFLED_TOGETHER)
        yield random.permutation(numbers[numbers < rows])[skip:]
        skip = 0


def _computed_order(rows: int, skip: int, seed: int, purpose: int) -> Iterator[Array]:
    """Yield an order of rows without its first `skip` rows, in parts, in constant memory.

    A Feistel network permutes all numbers with an even number of bits. A number that is not below
    `rows` is permuted again until it is (cycle walking; Black and Rogaway, Ciphers with Arbitrary
    Finite Domains, 2002).
    """
    keys = _random(seed, purpose).integers(2**64, size=8, dtype=np.uint64)
    half = np.uint64(((rows - 1).bit_length() + 1) // 2)
    mask = (np.uint64(1) << half) - np.uint64(1)

    def permuted(numbers: Array) -> Array:
        left, right = numbers >> half, numbers & mask
        for key in keys:
            left, right = right, left ^ (_splitmix64(right + key) & mask)
        result: Array = (left << half) | right
        return result

    for start in range(skip, rows, _PART_ROWS):
        part = permuted(np.arange(start, min(start + _PART_ROWS, rows), dtype=np.uint64))
        while (outside := np.flatnonzero(part >= rows)).size:
            part[outside] = permuted(part[outside])
        yield part.astype(np.int64)


def _splitmix64(numbers: Array) -> Array:
    """Return hashes of numbers, the last steps of SplitMix64."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    hashes: Array = numbers ^ (numbers >> np.uint64(31))
    return hashes
