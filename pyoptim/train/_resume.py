"""All of a trainer that a resumed run needs."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyoptim._utils.text import dtype_text, listed, shown
from pyoptim.errors import CheckpointError
from pyoptim.parameters._types import Array
from pyoptim.train._history import StopReason
from pyoptim.train.callbacks._list import named
from pyoptim.train.callbacks.keep_best import KeepBest

if TYPE_CHECKING:
    from pyoptim.checkpoint import Checkpoint
    from pyoptim.train._trainer import Trainer

_KEY = "trainer"
_PARTS = {"place", "history", "stop_reason", "data", "optimizer", "schedules", "callbacks"}


@dataclass
class Place:
    """Where in a run training is, with the sums of the epoch under way.

    `cursor` is where the next batch begins: its number, or a chunk and a row.
    """

    step: int = 0
    batch: int = 0
    cursor: Any = 0
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        """The mean loss of the epoch so far; NaN if all steps were skipped."""
        return self.loss_sum / self.weight_sum if self.weight_sum > 0 else math.nan


def capture(trainer: Trainer) -> dict[str, Any]:
    """Return all but the parameters: `pyoptim.checkpoint.save` takes it as metadata."""
    state = {
        "place": vars(trainer.place).copy(),
        "history": trainer.history.rows,
        "stop_reason": None if trainer.stop_reason is None else str(trainer.stop_reason),
        "data": trainer.data,
        "optimizer": trainer.optimizer.state_dict(),
        "schedules": {name: each.state_dict() for name, each in _schedules(trainer).items()},
        "callbacks": {
            name: state
            for name, each in _callbacks(trainer).items()
            if (state := each.state_dict())
        },
    }
    step = getattr(trainer, "_make_step", None)
    if step is not None and step.window_statistics:
        state["window_statistics"] = step.window_statistics
    if hasattr(trainer.model, "state_dict"):
        state["model"] = trainer.model.state_dict()
    return {_KEY: state}


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Bring back parameters, optimizer and model; what does not fit changes nothing.

    The history, and the place in the run, are loaded by `restore_place`, and the states of
    callbacks by `restore_callbacks`, once they have begun.

    Raises
    ------
    CheckpointError
        If a trainer has not written this.
    ValueError, TypeError
        If it is of another model, optimizer or set of callbacks.
    """
    state = saved_state(checkpoint)
    _check_params(trainer, checkpoint.tensors)
    _check_names("callbacks", state["callbacks"], _callbacks(trainer))
    _check_names("schedules", state["schedules"], _schedules(trainer))
    if "model" in state and not hasattr(trainer.model, "load_state_dict"):
        raise ValueError("the checkpoint has a state of the model, and this one takes none")
    model: Any = trainer.model
    with _all_or_nothing(trainer, "model" in state):
        trainer._points.train(trainer.optimizer)
        if "model" in state:
            model.load_state_dict(state["model"])
        trainer.optimizer.load_state_dict(state["optimizer"])
    for name in model.params:
        model.params[name][...] = checkpoint.tensors[name]
    for name, schedule in _schedules(trainer).items():
        if name in state["schedules"]:  # else it begins anew
            schedule.load_state_dict(state["schedules"][name])


@contextmanager
def _all_or_nothing(trainer: Trainer, with_model: bool) -> Iterator[None]:
    """Bring the model's state and the points of evaluation back if a state does not fit."""
    model: Any = trainer.model
    before = copy.deepcopy(model.state_dict()) if with_model else None
    evaluating = trainer.optimizer.evaluating
    of_training = trainer._points.buffers_of_training
    try:
        yield
    except BaseException:
        if with_model:
            model.load_state_dict(before)
        if evaluating:
            trainer.optimizer.eval()
        trainer._points.buffers_of_training = of_training
        raise


def restore_place(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Load the history, and the place in the run, of what `capture` gave."""
    vars(trainer.place).update(state["place"])
    trainer.history.rows = [dict(row) for row in state["history"]]
    reason = state["stop_reason"]
    if reason == StopReason.EARLY_STOP:  # other runs may go on
        trainer.stop_reason = StopReason(reason)


def restore_callbacks(trainer: Trainer, states: Mapping[str, Any]) -> None:
    """Load the callbacks' states; one that has none saved begins anew."""
    for name, callback in _callbacks(trainer).items():
        if name in states:
            callback.load_state_dict(states[name])


def check_data(saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise ValueError unless the rows are those of the run that was saved, in their order."""
    different = [
        "x, y or sample_weight have other values"
        if name == "values"
        else f"{name} is {now[name]!r}, was {value!r}"
        for name, value in saved.items()
        if now[name] != value
    ]
    if different:
        raise ValueError(f"this is not how training began: {'; '.join(different)}")


def saved_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what `capture` gave.

    Raises
    ------
    CheckpointError
        If a trainer has not written this.
    """
    metadata = checkpoint.metadata
    state = metadata.get(_KEY) if isinstance(metadata, dict) else None
    if not isinstance(state, dict) or not state.keys() >= _PARTS:
        raise CheckpointError(f"{checkpoint.path}: a trainer has not written this checkpoint")
    return state


def _callbacks(trainer: Trainer) -> dict[str, Any]:
    return dict(named(trainer.callbacks))


def _schedules(trainer: Trainer) -> dict[str, Any]:
    """Return the schedules that remember something, by group and setting."""
    return {
        f"{index}.{name}": schedule
        for index, group in enumerate(trainer.optimizer.param_groups)
        for name, schedule in group.schedules.items()
        if hasattr(schedule, "state_dict")
    }


def _check_names(what: str, saved: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    # Trainers have a KeepBest of their own, which a run without validation has not.
    missing = [name for name in saved if name not in there and name != KeepBest.__name__]
    if missing:
        raise ValueError(f"the checkpoint has a state of the {what} {listed(missing)}; "
                         f"this trainer has {listed(there) or 'none'}")  # fmt: skip


def _check_params(trainer: Trainer, tensors: Mapping[str, Array]) -> None:
    params = trainer.model.params
    if set(params) != set(tensors):
        raise ValueError(
            f"the checkpoint has the parameters {listed(sorted(tensors))}; "
            f"this model has {listed(sorted(params))}"
        )
    for name in params:
        mine, theirs = params[name], np.asarray(tensors[name])
        if (mine.shape, mine.dtype) != (theirs.shape, theirs.dtype):
            raise ValueError(
                f"{shown(name)}: the checkpoint has {dtype_text(theirs.dtype)} of shape "
                f"{theirs.shape}, this model {dtype_text(mine.dtype)} of shape {mine.shape}"
            )
