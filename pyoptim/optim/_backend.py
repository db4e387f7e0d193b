"""What an optimizer needs of the part that makes its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pyoptim._core import StepInfo
from pyoptim.parameters._types import Array


class Engine(Protocol):
    """The interface of the compiled engine; matrix rules implement it in Python.

    Groups and parameters are numbered; a group's settings are (name, value).
    """

    steps: int

    @property
    def names(self) -> list[str]:
        """What parameters are called in errors."""

    @property
    def params(self) -> list[Array]:
        """The arrays that are updated."""

    @property
    def evaluating(self) -> bool:
        """Whether the engine is in eval mode."""

    def step(self, grads: Any, grad_scale: float) -> StepInfo:
        """Make a step."""

    def readable_grads(self, grads: Any, supports_row_grad: bool = False) -> list[Any]:
        """Return the gradients of a step as contiguous arrays, None where there is none.

        Where they may be of rows, those are RowGrads of such arrays, rows as int64.
        """

    def update_hessian(self, estimates: Any) -> None:
        """Take in estimates of the Hessian's diagonal."""

    def set_evaluating(self, evaluating: bool) -> None:
        """Switch to eval mode, or back to train mode."""

    def get(self, group: int, name: str) -> Any:
        """Return a setting."""

    def set(self, group: int, name: str, value: Any) -> None:
        """Change a setting."""

    def set_groups(self, by_group: Sequence[Sequence[tuple[str, Any]]]) -> None:
        """Change settings of all groups: all of them, or none."""

    def state(self, index: int) -> dict[str, Any]:
        """Return read-only views of a parameter's states, with its step count and numbers."""

    def state_memory(self, index: int) -> dict[str, Array]:
        """Return writable views of all that `state` returns; numbers are arrays without axes."""

    def snapshot(self) -> tuple[int, list[dict[str, Any]]]:
        """Return the steps made and copies of all states."""

    def load(
        self,
        settings: Sequence[Sequence[tuple[str, Any]]],
        states: Sequence[dict[str, Any]],
        steps: int,
    ) -> None:
        """Overwrite settings, what `state` returns for all parameters, and steps, or nothing."""

    def state_names(self, group: int) -> list[str]:
        """List what a group keeps for each element."""
