"""Keeping the parameters of the best epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pyoptim.parameters._types import Array
from pyoptim.train.callbacks._monitor import Mode, Monitor, improves

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class KeepBest(Monitor):
    """Brings back the parameters of the best epoch, with the model's buffers, at the end.

    They come back however training ends, by an error or a loss that is not finite, too. NaN is
    never an improvement. A `Trainer` with a validation set has one on its loss unless
    ``restore_best=False``.

    Parameters
    ----------
    monitor : str
        A column of the history.
    mode : {"min", "max"}, optional
        Whether a smaller or a larger value is better. By default losses are to fall, accuracies
        and scikit-learn's scorers to rise; for other columns it must be said.

    Attributes
    ----------
    best : float
        NaN until there is one.
    best_epoch : int or None

    Raises
    ------
    ValueError
        In training, if there is no such metric.

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
        self._forget()

    def _forget(self) -> None:
        self.best = math.nan
        self.best_epoch: int | None = None
        self.best_parameters: dict[str, Array] | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Forget an earlier training run."""
        super().on_fit_begin(trainer)
        self._forget()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Look at the last epoch, and keep its parameters if it is the best so far."""
        self._look(trainer)

    def _look(self, trainer: Trainer) -> bool:
        """Return whether the last epoch is the best so far; its parameters are kept then."""
        value = self.latest(trainer)
        if not improves(value, self.best, self.direction(trainer), self.min_delta):
            return False
        self.best = value
        self.best_epoch = trainer.epochs_done
        if self.restore_best:
            self.best_parameters = {n: a.copy() for n, a in _arrays(trainer).items()}
        return True

    def on_fit_end(self, trainer: Trainer) -> None:
        """Write the best epoch's parameters back, if there was one."""
        if self.best_parameters is not None:
            for name, array in _arrays(trainer).items():
                array[...] = self.best_parameters[name]
            trainer.history.best_epoch = self.best_epoch
            self.best_parameters = None


def _arrays(trainer: Trainer) -> dict[str, Array]:
    """Return all that training changes of a model."""
    return {**trainer.model.params, **getattr(trainer.model, "buffers", {})}
