"""Stopping when a loss is no number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pyoptim.train.callbacks.base import Callback
from pyoptim.train.history import StopReason

if TYPE_CHECKING:
    from pyoptim.train.trainer import Trainer


class StopOnNaN(Callback):
    """Stops after a step whose loss is NaN or infinite.

    The parameters are then those after this step; `EarlyStopping` brings back the best ones, and
    `Checkpoint` does not save them. An optimizer with ``skip_nonfinite=True`` does not make a step
    from gradients that are not finite.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> model = po.models.Linear(1)
    >>> x = np.full((10, 1), 1e6)
    >>> trainer = po.train.Trainer(model, optimizer=po.SGD(model.params, lr=1e3), progress=False,
    ...                            epochs=100, callbacks=[po.train.StopOnNaN()])
    >>> with np.errstate(over="ignore", invalid="ignore"):
    ...     history = trainer.fit(x, x)
    >>> print(history.stop_reason)
    nan
    """

    def on_step_end(self, trainer: Trainer) -> None:
        """Look at the step's loss."""
        if not math.isfinite(trainer.loss_of_step):
            trainer.stop(StopReason.NAN)
