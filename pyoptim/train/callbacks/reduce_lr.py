"""A learning rate that falls when a metric no longer improves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pyoptim.schedules import reduce_on_plateau
from pyoptim.train.callbacks._monitor import Mode, Monitor
from pyoptim.train.callbacks.lr_schedule import check_no_schedule

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when a metric has not improved for a while.

    Every group has a `pyoptim.schedules.reduce_on_plateau` that begins with its rate, and is
    updated once an epoch. NaN is never an improvement.

    Parameters
    ----------
    monitor : str
        A column of the history.
    factor : float, above 0 and below 1
    patience : int, at least 0
        How many epochs in a row may bring no improvement.
    mode : {"min", "max"}, optional
        As for `EarlyStopping`.
    threshold : float, at least 0
        A metric is an improvement if it is better than the best one by more than this.
    threshold_mode : {"abs", "rel"}
        Whether `threshold` is a difference, right for metrics of any sign, or a share of the best
        metric, for metrics above 0.
    cooldown : int, at least 0
        How many epochs after a reduction are not counted.
    min_lr : float, at least 0

    Raises
    ------
    ValueError
        If an argument is out of range; in training, if there is no such metric or the rate is a
        schedule.

    Examples
    --------
    >>> import pyoptim as po
    >>> reduce = po.train.ReduceLROnPlateau("val_loss", factor=0.5, patience=3)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        *,
        mode: Mode | None = None,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "abs",
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode)
        self._settings: dict[str, Any] = {
            "factor": factor,
            "patience": patience,
            "threshold": threshold,
            "threshold_mode": threshold_mode,
            "cooldown": cooldown,
            "min_lr": min_lr,
        }
        reduce_on_plateau(1.0, **self._settings)  # checks them
        self._schedules: list[reduce_on_plateau] = []

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Begin with the rates that there are."""
        super().on_fit_begin(trainer)
        check_no_schedule(self, trainer)
        rises = self.mode == "max" or (self.mode is None and trainer.higher_is_better(self.monitor))
        self._schedules = [
            reduce_on_plateau(float(group["lr"]), **self._settings, mode="max" if rises else "min")
            for group in trainer.optimizer.param_groups
        ]

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Look at the metric, and set the rates."""
        value = self.latest(trainer)
        self.direction(trainer)  # raises where it is not known
        for group, schedule in zip(trainer.optimizer.param_groups, self._schedules, strict=True):
            group["lr"] = schedule.update(value)

    def state_dict(self) -> dict[str, Any]:
        """Return what every group's schedule remembers."""
        return {str(i): schedule.state_dict() for i, schedule in enumerate(self._schedules)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        if len(state_dict) != len(self._schedules):
            raise ValueError(
                f"the state is of {len(state_dict)} groups, there are {len(self._schedules)}"
            )
        for i, schedule in enumerate(self._schedules):
            schedule.load_state_dict(state_dict[str(i)])
