"""Stopping when a metric no longer improves."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyoptim._utils.validation import as_count, check_not_negative
from pyoptim.train._history import StopReason
from pyoptim.train.callbacks._monitor import Mode
from pyoptim.train.callbacks.keep_best import KeepBest

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class EarlyStopping(KeepBest):
    """Ends training when a metric has not improved for `patience` epochs.

    The best epoch's parameters, with the model's buffers, come back at the end, however training
    ends. NaN is never an improvement. A resumed run goes on with the patience that was left.

    Parameters
    ----------
    monitor : str
        A column of the history.
    patience : int
        How many epochs in a row may pass without improvement.
    min_delta : float
        The smallest change that counts as an improvement, in units of the metric, whatever its
        sign. A change of exactly `min_delta` counts; no change never does.
    mode : {"min", "max"}, optional
        Whether a smaller or a larger value is better. By default losses are to fall, accuracies
        and scikit-learn's scorers to rise; for other columns it must be said.
    restore_best : bool
        Whether the best epoch's parameters come back.

    Attributes
    ----------
    best : float
        NaN until there is one.
    best_epoch : int or None
    waited : int
        The epochs since.

    Raises
    ------
    ValueError
        If an argument is out of range; in training, if there is no such metric.

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

    def _forget(self) -> None:
        super()._forget()
        self.waited = 0

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Look at the last epoch, and keep its parameters if it is the best so far."""
        self.waited = 0 if self._look(trainer) else self.waited + 1
        if self.waited >= self.patience:
            trainer.stop(StopReason.EARLY_STOP)

    def __repr__(self) -> str:
        return (
            f"EarlyStopping(monitor={self.monitor!r}, patience={self.patience}, "
            f"min_delta={self.min_delta})"
        )
