"""Rows in memory: validation sets and mini-batches, in an order that a seed fixes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pyoptim.parameters import Array
from pyoptim.weights import (
    ClassWeight,
    as_sample_weight,
    compute_class_weight,
    compute_sample_weight,
)

if TYPE_CHECKING:
    from pyoptim.losses import Loss
    from pyoptim.models.model import Model

Validation: TypeAlias = float | tuple[Any, ...] | Mapping[str, tuple[Any, ...]] | None

_SPLIT = 0  # what a random stream is for: its key is (seed, purpose + epoch)
_SHUFFLE = 1


class Rows(NamedTuple):
    """Rows with their targets, and their weights if they have some."""

    x: Array
    y: Array
    weights: Array | None = None

    def take(self, rows: Array | slice) -> Rows:
        """Return some of the rows, by number."""
        weights = None if self.weights is None else self.weights[rows]
        return Rows(self.x[rows], self.y[rows], weights)

    @property
    def weight(self) -> float:
        """The sum of the weights: the number of rows, if they have none."""
        return float(len(self.x) if self.weights is None else self.weights.sum())

    @property
    def keywords(self) -> dict[str, Array]:
        """The argument for weights, if there are some: a model need not know it otherwise."""
        return {} if self.weights is None else {"sample_weight": self.weights}


def as_rows(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None,
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
    rows = model.cast_inputs(x)
    targets = loss.cast_targets(y, model.dtype)
    if len(rows) != len(targets):
        raise ValueError(f"x has {len(rows)} rows, y {len(targets)}")
    weights = None if sample_weight is None else as_sample_weight(sample_weight)
    if weights is not None and weights.shape != (len(rows),):
        raise ValueError(f"sample_weight: expected shape ({len(rows)},), got {weights.shape}")
    if of_class is not None:
        weights = compute_sample_weight(of_class, y, weights)
    return Rows(rows, targets, weights)


def prepare(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None,
    class_weight: ClassWeight | None,
    *,
    validation: Validation,
    seed: int,
    loss: Loss,
    model: Model,
) -> tuple[Rows, dict[str, Rows]]:
    """Return rows to train on and those to validate on, by name, all as the model takes them.

    Raises
    ------
    ValueError
        If there are no rows, they do not fit, or no weight is above 0.
    """
    kind: dict[str, Any] = {
        "of_class": None if class_weight is None else compute_class_weight(class_weight, y),
        "loss": loss,
        "model": model,
    }
    rows = as_rows(x, y, sample_weight, **kind)
    if len(rows.x) == 0:
        raise ValueError("x: expected at least one row")
    held_out = {}
    if isinstance(validation, float | int):
        train, held = split_rows(len(rows.x), validation, seed)
        rows, held_out = rows.take(train), {"val": rows.take(held)}
    elif validation is not None:
        sets = validation if isinstance(validation, Mapping) else {"val": validation}
        for name, (its_x, its_y, *weights) in sets.items():
            held_out[name] = as_rows(its_x, its_y, weights[0] if weights else None, **kind)
    if rows.weights is not None and not rows.weights.any():
        raise ValueError("sample_weight: at least one must be above 0")
    return rows, held_out


def _permutation(seed: int, purpose: int, rows: int) -> Array:
    """Return an order of rows that depends on seed and purpose alone."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose])).permutation(rows)


def split_rows(rows: int, fraction: float, seed: int) -> tuple[Array, Array]:
    """Return the numbers of the rows to train on and of those to validate on, both sorted.

    Raises
    ------
    ValueError
        If one of the two would be empty.
    """
    held_out = round(rows * fraction)
    if not 0 < held_out < rows:
        raise ValueError(
            f"validation={fraction} of {rows} rows leaves {rows - held_out} to train on and "
            f"{held_out} to validate on; both must be at least 1"
        )
    order = _permutation(seed, _SPLIT, rows)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def batches(
    rows: int, batch_size: int, *, shuffle: bool, seed: int, epoch: int, first: int = 0
) -> Iterator[Any]:
    """Yield which rows are in each mini-batch of an epoch, from batch number `first` on.

    They are row numbers, or a slice where rows are not shuffled; the last batch may be smaller. The
    order depends on seed and epoch alone: a batch's number is all there is to remember.

    Examples
    --------
    >>> list(batches(5, 2, shuffle=False, seed=0, epoch=1, first=1))
    [slice(2, 4, None), slice(4, 5, None)]
    >>> whole = list(batches(5, 2, shuffle=True, seed=0, epoch=1))
    >>> later = list(batches(5, 2, shuffle=True, seed=0, epoch=1, first=1))
    >>> all((a == b).all() for a, b in zip(whole[1:], later, strict=True))
    True
    """
    order = _permutation(seed, _SHUFFLE + epoch, rows) if shuffle else None
    for start in range(first * batch_size, rows, batch_size):
        chosen = slice(start, min(start + batch_size, rows))
        yield chosen if order is None else order[chosen]
