"""Removal of the checkpoints of a complete run."""

from __future__ import annotations

from collections.abc import Container
from contextlib import suppress
from os import PathLike
from pathlib import Path

from pyoptim.checkpoint import _directory as folder
from pyoptim.checkpoint import _staging as disk
from pyoptim.errors import CheckpointError


def remove_checkpoints(directory: str | PathLike[str], names: Container[str]) -> None:
    """Remove the named checkpoints, and the directory if it is empty afterwards.

    Files that pyoptim did not write remain, and so do checkpoints that contain such files.

    Parameters
    ----------
    directory : path
        Directory of checkpoints. A missing directory is ignored.
    names : container of str
        Names of the checkpoints to remove.

    Raises
    ------
    OSError
        If a checkpoint cannot be removed.

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
        existing = [name for name in folder.names(root) if name in names]
        removed = [name for name in existing if folder.is_removable(root / name)]
        with suppress(CheckpointError):
            if folder.pointed_to(root) in removed:
                (root / folder.LATEST).unlink()
        disk.remove_atomically(root, removed)
        disk.remove_temporaries(root)
    with suppress(OSError):  # the directory contains other files
        root.rmdir()
