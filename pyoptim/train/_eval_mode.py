"""Weights of training and of evaluation, with the running statistics that belong to each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pyoptim.data import Rows
from pyoptim.models._base import Model
from pyoptim.optim._base import Optimizer
from pyoptim.parameters._types import Array
from pyoptim.wrappers._base import KeptWeights, Wrapper

_MAX_ROWS = 2**14
"""Rows that running statistics are estimated from."""


class Points:
    """Brings a model to its weights of evaluation and back, buffers included.

    Running statistics of batch norm are those of the weights that training had. Where these are not
    the weights of evaluation, which are averages, the statistics are estimated anew for these.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.buffers_of_training: dict[str, Array] | None = None

    def eval(self, optimizer: Optimizer | Wrapper, batches: Iterable[Rows]) -> None:
        """Go to the weights of evaluation, and estimate statistics on batches of training rows."""
        there = optimizer.evaluating
        optimizer.eval()
        if there or not (self.model.buffers and _averages(optimizer)):
            return
        self.buffers_of_training = self._copies()
        self.model.estimate_buffers(_first(batches, _MAX_ROWS))

    def train(self, optimizer: Optimizer | Wrapper) -> None:
        """Go back to the weights of training."""
        optimizer.train()
        if self.buffers_of_training is not None:
            self._write(self.buffers_of_training)
            self.buffers_of_training = None

    @contextmanager
    def training(self, optimizer: Optimizer | Wrapper) -> Iterator[None]:
        """Be at the weights of training inside of a with statement."""
        evaluating, of_training = optimizer.evaluating, self.buffers_of_training
        of_evaluation = self._copies()
        self.train(optimizer)
        try:
            yield
        finally:
            if evaluating:
                optimizer.eval()
                self._write(of_evaluation)
                self.buffers_of_training = of_training

    def _copies(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self.model.buffers.items()}

    def _write(self, buffers: dict[str, Array]) -> None:
        for name, values in buffers.items():
            self.model.buffers[name][...] = values


def _averages(optimizer: Optimizer | Wrapper) -> bool:
    """Whether an optimizer has other weights for evaluation than for training."""
    while isinstance(optimizer, Wrapper):
        if isinstance(optimizer, KeptWeights) and optimizer._has_weights():
            return True
        optimizer = optimizer.optimizer
    return optimizer._rule.has_eval_mode and optimizer.steps > 0


def _first(batches: Iterable[Rows], count: int) -> Iterator[object]:
    """Yield the inputs of batches until there were so many rows."""
    seen = 0
    for batch in batches:
        rows = batch.counted()
        if rows.size:
            yield rows.x
        seen += rows.size
        if seen >= count:
            return
