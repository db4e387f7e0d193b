"""A limit of time."""

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
    """Stops after the step in which a time is over.

    Time is of all parts of a run together: a resumed one has what was left.

    Parameters
    ----------
    max_time : float or timedelta, above 0
        Seconds, if it is a number.

    Attributes
    ----------
    elapsed : float
        Seconds of training so far.

    Raises
    ------
    ValueError
        If the time is not above 0.

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
        self._began: float | None = None
        self._before = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds of training so far."""
        running = 0.0 if self._began is None else time.perf_counter() - self._began
        return self._before + running

    @elapsed.setter
    def elapsed(self, seconds: float) -> None:
        self._before = seconds

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Begin to measure."""
        self._before, self._began = 0.0, time.perf_counter()

    def on_step_end(self, trainer: Trainer) -> None:
        """Stop if the time is over."""
        if self.elapsed >= self.max_time:
            trainer.stop(StopReason.MAX_TIME)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Stop measuring."""
        self._before, self._began = self.elapsed, None
