"""Errors about tables, and parts of their messages."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence

from pyoptim._utils.text import shown

_MAX_LISTED = 20


class TableError(ValueError):
    """A table or column that cannot be used, with a message of one line.

    Control characters in names from the table are escaped.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shown(message))


def listing(names: Sequence[str]) -> str:
    """Return names for a message, separated by commas, of which at most 20 are listed.

    >>> listing([f"x{i}" for i in range(22)])[-13:]
    '19 and 2 more'
    """
    first = ", ".join(names[:_MAX_LISTED])
    more = len(names) - _MAX_LISTED
    return f"{first} and {more} more" if more > 0 else first


def count(number: int, noun: str) -> str:
    """Return a number and its noun in the singular or plural.

    >>> count(1, "row"), count(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def no_such_column(name: str, columns: Sequence[str]) -> TableError:
    """Return the error for an unknown column name, with a similar name and all names."""
    by_lower_case = {column.lower(): column for column in reversed(columns)}
    similar = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    hint = f" (did you mean {by_lower_case[similar[0]]!r}?)" if similar else ""
    return TableError(f"there is no column {name!r}{hint}; the columns are {listing(columns)}")


def one_line(error: object) -> str:
    """Return the text of an error on one line."""
    return " ".join(str(error).split())


def check_fits_memory(name: object, rows: int, width: int) -> None:
    """Raise TableError for a dense matrix of doubles that exceeds the machine's memory."""
    needed = 8 * rows * width
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise TableError(
            f"{name}: {rows} rows of {width} numbers need {needed / 2**30:.0f} GiB of memory, but "
            f"this machine has {memory / 2**30:.0f} GiB"
        )
