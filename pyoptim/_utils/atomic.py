"""The one way in which pyoptim writes files: whole, durable, and over nothing that is not its own.

A file is written under a temporary name in the same folder, synced to disk, and renamed. At every
moment its place has the old file or the new one.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import TextIO

from pyoptim._utils.temporary import is_abandoned, temporary_name

_PIECE = 64 * 2**20  # bytes a call of write: some systems take no more than 2 GB
_NO_SYNC = (errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_NEW = 0o666  # less the umask
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of these bytes."""
    view = memoryview(data)
    at = 0
    while at < len(view):
        at += os.write(descriptor, view[at : at + _PIECE])


def create_file(
    name: str | Path,
    fill: Callable[[int], None],
    directory: int | None = None,
    mode: int | None = None,
) -> None:
    """Create a file, fill it, and return once it is on disk.

    Parameters
    ----------
    name : path
        There must be nothing of this name, not even a symbolic link.
    fill : function of a file descriptor
    directory : int, optional
        A descriptor of the directory that the name is in.
    mode : int, optional
        Permissions. By default those that the umask leaves.
    """
    descriptor = os.open(name, _CREATE, _NEW if mode is None else mode, dir_fd=directory)
    try:
        fill(descriptor)
        if mode is not None:
            os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class GrowingFile:
    """A new file to which records are appended, each of them whole or not at all.

    Raises
    ------
    OSError
        If the file cannot be created, or there is one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._descriptor = os.open(path, _CREATE, _NEW)

    def append(self, record: bytes) -> None:
        """Append a record; where that fails, the file is as it was.

        Raises
        ------
        OSError
            Naming the file.
        """
        with naming(self.path):
            try:
                os.lseek(self._descriptor, self.size, os.SEEK_SET)
                write(self._descriptor, record)
            except BaseException:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self.size)
                raise
        self.size += len(record)

    def close(self) -> None:
        """Close the file, once it is on disk."""
        try:
            with naming(self.path):
                os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)


def replace_file(path: str | PathLike[str], fill: Callable[[int], None]) -> None:
    """Put a new file in the place of another, or of none: at every moment it is one or the other.

    The new file has the permissions of the old one. A symbolic link is replaced, not followed.
    Programs that have opened or mapped the old file keep it. A device, a pipe, or an open file such
    as ``/dev/stdout`` cannot be replaced, and is written to.

    Parameters
    ----------
    path : path
    fill : function of a file descriptor

    Raises
    ------
    OSError
        If the file cannot be written; it names `path`, and the old file is as it was.
    """
    path = Path(path)
    with naming(path):
        if is_stream(path):
            _write_to(path, fill)
        else:
            _replace(path, fill)


def _replace(path: Path, fill: Callable[[int], None]) -> None:
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    with temporary_name() as name:
        temporary = path.parent / name
        try:
            create_file(temporary, fill, mode=_mode(path))
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    sync_directory(path.parent)


def _write_to(path: Path, fill: Callable[[int], None]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        fill(descriptor)
    finally:
        os.close(descriptor)


def _mode(path: Path) -> int | None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(mode) & 0o777 if stat.S_ISREG(mode) else None


def is_stream(path: Path) -> bool:
    """Return whether a path is a device, a pipe, or a file that some process has opened."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return True
    opened = os.path.realpath(path.parent).startswith("/proc/")
    return opened or (path.is_symlink() and os.fspath(path.readlink()).startswith("/proc/"))


def replace_bytes(path: str | PathLike[str], content: bytes | memoryview) -> None:
    """Do what `replace_file` does with bytes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     replace_bytes(Path(folder, "notes.txt"), b"notes")
    ...     [(path.name, path.read_bytes()) for path in Path(folder).iterdir()]
    [('notes.txt', b'notes')]
    """
    replace_file(path, lambda descriptor: write(descriptor, content))


def replace_text(path: str | PathLike[str], fill: Callable[[TextIO], object]) -> None:
    """Do what `replace_file` does with UTF-8 text that a function writes to a stream."""

    def encode(descriptor: int) -> None:
        raw = io.FileIO(descriptor, "w", closefd=False)
        text = io.TextIOWrapper(io.BufferedWriter(raw, 2**16), encoding="utf-8", newline="")
        try:
            fill(text)
            text.flush()
        finally:
            with suppress(OSError, ValueError):  # the first error counts
                text.close()

    replace_file(path, encode)


def sync_directory(path: Path) -> None:
    """Return once what was created, renamed and removed in a directory is on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def check_writable(folder: Path) -> None:
    """Check that files may be made in a directory, which may be missing.

    Raises
    ------
    NotADirectoryError, PermissionError
        Naming the directory that is there.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if _is_there(path))
    if not existing.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is not a directory", os.fspath(existing))
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "may not be written to", os.fspath(existing))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # then the directory above may not be written to
        return False


def make_directories(path: Path) -> None:
    """Create a directory and those above it, and return once they are on disk."""
    missing = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
    for folder in reversed(missing):
        with suppress(FileExistsError):  # another process may have been faster
            folder.mkdir()
        sync_directory(folder.parent)


def remove_abandoned(directory: Path) -> None:
    """Remove temporary files that interrupted processes left in a directory."""
    for entry in abandoned(directory):
        if not entry.is_dir() or entry.is_symlink():
            with suppress(OSError):
                entry.unlink()


def abandoned(directory: Path) -> Iterator[Path]:
    """Yield what interrupted processes left in a directory."""
    with suppress(OSError):
        yield from [entry for entry in directory.iterdir() if is_abandoned(entry.name)]


@contextmanager
def naming(path: str | PathLike[str]) -> Iterator[None]:
    """Let every OSError inside name this path."""
    try:
        yield
    except OSError as error:
        error.filename = os.fspath(path)
        del error.filename2  # None would be shown
        raise
