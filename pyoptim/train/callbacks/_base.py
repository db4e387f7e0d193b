"""What all callbacks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pyoptim._utils.text import listed

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class Callback:
    """Base class of callbacks: a trainer calls their methods while it trains.

    A subclass overrides those it needs. What it must not forget when training is resumed is named
    in `state`, and saved with the rest. See `Trainer` for what a callback may look at.

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
    """The attributes that a checkpoint keeps: what `pyoptim.checkpoint.save` takes as metadata."""

    last: ClassVar[bool] = False
    """Whether it is called after the others, whatever its place."""

    def on_attach(self, trainer: Trainer) -> None:
        """Be told, once, of the trainer that was made with this callback."""

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Get ready: forget an earlier run. The state of a resumed one is loaded after it."""

    def on_epoch_begin(self, trainer: Trainer) -> None:
        """Be called before an epoch's first step."""

    def on_step_begin(self, trainer: Trainer) -> None:
        """Be called before each step."""

    def on_step_end(self, trainer: Trainer) -> None:
        """Be called after each step; the parameters are at their points of training."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Be called when the epoch is the history's last row; the points are of evaluation."""

    def on_stop(self, trainer: Trainer) -> None:
        """Be called when training stops before all epochs are done."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """Be called however training ends, also by an error."""

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        return {name: getattr(self, name) for name in self.state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises
        ------
        ValueError
            If names are missing or unknown.
        """
        if state_dict.keys() != set(self.state):
            raise ValueError(
                f"the state of {type(self).__name__} must have {listed(self.state)}, "
                f"got {listed(state_dict)}"
            )
        for name in self.state:
            setattr(self, name, state_dict[name])
