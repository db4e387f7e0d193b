"""Points of training and of evaluation: `eval` and `train` around a with block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class EvaluationPoints(ABC):
    """What brings parameters to points other than those of training, and back."""

    @abstractmethod
    def eval(self) -> None:
        """Bring the parameters to the points where the model is to be evaluated or saved."""

    @abstractmethod
    def train(self) -> None:
        """Bring back the points of training after `eval`, to the bit."""

    @contextmanager
    def evaluation(self) -> Iterator[Self]:
        """Be at the points of evaluation inside of a with statement: `eval`, then `train`."""
        self.eval()
        try:
            yield self
        finally:
            self.train()
