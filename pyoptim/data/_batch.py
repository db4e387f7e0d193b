"""Rows in memory, in the format of a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from pyoptim.data._csr import CSR, concatenate_csr
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
"""Inputs of a model: an array, a CSR matrix, or a tuple of these with the same number of rows."""

Cast: TypeAlias = "partial[Rows]"
"""`as_rows` with all arguments but x, y and sample_weight."""


class Rows(NamedTuple):
    """Rows of inputs with their targets and optional weights."""

    x: Inputs
    y: Array
    weights: Array | None = None

    def take(self, rows: Array | slice) -> Rows:
        """Return the rows with these numbers."""
        weights = None if self.weights is None else self.weights[rows]
        return Rows(map_parts(lambda part: part[rows], self.x), self.y[rows], weights)

    def counted(self) -> Rows:
        """Return the rows with a nonzero weight, or all rows if every weight is 0."""
        return Rows(*drop_zero_weights(*self))

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.y)

    @property
    def weight(self) -> float:
        """The sum of the weights, or the number of rows without weights."""
        return float(len(self.y) if self.weights is None else self.weights.sum())

    @property
    def keywords(self) -> dict[str, Array]:
        """Keyword arguments with the weights; empty without weights.

        A model without a parameter `sample_weight` can then be called, too.
        """
        return {} if self.weights is None else {"sample_weight": self.weights}


def map_parts(function: Callable[[Any], Any], x: Inputs) -> Any:
    """Return the function of x, or a tuple with the function of each part of a tuple."""
    return tuple(map(function, x)) if isinstance(x, tuple) else function(x)


def parts_of(x: Inputs) -> tuple[Any, ...]:
    """Return x if it is a tuple, else a tuple with x."""
    return x if isinstance(x, tuple) else (x,)


def count_rows(x: Inputs) -> int:
    """Return the number of rows of x.

    Raises
    ------
    ValueError
        If x is a single value, or its parts have different numbers of rows.
    """
    if any(getattr(part, "shape", None) == () for part in parts_of(x)):
        raise ValueError("x: expected rows, got a single value")
    counts = {part.shape[0] if hasattr(part, "shape") else len(part) for part in parts_of(x)}
    if len(counts) != 1:
        raise ValueError(
            "x: expected parts with the same number of rows, got "
            f"{' and '.join(map(str, sorted(counts)))} rows"
        )
    return int(counts.pop())


def check_counts(x: Inputs, y: Any, weights: Any) -> None:
    """Raise ValueError unless x, y and weights have the same number of rows."""
    rows = count_rows(x)
    if rows != len(y):
        raise ValueError(f"y: expected {rows} rows, like x, got {len(y)}")
    if weights is not None and weights.shape != (rows,):
        raise ValueError(f"sample_weight: expected shape ({rows},), got {weights.shape}")


def as_rows(
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    class_weight: ClassWeight | None,
    loss: Loss,
    model: Model,
) -> Rows:
    """Return rows in the model's format, with the product of row and class weights.

    Raises
    ------
    ValueError
        If the numbers of rows differ, or a weight is out of range.
    """
    with np.errstate(over="ignore"):  # infinite values are rejected by `Check`
        inputs = model.cast_inputs(x)
    rows = as_targets(y, sample_weight, class_weight=class_weight, loss=loss, model=model)
    check_counts(inputs, rows.y, rows.weights)
    return rows._replace(x=inputs)


def as_targets(
    y: Any, sample_weight: Any, *, class_weight: ClassWeight | None, loss: Loss, model: Model
) -> Rows:
    """Return rows without inputs: targets, and the product of row and class weights."""
    with np.errstate(over="ignore"):  # infinite values are rejected by `Check`
        targets = loss.cast_targets(y, model.dtype)
    weights = None if sample_weight is None else as_sample_weight(sample_weight)
    if class_weight is not None:
        weights = compute_sample_weight(class_weight, y, weights)
    return Rows((), targets, weights)


def concatenate(parts: list[Rows]) -> Rows:
    """Return the rows of several parts; if only some have weights, the other rows weigh 1."""
    if len(parts) == 1:
        return parts[0]
    inputs = [
        _concatenate_inputs([parts_of(part.x)[i] for part in parts])
        for i in range(len(parts_of(parts[0].x)))
    ]
    weighted = any(part.weights is not None for part in parts)
    weights = [np.ones(part.size) if part.weights is None else part.weights for part in parts]
    return Rows(
        tuple(inputs) if isinstance(parts[0].x, tuple) else inputs[0],
        np.concatenate([part.y for part in parts]),
        np.concatenate(weights) if weighted else None,
    )


def _concatenate_inputs(arrays: list[Any]) -> Any:
    kinds = {type(array) for array in arrays}
    if len(kinds) > 1 and CSR in kinds:
        raise TypeError("chunks: expected only sparse or only dense chunks, got both")
    if isinstance(arrays[0], CSR):
        return concatenate_csr(arrays)
    if not isinstance(arrays[0], np.ndarray):
        raise TypeError(
            "chunks: expected arrays, which can be concatenated to mini-batches, got "
            f"{type(arrays[0]).__name__}; return arrays from cast_inputs"
        )
    return np.concatenate(arrays)
