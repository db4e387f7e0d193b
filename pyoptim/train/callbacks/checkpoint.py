"""Saving while training."""

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
    """Saves all that `Trainer.resume` needs to go on, to the bit.

    A checkpoint that cannot be saved, as on a full disk, does not end training: there is a warning,
    the checkpoints before stay, and the next one is tried when it is due.

    It also saves when training stops early, as by Ctrl-C; not when it stops for NaN: the checkpoint
    before is then the one to go on with.

    Parameters
    ----------
    directory : path
        Of checkpoints: see `pyoptim.checkpoint.save`. Begin each run in one of its own.
    every_epochs : int or None
        None: not at the end of epochs.
    every_steps : int, optional
        Save after so many steps each, too, counted over all epochs.
    keep : int or Keep
        How many of the newest to keep, or a policy.
    monitor : str, optional
        The column of the history that is the score of a checkpoint at the end of an epoch, for
        ``Keep(best=...)``, which needs to know whether higher is better.
    mode : {"min", "max"}, optional
        Whether a smaller or a larger score is better, if the name does not tell.

    Attributes
    ----------
    path : Path or None
        Of the last checkpoint.
    paths : list of Path
        Of all checkpoints that were saved, of which older ones may be gone.
    error : OSError, CheckpointError or None
        Why the last checkpoint could not be saved, if so.

    Raises
    ------
    ValueError
        If a number is out of range, ``keep.best`` has no `monitor`, or its direction is the wrong
        one.

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
            raise ValueError("Keep(best=...) needs a monitor")
        self.path: Path | None = None
        self.paths: list[Path] = []
        self._saved: tuple[int, int] | None = None
        self._outage = Outage(f"no checkpoint can be saved in {self.directory}")

    @property
    def error(self) -> OSError | CheckpointError | None:
        """Why the last checkpoint could not be saved, if so."""
        return self._outage.error

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Forget an earlier training run, and refuse a directory of something else."""
        super().on_fit_begin(trainer)
        check_root(self.directory)
        check_writable(self.directory)
        self._saved = None

    def on_step_end(self, trainer: Trainer) -> None:
        """Save if it is time."""
        if self.every_steps and trainer.step % self.every_steps == 0:
            self._save(trainer, None)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Save if it is time."""
        score = self._score(trainer)
        if self.every_epochs and trainer.epochs_done % self.every_epochs == 0:
            self._save(trainer, score)

    def on_stop(self, trainer: Trainer) -> None:
        """Save what training can go on with."""
        self._save(trainer, self._score(trainer) if trainer.batch == 0 else None)

    def _score(self, trainer: Trainer) -> float | None:
        if not self.monitor or not len(trainer.history):
            return None
        rises = self.direction(trainer) == "max" if self.keep.best else None
        score = self.latest(trainer)
        if rises is not None and rises != self.keep.higher_is_better:
            raise ValueError(
                f"keep the best by {self.monitor!r}: give Keep(higher_is_better={rises})"
            )
        return score

    def _save(self, trainer: Trainer, score: float | None) -> None:
        place = (trainer.epochs_done, trainer.step)
        if place == self._saved or trainer.stop_reason is StopReason.NAN:
            return
        before = "no checkpoint" if self.path is None else f"{self.path}"
        with self._outage.warned(
            f"training continues, and {before} is what it can be resumed from"
        ):
            self.path = trainer.save(self.directory, keep=self.keep, score=score)
            self.paths.append(self.path)
            self._saved = place
