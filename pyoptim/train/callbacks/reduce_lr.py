"""Reducing the learning rate when a metric no longer improves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pyoptim.schedules import reduce_on_plateau
from pyoptim.train.callbacks._monitor import Mode, Monitor
from pyoptim.train.callbacks.lr_schedule import check_no_schedule

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class ReduceLROnPlateau(Monitor):
    """A callback that multiplies the learning rate by `factor` when a metric stops improving.

    Each group has its own `pyoptim.schedules.reduce_on_plateau`, which starts at the learning rate
    of the group and is updated after every epoch. NaN is never an improvement.

    Parameters
    ----------
    monitor : str
        Column of the history to monitor.
    factor : float, above 0 and below 1
        Factor by which the learning rate is reduced, ``lr = max(lr factor, min_lr)``.
    patience : int, at least 0
        Number of tolerated epochs in a row without improvement.
    mode : {"min", "max"}, optional
        Whether a lower or a higher value is better. By default "min" for losses, and "max" for
        accuracies and scorers of scikit-learn. Required for other columns.
    threshold : float, at least 0
        Minimum difference or fraction of an improvement. A value must be better than the best one
        by more than this.
    threshold_mode : {"rel", "abs"}
        Whether `threshold` is a fraction of the magnitude of the best value, or a difference.
    cooldown : int, at least 0
        Number of epochs after a reduction that do not count towards the patience.
    min_lr : float, at least 0
        Minimum learning rate.

    Raises
    ------
    ValueError
        If an argument is out of range. During training, if there is no such column, its mode is not
        known, or the learning rate is a schedule.
    TypeError
        If `monitor` is not a string.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.zeros((10, 1))
    >>> reduce = po.train.ReduceLROnPlateau("loss", factor=0.5, patience=1)
    >>> model = po.models.Linear(1)
    >>> po.train.Trainer(model, optimizer=po.SGD(model.params, lr=0.1), epochs=4,
    ...                  callbacks=[reduce], progress=False).fit(x, x)["lr"]
    [0.1, 0.1, 0.1, 0.05]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        *,
        mode: Mode | None = None,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode)
        self._arguments: dict[str, Any] = {
            "factor": factor,
            "patience": patience,
            "threshold": threshold,
            "threshold_mode": threshold_mode,
            "cooldown": cooldown,
            "min_lr": min_lr,
        }
        reduce_on_plateau(1.0, **self._arguments)  # checks the arguments
        self._schedules: list[reduce_on_plateau] = []

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Create a schedule for each group, starting at its learning rate."""
        super().on_fit_begin(trainer)
        check_no_schedule(self, trainer)
        inferred: Mode = "max" if trainer.higher_is_better(self.monitor) else "min"
        mode = inferred if self.mode is None else self.mode
        self._schedules = [
            reduce_on_plateau(float(group["lr"]), **self._arguments, mode=mode)
            for group in trainer.optimizer.param_groups
        ]

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Update the schedules with the monitored value, and set the learning rates."""
        value = self.latest_value(trainer)
        self.resolve_mode(trainer)  # raises an error if the mode is not known
        for group, schedule in zip(trainer.optimizer.param_groups, self._schedules, strict=True):
            group["lr"] = schedule.update(value)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each group's schedule."""
        return {str(i): schedule.state_dict() for i, schedule in enumerate(self._schedules)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load the state of another callback with as many groups.

        Parameters
        ----------
        state_dict : mapping of str to dict
            Result of `state_dict`.

        Raises
        ------
        ValueError
            If the number of groups differs.
        """
        if len(state_dict) != len(self._schedules):
            raise ValueError(
                f"state_dict: ReduceLROnPlateau expected states of {len(self._schedules)} groups, "
                f"got {len(state_dict)}"
            )
        for i, schedule in enumerate(self._schedules):
            schedule.load_state_dict(state_dict[str(i)])
