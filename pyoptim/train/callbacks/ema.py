"""Evaluation with averaged weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyoptim.train.callbacks._base import Callback
from pyoptim.wrappers import EMA

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class EMAEvaluation(Callback):
    """Evaluates, and ends, with an exponential moving average of the weights.

    It puts `pyoptim.wrappers.EMA` around the trainer's optimizer: what is validated, kept as the
    best, and left in the model at the end is the average. Training itself does not change.

    Parameters
    ----------
    decay : float, in [0, 1]
    start, every : int
        As for the wrapper: the steps before the average begins, and between two additions to it.

    Raises
    ------
    ValueError, TypeError
        When the trainer is made, as the wrapper.

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
