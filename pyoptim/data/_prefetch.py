"""Prefetching of mini-batches in a thread."""

from __future__ import annotations

import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from pyoptim.data._source import Batches, Order, Source

T = TypeVar("T")

_MIN_BATCH_BYTES = 2**20  # for smaller batches a thread takes longer than it saves


def batches_of(
    source: Source, order: Order, epoch: int, cursor: Any, prefetch: bool | None
) -> Batches:
    """Return the remaining mini-batches of an epoch.

    With ``prefetch=True`` a thread prepares the next mini-batch. With None it does so for sources
    that are slow and for large mini-batches.
    """
    if prefetch is None:
        prefetch = source.slow or source.row_bytes * order.batch_size >= _MIN_BATCH_BYTES
    batches = source.batches(order, epoch, cursor, buffers=2 if prefetch else 1)
    return prefetched(batches) if prefetch else batches


def prefetched(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield the items of a generator, while a thread computes the next item.

    Errors of the generator are raised here. The generator is closed, and the thread ends, when the
    items are exhausted or this generator is closed.

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
                    "prefetch: the prefetch thread does not exist in a forked process; pass "
                    "prefetch=False, or start training in the forked process"
                )
