"""Saving checkpoints during training."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pyoptim._utils.atomic import check_writable
from pyoptim._utils.validation import as_count
from pyoptim.checkpoint import Keep
from pyoptim.checkpoint._directory import check_root
from pyoptim.checkpoint._retention import as_policy
from pyoptim.errors import CheckpointError
from pyoptim.train._history import StopReason
from pyoptim.train.callbacks._monitor import Mode, Monitor
from pyoptim.train.callbacks._outage import Outage

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class Checkpoint(Monitor):
    """A callback that saves checkpoints for `Trainer.resume`.

    A run that resumes from a checkpoint has results bit-identical to an uninterrupted run.

    If a checkpoint cannot be saved, for example because the disk is full, training continues with a
    warning. Earlier checkpoints remain, and the callback tries again when the next checkpoint is
    due.

    A checkpoint is also saved when training stops early, for example by Ctrl-C. If training stops
    because of NaN, no checkpoint is saved, and you can resume from the last one.

    Parameters
    ----------
    directory : path
        Directory of checkpoints; see `pyoptim.checkpoint.save`. Use a new directory for each run.
    every_epochs : int or None
        Number of epochs between checkpoints. None saves no checkpoints at the end of epochs.
    every_steps : int, optional
        Number of steps between additional checkpoints, counted over all epochs.
    keep : int or Keep
        Number of the newest checkpoints to keep, or a policy.
    monitor : str, optional
        Column of the history with the score of a checkpoint at the end of an epoch. It is required
        for ``Keep(best=...)``.
    mode : {"min", "max"}, optional
        Whether a lower or a higher score is better. By default "min" for losses, and "max" for
        accuracies and scorers of scikit-learn. ``Keep(best=...)`` requires it for other columns.

    Attributes
    ----------
    path : Path or None
        Path of the last checkpoint.
    paths : list of Path
        Paths of all saved checkpoints. Older ones may have been removed.
    error : OSError, CheckpointError or None
        Reason why the last checkpoint could not be saved, None if it was saved.

    Raises
    ------
    ValueError
        If a number is out of range, or ``Keep(best=...)`` is used without `monitor`. During
        training, if there is no such column, or `mode` contradicts ``Keep(higher_is_better=...)``.
    CheckpointError, OSError
        At the beginning of training, if checkpoints cannot be saved in the directory.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, pyoptim as po
    >>> x = np.linspace(-1, 1, 100).reshape(-1, 1)
    >>> def trainer(epochs, folder):
    ...     return po.train.Trainer(po.models.Linear(1), epochs=epochs, progress=False,
    ...                             callbacks=[po.train.Checkpoint(folder)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = trainer(2, folder).fit(x, x)
    ...     history = trainer(4, folder).resume(folder).fit(x, x)
    >>> history["epoch"]
    [1, 2, 3, 4]
    """

    last: ClassVar[bool] = True

    def __init__(
        self,
        directory: str | PathLike[str],
        *,
        every_epochs: int | None = 1,
        every_steps: int | None = None,
        keep: int | Keep = 3,
        monitor: str | None = None,
        mode: Mode | None = None,
    ) -> None:
        super().__init__(monitor or "", mode)
        self.directory = Path(directory)
        self.every_epochs, self.every_steps = (
            None if count is None else as_count(name, count)
            for name, count in (("every_epochs", every_epochs), ("every_steps", every_steps))
        )
        self.keep = as_policy(keep)
        if self.keep.best and not monitor:
            raise ValueError(
                f"monitor: expected the name of a column for Keep(best={self.keep.best}), got "
                f"{monitor!r}; pass monitor='val_loss', for example"
            )
        self.path: Path | None = None
        self.paths: list[Path] = []
        self._saved: tuple[int, int] | None = None
        self._outage = Outage(f"cannot save a checkpoint in {self.directory}")

    @property
    def error(self) -> OSError | CheckpointError | None:
        """Reason why the last checkpoint could not be saved, None if it was saved."""
        return self._outage.error

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Reset the callback, and check that checkpoints can be saved in the directory."""
        super().on_fit_begin(trainer)
        check_root(self.directory)
        check_writable(self.directory)
        self._saved = None

    def on_step_end(self, trainer: Trainer) -> None:
        """Save a checkpoint if `every_steps` is due."""
        if self.every_steps and trainer.step % self.every_steps == 0:
            self._save(trainer, None)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Save a checkpoint if `every_epochs` is due."""
        score = self._score(trainer)
        if self.every_epochs and trainer.epochs_done % self.every_epochs == 0:
            self._save(trainer, score)

    def on_stop(self, trainer: Trainer) -> None:
        """Save a checkpoint to resume from."""
        self._save(trainer, self._score(trainer) if trainer.batch == 0 else None)

    def _score(self, trainer: Trainer) -> float | None:
        if not self.monitor or not len(trainer.history):
            return None
        expected = self.resolve_mode(trainer) == "max" if self.keep.best else None
        score = self.latest_value(trainer)
        if expected is not None and expected != self.keep.higher_is_better:
            raise ValueError(
                f"keep: expected higher_is_better={expected} for {self.monitor!r}, got "
                f"{self.keep!r}"
            )
        return score

    def _save(self, trainer: Trainer, score: float | None) -> None:
        position = (trainer.epochs_done, trainer.step)
        if position == self._saved or trainer.stop_reason is StopReason.NAN:
            return
        remaining = "" if self.path is None else f", and {self.path} remains"
        with self._outage.as_warning(f"training continues{remaining}"):
            self.path = trainer.save(self.directory, keep=self.keep, score=score)
            self.paths.append(self.path)
            self._saved = position
