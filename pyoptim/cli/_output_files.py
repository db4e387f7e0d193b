"""What commands may write, checked before anything runs: no inputs, no files of somebody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pyoptim import plots
from pyoptim._utils.atomic import check_writable, is_stream, naming, remove_abandoned
from pyoptim._utils.ownership import (
    OPTION,
    check_not_input,
    check_not_pipe,
    check_replaceable,
    own_header,
)
from pyoptim.checkpoint import _directory as directory
from pyoptim.checkpoint._safetensors import is_safetensors
from pyoptim.cli._user_error import UserError
from pyoptim.train._history import is_history

MODEL_FILE = "model.safetensors"
METRICS_FILE = "metrics.csv"
PICTURE_FILE = "loss.png"
CHECKPOINTS = "checkpoints"  # a directory, while a run has not finished

COLUMNS_KEY = "pyoptim.columns"  # in the metadata of models
TARGET_KEY = "pyoptim.target"


class Out(NamedTuple):
    """The directory that `train` writes to.

    `data` is the file that is read, if any; `force` allows to replace files of somebody else.
    """

    folder: Path
    data: Path | None = None
    force: bool = False

    @property
    def checkpoints(self) -> Path:
        """The directory of checkpoints."""
        return self.folder / CHECKPOINTS

    @property
    def files(self) -> dict[Path, Callable[[Path], bool]]:
        """The files, each with what tells whether an existing one was written by `train`."""
        return {
            self.folder / MODEL_FILE: lambda path: is_safetensors(path, COLUMNS_KEY),
            self.folder / METRICS_FILE: is_history,
            self.folder / PICTURE_FILE: plots.is_own,
        }

    def check(self, resume: bool) -> None:
        """Refuse what cannot or must not be written, before and not after a long training.

        Raises
        ------
        UserError, OSError, CheckpointError
            Naming the path.
        """
        _check_writable(self.folder)
        for path, is_own in self.files.items():
            if self.data is not None:
                check_not_input(path, [self.data], "the file to train on")
            check_not_pipe(path)
            check_replaceable(path, is_own, self.force, OPTION)
        directory.check_root(self.checkpoints)
        self._check_unfinished(resume)
        if self.folder.is_dir():
            remove_abandoned(self.folder)

    def _check_unfinished(self, resume: bool) -> None:
        """Refuse to begin anew over a run that can be resumed, and to resume where none is."""
        folder = self.checkpoints
        there = folder.is_dir() and bool(directory.names(folder))
        if resume and not there:
            raise UserError(f"--resume: {folder} has no checkpoint; without it training begins")
        if there and not resume:
            raise UserError(
                f"{folder} has checkpoints of a run; continue it with --resume, or choose another "
                "--out"
            )


def check_predictions(out: Path, inputs: list[Path], force: bool) -> None:
    """Refuse to write predictions over a file that is read, or that is none of predictions.

    Raises
    ------
    OSError
        Naming the path.
    """
    check_not_input(out, inputs, "a file that is read")
    check_replaceable(out, _is_predictions, force, OPTION)
    if not is_stream(out):
        with naming(out):
            out.parent.stat()
        _check_writable(out.parent)


def _is_predictions(path: Path) -> bool:
    first, *others = own_header(path) or [""]
    return first == "prediction" and bool(others) and all(map(_is_probability, others))


def _is_probability(name: str) -> bool:
    return name.startswith("P(")


def _check_writable(folder: Path) -> None:
    try:
        check_writable(folder)
    except (NotADirectoryError, PermissionError) as error:
        raise UserError(f"--out {folder}: {error.filename} {error.strerror}") from None
