"""How much memory a file may ask for: no more than its size and the machine's memory warrant."""

from __future__ import annotations

import os
from pathlib import Path

from pyoptim.tabular._table_error import TableError

MOST_COLUMNS = 100_000

_ALWAYS = 2**28  # bytes that the smallest file may become
_GROWTH = 1000  # times its size that a larger file may become


def check_columns(path: Path, columns: int) -> None:
    """Refuse more columns than a table may have."""
    if columns > MOST_COLUMNS:
        raise TableError(f"{path}: {columns} columns, where {MOST_COLUMNS} are the most")


def check_growth(path: Path, needed: int) -> None:
    """Refuse a file that would need much more memory than its size warrants, or the machine has.

    Raises
    ------
    TableError
        If `needed` bytes are too many.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise TableError(
            f"{path}: needs {_size(needed)} of memory; this machine has {_size(memory)}"
        )
    size = path.stat().st_size
    if needed > max(_ALWAYS, _GROWTH * size):
        raise TableError(
            f"{path}: needs {_size(needed)} of memory, more than {_GROWTH} times its size of "
            f"{_size(size)}; it is damaged, or made to fill the memory"
        )


def _size(count: int) -> str:
    """Return a number of bytes for people.

    >>> _size(3 * 2**29), _size(300)
    ('1.5 GiB', '300 bytes')
    """
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 2**power:
            return f"{count / 2**power:.1f} {unit}"
    return f"{count} bytes"
