"""A directory of checkpoints: their names, their order, and which one is the latest."""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pyoptim._utils.atomic import replace_bytes
from pyoptim.checkpoint._manifest import MANIFEST, Manifest, read_manifest
from pyoptim.checkpoint._staging import has_own_files_only
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
    """Return whether a directory is a checkpoint, maybe a damaged one, not one of checkpoints.

    A directory of checkpoints may have any name, and a `manifest.json` of something else.
    """
    if os.path.lexists(path / LATEST) or names(path):
        return _is_readable(path)
    return is_name(path.name) or (path / MANIFEST).exists()


def check_root(directory: Path) -> None:
    """Check that checkpoints may be saved in a directory, which may be missing.

    Raises
    ------
    CheckpointError
        If it is a checkpoint itself, or has something else that is called `latest`.
    NotADirectoryError
        If it is a file.
    """
    if not directory.exists():
        return
    if not directory.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(directory))
    if _is_readable(directory):
        raise CheckpointError(
            f"{directory}: cannot save a checkpoint inside of another; give the directory that it "
            "is in"
        )
    if not _is_pointer(directory):
        raise CheckpointError(
            f"{directory / LATEST}: not written by pyoptim, so it is not replaced; save "
            "checkpoints in another directory"
        )


def _is_pointer(directory: Path) -> bool:
    """Return whether the file `latest` is missing or may be replaced.

    A damaged one may, if it is beside a checkpoint.
    """
    path = directory / LATEST
    if not os.path.lexists(path):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        name = file.read(_LONGEST).decode(errors="replace").removesuffix("\n")
    return is_name(name) or any(_is_readable(directory / name) for name in names(directory))


def is_own(path: Path) -> bool:
    """Return whether a directory is a checkpoint, maybe a damaged one, without other files."""
    try:
        if path.is_symlink() or not has_own_files_only(path):
            return False
        return _is_readable(path) or any(entry.name != MANIFEST for entry in path.iterdir())
    except OSError:  # a file, or another process has removed it
        return False


def _is_readable(folder: Path) -> bool:
    try:
        read_manifest(folder)
    except CheckpointError:
        return False
    return True


def point_to(directory: Path, name: str) -> None:
    """Make a checkpoint the latest."""
    replace_bytes(directory / LATEST, f"{name}\n".encode())


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


class Age(NamedTuple):
    """When a checkpoint was saved, compared with others of its directory.

    `saves` is 0 for checkpoints that have none, which are older than those that have.
    """

    saves: int
    step: int
    again: int

    @classmethod
    def of(cls, name: str, manifest: Manifest) -> Age:
        """Return the age of the checkpoint of this name."""
        found = _NAME.fullmatch(name)
        assert found is not None
        return cls(manifest.saves, manifest.step, int(found[2] or 1))


def newest_first(directory: Path) -> list[str]:
    """Return the names of all checkpoints, the last saved first; unreadable ones are last."""
    ages: dict[str, tuple[int, ...]] = dict.fromkeys(names(directory), ())
    ages |= {name: Age.of(name, manifest) for name, manifest in manifests(directory).items()}
    return sorted(ages, key=lambda name: (ages[name], name), reverse=True)


def manifests(directory: Path) -> dict[str, Manifest]:
    """Return the manifests of all checkpoints that can be read, by name."""
    found = {}
    for name in names(directory):
        with suppress(CheckpointError):
            found[name] = read_manifest(directory / name)
    return found
