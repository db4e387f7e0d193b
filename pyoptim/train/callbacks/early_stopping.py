"""Early stopping when a metric no longer improves."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyoptim._utils.validation import as_count, check_not_negative
from pyoptim.train._history import StopReason
from pyoptim.train.callbacks._monitor import Mode
from pyoptim.train.callbacks.keep_best import KeepBest

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class EarlyStopping(KeepBest):
    """A callback that stops training when a metric has not improved for `patience` epochs.

    At the end it restores the parameters and buffers of the best epoch, however training ends. NaN
    is never an improvement. A resumed run continues with the remaining patience.

    Parameters
    ----------
    monitor : str
        Column of the history to monitor.
    patience : int, at least 1
        Number of epochs in a row without improvement after which training stops.
    min_delta : float, at least 0
        Minimum absolute change that is an improvement. A change of exactly `min_delta` is an
        improvement. An equal value never is.
    mode : {"min", "max"}, optional
        Whether a lower or a higher value is better. By default "min" for losses, and "max" for
        accuracies and scorers of scikit-learn. Required for other columns.
    restore_best : bool
        Whether to restore the parameters of the best epoch.

    Attributes
    ----------
    best : float
        Best value so far, NaN before the first number.
    best_epoch : int or None
        Number of the best epoch, from 1.
    waited : int
        Number of epochs since the best one.

    Raises
    ------
    ValueError
        If an argument is out of range. During training, if there is no such column, or its mode is
        not known.
    TypeError
        If `monitor` is not a string.

    Examples
    --------
    >>> import pyoptim as po
    >>> po.train.EarlyStopping(patience=3)
    EarlyStopping(monitor='val_loss', patience=3, min_delta=0.0)
    """

    state: ClassVar[tuple[str, ...]] = ("best", "best_epoch", "waited", "best_parameters")

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        *,
        mode: Mode | None = None,
        restore_best: bool = True,
    ) -> None:
        super().__init__(monitor, mode=mode)
        check_not_negative("min_delta", min_delta)
        self.patience = as_count("patience", patience)
        self.min_delta = min_delta
        self.restore_best = restore_best

    def _reset(self) -> None:
        super()._reset()
        self.waited = 0

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Store the parameters of the best epoch, and stop if the patience is exhausted."""
        self.waited = 0 if self._update(trainer) else self.waited + 1
        if self.waited >= self.patience:
            trainer.stop(StopReason.EARLY_STOP)

    def __repr__(self) -> str:
        return (
            f"EarlyStopping(monitor={self.monitor!r}, patience={self.patience}, "
            f"min_delta={self.min_delta})"
        )
