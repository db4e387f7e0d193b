"""A directory of checkpoints: their names, their order, and which one is the latest."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pyoptim.checkpoint.disk import replace_file, write
from pyoptim.checkpoint.manifest import MANIFEST, read_manifest
from pyoptim.errors import CheckpointError

LATEST = "latest"  # a file with the name of the checkpoint that was saved last

_NAME = re.compile(r"step-(\d{8,20})(?:\.(\d+))?")
_LONGEST = 64  # bytes of the file `latest`


def is_name(name: str) -> bool:
    """Return whether a checkpoint may have this name.

    >>> is_name("step-00000123"), is_name("step-00000123.2"), is_name("step-3")
    (True, True, False)
    """
    return _NAME.fullmatch(name) is not None


def step_of(name: str) -> int:
    """Return the step in a checkpoint's name."""
    found = _NAME.fullmatch(name)
    assert found is not None
    return int(found[1])


def names(directory: Path) -> list[str]:
    """Return the names of all checkpoints in a directory, also of damaged ones, sorted."""
    return sorted(entry.name for entry in directory.iterdir() if is_name(entry.name))


def free_name(directory: Path, step: int) -> str:
    """Return a name for a new checkpoint: that of a step saved again gets a number."""
    taken = [_NAME.fullmatch(name) for name in names(directory)]
    numbers = [int(found[2] or 1) for found in taken if found and int(found[1]) == step]
    return f"step-{step:08}" + (f".{max(numbers) + 1}" if numbers else "")


def is_checkpoint(path: Path) -> bool:
    """Return whether a directory is a checkpoint, maybe a damaged one, not one of checkpoints."""
    return is_name(path.name) or (path / MANIFEST).exists()


def point_to(directory: Path, name: str) -> None:
    """Make a checkpoint the latest."""
    replace_file(directory / LATEST, lambda descriptor: write(descriptor, f"{name}\n".encode()))


def pointed_to(directory: Path) -> str | None:
    """Return the name in the file `latest`; None if there is no such file.

    Raises
    ------
    CheckpointError
        If it names no checkpoint in this directory.
    """
    path = directory / LATEST
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        name = os.read(descriptor, _LONGEST).decode(errors="replace").removesuffix("\n")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    finally:
        os.close(descriptor)
    if not is_name(name):
        raise CheckpointError(f"{path}: {name[:40]!r} is no name of a checkpoint")
    if not (directory / name).is_dir():
        raise CheckpointError(f"{path}: names {name}, which is not there")
    return name


def newest_first(directory: Path) -> list[str]:
    """Return the names of all checkpoints, by when they were saved; unreadable ones are last."""
    return sorted(names(directory), key=lambda name: (_saved(directory / name), name), reverse=True)


def _saved(folder: Path) -> str:
    try:
        return read_manifest(folder).saved
    except CheckpointError:
        return ""
