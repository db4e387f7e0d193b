"""Stopping when a loss or parameter is not finite."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pyoptim._utils.finite import is_finite
from pyoptim.train._history import StopReason
from pyoptim.train.callbacks._base import Callback

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class StopOnNaN(Callback):
    """A callback that stops training when a loss or parameter is not finite.

    It checks the loss after each step, and the parameters after each epoch. A trainer has a
    `StopOnNaN` unless ``stop_on_nan=False``. Steps that the optimizer skips, with
    ``skip_nonfinite=True`` or by `DynamicLossScale`, do not stop training unless an epoch has no
    other steps.

    The model then has the parameters after the last step. `KeepBest` and `EarlyStopping` restore
    the best ones. `Checkpoint` does not save a checkpoint.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> model = po.models.Linear(1)
    >>> x = np.full((10, 1), 1e6)
    >>> trainer = po.train.Trainer(model, optimizer=po.SGD(model.params, lr=1e3), progress=False,
    ...                            epochs=100)
    >>> with np.errstate(over="ignore", invalid="ignore"):
    ...     history = trainer.fit(x, x)
    >>> print(history.stop_reason)
    nan
    """

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Find the finite parameters. Others are nonfinite on purpose, and are not checked."""
        params = trainer.model.params
        self._finite = [name for name, array in params.items() if is_finite(array)]

    def on_step_end(self, trainer: Trainer) -> None:
        """Stop if the loss of the step is not finite."""
        if not math.isfinite(trainer.loss_of_step) and not trainer.step_skipped:
            trainer.stop(StopReason.NAN)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Stop if the loss of the epoch, or a parameter, is not finite."""
        params = trainer.model.params
        finite = all(is_finite(params[name]) for name in self._finite)
        if not (finite and math.isfinite(trainer.history.rows[-1]["loss"])):
            trainer.stop(StopReason.NAN)
