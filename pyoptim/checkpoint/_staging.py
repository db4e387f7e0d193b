"""Creation and removal of directories that other processes must not see incomplete."""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pyoptim._utils.atomic import abandoned, sync_directory
from pyoptim._utils.temporary import temporary_name
from pyoptim.errors import CheckpointError

_CHECKPOINT_FILE = re.compile(r"manifest\.json|tensors-\d{5}-of-\d{5}\.safetensors")
_NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


@contextmanager
def new_directory(path: Path) -> Iterator[int]:
    """Create a directory, yield its descriptor, and flush the directory to disk.

    Files created relative to the descriptor are in this directory even if another process renames
    it.

    Raises
    ------
    CheckpointError
        If another process replaces the directory before it is opened.
    """
    path.mkdir()
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise CheckpointError(f"{path}: replaced by another process while saving") from error
        raise
    try:
        yield descriptor
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def has_only_checkpoint_files(path: Path) -> bool:
    """Return whether a directory contains only files with the names of a checkpoint's files."""
    return all(
        _CHECKPOINT_FILE.fullmatch(entry.name) and not _is_folder(entry) for entry in path.iterdir()
    )


def remove(path: Path) -> None:
    """Remove a file, a symbolic link without its target, or a directory of checkpoint files.

    A directory that contains anything else is not changed.
    """
    if not _is_folder(path):
        path.unlink()
    elif has_only_checkpoint_files(path):
        for entry in path.iterdir():
            entry.unlink()
        path.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def remove_atomically(directory: Path, names: Iterable[str]) -> None:
    """Rename checkpoints to temporary names and remove them, so that none is visible in part.

    Checkpoints that another process has already removed are skipped.
    """
    with ExitStack() as stack:
        renamed = []
        for name in names:
            temporary = directory / stack.enter_context(temporary_name())
            with suppress(FileNotFoundError):
                (directory / name).rename(temporary)
                renamed.append(temporary)
        if renamed:
            sync_directory(directory)
        for path in renamed:
            remove(path)


def remove_temporaries(directory: Path) -> None:
    """Remove temporary files of interrupted processes, as far as permissions allow."""
    for path in abandoned(directory):
        with suppress(OSError):
            remove(path)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold an exclusive lock on a directory, which the system releases if the process ends.

    On file systems without locks, the body runs without a lock.
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
