"""Evaluation with an exponential moving average (EMA) of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyoptim.train.callbacks._base import Callback
from pyoptim.wrappers import EMA

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class EMAEvaluation(Callback):
    """A callback that evaluates an exponential moving average (EMA) of the weights.

    It wraps the trainer's optimizer in `pyoptim.wrappers.EMA`. Validation, the best epoch and the
    model after training use the averaged weights. Training itself is unchanged. Averaged weights
    often have a lower and less noisy validation loss than the last weights.

    Parameters
    ----------
    decay : float, in [0, 1]
        Weight of the previous average in each update, ``ema = decay ema + (1 - decay) w``.
    start : int
        Number of steps before the average starts.
    every : int
        Number of steps between two updates of the average.

    Raises
    ------
    ValueError, TypeError
        When the trainer is created, as `pyoptim.wrappers.EMA`.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> model = po.models.Linear(1)
    >>> trainer = po.train.Trainer(model, callbacks=[po.train.EMAEvaluation(0.9)])
    >>> type(trainer.optimizer).__name__
    'EMA'
    """

    def __init__(self, decay: float = 0.999, *, start: int = 0, every: int = 1) -> None:
        self.decay = decay
        self.start = start
        self.every = every

    def on_attach(self, trainer: Trainer) -> None:
        """Wrap the optimizer."""
        trainer.optimizer = EMA(
            trainer.optimizer, decay=self.decay, start=self.start, every=self.every
        )
