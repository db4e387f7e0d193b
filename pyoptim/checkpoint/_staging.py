"""Directories of files that must not be seen half-written, and removing them."""

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

_OWN = re.compile(r"manifest\.json|tensors-\d{5}-of-\d{5}\.safetensors")
_NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


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


def has_own_files_only(path: Path) -> bool:
    """Return whether a directory has nothing but files with names that checkpoints give them."""
    return all(_OWN.fullmatch(entry.name) and not _is_folder(entry) for entry in path.iterdir())


def remove(path: Path) -> None:
    """Remove a file, a symbolic link (not its target), or a directory of a checkpoint's files.

    A directory with anything else stays as it is.
    """
    if not _is_folder(path):
        path.unlink()
    elif has_own_files_only(path):
        for entry in path.iterdir():
            entry.unlink()
        path.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def remove_at_once(directory: Path, names: Iterable[str]) -> None:
    """Remove checkpoints so that nobody ever finds half of one under its name.

    Checkpoints that another process has removed meanwhile are passed over.
    """
    with ExitStack() as stack:
        aside = []
        for name in names:
            temporary = directory / stack.enter_context(temporary_name())
            with suppress(FileNotFoundError):
                (directory / name).rename(temporary)
                aside.append(temporary)
        if aside:
            sync_directory(directory)
        for path in aside:
            remove(path)


def remove_temporaries(directory: Path) -> None:
    """Remove what interrupted processes left; another user's files may have to stay."""
    for path in abandoned(directory):
        with suppress(OSError):
            remove(path)


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
