"""One training step: loss, gradient, penalties and the step of the optimizer."""

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
    """A training step with an optimizer or any nesting of wrappers.

    It passes a function that computes gradients to `SAM`, and the weight of each batch to
    `GradientAccumulation`. It multiplies gradients by the scale of `DynamicLossScale`.

    Attributes
    ----------
    window : int
        Number of batches for each step of the optimizer.
    window_statistics : dict of str to array, or None
        Running statistics before the current accumulation window, if its step may be skipped.
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
        self.window_statistics: dict[str, Array] | None = None
        self.loss_scales = [each for each in wrappers if isinstance(each, DynamicLossScale)]
        self._unwrapped._attach("trainer", penalties, self._penalized_names(penalties))

    def _penalized_names(self, penalties: Sequence[Penalty]) -> list[str]:
        """Return the names of the weights that penalties act on. Frozen weights are excluded."""
        params, trained = self.model.params, self._unwrapped._keys if penalties else []
        names = [name for name in self.model.weights if name in trained]
        row_sparse = [name for name in names if name in params.row_sparse]
        if row_sparse:
            raise TypeError(
                f"penalty: penalties act on whole arrays, and {row_sparse[0]!r} is row-sparse; use "
                f"the argument l2 of {type(self.model).__name__}, which acts on the rows of each "
                "batch"
            )
        return names

    def __call__(self, batch: Rows) -> float:
        """Make a step and return the loss before the step, including penalties.

        During gradient accumulation, a batch in which all weights are 0 is ignored.
        """
        optimizer: Any = self.optimizer
        unwrapped = self._unwrapped
        keywords = {}
        if self.accumulates:
            keywords["weight"] = batch.weight
            if keywords["weight"] == 0:
                return 0.0
        if self.skips_nonfinite and self.window_statistics is None:
            self.window_statistics = self._copy_buffers()
        if unwrapped._acting:
            unwrapped._penalty_value = None
        if self.takes_closure:
            values: list[float] = []
            info = optimizer.step(lambda: self._closure(batch, values), **keywords)
            value = values[0]
        else:
            value = self._loss_and_grad(batch)
            info = optimizer.step(**keywords)
        if self.window_statistics is not None:
            self._end_window(info)
        if not unwrapped._acting:
            return value
        penalty = unwrapped._penalty_value
        # During accumulation no step computed the penalties, and the parameters are unchanged.
        return value + (unwrapped._value_of_penalties() if penalty is None else penalty)

    def lr(self) -> float:
        """Return the learning rate of the last step."""
        lr: Any = self.optimizer.param_groups[0]["lr"]
        return float(lr(max(self.optimizer.steps - 1, 0)) if callable(lr) else lr)

    def flush(self) -> None:
        """Make the optimizer's step for an incomplete accumulation window at an epoch's end."""
        if isinstance(self.optimizer, Wrapper):
            self._end_window(self.optimizer.flush())

    def _closure(self, batch: Rows, values: list[float]) -> None:
        """Compute gradients for SAM, whose second pass leaves running statistics unchanged."""
        buffers = self._copy_buffers() if values else {}
        values.append(self._loss_and_grad(batch))
        self._write_buffers(buffers)

    def _end_window(self, info: Any) -> None:
        """End an accumulation window, and restore running statistics if its step was skipped."""
        if info is None:
            return
        if info.skipped and self.window_statistics is not None:
            self._write_buffers(self.window_statistics)
        self.window_statistics = None

    def _copy_buffers(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self.model.buffers.items()}

    def _write_buffers(self, buffers: Mapping[str, Array]) -> None:
        for name, values in buffers.items():
            self.model.buffers[name][...] = values

    def _loss_and_grad(self, batch: Rows) -> float:
        weights = batch.weights
        keywords = {} if weights is None else {"sample_weight": weights}
        value = self.model.loss_and_grad(batch.x, batch.y, self.loss, **keywords)
        for loss_scale in self.loss_scales:
            self.model.params.scale_grad(loss_scale.scale)
        return value


def _wrappers(optimizer: Optimizer | Wrapper) -> list[Wrapper]:
    """Return the wrappers around an optimizer, from the outermost to the innermost."""
    wrappers = []
    while isinstance(optimizer, Wrapper):
        wrappers.append(optimizer)
        optimizer = optimizer.optimizer
    return wrappers
