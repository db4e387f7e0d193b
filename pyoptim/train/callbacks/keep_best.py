"""Restoring the parameters of the best epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pyoptim.parameters._types import Array
from pyoptim.train.callbacks._monitor import Mode, Monitor, improves

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class KeepBest(Monitor):
    """A callback that restores the parameters and buffers of the best epoch after training.

    They are restored however training ends, also after an error or a nonfinite loss. NaN is never
    an improvement. A `Trainer` with a validation set has a `KeepBest` on its loss unless
    ``restore_best=False``.

    Parameters
    ----------
    monitor : str
        Column of the history to monitor.
    mode : {"min", "max"}, optional
        Whether a lower or a higher value is better. By default "min" for losses, and "max" for
        accuracies and scorers of scikit-learn. Required for other columns.

    Attributes
    ----------
    best : float
        Best value so far, NaN before the first number.
    best_epoch : int or None
        Number of the best epoch, from 1.

    Raises
    ------
    ValueError
        If `mode` is neither "min" nor "max". During training, if there is no such column, or its
        mode is not known.
    TypeError
        If `monitor` is not a string.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.linspace(-1, 1, 100).reshape(-1, 1)
    >>> trainer = po.train.Trainer(po.models.Linear(1), epochs=3, validation=(x, x),
    ...                            metrics=["r2"], callbacks=[po.train.KeepBest("val_r2")],
    ...                            progress=False)
    >>> trainer.fit(x, x).best_epoch
    3
    """

    state: ClassVar[tuple[str, ...]] = ("best", "best_epoch", "best_parameters")

    min_delta = 0.0
    restore_best = True

    def __init__(self, monitor: str = "val_loss", *, mode: Mode | None = None) -> None:
        super().__init__(monitor, mode)
        self._reset()

    def _reset(self) -> None:
        self.best = math.nan
        self.best_epoch: int | None = None
        self.best_parameters: dict[str, Array] | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Reset the callback."""
        super().on_fit_begin(trainer)
        self._reset()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Store the parameters of the last epoch if it is the best so far."""
        self._update(trainer)

    def _update(self, trainer: Trainer) -> bool:
        """Store the last epoch if it is the best so far, and return whether it is."""
        value = self.latest_value(trainer)
        if not improves(value, self.best, self.resolve_mode(trainer), self.min_delta):
            return False
        self.best = value
        self.best_epoch = trainer.epochs_done
        if self.restore_best:
            self.best_parameters = {n: a.copy() for n, a in _arrays(trainer).items()}
        return True

    def on_fit_end(self, trainer: Trainer) -> None:
        """Restore the parameters of the best epoch, if any."""
        if self.best_parameters is not None:
            for name, array in _arrays(trainer).items():
                array[...] = self.best_parameters[name]
            trainer.history.best_epoch = self.best_epoch
            self.best_parameters = None


def _arrays(trainer: Trainer) -> dict[str, Array]:
    """Return the parameters and buffers of the model by name."""
    return {**trainer.model.params, **getattr(trainer.model, "buffers", {})}
