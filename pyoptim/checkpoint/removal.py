"""Removing all checkpoints of a run that is complete."""

from __future__ import annotations

from contextlib import suppress
from os import PathLike
from pathlib import Path

from pyoptim.checkpoint import directory as folder
from pyoptim.checkpoint import disk


def remove_checkpoints(directory: str | PathLike[str]) -> None:
    """Remove all checkpoints of a directory, and the directory if nothing else is in it.

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
    ...     _ = po.checkpoint.save(run, {}, step=1)
    ...     (run / "notes.txt").touch()
    ...     remove_checkpoints(run)
    ...     [path.name for path in run.iterdir()]
    ['notes.txt']
    """
    root = Path(directory)
    if not root.is_dir():
        return
    with disk.locked(root):
        own = [name for name in folder.names(root) if folder.is_own(root / name)]
        if own and folder.is_pointer(root):
            (root / folder.LATEST).unlink(missing_ok=True)
        disk.remove_at_once(root, own)
        disk.remove_temporaries(root)
    with suppress(OSError):  # it has other files
        root.rmdir()
