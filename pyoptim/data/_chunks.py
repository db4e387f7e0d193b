"""Data in chunks, from a sequence, an iterable or a function that returns an iterable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from pyoptim.data._arrays import Reader, Table
from pyoptim.data._batch import Cast, Rows, concatenate
from pyoptim.data._checks import Check
from pyoptim.data._sampler import epoch_order
from pyoptim.data._source import Batch, Batches, Order, Source


class Chunks(Source):
    """A data source of chunks ``(x, y)`` or ``(x, y, sample_weight)`` of any sizes.

    Rows are shuffled within each chunk, and a mini-batch can have rows of several chunks. The
    chunks of a sequence, which has ``len`` and ``[]``, are shuffled in each epoch, too. Resuming a
    run reads a sequence only from the current chunk on, and any other iterable from its beginning.

    Parameters
    ----------
    chunks : iterable, or function that returns an iterable
        Chunks of the data. They are iterated in each epoch.
    cast : function
        Function that converts the arrays of a chunk to rows in the model's format.
    check : Check
        Check of the rows of each chunk when the chunk is read.

    Raises
    ------
    TypeError
        If `chunks` is an iterator, or not iterable.
    """

    size = None
    slow = True

    def __init__(
        self, chunks: Iterable[Any] | Callable[[], Iterable[Any]], cast: Cast, check: Check
    ) -> None:
        if isinstance(chunks, Iterator):
            raise TypeError(
                f"chunks: expected a sequence, or a function that returns an iterator, got the "
                f"iterator {chunks!r}, which is exhausted after one epoch; pass the function that "
                "makes it"
            )
        self.is_sequence = hasattr(chunks, "__len__") and hasattr(chunks, "__getitem__")
        if not (self.is_sequence or callable(chunks) or isinstance(chunks, Iterable)):
            raise TypeError(
                "chunks: expected an iterable of chunks (x, y), or a function that returns an "
                f"iterable, got {type(chunks).__name__}; pass y, if this is x"
            )
        self.chunks: Any = chunks
        self.cast = cast
        self.check = check

    @property
    def row_bytes(self) -> int:
        """The number of bytes of a row in the first chunk that is not empty."""
        return Table(self.first_rows(1)).row_bytes

    def first_rows(self, count: int) -> Rows:
        """Return at most `count` rows of the first chunk that is not empty."""
        for _, _, rows in self._from(0, Order(1, False, 0), 0):
            if rows.size:
                return rows.take(slice(0, count))
        raise ValueError("chunks: expected at least one row, got none")

    def batches(self, order: Order, epoch: int, cursor: Any, buffers: int) -> Batches:
        """Yield an epoch's mini-batches, starting at row cursor[1] of chunk cursor[0].

        The numbers of a batch are a list of chunk numbers with row numbers, such as
        ``[(3, rows), (4, rows)]``.
        """
        first, start = cursor or (0, 0)
        parts: list[Rows] = []
        numbers: list[Any] = []
        missing = order.batch_size
        count = 0
        for position, number, rows in self._from(first, order, epoch):
            table = Table(rows)
            readers = [Reader(table) for _ in range(buffers)]
            # Stream 0 of random numbers orders the chunks, and stream 1 + position a chunk's rows.
            permutation = (
                epoch_order(order.seed, epoch, rows.size, 1 + position) if order.shuffle else None
            )
            while start < rows.size:
                stop = min(start + missing, rows.size)
                part = slice(start, stop) if permutation is None else permutation[start:stop]
                parts.append(readers[count % buffers].read(part))
                numbers.append((number, part))
                missing -= stop - start
                start = stop
                if missing == 0:
                    next_cursor = (position + 1, 0) if stop == rows.size else (position, stop)
                    yield Batch(concatenate(parts), numbers, next_cursor)
                    parts, numbers, missing = [], [], order.batch_size
                    count += 1
            start = 0
        if parts:
            yield Batch(concatenate(parts), numbers, (position + 1, 0))

    def _from(self, first: int, order: Order, epoch: int) -> Iterator[tuple[int, int, Rows]]:
        """Yield the position in the epoch, number and rows of each chunk from `first` on."""
        if self.is_sequence:
            positions = range(len(self.chunks))
            numbers = epoch_order(order.seed, epoch, len(positions)) if order.shuffle else positions
            for position in positions[first:]:
                number = int(numbers[position])
                yield position, number, self._rows(number, self.chunks[number])
            return
        chunks = iter(self.chunks() if callable(self.chunks) else self.chunks)
        try:
            for position, chunk in enumerate(islice(chunks, first, None), first):
                yield position, position, self._rows(position, chunk)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()

    def _rows(self, number: int, chunk: Any) -> Rows:
        if not isinstance(chunk, tuple | list) or len(chunk) not in (2, 3):
            raise ValueError(
                f"chunk {number}: expected (x, y) or (x, y, sample_weight), "
                f"got {type(chunk).__name__}"
            )
        try:
            rows = self.cast(*chunk)
            self.check.rows(rows)
            return rows
        except (ValueError, TypeError) as error:
            raise type(error)(f"chunk {number}: {error}") from None
