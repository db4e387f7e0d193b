"""Memory-mapped arrays, and the release of their pages."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np


def is_mapped(array: Any) -> bool:
    """Whether an array is a memory-mapped file, or a view of one."""
    return any(isinstance(owner, mmap.mmap) for owner in _owners(array))


def releasable(array: Any) -> mmap.mmap | None:
    """Return the mapping of an array if its pages can be released without losing data, else None.

    Releasing a copy-on-write mapping would lose changes. Only mappings made by NumPy are known not
    to be copy-on-write.
    """
    owners = list(_owners(array))
    modes = [owner.mode for owner in owners if isinstance(owner, np.memmap)]
    safe = modes and "c" not in modes and hasattr(mmap, "MADV_DONTNEED")
    return next((owner for owner in owners if safe and isinstance(owner, mmap.mmap)), None)


def release(mapping: mmap.mmap) -> None:
    """Release the pages of a mapped file, so that they do not count as memory of the process."""
    mapping.madvise(mmap.MADV_DONTNEED)


def _owners(array: Any) -> Iterator[Any]:
    """Yield an array, then the owner of its memory, then the owner of the owner's memory."""
    while array is not None:
        yield array
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
