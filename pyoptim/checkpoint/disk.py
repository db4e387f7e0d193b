"""What must not be seen half-written: new files, moved into place once they are on disk."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyoptim.errors import CheckpointError

TEMPORARY = ".tmp-"  # how the names of what is not in place yet begin

_PIECE = 64 * 2**20  # bytes a call of write: some systems take no more than 2 GB
_NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


def temporary_name() -> str:
    """Return a name that nothing has."""
    return f"{TEMPORARY}{secrets.token_hex(8)}"


def write(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of these bytes."""
    view = memoryview(data)
    at = 0
    while at < len(view):
        at += os.write(descriptor, view[at : at + _PIECE])


def write_file(name: str | Path, fill: Callable[[int], None], directory: int | None = None) -> None:
    """Create a file, fill it, and return once it is on disk.

    Parameters
    ----------
    name : path
        There must be nothing of this name, not even a symbolic link.
    fill : function of a file descriptor
    directory : int, optional
        A descriptor of the directory that the name is in.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o666, dir_fd=directory)  # less the umask
    try:
        fill(descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, fill: Callable[[int], None]) -> None:
    """Put a new file in the place of another, or of none: at every moment it is one or the other.

    Who has mapped or opened the old one keeps it.
    """
    temporary = path.parent / temporary_name()
    try:
        write_file(temporary, fill)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Return once what was created, renamed and removed in a directory is on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(path: Path) -> None:
    """Create a directory and those above it, and return once they are on disk."""
    missing = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
    for folder in reversed(missing):
        with suppress(FileExistsError):  # another process may have been faster
            folder.mkdir()
        sync_directory(folder.parent)


@contextmanager
def new_directory(path: Path) -> Iterator[int]:
    """Create a directory, for the body to fill by a descriptor of it, and bring it to disk.

    Whatever becomes of its name meanwhile, the files go into the directory that was created.

    Raises
    ------
    CheckpointError
        If another process puts something else in its place before it is opened.
    """
    path.mkdir()
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise CheckpointError(f"{path}: not the directory that was made here") from error
        raise
    try:
        yield descriptor
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, a symbolic link (not what it leads to), or a directory of files."""
    if path.is_dir() and not path.is_symlink():
        for entry in path.iterdir():
            remove(entry)
        path.rmdir()
    else:
        path.unlink()


def remove_at_once(directory: Path, names: Iterable[str]) -> None:
    """Remove entries of a directory so that nobody ever finds half of one under its name."""
    aside = []
    for name in names:
        aside.append(directory / temporary_name())
        (directory / name).rename(aside[-1])
    if aside:
        sync_directory(directory)
    for path in aside:
        remove(path)


def remove_temporaries(directory: Path) -> None:
    """Remove what interrupted writers left; only for who holds the lock of the directory."""
    for entry in directory.iterdir():
        if entry.name.startswith(TEMPORARY):
            remove(entry)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let one process after the other into the body; the lock goes with the process.

    File systems without locks do without.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        os.close(descriptor)
