"""What a trainer's arguments mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyoptim._utils.validation import as_count, as_not_negative
from pyoptim.data import Shuffle, Validation
from pyoptim.losses import Loss
from pyoptim.models._base import Model
from pyoptim.models._protocol import Trainable, check_parts, is_adapted
from pyoptim.optim import AdamW
from pyoptim.optim._base import Optimizer
from pyoptim.penalties import ElasticNet, Penalty
from pyoptim.train._metrics import Measure, check_columns, check_names, check_scorers, own_measures
from pyoptim.wrappers import GradientAccumulation
from pyoptim.wrappers._base import Wrapper


def as_optimizer(
    optimizer: Optimizer | Wrapper | None, model: Trainable, accumulate: int
) -> Optimizer | Wrapper:
    """Return the optimizer of a model, by default AdamW, which may accumulate gradients.

    Raises
    ------
    ValueError
        If it is not over the model's parameters, or a count is out of range.
    """
    if optimizer is None:
        optimizer = AdamW(model.params)
    elif not (isinstance(optimizer, Optimizer | Wrapper) and optimizer.updates(model.params)):
        raise ValueError(
            f"optimizer must be one over the model's params, got {optimizer!r}; "
            "make it as AdamW(model.params), or of groups of model.params.select(...)"
        )
    if as_count("accumulate", accumulate) > 1:
        return GradientAccumulation(optimizer, every=accumulate)
    return optimizer


def as_shuffle(shuffle: Any) -> Shuffle:
    """Return how rows are shuffled; ValueError if it is no such way."""
    if shuffle not in (True, False, "blocks"):
        raise ValueError(f"shuffle must be True, False or 'blocks', got {shuffle!r}")
    way: Shuffle = shuffle
    return way


def check_measures(
    model: Model,
    loss: Any,
    validation: Validation,
    metrics: Mapping[str, Measure],
    penalties: Sequence[Penalty],
) -> None:
    """Check that a model has what is to be measured, and that names are no other ones, too.

    Raises
    ------
    ValueError
        If metrics have no validation set, two columns of the history would have one name, or a
        scorer cannot score what the model predicts.
    TypeError
        If the model lacks what an argument needs.
    """
    if metrics and validation is None:
        raise ValueError("metrics are measured on validation sets: they need validation=")
    check_parts(
        model,
        loss,
        validation=validation is not None,
        metrics=bool(metrics),
        penalties=bool(penalties),
    )
    own = {"loss"} if is_adapted(model) else own_measures(loss)  # theirs are known when measured
    check_names(metrics, own)
    if isinstance(loss, Loss) and model.outputs is not None:
        others = {name: metric for name, metric in metrics.items() if name not in own}
        check_scorers(others, loss, model.outputs)
    if isinstance(validation, Mapping):
        check_columns(validation, own | metrics.keys())


def as_penalties(
    penalty: Penalty | Sequence[Penalty] | None, l1: float, l2: float
) -> list[Penalty]:
    """Return all penalties.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If one is no penalty.
    """
    l1, l2 = as_not_negative("l1", l1), as_not_negative("l2", l2)
    given = [penalty] if isinstance(penalty, Penalty) or penalty is None else penalty
    if not (isinstance(given, Sequence) and all(isinstance(p, Penalty | None) for p in given)):
        raise TypeError(f"penalty must be one of pyoptim.penalties, got {penalty!r}")
    found = [each for each in given if each is not None]
    return [ElasticNet(l1, l2), *found] if l1 or l2 else found
