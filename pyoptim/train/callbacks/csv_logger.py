"""Writing the history to a CSV file during training."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from pyoptim._utils.atomic import check_writable, remove_abandoned
from pyoptim._utils.ownership import check_not_pipe, check_replaceable
from pyoptim._utils.text import shown
from pyoptim._utils.validation import as_flag
from pyoptim.train._history import is_history
from pyoptim.train.callbacks._base import Callback
from pyoptim.train.callbacks._outage import Outage

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class CSVLogger(Callback):
    """A callback that writes the history to a CSV file after every epoch.

    The whole file is replaced each time, so it is always complete. A resumed run replaces the rows
    that were written after the last checkpoint, so every epoch occurs once. Missing directories are
    created.

    If the file cannot be written, for example because the disk is full, training continues with a
    warning, and the callback tries again after the next epoch.

    Parameters
    ----------
    path : path
        File to write. `History.read_csv` reads it.
    overwrite : bool
        Whether to replace a file that is not the history of a trainer.

    Raises
    ------
    FileExistsError
        Before the first epoch, if the path is a named pipe, or if the file is not a history and
        `overwrite` is False.
    OSError
        Before the first epoch, if the file cannot be created.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, pyoptim as po
    >>> x = np.ones((10, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "log.csv")
    ...     _ = po.train.Trainer(po.models.Linear(1), epochs=2, progress=False,
    ...                          callbacks=[po.train.CSVLogger(path)]).fit(x, x)
    ...     po.train.History.read_csv(path)["epoch"]
    [1, 2]
    """

    def __init__(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.overwrite = as_flag("overwrite", overwrite)
        self._outage = Outage(f"CSVLogger cannot write {self.path}")

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Create missing directories, and check that the file can be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.is_dir():
            raise IsADirectoryError(
                f"path: expected a file for CSVLogger, got the directory {shown(self.path)}"
            )
        check_writable(self.path.parent)
        check_not_pipe(self.path)
        check_replaceable(self.path, is_history, self.overwrite)
        remove_abandoned(self.path.parent)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the history so far."""
        with self._outage.as_warning():
            trainer.history.to_csv(self.path, overwrite=True)
