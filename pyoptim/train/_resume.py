"""The state of a trainer in a checkpoint, from which a run resumes."""

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
from pyoptim.train.callbacks._list import with_names
from pyoptim.train.callbacks.keep_best import KeepBest

if TYPE_CHECKING:
    from pyoptim.checkpoint import Checkpoint
    from pyoptim.train._trainer import Trainer

_KEY = "trainer"
_PARTS = {"position", "history", "stop_reason", "data", "optimizer", "schedules", "callbacks"}


@dataclass
class Position:
    """The position of a run between two steps, and the sums of the current epoch.

    Attributes
    ----------
    step : int
        Number of steps so far.
    batch : int
        Number of steps in the current epoch.
    cursor : int or tuple
        Beginning of the next batch: its number, or the numbers of a chunk and of a row in it.
    loss_sum, weight_sum : float
        Weighted sum of the losses in the current epoch, and the sum of their weights.
    seconds : float
        Duration of the current epoch so far.
    """

    step: int = 0
    batch: int = 0
    cursor: Any = 0
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Mean loss of the current epoch, NaN if all steps were skipped."""
        return self.loss_sum / self.weight_sum if self.weight_sum > 0 else math.nan


def capture(trainer: Trainer) -> dict[str, Any]:
    """Return the state of a trainer without the parameters, as metadata of a checkpoint."""
    state = {
        "position": vars(trainer.position).copy(),
        "history": trainer.history.rows,
        "stop_reason": None if trainer.stop_reason is None else str(trainer.stop_reason),
        "data": trainer.data,
        "optimizer": trainer.optimizer.state_dict(),
        "schedules": {
            name: schedule.state_dict() for name, schedule in _stateful_schedules(trainer).items()
        },
        "callbacks": {
            name: callback_state
            for name, callback in _named_callbacks(trainer).items()
            if (callback_state := callback.state_dict())
        },
    }
    step = getattr(trainer, "_make_step", None)
    if step is not None and step.window_statistics:
        state["window_statistics"] = step.window_statistics
    if hasattr(trainer.model, "state_dict"):
        state["model"] = trainer.model.state_dict()
    return {_KEY: state}


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Load parameters, optimizer, model state and schedules; an error changes nothing.

    `restore_position` loads the history and the position. `restore_callbacks` loads the states of
    callbacks, after their `on_fit_begin`.

    Raises
    ------
    CheckpointError
        If the checkpoint has no state of a trainer.
    ValueError, TypeError
        If the checkpoint is of another model, optimizer or set of callbacks.
    """
    state = saved_state(checkpoint)
    _check_params(trainer, checkpoint.tensors)
    _check_names("callbacks", state["callbacks"], _named_callbacks(trainer))
    _check_names("schedules", state["schedules"], _stateful_schedules(trainer))
    if "model" in state and not hasattr(trainer.model, "load_state_dict"):
        raise ValueError(
            "cannot resume: the checkpoint has a state of the model, but "
            f"{type(trainer.model).__name__} has no method load_state_dict"
        )
    model: Any = trainer.model
    with _rollback(trainer, "model" in state):
        trainer._mode.train(trainer.optimizer)
        if "model" in state:
            model.load_state_dict(state["model"])
        trainer.optimizer.load_state_dict(state["optimizer"])
    for name in model.params:
        model.params[name][...] = checkpoint.tensors[name]
    for name, schedule in _stateful_schedules(trainer).items():
        if name in state["schedules"]:  # a schedule without a saved state starts from the beginning
            schedule.load_state_dict(state["schedules"][name])


@contextmanager
def _rollback(trainer: Trainer, with_model: bool) -> Iterator[None]:
    """Restore the model's state and train or eval mode if loading raises an error."""
    model: Any = trainer.model
    before = copy.deepcopy(model.state_dict()) if with_model else None
    evaluating = trainer.optimizer.evaluating
    train_buffers = trainer._mode.train_buffers
    try:
        yield
    except BaseException:
        if with_model:
            model.load_state_dict(before)
        if evaluating:
            trainer.optimizer.eval()
        trainer._mode.train_buffers = train_buffers
        raise


def restore_position(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Load the history and the position in the run from the state of `capture`."""
    vars(trainer.position).update(state["position"])
    trainer.history.rows = [dict(row) for row in state["history"]]
    reason = state["stop_reason"]
    if reason == StopReason.EARLY_STOP:  # after other reasons training continues
        trainer.stop_reason = StopReason(reason)


def restore_callbacks(trainer: Trainer, states: Mapping[str, Any]) -> None:
    """Load the states of callbacks. A callback without a saved state starts from the beginning."""
    for name, callback in _named_callbacks(trainer).items():
        if name in states:
            callback.load_state_dict(states[name])


def check_data(saved: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Raise ValueError if the rows or their order differ from those of the saved run."""
    differences = [
        "x, y or sample_weight have other values than in the saved run"
        if name == "values"
        else f"{name} is {current[name]!r}, but the saved run used {value!r}"
        for name, value in saved.items()
        if current[name] != value
    ]
    if differences:
        raise ValueError(f"cannot resume: {'; '.join(differences)}")


def saved_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the state that `capture` saved.

    Raises
    ------
    CheckpointError
        If the checkpoint has no state of a trainer.
    """
    metadata = checkpoint.metadata
    state = metadata.get(_KEY) if isinstance(metadata, dict) else None
    if not isinstance(state, dict) or not state.keys() >= _PARTS:
        raise CheckpointError(
            f"{checkpoint.path}: the checkpoint was not saved by a Trainer, and has no state to "
            "resume from"
        )
    return state


def _named_callbacks(trainer: Trainer) -> dict[str, Any]:
    return dict(with_names(trainer.callbacks))


def _stateful_schedules(trainer: Trainer) -> dict[str, Any]:
    """Return the schedules with a state, by group and hyperparameter."""
    return {
        f"{index}.{name}": schedule
        for index, group in enumerate(trainer.optimizer.param_groups)
        for name, schedule in group.schedules.items()
        if hasattr(schedule, "state_dict")
    }


def _check_names(kind: str, saved: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    # Trainers with a validation set add a KeepBest, which other trainers may lack.
    missing = [name for name in saved if name not in current and name != KeepBest.__name__]
    if missing:
        raise ValueError(
            f"cannot resume: the checkpoint has states of the {kind} {listed(missing)}, but this "
            f"trainer has {listed(current) or f'no {kind}'}"
        )


def _check_params(trainer: Trainer, tensors: Mapping[str, Array]) -> None:
    params = trainer.model.params
    if set(params) != set(tensors):
        raise ValueError(
            f"cannot resume: the checkpoint has the parameters {listed(sorted(tensors))}, but this "
            f"model has {listed(sorted(params))}"
        )
    for name, param in params.items():
        saved = np.asarray(tensors[name])
        if (param.shape, param.dtype) != (saved.shape, saved.dtype):
            raise ValueError(
                f"cannot resume: {shown(name)} is {dtype_text(saved.dtype)} of shape {saved.shape} "
                f"in the checkpoint, but {dtype_text(param.dtype)} of shape {param.shape} in this "
                "model"
            )
