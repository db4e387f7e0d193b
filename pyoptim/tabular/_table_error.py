"""What is wrong with a table, said to the user in one line."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence

from pyoptim._utils.text import shown

_LISTED = 20


class TableError(ValueError):
    """A table, or what is asked of it, cannot be used; the message is one line.

    Names from the table are shown without what a terminal would obey.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shown(message))


def listing(names: Sequence[str]) -> str:
    """Join names for a message; of many, the first ones and how many more there are.

    >>> listing([f"x{i}" for i in range(22)])[-13:]
    '19 and 2 more'
    """
    shown = ", ".join(names[:_LISTED])
    more = len(names) - _LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def count(number: int, noun: str) -> str:
    """Return a number and its noun, in the plural where it must be.

    >>> count(1, "row"), count(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def no_such_column(name: str, columns: Sequence[str]) -> TableError:
    """Return the error for a column name that is not there: near names, and all names."""
    by_lower_case = {column.lower(): column for column in reversed(columns)}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    hint = f" (did you mean {by_lower_case[near[0]]!r}?)" if near else ""
    return TableError(f"there is no column {name!r}{hint}; the columns are {listing(columns)}")


def one_line(error: object) -> str:
    """Return an error's text without its line breaks."""
    return " ".join(str(error).split())


def check_fits_memory(what: object, rows: int, width: int) -> None:
    """Refuse a dense matrix of doubles that is larger than the machine's memory."""
    needed = 8 * rows * width
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise TableError(
            f"{what}: {rows} rows of {width} numbers need {needed / 2**30:.0f} GiB of memory; "
            f"this machine has {memory / 2**30:.0f} GiB"
        )
