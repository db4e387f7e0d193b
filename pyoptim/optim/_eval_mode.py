"""Points of training and of evaluation: `eval` and `train` around a with block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from pyoptim.optim._guard import Guarded, changes


class EvalMode(Guarded, ABC):
    """What brings parameters to points other than those of training, and back."""

    @property
    @abstractmethod
    def evaluating(self) -> bool:
        """Whether the parameters are at the points of evaluation."""

    def _has_evaluated(self) -> bool:
        """Whether `eval` was called here, rather than on an optimizer inside of this one."""
        return self.evaluating

    @changes
    @abstractmethod
    def eval(self) -> None:
        """Bring the parameters to the points where the model is to be evaluated or saved."""

    @changes
    @abstractmethod
    def train(self) -> None:
        """Bring back the points of training after `eval`, to the bit."""

    @contextmanager
    def evaluation(self) -> Iterator[Self]:
        """Be at the points of evaluation inside of a with statement: `eval`, then `train`.

        Inside of another one, or after `eval`, the parameters stay at the points of evaluation.
        """
        before = self._has_evaluated()
        self.eval()
        try:
            yield self
        finally:
            if not before:
                self.train()
