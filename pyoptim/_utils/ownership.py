"""Existing files that pyoptim may replace: empty ones, and its own, which have a marker."""

from __future__ import annotations

import csv
import errno
import io
import os
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TextIO

from pyoptim._utils.atomic import is_stream
from pyoptim._utils.text import shown

ARGUMENT = "overwrite=True"  # how programs allow it
OPTION = "--force"  # how users of the command line do

_LONGEST_LINE = 2**20  # characters of a table's header


def check_replaceable(
    path: str | PathLike[str],
    is_own: Callable[[Path], bool],
    overwrite: bool = False,
    allow: str = ARGUMENT,
) -> None:
    """Check that a file may be written at a path.

    Parameters
    ----------
    path : path
    is_own : function of a path
        Whether the file there is one that pyoptim wrote.
    overwrite : bool
        Whether any other file may be replaced, too.
    allow : str
        How the user allows that.

    Raises
    ------
    FileExistsError
        If a file of somebody else is there.
    IsADirectoryError
        If a directory is there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".csv") as file:
    ...     file.write(b"a,b"); file.flush()
    ...     try:
    ...         check_replaceable(file.name, lambda path: False)
    ...     except FileExistsError as error:
    ...         print(error.strerror)
    3
    exists, and pyoptim did not write it; choose another path, or replace it by overwrite=True
    """
    path = Path(path)
    if not os.path.lexists(path) or is_stream(path):
        return
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if overwrite or (path.exists() and (path.stat().st_size == 0 or is_own(path))):
        return
    message = f"exists, and pyoptim did not write it; choose another path, or replace it by {allow}"
    raise FileExistsError(errno.EEXIST, message, os.fspath(path))


def check_not_pipe(path: str | PathLike[str]) -> None:
    """Check that a path is not a named pipe: opening one waits until another program reads it.

    Raises
    ------
    FileExistsError
        If the path is a named pipe.
    """
    path = Path(path)
    if path.is_fifo():
        message = "is a named pipe; expected a regular file, or none"
        raise FileExistsError(errno.EEXIST, message, os.fspath(path))


def check_not_input(
    path: str | PathLike[str], inputs: Iterable[str | PathLike[str]], what: str
) -> None:
    """Check that a path is not one of the input files, under this or another name.

    Symbolic and hard links to a file are names of it.

    Raises
    ------
    FileExistsError
        If it is.
    """
    path = Path(path)
    for other in map(Path, inputs):
        if path.exists() and other.exists() and path.samefile(other):
            message = f"is {what} ({shown(other)}); choose another path"
            raise FileExistsError(errno.EEXIST, message, os.fspath(path))


def has_marker(path: Path, marker: bytes, largest: int = 2**26) -> bool:
    """Return whether a file has some bytes in it."""
    try:
        with path.open("rb") as file:
            return marker in file.read(largest)
    except OSError:
        return False


def write_header(file: TextIO, columns: Sequence[str]) -> None:
    """Write the header of a table, with the marker of those that pyoptim writes.

    The first name alone is in quotes, which readers of CSV drop. Other programs quote all names, or
    those that need it.

    Examples
    --------
    >>> import sys
    >>> write_header(sys.stdout, ["epoch", "loss", "lr"])
    "epoch",loss,lr
    """
    first, *others = columns or [""]
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="," if others else "\n").writerow(
        [first]
    )
    if others:
        csv.writer(file, lineterminator="\n").writerow(others)


def own_header(path: Path) -> list[str] | None:
    """Return the header of a table that pyoptim wrote; None for other files."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = iter(lambda: file.readline(_LONGEST_LINE), "")
            header = next(csv.reader(lines), [])
            marked, quoted = io.StringIO(), io.StringIO()
            write_header(marked, header)
            csv.writer(quoted, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(header)
            file.seek(0)
            begin = file.read(len(marked.getvalue()))
    except (OSError, ValueError, csv.Error):
        return None
    return header if begin == marked.getvalue() != quoted.getvalue() else None
