"""Checks and conversions of the arguments of `Trainer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyoptim._utils.text import listed
from pyoptim.data import Shuffle, Validation
from pyoptim.losses import Loss
from pyoptim.models._base import Model
from pyoptim.models._protocol import Trainable, check_parts, is_adapted
from pyoptim.optim import AdamW
from pyoptim.optim._base import Optimizer
from pyoptim.penalties import Penalty
from pyoptim.train._metrics import (
    MetricFunction,
    builtin_metrics,
    check_columns,
    check_names,
    check_scorers,
)
from pyoptim.wrappers._base import Wrapper


def as_optimizer(optimizer: Optimizer | Wrapper | None, model: Trainable) -> Optimizer | Wrapper:
    """Return the optimizer, by default AdamW.

    Raises
    ------
    ValueError
        If `optimizer` is not an optimizer or wrapper over the model's parameters.
    """
    if optimizer is None:
        return AdamW(model.params)
    if not (isinstance(optimizer, Optimizer | Wrapper) and optimizer.updates(model.params)):
        raise ValueError(
            f"optimizer: expected an Optimizer or a Wrapper over the model's params, got "
            f"{optimizer!r}; create it as AdamW(model.params), or with groups of "
            "model.params.select(...)"
        )
    return optimizer


def as_shuffle(shuffle: Any) -> Shuffle:
    """Return `shuffle`, or raise ValueError if it is not True, False or "blocks"."""
    if shuffle not in (True, False, "blocks"):
        raise ValueError(f"shuffle: expected True, False or 'blocks', got {shuffle!r}")
    checked: Shuffle = shuffle
    return checked


def check_metrics(
    model: Model,
    loss: Any,
    validation: Validation,
    metrics: Mapping[str, MetricFunction],
    penalties: Sequence[Penalty],
) -> None:
    """Check that the model supports the arguments, and that names of metrics are unique.

    Raises
    ------
    ValueError
        If there are metrics but no validation set, two columns of the history would have the same
        name, or a scorer cannot score the model's predictions.
    TypeError
        If the model lacks a method or attribute that an argument needs.
    """
    if metrics and validation is None:
        raise ValueError(
            f"metrics: expected a validation set to compute {listed(metrics)} on, got "
            "validation=None; pass validation="
        )
    check_parts(
        model,
        loss,
        validation=validation is not None,
        metrics=bool(metrics),
        penalties=bool(penalties),
    )
    # `evaluate` of a model with the protocol may add metrics, which are known after its first call.
    builtin = {"loss"} if is_adapted(model) else builtin_metrics(loss)
    check_names(metrics, builtin)
    if isinstance(loss, Loss) and model.outputs is not None:
        additional = {name: metric for name, metric in metrics.items() if name not in builtin}
        check_scorers(additional, loss, model.outputs)
    if isinstance(validation, Mapping):
        check_columns(validation, builtin | metrics.keys())


def as_penalties(penalty: Penalty | Sequence[Penalty] | None) -> list[Penalty]:
    """Return all penalties as a list.

    Raises
    ------
    TypeError
        If `penalty` is not a `Penalty` or a sequence of them.
    """
    penalties = [penalty] if isinstance(penalty, Penalty) or penalty is None else penalty
    if not (
        isinstance(penalties, Sequence) and all(isinstance(p, Penalty | None) for p in penalties)
    ):
        raise TypeError(
            f"penalty: expected one of pyoptim.penalties, or a sequence of them, got {penalty!r}"
        )
    return [each for each in penalties if each is not None]
