"""Stopping when a metric no longer improves."""

from __future__ import annotations

import math

from pyoptim.checks import as_count, check_not_negative
from pyoptim.parameters import Array
from pyoptim.train.history import History


class EarlyStopping:
    """Ends training when a metric has not improved for `patience` epochs.

    The best epoch's parameters come back at the end, however training ends. NaN is never an
    improvement.

    Parameters
    ----------
    monitor : str
        A column of the history. Names with "accuracy" are to rise, others to fall.
    patience : int
        How many epochs in a row may pass without improvement.
    min_delta : float
        The least change that counts as one.

    Examples
    --------
    >>> import pyoptim as po
    >>> po.train.EarlyStopping(patience=3)
    EarlyStopping(monitor='val_loss', patience=3, min_delta=0.0)
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 5, min_delta: float = 0.0
    ) -> None:
        check_not_negative("min_delta", min_delta)
        self.monitor = monitor
        self.patience = as_count("patience", patience)
        self.min_delta = min_delta
        self.start()

    def start(self) -> None:
        """Forget an earlier training run."""
        self.best = math.nan
        self.best_epoch: int | None = None
        self.waited = 0
        self._best_parameters: Array | None = None

    def should_stop(self, history: History, flat: Array) -> bool:
        """Look at the last epoch; remember `flat`, all parameters, if it is the best so far."""
        if self.monitor not in history:
            raise ValueError(
                f"early stopping on {self.monitor!r}: there is no such metric; "
                f"there are {', '.join(history.columns)}"
            )
        value = history[self.monitor][-1]
        if self._improves(value):
            self.best = value
            self.best_epoch = len(history)
            self.waited = 0
            self._best_parameters = flat.copy()
        else:
            self.waited += 1
        return self.waited >= self.patience

    def _improves(self, value: float) -> bool:
        if math.isnan(value):
            return False
        if math.isnan(self.best):
            return True
        gain = value - self.best if "accuracy" in self.monitor else self.best - value
        return gain > self.min_delta

    def restore(self, flat: Array) -> None:
        """Write the best epoch's parameters back, if there was one."""
        if self._best_parameters is not None:
            flat[...] = self._best_parameters
            self._best_parameters = None

    def __repr__(self) -> str:
        return (
            f"EarlyStopping(monitor={self.monitor!r}, patience={self.patience}, "
            f"min_delta={self.min_delta})"
        )
