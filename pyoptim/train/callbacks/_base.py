"""Base class of callbacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pyoptim._utils.text import listed

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class Callback:
    """A base class of callbacks, whose methods a trainer calls during training.

    Override the methods you need. List in `state` the attributes that a checkpoint saves, so that a
    resumed run continues with their values. Methods get the trainer; `Trainer` describes the
    attributes that they can read. To end training, call `Trainer.stop`.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> class CountSteps(po.train.Callback):
    ...     state = ("count",)
    ...     def on_fit_begin(self, trainer):
    ...         self.count = 0
    ...     def on_step_end(self, trainer):
    ...         self.count += 1
    >>> steps = CountSteps()
    >>> x = np.zeros((100, 1))
    >>> _ = po.train.Trainer(po.models.Linear(1), epochs=2, callbacks=[steps],
    ...                      progress=False).fit(x, x)
    >>> steps.count, steps.state_dict()
    (8, {'count': 8})
    """

    state: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that a checkpoint saves, as metadata of `checkpoint.save`."""

    last: ClassVar[bool] = False
    """Whether the callback is called after the others, whatever its place in the list."""

    def on_attach(self, trainer: Trainer) -> None:
        """Run once, when the trainer is created."""

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Run at the beginning of `fit`, before the state of a resumed run is loaded.

        Reset everything that an earlier run changed.
        """

    def on_epoch_begin(self, trainer: Trainer) -> None:
        """Run before the first step of an epoch."""

    def on_step_begin(self, trainer: Trainer) -> None:
        """Run before each step."""

    def on_step_end(self, trainer: Trainer) -> None:
        """Run after each step, in train mode."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Run after the epoch's row is added to the history, in eval mode."""

    def on_stop(self, trainer: Trainer) -> None:
        """Run when training stops before all epochs are done."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """Run at the end of `fit`, also after an error."""

    def state_dict(self) -> dict[str, Any]:
        """Return the attributes named in `state`, for `load_state_dict`."""
        return {name: getattr(self, name) for name in self.state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load the state of another callback of the same class.

        Parameters
        ----------
        state_dict : mapping of str to value
            Result of `state_dict`.

        Raises
        ------
        ValueError
            If keys are missing or unknown.
        """
        if state_dict.keys() != set(self.state):
            raise ValueError(
                f"state_dict: {type(self).__name__} expected {_keys(self.state)}, got "
                f"{_keys(state_dict)}"
            )
        for name in self.state:
            setattr(self, name, state_dict[name])


def _keys(names: Iterable[str]) -> str:
    text = listed(names)
    return f"the keys {text}" if text else "no keys"
