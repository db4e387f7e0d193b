"""The checkpoints of a directory: their names, their order, and the file `latest`."""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pyoptim._utils.atomic import replace_bytes
from pyoptim.checkpoint._manifest import MANIFEST, Manifest, read_manifest
from pyoptim.checkpoint._staging import has_only_checkpoint_files
from pyoptim.errors import CheckpointError

LATEST = "latest"  # a file that contains the name of the checkpoint saved last

_NAME = re.compile(r"step-(\d{8,20})(?:\.(\d+))?")
_MAX_SIZE = 64  # bytes of the file `latest`


def is_name(name: str) -> bool:
    """Return whether a name is the name of a checkpoint.

    >>> is_name("step-00000123"), is_name("step-00000123.2"), is_name("step-3")
    (True, True, False)
    """
    return _NAME.fullmatch(name) is not None


def step_of(name: str) -> int:
    """Return the step in a checkpoint's name."""
    match = _NAME.fullmatch(name)
    assert match is not None
    return int(match[1])


def names(directory: Path) -> list[str]:
    """Return the sorted names of all checkpoints in a directory, including damaged ones."""
    return sorted(entry.name for entry in directory.iterdir() if is_name(entry.name))


def free_name(directory: Path, step: int) -> str:
    """Return an unused name for a new checkpoint, with a number if the step was saved before."""
    matches = [_NAME.fullmatch(name) for name in names(directory)]
    numbers = [int(match[2] or 1) for match in matches if match and int(match[1]) == step]
    return f"step-{step:08}" + (f".{max(numbers) + 1}" if numbers else "")


def is_checkpoint(path: Path) -> bool:
    """Return whether a directory is one checkpoint, possibly damaged.

    A directory of checkpoints is not a checkpoint. It may have any name, and may contain a
    `manifest.json` of another program.
    """
    if os.path.lexists(path / LATEST) or names(path):
        return _is_readable(path)
    return is_name(path.name) or (path / MANIFEST).exists()


def check_root(directory: Path) -> None:
    """Check that checkpoints may be saved in a directory, which need not exist.

    Raises
    ------
    CheckpointError
        If the directory is itself a checkpoint, or contains another program's `latest`.
    NotADirectoryError
        If the path is a file.
    """
    if not directory.exists():
        return
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(directory))
    if _is_readable(directory):
        raise CheckpointError(
            f"{directory}: cannot save a checkpoint inside another checkpoint; give its parent "
            "directory"
        )
    if not _may_replace_latest(directory):
        raise CheckpointError(
            f"{directory / LATEST}: not written by pyoptim, and therefore not replaced; save "
            "checkpoints in another directory"
        )


def _may_replace_latest(directory: Path) -> bool:
    """Return whether the file `latest` is missing or may be replaced.

    A damaged file may be replaced if the directory contains a readable checkpoint.
    """
    path = directory / LATEST
    if not os.path.lexists(path):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        name = file.read(_MAX_SIZE).decode(errors="replace").removesuffix("\n")
    return is_name(name) or any(_is_readable(directory / name) for name in names(directory))


def is_removable(path: Path) -> bool:
    """Return whether a path is a checkpoint, possibly damaged, without files of other programs."""
    try:
        if path.is_symlink() or not has_only_checkpoint_files(path):
            return False
        return _is_readable(path) or any(entry.name != MANIFEST for entry in path.iterdir())
    except OSError:  # a file, or removed by another process
        return False


def _is_readable(folder: Path) -> bool:
    try:
        read_manifest(folder)
    except CheckpointError:
        return False
    return True


def point_to(directory: Path, name: str) -> None:
    """Make a checkpoint the latest one."""
    replace_bytes(directory / LATEST, f"{name}\n".encode())


def pointed_to(directory: Path) -> str | None:
    """Return the name in the file `latest`, or None if the file does not exist.

    Raises
    ------
    CheckpointError
        If the file cannot be read, or does not name a checkpoint in this directory.
    """
    path = directory / LATEST
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        name = os.read(descriptor, _MAX_SIZE).decode(errors="replace").removesuffix("\n")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    finally:
        os.close(descriptor)
    if not is_name(name):
        raise CheckpointError(f"{path}: expected the name of a checkpoint, got {name[:40]!r}")
    if not (directory / name).is_dir():
        raise CheckpointError(f"{path}: names {name}, which does not exist")
    return name


class Age(NamedTuple):
    """The order in which the checkpoints of a directory were saved.

    `saves` is 0 for older checkpoints, whose manifest does not contain it. `repetition` is 1 for
    the first checkpoint of a step.
    """

    saves: int
    step: int
    repetition: int

    @classmethod
    def of(cls, name: str, manifest: Manifest) -> Age:
        """Return the age of a checkpoint."""
        match = _NAME.fullmatch(name)
        assert match is not None
        return cls(manifest.saves, manifest.step, int(match[2] or 1))


def newest_first(directory: Path) -> list[str]:
    """Return the names of all checkpoints, newest first, with unreadable checkpoints last."""
    ages: dict[str, tuple[int, ...]] = dict.fromkeys(names(directory), ())
    ages |= {name: Age.of(name, manifest) for name, manifest in manifests(directory).items()}
    return sorted(ages, key=lambda name: (ages[name], name), reverse=True)


def manifests(directory: Path) -> dict[str, Manifest]:
    """Return the manifests of all readable checkpoints, by name."""
    result = {}
    for name in names(directory):
        with suppress(CheckpointError):
            result[name] = read_manifest(directory / name)
    return result
