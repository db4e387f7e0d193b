"""Existing files that pyoptim may replace: empty ones, and its own, which have a marker."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path

from pyoptim._utils.atomic import is_stream
from pyoptim._utils.text import shown

ARGUMENT = "overwrite=True"  # how programs allow it
OPTION = "--force"  # how users of the command line do


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


def check_not_input(
    path: str | PathLike[str], inputs: Iterable[str | PathLike[str]], what: str
) -> None:
    """Check that a path is none of the files that are read, by this or another name.

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
