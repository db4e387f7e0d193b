"""Rows that can be taken by number: arrays, CSR matrices, files mapped into memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from pyoptim import _core
from pyoptim.data._batch import Cast, Rows, parts_of
from pyoptim.data._checks import Check
from pyoptim.data._csr import CSR, TakenRows
from pyoptim.data._mmap import is_mapped, releasable, release
from pyoptim.data._sampler import Blocks, batches, rows_of_block
from pyoptim.data._source import Batch, Batches, Order, Source
from pyoptim.parameters._types import Array

_MOST_HELD = 2**28  # bytes of a mapped file that are held in memory
_AROUND = 2**16  # bytes that are mapped where one is read
_PIECE = 2**24  # bytes that are evaluated at a time
_MOST_ROWS = 4096  # and rows
_SAMPLED = 100  # rows of a fingerprint


class Table(Source):
    """Rows that can be taken by number.

    Parameters
    ----------
    rows : Rows
        As a model takes them; or as they were given, for `cast` to convert when they are taken.
    cast : function, optional
        Makes rows such as a model takes of x, y and weights.
    chosen : array of int or Blocks, optional
        The rows there are; by default all.
    check : Check, optional
        Looks at inputs when they are taken, with `cast`: what is not in memory is read once.
    """

    def __init__(
        self,
        rows: Rows,
        cast: Cast | None = None,
        chosen: Array | Blocks | None = None,
        check: Check | None = None,
    ) -> None:
        self.rows = rows
        self.cast = cast
        self.chosen = chosen
        self.check = check
        self.size: int = rows.size if chosen is None else len(chosen)
        arrays = _arrays(rows)
        self.slow = any(is_mapped(array) for array in arrays)
        found = [mapping for array in arrays if (mapping := releasable(array)) is not None]
        self._mappings = list({id(mapping): mapping for mapping in found}.values())
        # What is converted later has errors of type and shape now.
        self.like = rows if cast is None else cast(*rows.take(slice(0, 1)))

    def select(self, chosen: Array | Blocks) -> Table:
        """Return a table of some of the rows."""
        return Table(self.rows, self.cast, chosen, self.check)

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes, as a model takes it."""
        return _bytes(self.like) // max(self.like.size, 1)

    @property
    def block_rows(self) -> int:
        """The rows of a block, where they are shuffled by blocks."""
        return rows_of_block(self.rows.size, self._stored_bytes)

    @property
    def _stored_bytes(self) -> int:
        return _bytes(self.rows) // max(self.rows.size, 1)

    @property
    def fingerprint(self) -> str:
        """A checksum of some rows, and of all targets and weights that are in memory.

        Python's objects, which have no bytes of their own, do not count.
        """
        count = min(self.rows.size, _SAMPLED)
        numbers = np.linspace(0, self.rows.size - 1, count).astype(np.int64)
        some = _values(Reader(self).read(numbers, of_all=True))
        arrays = some if self.cast is not None else some + _values(self.rows._replace(x=()))
        sums = [
            _core.xxh64(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
            for array in arrays
            if not array.dtype.hasobject
        ]
        return f"{_core.xxh64(np.array(sums, np.uint64)):016x}"

    def batches(self, order: Order, epoch: int, cursor: Any, buffers: int) -> Batches:
        """Yield an epoch's mini-batches from number `cursor` on; the last one may be smaller."""
        readers = [Reader(self) for _ in range(buffers)]
        numbers = batches(
            self.size,
            order.batch_size,
            shuffle=order.shuffle,
            seed=order.seed,
            epoch=epoch,
            first=cursor,
            block_rows=self.block_rows,
        )
        # Pages are let go only where they are not soon wanted again. Reading one row of those that
        # are chosen maps what is around it, too.
        mappings = [] if order.shuffle is True else self._mappings
        each = self._stored_bytes
        if isinstance(self.chosen, np.ndarray):
            each = max(each, _AROUND)
        held = 0
        for index, chosen in enumerate(numbers, cursor):
            rows = readers[index % buffers].read(chosen)
            held += len(rows.y) * each
            if held > _MOST_HELD:
                _release(mappings)
                held = 0
            yield Batch(rows, chosen, index + 1)
        _release(mappings)

    def first_rows(self, count: int) -> Rows:
        """Return the first rows."""
        return Reader(self).read(slice(0, min(count, self.size)))

    def pieces(self) -> Iterator[Rows]:
        """Yield all rows in order, some at a time; each piece is written over by the next."""
        step = max(1, min(_MOST_ROWS, _PIECE // max(self.row_bytes, 1)))
        for batch in self.batches(Order(step, False, 0), 0, 0, 1):
            yield batch.rows


class Reader:
    """Takes rows of a table into memory that the next ones are written over."""

    def __init__(self, table: Table) -> None:
        rows, like, copies = table.rows, table.like, table.cast is not None
        self._table = table
        self._is_tuple = isinstance(rows.x, tuple)
        parts, model_parts = parts_of(rows.x), parts_of(like.x)
        if len(parts) != len(model_parts):  # a model may join some
            model_parts = parts
        pairs = zip(parts, model_parts, strict=True)
        self._x = [_taker(part, model_part, copies) for part, model_part in pairs]
        self._y = _taker(rows.y, rows.y, copies)
        self._weights = None if rows.weights is None else _taker(rows.weights, rows.weights, copies)

    def read(self, numbers: Array | slice, *, of_all: bool = False) -> Rows:
        """Return rows by number, counted among those chosen, or `of_all`."""
        table = self._table
        if table.chosen is not None and not of_all:
            numbers = table.chosen[numbers]
        parts = self._x
        x = tuple(take(numbers) for take in parts) if self._is_tuple else parts[0](numbers)
        weights = None if self._weights is None else self._weights(numbers)
        y = self._y(numbers)
        if table.cast is None:
            return Rows(x, y, weights)
        rows = table.cast(x, y, weights)
        if table.check is not None:
            table.check.inputs(rows, numbers)
        return rows


class _Column:
    """Takes rows of an array, converted, without the GIL."""

    def __init__(self, source: Array, dtype: np.dtype[Any], copies: bool) -> None:
        self._source = source
        self._copies = copies
        self._memory = self._out = np.empty((0, *source.shape[1:]), dtype)

    def __call__(self, rows: Array | slice) -> Array:
        source, numbers = self._source, None
        if isinstance(rows, slice):
            source = source[rows]
            if not self._copies:
                return source
            count = len(source)
        else:
            numbers, count = rows, len(rows)
        out = self._out
        if len(out) != count:
            if count > len(self._memory):
                self._memory = np.empty((count, *source.shape[1:]), out.dtype)
            out = self._out = self._memory[:count]
        if not _core.take_rows(source, numbers, out):
            np.copyto(out, source if numbers is None else source[numbers], casting="unsafe")
        return out


def _release(mappings: list[mmap.mmap]) -> None:
    for mapping in mappings:
        release(mapping)


def _taker(source: Any, like: Any, copies: bool) -> Any:
    """Return a function that takes rows of the source, of the type that a model makes of them."""
    if isinstance(source, CSR):
        taken = TakenRows(source)
        return lambda rows: source[rows] if isinstance(rows, slice) else taken.take(rows)
    if not isinstance(source, np.ndarray):  # what a model of one's own made of rows
        return source.__getitem__
    converts = isinstance(like, np.ndarray) and like.shape[1:] == source.shape[1:]
    return _Column(source, like.dtype if converts else source.dtype, copies)


def _arrays(rows: Rows) -> list[Array]:
    """Return all arrays there are."""
    found = [] if rows.weights is None else [rows.weights]
    for part in (*parts_of(rows.x), rows.y):
        if isinstance(part, CSR):
            found += [part.data, part.indices, part.indptr]
        elif isinstance(part, np.ndarray):
            found.append(part)
    return found


def _values(rows: Rows) -> list[Array]:
    """Return all arrays there are, of CSR matrices without what they do not use."""
    parts = [part.values if isinstance(part, CSR) else part for part in parts_of(rows.x)]
    return _arrays(rows._replace(x=())) + [
        array for part in parts for array in parts_of(part) if isinstance(array, np.ndarray)
    ]


def _bytes(rows: Rows) -> int:
    """Return how many bytes rows take."""
    return sum(array.nbytes for array in _arrays(rows))
