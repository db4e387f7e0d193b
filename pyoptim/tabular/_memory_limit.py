"""Limits of the memory for a file, which depend on its size and the machine's memory."""

from __future__ import annotations

import os
from pathlib import Path

from pyoptim.tabular._table_error import TableError

MAX_COLUMNS = 100_000

_MIN_LIMIT = 2**28  # bytes of memory that any file may need
_MAX_GROWTH = 1000  # bytes of memory per byte of a larger file


def check_columns(path: Path, columns: int) -> None:
    """Raise TableError if there are more columns than a table may have."""
    if columns > MAX_COLUMNS:
        raise TableError(f"{path}: expected at most {MAX_COLUMNS} columns, got {columns}")


def check_growth(path: Path, needed: int) -> None:
    """Check that the memory for a file is plausible for its size, and that the machine has it.

    Raises
    ------
    TableError
        If `needed` bytes exceed the machine's memory or 1000 times the size of the file.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise TableError(
            f"{path}: needs {_size(needed)} of memory, but this machine has {_size(memory)}"
        )
    size = path.stat().st_size
    if needed > max(_MIN_LIMIT, _MAX_GROWTH * size):
        raise TableError(
            f"{path}: needs {_size(needed)} of memory, more than {_MAX_GROWTH} times its size of "
            f"{_size(size)}; it is damaged, or crafted to exhaust memory"
        )


def _size(count: int) -> str:
    """Return a number of bytes in a readable unit.

    >>> _size(3 * 2**29), _size(300)
    ('1.5 GiB', '300 bytes')
    """
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 2**power:
            return f"{count / 2**power:.1f} {unit}"
    return f"{count} bytes"
