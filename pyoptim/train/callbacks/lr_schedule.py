"""A learning rate that changes from epoch to epoch, or from step to step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pyoptim._utils.validation import check_choice
from pyoptim.train.callbacks._base import Callback

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class LRSchedule(Callback):
    """Sets the learning rate of all groups, which have one and the same, by a schedule.

    An optimizer takes a schedule of its steps itself, ``lr=po.schedules.cosine(...)``; this is for
    one of epochs, ``lr = schedule(epoch)`` with epochs counted from 0. It depends on their number
    alone, so a resumed run goes on with the right rate.

    Parameters
    ----------
    schedule : callable
        One of `pyoptim.schedules`, or any function of a number.
    by : {"epoch", "step"}

    Raises
    ------
    TypeError
        If the schedule is none.
    ValueError
        If `by` is neither; in training, if the optimizer's own rate is a schedule, or its groups
        have several rates, which would become one.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> rate = po.train.LRSchedule(lambda epoch: 0.1 * 0.5**epoch)
    >>> x = np.ones((10, 1))
    >>> po.train.Trainer(po.models.Linear(1), epochs=3, callbacks=[rate],
    ...                  progress=False).fit(x, x)["lr"]
    [0.1, 0.05, 0.025]
    """

    def __init__(
        self, schedule: Callable[[int], float], by: Literal["epoch", "step"] = "epoch"
    ) -> None:
        if not callable(schedule):
            raise TypeError(f"schedule must be one, got {schedule!r}")
        check_choice("by", by, "epoch", "step")
        self.schedule = schedule
        self.by = by

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Raise ValueError if the rate has a schedule already, or there are several rates."""
        check_no_schedule(self, trainer)
        rates = sorted({group["lr"] for group in trainer.optimizer.param_groups})
        if len(rates) > 1:
            raise ValueError(
                "LRSchedule gives all groups one rate, and they have "
                f"{', '.join(map(str, rates))}; give every group a schedule as its lr"
            )

    def on_epoch_begin(self, trainer: Trainer) -> None:
        """Set the epoch's rate."""
        if self.by == "epoch":
            self._set(trainer, trainer.epochs_done)

    def on_step_begin(self, trainer: Trainer) -> None:
        """Set the step's rate."""
        if self.by == "step":
            self._set(trainer, trainer.optimizer.steps)

    def _set(self, trainer: Trainer, number: int) -> None:
        rate = float(self.schedule(number))
        for group in trainer.optimizer.param_groups:
            group["lr"] = rate


def check_no_schedule(callback: Callback, trainer: Trainer) -> None:
    """Raise ValueError if a group's rate is a schedule, which a callback would overwrite."""
    if any(callable(group["lr"]) for group in trainer.optimizer.param_groups):
        raise ValueError(
            f"{type(callback).__name__}: the optimizer's learning rate is a schedule already"
        )
