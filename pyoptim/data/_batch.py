"""Rows in memory, as a model takes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from pyoptim.data._csr import CSR, concatenated
from pyoptim.losses._class_weight import (
    ClassWeight,
    as_sample_weight,
    compute_sample_weight,
    drop_zero_weights,
)
from pyoptim.parameters._types import Array

if TYPE_CHECKING:
    from pyoptim.losses import Loss
    from pyoptim.models._base import Model

Inputs: TypeAlias = Any
"""What a model takes rows of: an array, a CSR matrix, or a tuple of such, sliced alike."""

Cast: TypeAlias = "partial[Rows]"
"""`as_rows` with all but x, y and sample_weight given."""


class Rows(NamedTuple):
    """Rows with their targets, and their weights if they have some."""

    x: Inputs
    y: Array
    weights: Array | None = None

    def take(self, rows: Array | slice) -> Rows:
        """Return some of the rows, by number."""
        weights = None if self.weights is None else self.weights[rows]
        return Rows(of_each(lambda part: part[rows], self.x), self.y[rows], weights)

    def counted(self) -> Rows:
        """Return the rows whose weight is not 0; all of them where every weight is 0."""
        return Rows(*drop_zero_weights(*self))

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.y)

    @property
    def weight(self) -> float:
        """The sum of the weights: the number of rows, if they have none."""
        return float(len(self.y) if self.weights is None else self.weights.sum())

    @property
    def keywords(self) -> dict[str, Array]:
        """The argument for weights, if there are some: a model need not know it otherwise."""
        return {} if self.weights is None else {"sample_weight": self.weights}


def of_each(function: Callable[[Any], Any], x: Inputs) -> Any:
    """Return a function's value of x, or the tuple of those of its parts."""
    return tuple(map(function, x)) if isinstance(x, tuple) else function(x)


def parts_of(x: Inputs) -> tuple[Any, ...]:
    """Return the parts of x, one if it is no tuple."""
    return x if isinstance(x, tuple) else (x,)


def count_rows(x: Inputs) -> int:
    """Return how many rows x has; ValueError if its parts do not agree, or are no rows."""
    if any(getattr(part, "shape", None) == () for part in parts_of(x)):
        raise ValueError("x: expected rows, got a single value")
    counts = {part.shape[0] if hasattr(part, "shape") else len(part) for part in parts_of(x)}
    if len(counts) != 1:
        raise ValueError(f"x: its parts have {', '.join(map(str, sorted(counts)))} rows")
    return int(counts.pop())


def check_counts(x: Inputs, y: Any, weights: Any) -> None:
    """Raise ValueError unless there are as many rows of x, of y and of weights."""
    rows = count_rows(x)
    if rows != len(y):
        raise ValueError(f"x has {rows} rows, y {len(y)}")
    if weights is not None and weights.shape != (rows,):
        raise ValueError(f"sample_weight: expected shape ({rows},), got {weights.shape}")


def as_rows(
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    of_class: ClassWeight | None,
    loss: Loss,
    model: Model,
) -> Rows:
    """Return rows as a model takes them, with the weights of rows and classes multiplied.

    Raises
    ------
    ValueError
        If numbers of rows differ, or a weight is out of range.
    """
    with np.errstate(over="ignore"):  # what is infinite then has an error of its own
        inputs = model.cast_inputs(x)
    rows = as_targets(y, sample_weight, of_class=of_class, loss=loss, model=model)
    check_counts(inputs, rows.y, rows.weights)
    return rows._replace(x=inputs)


def as_targets(
    y: Any, sample_weight: Any, *, of_class: ClassWeight | None, loss: Loss, model: Model
) -> Rows:
    """Return rows without inputs: targets, and weights of rows and classes multiplied."""
    with np.errstate(over="ignore"):  # what is infinite then has an error of its own
        targets = loss.cast_targets(y, model.dtype)
    weights = None if sample_weight is None else as_sample_weight(sample_weight)
    if of_class is not None:
        weights = compute_sample_weight(of_class, y, weights)
    return Rows((), targets, weights)


def joined(parts: list[Rows]) -> Rows:
    """Return the rows of several parts as one; where only some have weights, others weigh 1."""
    if len(parts) == 1:
        return parts[0]
    whole = [_joined([parts_of(part.x)[i] for part in parts]) for i in range(_width(parts[0]))]
    weighted = any(part.weights is not None for part in parts)
    weights = [np.ones(part.size) if part.weights is None else part.weights for part in parts]
    return Rows(
        tuple(whole) if isinstance(parts[0].x, tuple) else whole[0],
        np.concatenate([part.y for part in parts]),
        np.concatenate(weights) if weighted else None,
    )


def _width(rows: Rows) -> int:
    return len(parts_of(rows.x))


def _joined(arrays: list[Any]) -> Any:
    kinds = {type(array) for array in arrays}
    if len(kinds) > 1 and CSR in kinds:
        raise TypeError("chunks: some are sparse and others are not")
    if isinstance(arrays[0], CSR):
        return concatenated(arrays)
    if not isinstance(arrays[0], np.ndarray):
        raise TypeError(
            f"chunks of {type(arrays[0]).__name__} cannot be joined to mini-batches; let "
            "cast_inputs return arrays"
        )
    return np.concatenate(arrays)
