"""Data sources with random access to rows: arrays, CSR matrices and memory-mapped files."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from pyoptim import _core
from pyoptim.data._batch import Cast, Rows, parts_of
from pyoptim.data._checks import Check
from pyoptim.data._csr import CSR, CSRGather
from pyoptim.data._mmap import is_mapped, releasable, release
from pyoptim.data._sampler import Blocks, batches, rows_per_block
from pyoptim.data._source import Batch, Batches, Order, Source
from pyoptim.parameters._types import Array

_MAX_MAPPED_BYTES = 2**28  # pages of a mapped file in memory before they are released
_READ_AHEAD_BYTES = 2**16  # pages that the system maps when one row is read
_PIECE_BYTES = 2**24  # maximum size of the rows that are evaluated at a time
_PIECE_ROWS = 4096
_FINGERPRINT_ROWS = 100


class Table(Source):
    """A data source with random access to rows.

    Parameters
    ----------
    rows : Rows
        Rows in the model's format or, with `cast`, rows in the user's format.
    cast : function, optional
        Function that converts x, y and weights to the model's format when rows are read.
    selection : array of int or Blocks, optional
        Numbers of the rows to use; by default all rows.
    check : Check, optional
        Check of the inputs when rows are read with `cast`. Data that is not in memory is then read
        only once.
    """

    def __init__(
        self,
        rows: Rows,
        cast: Cast | None = None,
        selection: Array | Blocks | None = None,
        check: Check | None = None,
    ) -> None:
        self.rows = rows
        self.cast = cast
        self.selection = selection
        self.check = check
        self.size: int = rows.size if selection is None else len(selection)
        arrays = _arrays(rows)
        self.slow = any(is_mapped(array) for array in arrays)
        mappings = [mapping for array in arrays if (mapping := releasable(array)) is not None]
        self._mappings = list({id(mapping): mapping for mapping in mappings}.values())
        # Converting a row now raises errors of type and shape before training.
        self.example = rows if cast is None else cast(*rows.take(slice(0, 1)))

    def select(self, selection: Array | Blocks) -> Table:
        """Return a table of some of the rows."""
        return Table(self.rows, self.cast, selection, self.check)

    @property
    def row_bytes(self) -> int:
        """Approximate number of bytes of a row in the model's format."""
        return _bytes(self.example) // max(self.example.size, 1)

    @property
    def block_rows(self) -> int:
        """The number of rows in a block, for shuffling by blocks."""
        return rows_per_block(self.rows.size, self._stored_row_bytes)

    @property
    def _stored_row_bytes(self) -> int:
        return _bytes(self.rows) // max(self.rows.size, 1)

    @property
    def fingerprint(self) -> str:
        """A checksum of some rows, and of all targets and weights in memory.

        Arrays of Python objects are left out.
        """
        count = min(self.rows.size, _FINGERPRINT_ROWS)
        numbers = np.linspace(0, self.rows.size - 1, count).astype(np.int64)
        sample = _values(Reader(self).read(numbers, selected=False))
        arrays = sample if self.cast is not None else sample + _values(self.rows._replace(x=()))
        sums = [
            _core.xxh64(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
            for array in arrays
            if not array.dtype.hasobject
        ]
        return f"{_core.xxh64(np.array(sums, np.uint64)):016x}"

    def batches(self, order: Order, epoch: int, cursor: Any, buffers: int) -> Batches:
        """Yield an epoch's mini-batches from number `cursor` on; the last one can be smaller."""
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
        # Pages are released only if rows are read in order. Reading a single selected row also maps
        # the pages around it.
        mappings = [] if order.shuffle is True else self._mappings
        bytes_per_row = self._stored_row_bytes
        if isinstance(self.selection, np.ndarray):
            bytes_per_row = max(bytes_per_row, _READ_AHEAD_BYTES)
        mapped = 0
        for index, batch in enumerate(numbers, cursor):
            rows = readers[index % buffers].read(batch)
            mapped += len(rows.y) * bytes_per_row
            if mapped > _MAX_MAPPED_BYTES:
                _release(mappings)
                mapped = 0
            yield Batch(rows, batch, index + 1)
        _release(mappings)

    def first_rows(self, count: int) -> Rows:
        """Return the first `count` rows, or all rows if there are fewer."""
        return Reader(self).read(slice(0, min(count, self.size)))

    def pieces(self) -> Iterator[Rows]:
        """Yield all rows in order, a few at a time; each piece overwrites the one before."""
        step = max(1, min(_PIECE_ROWS, _PIECE_BYTES // max(self.row_bytes, 1)))
        for batch in self.batches(Order(step, False, 0), 0, 0, 1):
            yield batch.rows


class Reader:
    """A reader of a table's rows, which reuses its memory in each call."""

    def __init__(self, table: Table) -> None:
        rows, example, copies = table.rows, table.example, table.cast is not None
        self._table = table
        self._is_tuple = isinstance(rows.x, tuple)
        parts, model_parts = parts_of(rows.x), parts_of(example.x)
        if len(parts) != len(model_parts):  # the model concatenates some parts
            model_parts = parts
        pairs = zip(parts, model_parts, strict=True)
        self._x = [_gather(part, model_part, copies) for part, model_part in pairs]
        self._y = _gather(rows.y, rows.y, copies)
        weights = rows.weights
        self._weights = None if weights is None else _gather(weights, weights, copies)

    def read(self, numbers: Array | slice, *, selected: bool = True) -> Rows:
        """Return rows by number, counted among the selected rows or else among all rows."""
        table = self._table
        if table.selection is not None and selected:
            numbers = table.selection[numbers]
        parts = self._x
        x = tuple(gather(numbers) for gather in parts) if self._is_tuple else parts[0](numbers)
        weights = None if self._weights is None else self._weights(numbers)
        y = self._y(numbers)
        if table.cast is None:
            return Rows(x, y, weights)
        rows = table.cast(x, y, weights)
        if table.check is not None:
            table.check.inputs(rows, numbers)
        return rows


class _ArrayGather:
    """A function that gathers and converts rows of an array, without the GIL."""

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
        if not _core.gather_rows(source, numbers, out):
            np.copyto(out, source if numbers is None else source[numbers], casting="unsafe")
        return out


def _release(mappings: list[mmap.mmap]) -> None:
    for mapping in mappings:
        release(mapping)


def _gather(source: Any, example: Any, copies: bool) -> Any:
    """Return a function that gathers rows of `source` in the dtype of the model's format."""
    if isinstance(source, CSR):
        gather = CSRGather(source)
        return lambda rows: source[rows] if isinstance(rows, slice) else gather(rows)
    if not isinstance(source, np.ndarray):  # from cast_inputs of a user's model
        return source.__getitem__
    converts = isinstance(example, np.ndarray) and example.shape[1:] == source.shape[1:]
    return _ArrayGather(source, example.dtype if converts else source.dtype, copies)


def _arrays(rows: Rows) -> list[Array]:
    """Return all arrays of rows."""
    arrays = [] if rows.weights is None else [rows.weights]
    for part in (*parts_of(rows.x), rows.y):
        if isinstance(part, CSR):
            arrays += [part.data, part.indices, part.indptr]
        elif isinstance(part, np.ndarray):
            arrays.append(part)
    return arrays


def _values(rows: Rows) -> list[Array]:
    """Return all arrays of rows, without values that CSR matrices do not use."""
    parts = [part.values if isinstance(part, CSR) else part for part in parts_of(rows.x)]
    return _arrays(rows._replace(x=())) + [
        array for part in parts for array in parts_of(part) if isinstance(array, np.ndarray)
    ]


def _bytes(rows: Rows) -> int:
    """Return the number of bytes of rows."""
    return sum(array.nbytes for array in _arrays(rows))
