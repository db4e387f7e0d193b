"""Train and eval mode, and a context manager that switches between them."""

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
        """Whether the optimizer is in eval mode."""

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
        """Switch back to train mode after `eval`, with bit-identical parameters."""

    @contextmanager
    def evaluation(self) -> Iterator[Self]:
        """Return a context manager for eval mode: `eval` on entry, `train` on exit.

        Inside another one, or after `eval`, the optimizer stays in eval mode.
        """
        before = self._has_evaluated()
        self.eval()
        try:
            yield self
        finally:
            if not before:
                self.train()
