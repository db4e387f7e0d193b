"""Arrays that are files mapped into memory, and the pages of them that were read."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np


def is_mapped(array: Any) -> bool:
    """Whether an array is a file mapped into memory, or a part of one."""
    return any(isinstance(owner, mmap.mmap) for owner in _owners(array))


def releasable(array: Any) -> mmap.mmap | None:
    """Return the mapping of an array if its pages can be let go without a loss, else None.

    What was written to copy-on-write mappings is nowhere else, and of those that are not NumPy's it
    is not known whether they are such.
    """
    owners = list(_owners(array))
    modes = [owner.mode for owner in owners if isinstance(owner, np.memmap)]
    safe = modes and "c" not in modes and hasattr(mmap, "MADV_DONTNEED")
    return next((each for each in owners if safe and isinstance(each, mmap.mmap)), None)


def release(mapping: mmap.mmap) -> None:
    """Let go the pages of a mapped file: they no longer count as memory of this process."""
    mapping.madvise(mmap.MADV_DONTNEED)


def _owners(array: Any) -> Iterator[Any]:
    """Yield an array, what its memory is of, and so on."""
    while array is not None:
        yield array
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
