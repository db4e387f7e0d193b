"""Base class of callbacks that monitor a column of the history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

from pyoptim._utils.text import listed
from pyoptim._utils.validation import check_choice
from pyoptim.train.callbacks._base import Callback

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer

Mode: TypeAlias = Literal["min", "max"]


class Monitor(Callback):
    """A base class of callbacks that monitor a column of the history.

    Parameters
    ----------
    monitor : str
        Column of the history to monitor.
    mode : {"min", "max"}, optional
        Whether a lower or a higher value is better. By default "min" for losses, and "max" for
        accuracies and scorers of scikit-learn. Required for other columns.

    Raises
    ------
    TypeError
        If `monitor` is not a string.
    ValueError
        If `mode` is neither "min" nor "max".
    """

    def __init__(self, monitor: str, mode: Mode | None = None) -> None:
        if mode is not None:
            check_choice("mode", mode, "min", "max")
        if not isinstance(monitor, str):
            raise TypeError(
                f"monitor: expected the name of a column of the history, got {monitor!r}"
            )
        self.monitor = monitor
        self.mode = mode

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Raise ValueError if the column needs a validation set and there is no validation set."""
        if self.monitor.startswith("val_") and trainer.validation is None:
            raise ValueError(
                f"monitor: {type(self).__name__} needs a validation set for {self.monitor!r}; pass "
                "validation= to Trainer"
            )

    def latest_value(self, trainer: Trainer) -> float:
        """Return the monitored value of the last epoch.

        Raises
        ------
        ValueError
            If the history has no such column. The message lists its columns.
        """
        row = trainer.history.rows[-1]
        if self.monitor not in row:
            raise ValueError(
                f"monitor: {type(self).__name__} expected a column of the history, got "
                f"{self.monitor!r}; choose one of {listed(row)}"
            )
        return row[self.monitor]

    def resolve_mode(self, trainer: Trainer) -> Mode:
        """Return the mode, by default the one for the column's name.

        Raises
        ------
        ValueError
            If `mode` was not given and the column's name does not imply it.
        """
        if self.mode is not None:
            return self.mode
        higher_is_better = trainer.higher_is_better(self.monitor)
        if higher_is_better is None:
            raise ValueError(
                f"mode: {type(self).__name__} expected a mode for {self.monitor!r}, got None; pass "
                'mode="min" if a lower value is better, or mode="max"'
            )
        return "max" if higher_is_better else "min"


def improves(value: float, best: float, mode: Mode, min_delta: float) -> bool:
    """Return whether a value is better than the best one by at least `min_delta`.

    NaN is never an improvement. If `best` is NaN, there is no best value yet, and any number is an
    improvement. Differences are compared with a tolerance of two units in the last place. So a
    change from 0.3 to 0.2 counts as 0.1, although the difference of the doubles is smaller.

    Examples
    --------
    >>> improves(-1.5, -1.0, "min", 0.4), improves(-1.5, -1.0, "min", 0.6)
    (True, False)
    >>> improves(0.2, 0.3, "min", 0.1), improves(0.3, 0.3, "min", 0.0)
    (True, False)
    >>> nan = float("nan")
    >>> improves(nan, 1.0, "max", 0.0), improves(1.0, nan, "max", 0.0)
    (False, True)
    """
    if math.isnan(value):
        return False
    if math.isnan(best):
        return True
    change = value - best if mode == "max" else best - value
    return change > 0 and change + 2 * math.ulp(max(abs(value), abs(best))) >= min_delta
