"""Rows that come in chunks: a function of generators, or anything that is gone through again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from pyoptim.data._arrays import Reader, Table
from pyoptim.data._batch import Cast, Rows, joined
from pyoptim.data._checks import Check
from pyoptim.data._sampler import epoch_order
from pyoptim.data._source import Batch, Batches, Order, Source


class Chunks(Source):
    """Chunks ``(x, y)`` or ``(x, y, sample_weight)`` of any sizes.

    Rows are shuffled within each chunk, and mini-batches go on from one to the next. What is a
    sequence, with ``len`` and ``[]``, also has its chunks in an order of the epoch's own, and is
    not read from its beginning where a run goes on.

    Parameters
    ----------
    chunks : iterable, or function that returns one
    cast : function
        Makes rows such as a model takes of a chunk.
    check : Check
        Looks at the rows of each chunk when it is read.

    Raises
    ------
    TypeError
        If it can be gone through only once.
    """

    size = None
    slow = True

    def __init__(
        self, chunks: Iterable[Any] | Callable[[], Iterable[Any]], cast: Cast, check: Check
    ) -> None:
        if isinstance(chunks, Iterator):
            raise TypeError(
                "chunks: an iterator is at its end after one epoch; give the function that makes "
                f"it, or a sequence, got {chunks!r}"
            )
        self.is_sequence = hasattr(chunks, "__len__") and hasattr(chunks, "__getitem__")
        if not (self.is_sequence or callable(chunks) or isinstance(chunks, Iterable)):
            raise TypeError(
                f"without y, expected an iterable of chunks (x, y) or a function that returns one, "
                f"got {type(chunks).__name__}"
            )
        self.chunks: Any = chunks
        self.cast = cast
        self.check = check

    @property
    def row_bytes(self) -> int:
        """The bytes of a row of the first chunk that has some."""
        return Table(self.first_rows(1)).row_bytes

    def first_rows(self, count: int) -> Rows:
        """Return the first rows of the first chunk that has some."""
        for _, _, rows in self._from(0, Order(1, False, 0), 0):
            if rows.size:
                return rows.take(slice(0, count))
        raise ValueError("chunks: expected at least one row")

    def batches(self, order: Order, epoch: int, cursor: Any, buffers: int) -> Batches:
        """Yield an epoch's mini-batches from chunk cursor[0], row cursor[1] on.

        The numbers of a batch's rows are a list of chunks and their rows: [(3, rows), (4, rows)].
        """
        first, start = cursor or (0, 0)
        parts: list[Rows] = []
        numbers: list[Any] = []
        missing = order.batch_size
        count = 0
        for place, number, rows in self._from(first, order, epoch):
            table = Table(rows)
            readers = [Reader(table) for _ in range(buffers)]
            # A chunk's order has the stream of its place; 0 is that of the chunks themselves.
            mixed = epoch_order(order.seed, epoch, rows.size, 1 + place) if order.shuffle else None
            while start < rows.size:
                stop = min(start + missing, rows.size)
                chosen = slice(start, stop) if mixed is None else mixed[start:stop]
                parts.append(readers[count % buffers].read(chosen))
                numbers.append((number, chosen))
                missing -= stop - start
                start = stop
                if missing == 0:
                    at_end = stop == rows.size
                    yield Batch(joined(parts), numbers, (place + at_end, 0 if at_end else stop))
                    parts, numbers, missing = [], [], order.batch_size
                    count += 1
            start = 0
        if parts:
            yield Batch(joined(parts), numbers, (place + 1, 0))

    def _from(self, first: int, order: Order, epoch: int) -> Iterator[tuple[int, int, Rows]]:
        """Yield chunks with their places in the epoch and their numbers, from a place on."""
        if self.is_sequence:
            places = range(len(self.chunks))
            numbers = epoch_order(order.seed, epoch, len(places)) if order.shuffle else places
            for place in places[first:]:
                number = int(numbers[place])
                yield place, number, self._rows(number, self.chunks[number])
            return
        chunks = iter(self.chunks() if callable(self.chunks) else self.chunks)
        try:
            for place, chunk in enumerate(islice(chunks, first, None), first):
                yield place, place, self._rows(place, chunk)
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
