"""Checks of existing files: pyoptim replaces empty files and files that it wrote."""

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

ARGUMENT = "overwrite=True"  # how programs permit overwriting
OPTION = "--force"  # how the command line does

_MAX_LINE = 2**20  # characters of a table's header


def check_replaceable(
    path: str | PathLike[str],
    is_own: Callable[[Path], bool],
    overwrite: bool = False,
    allow: str = ARGUMENT,
) -> None:
    """Check that a path may be written.

    Parameters
    ----------
    path : path
        Path of the file to write.
    is_own : callable
        Function of a path that returns whether pyoptim wrote the file.
    overwrite : bool
        Whether files of other programs may be replaced, too.
    allow : str
        Advice in the error message on how to permit overwriting.

    Raises
    ------
    FileExistsError
        If the file exists, and pyoptim did not write it.
    IsADirectoryError
        If the path is a directory.

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
    """Check that a path is not a named pipe, which would block until another program reads it.

    Raises
    ------
    FileExistsError
        If the path is a named pipe.
    """
    path = Path(path)
    if path.is_fifo():
        message = "is a named pipe; choose another path"
        raise FileExistsError(errno.EEXIST, message, os.fspath(path))


def check_not_input(
    path: str | PathLike[str], inputs: Iterable[str | PathLike[str]], role: str
) -> None:
    """Check that a path does not refer to an input file, directly or by a link.

    Parameters
    ----------
    path : path
        Path of the file to write.
    inputs : iterable of path
        Paths of the files that are read.
    role : str
        Role of the inputs in the error message.

    Raises
    ------
    FileExistsError
        If the path refers to one of the inputs.
    """
    path = Path(path)
    for other in map(Path, inputs):
        if path.exists() and other.exists() and path.samefile(other):
            message = f"is {role} ({shown(other)}); choose another path"
            raise FileExistsError(errno.EEXIST, message, os.fspath(path))


def has_marker(path: Path, marker: bytes, max_size: int = 2**26) -> bool:
    """Return whether the first `max_size` bytes of a file contain a marker."""
    try:
        with path.open("rb") as file:
            return marker in file.read(max_size)
    except OSError:
        return False


def write_header(file: TextIO, columns: Sequence[str]) -> None:
    """Write the header of a CSV table, marked as written by pyoptim.

    The marker is that only the first name is quoted. CSV readers drop the quotes. Other programs
    quote all names, or only names that need it.

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
    """Return the header of a CSV table that pyoptim wrote, or None for other files."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = iter(lambda: file.readline(_MAX_LINE), "")
            header = next(csv.reader(lines), [])
            marked, quoted = io.StringIO(), io.StringIO()
            write_header(marked, header)
            csv.writer(quoted, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(header)
            file.seek(0)
            begin = file.read(len(marked.getvalue()))
    except (OSError, ValueError, csv.Error):
        return None
    return header if begin == marked.getvalue() != quoted.getvalue() else None
