"""Removing the checkpoints of a run that is complete."""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress
from os import PathLike
from pathlib import Path

from pyoptim.checkpoint import _directory as folder
from pyoptim.checkpoint import _staging as disk
from pyoptim.errors import CheckpointError


def remove_checkpoints(directory: str | PathLike[str], names: Container[str]) -> None:
    """Remove checkpoints of these names, and their directory if nothing else is in it.

    Files that pyoptim did not write stay, and so do checkpoints with such files.

    Raises
    ------
    OSError
        If they may not be removed.

    Examples
    --------
    >>> import tempfile
    >>> import pyoptim as po
    >>> with tempfile.TemporaryDirectory() as top:
    ...     run = Path(top, "run")
    ...     path = po.checkpoint.save(run, {}, step=1)
    ...     (run / "notes.txt").touch()
    ...     remove_checkpoints(run, [path.name])
    ...     [path.name for path in run.iterdir()]
    ['notes.txt']
    """
    root = Path(directory)
    if not root.is_dir():
        return
    with disk.locked(root):
        there = [name for name in folder.names(root) if name in names]
        removed = [name for name in there if folder.is_own(root / name)]
        with suppress(CheckpointError):
            if folder.pointed_to(root) in removed:
                (root / folder.LATEST).unlink()
        disk.remove_at_once(root, removed)
        disk.remove_temporaries(root)
    with suppress(OSError):  # it has other files
        root.rmdir()
