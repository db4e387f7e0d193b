"""The history as a file that grows."""

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
    """Writes the history to a CSV file after every epoch, in one piece.

    Directories that are missing are made. A file that cannot be written, as on a full disk, does
    not end training: there is a warning, and the next epoch tries again.

    What a killed run has written after its last checkpoint is gone when it is resumed: the file
    always has each epoch once.

    Parameters
    ----------
    path : path
    overwrite : bool
        Whether to replace a file that is not the history of a trainer.

    Raises
    ------
    FileExistsError
        In training, before the first epoch, if there is such a file and `overwrite` is False, or if
        the path is a named pipe.

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
        """Have a place for the file, before and not after an epoch."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.is_dir():
            raise IsADirectoryError(
                f"{shown(self.path)}: a directory, where CSVLogger needs a file"
            )
        check_writable(self.path.parent)
        check_not_pipe(self.path)
        check_replaceable(self.path, is_history, self.overwrite)
        remove_abandoned(self.path.parent)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the history so far."""
        with self._outage.warned():
            trainer.history.to_csv(self.path, overwrite=True)
