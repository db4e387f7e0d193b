"""A learning rate that is reduced when a metric stops improving."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pyoptim._utils.validation import as_number, check_choice, check_not_negative
from pyoptim.schedules._base import Schedule, count_or_zero, positive, rate


@dataclass(frozen=True)
class reduce_on_plateau(Schedule):
    """The rate is multiplied by `factor` when a metric has not improved for `patience` updates.

    ``lr = max(lr * factor, min_lr)`` when more than `patience` updates in a row are not
    improvements. The rate does not depend on the step: call `update` with the metric, for example
    after every epoch. NaN is never an improvement.

    It is the only schedule with a state. Save its `state_dict` together with the optimizer's. Two
    such schedules are equal if their states are equal, too.

    Parameters
    ----------
    lr : float, at least 0
        Initial learning rate.
    mode : "min" or "max"
        Whether a smaller or a larger metric is better.
    factor : float, above 0 and below 1
        Factor of the learning rate.
    patience : int, at least 0
        Number of updates in a row without improvement before a reduction.
    threshold : float, at least 0
        Minimum improvement: a metric must be better than the best one by more than this.
    threshold_mode : "rel" or "abs"
        Whether `threshold` is a fraction of the magnitude of the best metric, or a difference.
    cooldown : int, at least 0
        Number of updates after a reduction that do not count towards the patience.
    min_lr : float, at least 0
        Minimum learning rate.
    eps : float, at least 0
        Minimum size of a reduction. Smaller ones are not made.

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    ``torch.optim.lr_scheduler.ReduceLROnPlateau``, with the same rates and defaults. It counts a
    metric below 0 as an improvement that is worse than the best one; pyoptim does not.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> schedule = po.schedules.reduce_on_plateau(0.1, factor=0.5, patience=2)
    >>> opt = po.SGD([np.zeros(3)], lr=schedule)
    >>> [schedule.update(loss) for loss in (3.0, 2.0, 2.5, 2.0, 2.1, 1.0)]
    [0.1, 0.1, 0.1, 0.1, 0.05, 0.05]
    >>> saved = schedule.state_dict()
    >>> saved
    {'lr': 0.05, 'best': 1.0, 'num_bad_epochs': 0, 'cooldown_counter': 0}
    >>> again = po.schedules.reduce_on_plateau(0.1, factor=0.5, patience=2)
    >>> again.load_state_dict(saved)
    >>> again == schedule
    True
    """

    lr: float
    mode: Literal["min", "max"] = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    eps: float = 1e-8
    _state: dict[str, Any] = field(init=False, repr=False, hash=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._take(rate, "lr", "threshold", "min_lr", "eps")
        self._take(positive, "factor")
        self._take(count_or_zero, "patience", "cooldown")
        check_choice("mode", self.mode, "min", "max")
        check_choice("threshold_mode", self.threshold_mode, "rel", "abs")
        if self.factor >= 1:
            raise ValueError(f"factor must be below 1, got {self.factor}")
        if (self.mode, self.threshold_mode) == ("min", "rel") and self.threshold >= 1:
            raise ValueError(f"a relative threshold must be below 1, got {self.threshold}")
        best = math.inf if self.mode == "min" else -math.inf
        self._state.update(lr=self.lr, best=best, num_bad_epochs=0, cooldown_counter=0)

    def _at(self, step: int) -> float:
        value: float = self._state["lr"]
        return value

    def update(self, metric: float) -> float:
        """Record a metric, and return the learning rate for the next steps.

        Raises
        ------
        TypeError
            If `metric` is not a number.
        """
        metric = as_number("metric", metric)
        state = self._state
        if self._improves(metric):
            state["best"] = metric
            state["num_bad_epochs"] = 0
        else:
            state["num_bad_epochs"] += 1
        if state["cooldown_counter"] > 0:
            state["cooldown_counter"] -= 1
            state["num_bad_epochs"] = 0
        if state["num_bad_epochs"] > self.patience:
            reduced = max(state["lr"] * self.factor, self.min_lr)
            if state["lr"] - reduced > self.eps:
                state["lr"] = reduced
            state["cooldown_counter"] = self.cooldown
            state["num_bad_epochs"] = 0
        return self._at(0)

    def _improves(self, metric: float) -> bool:
        """Return whether a metric is better than the best one by more than the threshold."""
        best: float = self._state["best"]
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            border = best * (1 + (sign if best > 0 else -sign) * self.threshold)
        else:
            border = best + sign * self.threshold
        return metric < border if self.mode == "min" else metric > border

    def state_dict(self) -> dict[str, float]:
        """Return the state: the rate, the best metric, and two counts."""
        return dict(self._state)

    def load_state_dict(self, state_dict: Mapping[str, float]) -> None:
        """Restore a state that `state_dict` returned. After an error nothing is changed.

        Raises
        ------
        ValueError
            If keys are missing or unknown, or a number is out of range.
        TypeError
            If a value is not a number.
        """
        if state_dict.keys() != self._state.keys():
            raise ValueError(
                f"the state must have {', '.join(self._state)}, got {', '.join(state_dict)}"
            )
        lr = as_number("lr", state_dict["lr"])
        check_not_negative("lr", lr)
        best = as_number("best", state_dict["best"])
        if math.isnan(best):
            raise ValueError("best must not be NaN")
        names = ("num_bad_epochs", "cooldown_counter")
        counts = {name: count_or_zero(name, state_dict[name]) for name in names}
        self._state.update(lr=lr, best=best, **counts)
