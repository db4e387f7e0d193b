"""Stopping when a loss is not finite."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pyoptim._utils.finite import is_finite
from pyoptim.train._history import StopReason
from pyoptim.train.callbacks._base import Callback

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class StopOnNaN(Callback):
    """Stops after a step whose loss is not finite, and after an epoch with such parameters.

    A trainer has one unless ``stop_on_nan=False``. A step that the optimizer skipped, with
    ``skip_nonfinite=True`` or by `DynamicLossScale`, does not count; an epoch of nothing else does.
    The parameters are then those after the step; `KeepBest` and `EarlyStopping` bring back the best
    ones, and `Checkpoint` does not save them.

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
        """Note which parameters are finite: others may be meant so."""
        params = trainer.model.params
        self._finite = [name for name, array in params.items() if is_finite(array)]

    def on_step_end(self, trainer: Trainer) -> None:
        """Look at the step's loss."""
        if not math.isfinite(trainer.loss_of_step) and not trainer.step_skipped:
            trainer.stop(StopReason.NAN)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Look at the epoch's loss, and at the parameters that its last step made."""
        params = trainer.model.params
        finite = all(is_finite(params[name]) for name in self._finite)
        if not (finite and math.isfinite(trainer.history.rows[-1]["loss"])):
            trainer.stop(StopReason.NAN)
