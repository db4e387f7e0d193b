"""One training step: gradient and optimizer, which applies the penalties."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pyoptim.data import Rows
from pyoptim.losses import Loss
from pyoptim.models._base import Model
from pyoptim.optim._base import Optimizer
from pyoptim.parameters._types import Array
from pyoptim.penalties import Penalty
from pyoptim.wrappers import DynamicLossScale, GradientAccumulation
from pyoptim.wrappers._base import Wrapper


class Step:
    """Makes steps with an optimizer, or with any wrappers around one.

    `SAM` gets the function that computes gradients, `GradientAccumulation` the weight of each
    batch's rows, and gradients are multiplied by the scale of `DynamicLossScale`.
    """

    def __init__(
        self,
        model: Model,
        loss: Loss,
        optimizer: Optimizer | Wrapper,
        penalties: Sequence[Penalty],
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.penalties = penalties
        self.takes_closure = isinstance(optimizer, Wrapper) and optimizer.takes_closure
        wrappers = _wrappers(optimizer)
        windows = [each.every for each in wrappers if isinstance(each, GradientAccumulation)]
        self.accumulates = bool(windows)
        self._unwrapped = optimizer.unwrapped if isinstance(optimizer, Wrapper) else optimizer
        self.skips_nonfinite = bool(self._unwrapped._options["skip_nonfinite"])
        self.window = math.prod(windows)
        """How many batches the optimizer makes a step of."""
        self.window_statistics: dict[str, Array] | None = None
        """Running statistics before the first batch of the window, if its step may be skipped."""
        self.scales = [each for each in wrappers if isinstance(each, DynamicLossScale)]
        self._unwrapped._attach("trainer", penalties, self._penalized(penalties))

    def _penalized(self, penalties: Sequence[Penalty]) -> list[str]:
        """Return the names of the weights that penalties act on: those that are not frozen."""
        params, trained = self.model.params, self._unwrapped._keys if penalties else []
        names = [name for name in self.model.weights if name in trained]
        by_rows = [name for name in names if name in params.row_sparse]
        if by_rows:
            raise TypeError(
                f"penalties act on whole arrays, and {by_rows[0]!r} is row-sparse: use the l2 of "
                f"{type(self.model).__name__}, which acts on the rows of a batch"
            )
        return names

    def __call__(self, batch: Rows) -> float:
        """Make a step and return the loss before it, penalties included.

        A batch whose weights are all 0 makes no step while gradients are accumulated.
        """
        optimizer: Any = self.optimizer
        unwrapped = self._unwrapped
        keywords = {}
        if self.accumulates:
            keywords["weight"] = batch.weight
            if keywords["weight"] == 0:
                return 0.0
        if self.skips_nonfinite and self.window_statistics is None:
            self.window_statistics = self._statistics()
        if unwrapped._acting:
            unwrapped._penalty_value = None
        if self.takes_closure:
            values: list[float] = []
            info = optimizer.step(lambda: self._pass(batch, values), **keywords)
            value = values[0]
        else:
            value = self._gradient(batch)
            info = optimizer.step(**keywords)
        if self.window_statistics is not None:
            self._after(info)
        if not unwrapped._acting:
            return value
        penalty = unwrapped._penalty_value
        # While gradients are accumulated, no step changes the parameters.
        return value + (unwrapped._value_of_penalties() if penalty is None else penalty)

    def rate(self) -> float:
        """Return the learning rate of the last step."""
        rate: Any = self.optimizer.param_groups[0]["lr"]
        return float(rate(max(self.optimizer.steps - 1, 0)) if callable(rate) else rate)

    def flush(self) -> None:
        """Make the step of an epoch's last window of accumulated gradients, if it is not full."""
        if isinstance(self.optimizer, Wrapper):
            self._after(self.optimizer.flush())

    def _pass(self, batch: Rows, values: list[float]) -> None:
        """Make one of the passes of SAM: running statistics take in the first one alone."""
        before = self._statistics() if values else {}
        values.append(self._gradient(batch))
        self._restore(before)

    def _after(self, info: Any) -> None:
        """End a window: a step that is skipped leaves running statistics as they were before."""
        if info is None:
            return
        if info.skipped and self.window_statistics is not None:
            self._restore(self.window_statistics)
        self.window_statistics = None

    def _statistics(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self.model.buffers.items()}

    def _restore(self, statistics: Mapping[str, Array]) -> None:
        for name, values in statistics.items():
            self.model.buffers[name][...] = values

    def _gradient(self, batch: Rows) -> float:
        weights = batch.weights
        keywords = {} if weights is None else {"sample_weight": weights}
        value = self.model.loss_and_grad(batch.x, batch.y, self.loss, **keywords)
        for scaled in self.scales:
            self.model.params.scale_grad(scaled.scale)
        return value


def _wrappers(optimizer: Optimizer | Wrapper) -> list[Wrapper]:
    """Return the wrappers around an optimizer, the outermost first."""
    found = []
    while isinstance(optimizer, Wrapper):
        found.append(optimizer)
        optimizer = optimizer.optimizer
    return found
