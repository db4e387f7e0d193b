"""Output files of commands, and checks that protect inputs and files of other programs."""

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
CHECKPOINTS = "checkpoints"  # the directory of an unfinished run

COLUMNS_KEY = "pyoptim.columns"  # in the metadata of models
TARGET_KEY = "pyoptim.target"


class Out(NamedTuple):
    """The output directory of `train`.

    `data` is the input file, if any. `force` permits replacing files of other programs.
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
        """The output files, each with a function that returns whether `train` wrote a file."""
        return {
            self.folder / MODEL_FILE: lambda path: is_safetensors(path, COLUMNS_KEY),
            self.folder / METRICS_FILE: is_history,
            self.folder / PICTURE_FILE: plots.is_own,
        }

    def check(self, resume: bool) -> None:
        """Check before training that all outputs can and may be written.

        Raises
        ------
        UserError, OSError, CheckpointError
            If not. The error names the path.
        """
        _check_writable(self.folder)
        for path, is_own in self.files.items():
            if self.data is not None:
                check_not_input(path, [self.data], "the training file")
            check_not_pipe(path)
            check_replaceable(path, is_own, self.force, OPTION)
        directory.check_root(self.checkpoints)
        self._check_unfinished(resume)
        if self.folder.is_dir():
            remove_abandoned(self.folder)

    def _check_unfinished(self, resume: bool) -> None:
        """Reject a new run over an unfinished one, and --resume without a checkpoint."""
        folder = self.checkpoints
        has_checkpoints = folder.is_dir() and bool(directory.names(folder))
        if resume and not has_checkpoints:
            raise UserError(
                f"--resume: {folder} contains no checkpoint; omit --resume to start a new run"
            )
        if has_checkpoints and not resume:
            raise UserError(
                f"{folder}: contains checkpoints of an unfinished run; continue it with --resume, "
                "or choose another --out"
            )


def check_predictions(out: Path, inputs: list[Path], force: bool) -> None:
    """Check that predictions replace neither an input nor a file of another program.

    Raises
    ------
    OSError, UserError
        If they would, or the file cannot be written. The error names the path.
    """
    check_not_input(out, inputs, "an input file")
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
