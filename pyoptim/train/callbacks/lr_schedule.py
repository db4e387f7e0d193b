"""A learning rate schedule by epoch or step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pyoptim._utils.validation import check_choice
from pyoptim.train.callbacks._base import Callback

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class LRSchedule(Callback):
    """A callback that sets the learning rate of all groups by epoch or step.

    Use it for a schedule by epochs, ``lr = schedule(epoch)`` with epochs counted from 0. For a
    schedule by steps, you can also pass ``lr=po.schedules.cosine(...)`` to the optimizer. The rate
    depends on the number of the epoch or step only, so a resumed run continues with the same rates.

    Parameters
    ----------
    schedule : callable
        Function of an epoch or step number that returns the learning rate, such as one of
        `pyoptim.schedules`.
    by : {"epoch", "step"}
        Whether `schedule` gets the number of the epoch or of the step.

    Raises
    ------
    TypeError
        If `schedule` is not callable.
    ValueError
        If `by` is neither "epoch" nor "step". At the beginning of training, if the optimizer's
        learning rate is a schedule, or its groups have different learning rates.

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
            raise TypeError(f"schedule: expected a callable, got {schedule!r}")
        check_choice("by", by, "epoch", "step")
        self.schedule = schedule
        self.by = by

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Raise ValueError if the optimizer has a schedule, or groups with different rates."""
        check_no_schedule(self, trainer)
        rates = sorted({group["lr"] for group in trainer.optimizer.param_groups})
        if len(rates) > 1:
            raise ValueError(
                "LRSchedule: expected groups with the same learning rate, got "
                f"{', '.join(map(str, rates))}; pass a schedule as the lr of each group"
            )

    def on_epoch_begin(self, trainer: Trainer) -> None:
        """Set the learning rate of the epoch."""
        if self.by == "epoch":
            self._set(trainer, trainer.epochs_done)

    def on_step_begin(self, trainer: Trainer) -> None:
        """Set the learning rate of the step."""
        if self.by == "step":
            self._set(trainer, trainer.optimizer.steps)

    def _set(self, trainer: Trainer, number: int) -> None:
        rate = float(self.schedule(number))
        for group in trainer.optimizer.param_groups:
            group["lr"] = rate


def check_no_schedule(callback: Callback, trainer: Trainer) -> None:
    """Raise ValueError if the learning rate of a group is a schedule."""
    for group in trainer.optimizer.param_groups:
        if callable(group["lr"]):
            raise ValueError(
                f"lr: {type(callback).__name__} expected an optimizer with a number as learning "
                f"rate, got the schedule {group['lr']!r}; use either the schedule or the callback"
            )
