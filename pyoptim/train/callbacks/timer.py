"""A time limit for training."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from pyoptim._utils.validation import as_positive
from pyoptim.train._history import StopReason
from pyoptim.train.callbacks._base import Callback

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class Timer(Callback):
    """A callback that stops training after a time limit.

    Training stops after the step in which the limit is reached. A resumed run has the remaining
    time of the saved run.

    Parameters
    ----------
    max_time : float or timedelta, above 0
        Time limit, in seconds if it is a number.

    Attributes
    ----------
    elapsed : float
        Duration of training so far, in seconds.

    Raises
    ------
    ValueError
        If `max_time` is not above 0.
    TypeError
        If `max_time` is neither a number nor a timedelta.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.zeros((10, 1))
    >>> trainer = po.train.Trainer(po.models.Linear(1), epochs=10**6, progress=False,
    ...                            callbacks=[po.train.Timer(0.05)])
    >>> print(trainer.fit(x, x).stop_reason)
    max_time
    """

    state: ClassVar[tuple[str, ...]] = ("elapsed",)

    def __init__(self, max_time: float | timedelta) -> None:
        seconds = max_time.total_seconds() if isinstance(max_time, timedelta) else max_time
        self.max_time = as_positive("max_time", seconds)
        self._started: float | None = None
        self._elapsed_before = 0.0

    @property
    def elapsed(self) -> float:
        """Duration of training so far, in seconds."""
        running = 0.0 if self._started is None else time.perf_counter() - self._started
        return self._elapsed_before + running

    @elapsed.setter
    def elapsed(self, seconds: float) -> None:
        self._elapsed_before = seconds

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Start the clock at 0."""
        self._elapsed_before, self._started = 0.0, time.perf_counter()

    def on_step_end(self, trainer: Trainer) -> None:
        """Stop training if the time limit is reached."""
        if self.elapsed >= self.max_time:
            trainer.stop(StopReason.MAX_TIME)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Stop the clock."""
        self._elapsed_before, self._started = self.elapsed, None
