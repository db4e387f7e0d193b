"""Atomic and durable writing of files, which all of pyoptim uses.

A file is written under a temporary name in the same directory, flushed to disk, and renamed. At
every moment, the path refers either to the old file or to the new one.
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

_MAX_WRITE = 64 * 2**20  # bytes per call of write; some systems accept at most 2 GB
_NO_SYNC = (errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_NEW_FILE_MODE = 0o666  # before the umask
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write(descriptor: int, data: bytes | memoryview) -> None:
    """Write all bytes of `data`, with as many system calls as needed."""
    view = memoryview(data)
    offset = 0
    while offset < len(view):
        offset += os.write(descriptor, view[offset : offset + _MAX_WRITE])


def create_file(
    name: str | Path,
    fill: Callable[[int], None],
    directory: int | None = None,
    mode: int | None = None,
) -> None:
    """Create a file, fill it, and flush it to disk.

    Parameters
    ----------
    name : path
        Name of the file. Nothing of this name may exist, not even a symbolic link.
    fill : callable
        Function that writes the content to a file descriptor.
    directory : int, optional
        Descriptor of the directory to which `name` is relative.
    mode : int, optional
        Permissions of the file. By default, the umask determines them.

    Raises
    ------
    FileExistsError
        If the name exists.
    OSError
        If the file cannot be written.
    """
    descriptor = os.open(name, _CREATE, _NEW_FILE_MODE if mode is None else mode, dir_fd=directory)
    try:
        fill(descriptor)
        if mode is not None:
            os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class GrowingFile:
    """A new file to which records are appended, each completely or not at all.

    Raises
    ------
    FileExistsError
        If the file exists.
    OSError
        If the file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._descriptor = os.open(path, _CREATE, _NEW_FILE_MODE)

    def append(self, record: bytes) -> None:
        """Append a record, or leave the file unchanged on failure.

        Raises
        ------
        OSError
            If the record cannot be written. The error names the file.
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
        """Flush the file to disk and close it."""
        try:
            with naming(self.path):
                os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)


def replace_file(path: str | PathLike[str], fill: Callable[[int], None]) -> None:
    """Create or replace a file atomically.

    The new file has the permissions of the old one. A symbolic link is replaced, not followed.
    Programs that have opened or mapped the old file continue to see its data. A device, a pipe, or
    an open file such as ``/dev/stdout`` cannot be replaced, so it is written to directly.

    Parameters
    ----------
    path : path
        Path of the file.
    fill : callable
        Function that writes the content to a file descriptor.

    Raises
    ------
    OSError
        If the file cannot be written. The error names `path`, and the old file is unchanged.
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
    """Return whether a path is a device, a pipe, or an open file below ``/proc``."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return True
    in_proc = os.path.realpath(path.parent).startswith("/proc/")
    return in_proc or (path.is_symlink() and os.fspath(path.readlink()).startswith("/proc/"))


def replace_bytes(path: str | PathLike[str], content: bytes | memoryview) -> None:
    """Create or replace a file atomically with these bytes, as `replace_file` does.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     replace_bytes(Path(folder, "notes.txt"), b"notes")
    ...     [(path.name, path.read_bytes()) for path in Path(folder).iterdir()]
    [('notes.txt', b'notes')]
    """
    replace_file(path, lambda descriptor: write(descriptor, content))


def replace_text(path: str | PathLike[str], fill: Callable[[TextIO], object]) -> None:
    """Create or replace a UTF-8 file atomically; `fill` writes the text to a stream."""

    def encode(descriptor: int) -> None:
        raw = io.FileIO(descriptor, "w", closefd=False)
        text = io.TextIOWrapper(io.BufferedWriter(raw, 2**16), encoding="utf-8", newline="")
        try:
            fill(text)
            text.flush()
        finally:
            with suppress(OSError, ValueError):  # keep the first error
                text.close()

    replace_file(path, encode)


def sync_directory(path: Path) -> None:
    """Flush the entries of a directory to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def check_writable(folder: Path) -> None:
    """Check that files can be created in a directory, which need not exist.

    Raises
    ------
    NotADirectoryError, PermissionError
        If not. The error names the nearest existing path.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if _exists(path))
    if not existing.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is not a directory", os.fspath(existing))
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "is not writable", os.fspath(existing))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # the parent directory is then reported as not writable
        return False


def make_directories(path: Path) -> None:
    """Create a directory and its missing parents, and flush them to disk."""
    missing = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
    for folder in reversed(missing):
        with suppress(FileExistsError):  # another process has created it
            folder.mkdir()
        sync_directory(folder.parent)


def remove_abandoned(directory: Path) -> None:
    """Remove temporary files of interrupted processes from a directory, but no directories."""
    for entry in abandoned(directory):
        if not entry.is_dir() or entry.is_symlink():
            with suppress(OSError):
                entry.unlink()


def abandoned(directory: Path) -> Iterator[Path]:
    """Yield the temporary files and directories of interrupted processes in a directory."""
    with suppress(OSError):
        yield from [entry for entry in directory.iterdir() if is_abandoned(entry.name)]


@contextmanager
def naming(path: str | PathLike[str]) -> Iterator[None]:
    """Set the file name of every OSError raised in the body to this path."""
    try:
        yield
    except OSError as error:
        error.filename = os.fspath(path)
        del error.filename2  # None would be printed
        raise
