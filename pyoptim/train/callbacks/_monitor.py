"""What callbacks that watch a metric share."""

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
    """A callback that looks at a column of the history.

    Parameters
    ----------
    monitor : str
    mode : {"min", "max"}, optional
        Whether a smaller or a larger value is better. By default losses are to fall, accuracies
        and scikit-learn's scorers to rise; for other columns it must be said.
    """

    def __init__(self, monitor: str, mode: Mode | None = None) -> None:
        if mode is not None:
            check_choice("mode", mode, "min", "max")
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be the name of a column, got {monitor!r}")
        self.monitor = monitor
        self.mode = mode

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Raise ValueError where it is plain already that there will be no such metric."""
        if self.monitor.startswith("val_") and trainer.validation is None:
            raise ValueError(f"{type(self).__name__} on {self.monitor!r} needs validation=")

    def latest(self, trainer: Trainer) -> float:
        """Return the metric of the last epoch.

        Raises
        ------
        ValueError
            If there is no such metric; the message lists those that there are.
        """
        row = trainer.history.rows[-1]
        if self.monitor not in row:
            raise ValueError(
                f"{type(self).__name__} on {self.monitor!r}: there is no such metric; "
                f"there are {listed(row)}"
            )
        return row[self.monitor]

    def direction(self, trainer: Trainer) -> Mode:
        """Return the mode, found by the metric's name if it was not given."""
        if self.mode is not None:
            return self.mode
        rises = trainer.higher_is_better(self.monitor)
        if rises is None:
            raise ValueError(
                f"{type(self).__name__} on {self.monitor!r}: whether a smaller or a larger value "
                'is better is not known; give mode="min" or mode="max"'
            )
        return "max" if rises else "min"


def improves(value: float, best: float, mode: Mode, min_delta: float) -> bool:
    """Whether a value is better than the best, and by at least `min_delta`; NaN never is.

    A best value of NaN stands for none. Differences are compared with a tolerance of two units in
    the last place: from 0.3 to 0.2 is a change of 0.1, although the doubles differ by less.

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
    gain = value - best if mode == "max" else best - value
    return gain > 0 and gain + 2 * math.ulp(max(abs(value), abs(best))) >= min_delta
