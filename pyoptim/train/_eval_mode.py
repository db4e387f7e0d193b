"""Train and eval mode of a model, with the running statistics of its weights in each mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pyoptim.data import Rows
from pyoptim.models._base import Model
from pyoptim.optim._base import Optimizer
from pyoptim.parameters._types import Array
from pyoptim.wrappers._base import AveragedWeights, Wrapper

_MAX_ROWS = 2**14
"""Maximum number of rows from which running statistics are estimated."""


class ModeSwitch:
    """A switch of a model between train and eval mode, buffers included.

    During training, batch norm collects running statistics of the training weights. If the weights
    of eval mode are averages, `eval` estimates new statistics for the averaged weights, and `train`
    restores the statistics of train mode.

    Attributes
    ----------
    train_buffers : dict of str to array, or None
        Buffers of train mode, while the model's buffers are estimates for averaged weights.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.train_buffers: dict[str, Array] | None = None

    def eval(self, optimizer: Optimizer | Wrapper, batches: Iterable[Rows]) -> None:
        """Switch to eval mode, and estimate running statistics on batches of training rows."""
        was_evaluating = optimizer.evaluating
        optimizer.eval()
        if was_evaluating or not (self.model.buffers and _has_averaged_weights(optimizer)):
            return
        self.train_buffers = self._copy_buffers()
        self.model.estimate_buffers(_first_inputs(batches, _MAX_ROWS))

    def train(self, optimizer: Optimizer | Wrapper) -> None:
        """Switch to train mode."""
        optimizer.train()
        if self.train_buffers is not None:
            self._write_buffers(self.train_buffers)
            self.train_buffers = None

    @contextmanager
    def train_mode(self, optimizer: Optimizer | Wrapper) -> Iterator[None]:
        """Switch to train mode inside of a with statement."""
        evaluating, train_buffers = optimizer.evaluating, self.train_buffers
        current_buffers = self._copy_buffers()
        self.train(optimizer)
        try:
            yield
        finally:
            if evaluating:
                optimizer.eval()
                self._write_buffers(current_buffers)
                self.train_buffers = train_buffers

    def _copy_buffers(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self.model.buffers.items()}

    def _write_buffers(self, buffers: dict[str, Array]) -> None:
        for name, values in buffers.items():
            self.model.buffers[name][...] = values


def _has_averaged_weights(optimizer: Optimizer | Wrapper) -> bool:
    """Return whether an optimizer's weights differ between train and eval mode."""
    while isinstance(optimizer, Wrapper):
        if isinstance(optimizer, AveragedWeights) and optimizer._has_weights():
            return True
        optimizer = optimizer.optimizer
    return optimizer._rule.has_eval_mode and optimizer.steps > 0


def _first_inputs(batches: Iterable[Rows], count: int) -> Iterator[object]:
    """Yield the inputs of batches until they have at least `count` rows."""
    seen = 0
    for batch in batches:
        rows = batch.counted()
        if rows.size:
            yield rows.x
        seen += rows.size
        if seen >= count:
            return
