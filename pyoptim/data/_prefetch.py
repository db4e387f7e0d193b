"""The next mini-batch, got ready while the training step runs."""

from __future__ import annotations

import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from pyoptim.data._source import Batches, Order, Source

T = TypeVar("T")

_WORTH_A_THREAD = 2**20  # bytes of a batch; smaller ones are there before a thread is told


def batches_of(
    source: Source, order: Order, epoch: int, cursor: Any, prefetch: bool | None
) -> Batches:
    """Return what is left of an epoch, got ready by a thread if that is wanted, or worth it."""
    if prefetch is None:
        prefetch = source.slow or source.row_bytes * order.batch_size >= _WORTH_A_THREAD
    batches = source.batches(order, epoch, cursor, buffers=2 if prefetch else 1)
    return prefetched(batches) if prefetch else batches


def prefetched(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield what a generator yields, a thread getting the next one meanwhile.

    The items are the same, as is what is raised. The thread ends with the generator, which is
    closed, or when this is closed.

    Examples
    --------
    >>> list(prefetched(letter for letter in "abc"))
    ['a', 'b', 'c']
    """
    owner = os.getpid()
    with closing(items), ThreadPoolExecutor(1, "pyoptim-prefetch") as thread:
        ahead = thread.submit(next, items, None)
        while (item := ahead.result()) is not None:
            ahead = thread.submit(next, items, None)
            yield item
            if os.getpid() != owner:
                raise RuntimeError(
                    "a forked process has no thread that gets data ready; train in it with "
                    "prefetch=False, or begin there"
                )
