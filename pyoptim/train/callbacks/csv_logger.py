"""The history as a file that grows."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from pyoptim.train.callbacks.base import Callback

if TYPE_CHECKING:
    from pyoptim.train.trainer import Trainer


class CSVLogger(Callback):
    """Writes the history to a CSV file after every epoch, in one piece.

    Directories that are missing are made.

    What a killed run has written after its last checkpoint is gone when it is resumed: the file
    always has each epoch once.

    Parameters
    ----------
    path : path

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

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Have a place for the file, before and not after an epoch."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.is_dir():
            raise IsADirectoryError(f"{self.path}: a directory, where CSVLogger needs a file")

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the history so far."""
        beside = self.path.with_name(self.path.name + ".part")
        trainer.history.to_csv(beside)
        beside.replace(self.path)
