"""Sample weights and class weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim._utils.text import dtype_text
from pyoptim._utils.validation import as_not_negative, as_plain, refuse_masked, with_nan
from pyoptim.parameters._types import Array

ClassWeight = Mapping[Any, float] | str

_PART = 2**20  # number of labels to count at a time


def as_sample_weight(weights: npt.ArrayLike) -> Array:
    """Return weights as float64; raise TypeError unless they are bools, integers or floats."""
    refuse_masked("sample_weight", weights)
    given = with_nan(np.asarray(weights))
    if given.dtype.kind not in "biuf":
        raise TypeError(f"sample_weight: expected numbers, got dtype {dtype_text(given.dtype)}")
    return as_plain(given, np.float64)


def drop_zero_weights(
    x: Any, y: npt.ArrayLike, weights: Array | None
) -> tuple[Any, Any, Array | None]:
    """Return the rows whose weight is not 0.

    `x` is an array or another object that is indexed by rows, or a tuple of them. Nothing is copied
    if no weight is 0. If all weights are 0, all rows are returned.
    """
    if weights is None or weights.ndim != 1 or weights.all() or not weights.any():
        return x, y, weights
    targets = np.asarray(y)
    parts = x if isinstance(x, tuple) else (x,)
    if any(part.shape[:1] != weights.shape for part in (*parts, targets)):
        return x, y, weights  # the caller raises the error
    rows = np.flatnonzero(weights)
    some = tuple(part[rows] for part in parts)
    return some if isinstance(x, tuple) else some[0], targets[rows], weights[rows]


def all_weights_zero(weights: Array | None) -> bool:
    """Return whether there are weights and all of them are 0."""
    return weights is not None and weights.size > 0 and not weights.any()


def compute_class_weight(class_weight: ClassWeight, targets: npt.ArrayLike) -> dict[Any, float]:
    """Return the weight of each class.

    Parameters
    ----------
    class_weight : mapping of class to weight, or "balanced"
        Weight of each class. Classes that a mapping lacks have the weight 1. "balanced" gives
        ``rows / (classes * rows of the class)``, so that all classes have the same total weight.
    targets : array of shape (rows,)
        Class of each row.

    Raises
    ------
    ValueError
        If `targets` are not one class per row, a weight is out of range, `class_weight` is another
        string, or it has strings as keys although the classes are numbers.

    Examples
    --------
    >>> import pyoptim as po
    >>> po.losses.compute_class_weight("balanced", [0, 0, 0, 1])
    {0: 0.6666666666666666, 1: 2.0}
    """
    labels = with_nan(np.asarray(targets))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"class_weight: expected one class a row, got targets {labels.shape}")
    counts = _count_classes(labels)
    if isinstance(class_weight, Mapping):
        named = {key: as_not_negative("class_weight", w) for key, w in class_weight.items()}
        words = [key for key in named if isinstance(key, str | bytes)]
        if words and labels.dtype.kind in "biuf":
            raise ValueError(
                f"class_weight: expected numbers as keys, like the classes, got {words[0]!r}"
            )
        return {label: named.get(label, 1.0) for label in counts} | named
    if class_weight != "balanced":
        raise ValueError(f"class_weight must be a mapping or 'balanced', got {class_weight!r}")
    return {label: len(labels) / (len(counts) * count) for label, count in counts.items()}


def _count_classes(labels: Array) -> dict[Any, int]:
    """Return the count of each label, in parts, without a copy of all labels."""
    found: Counter[Any] = Counter()
    for start in range(0, len(labels), _PART):
        classes, counts = np.unique(labels[start : start + _PART], return_counts=True)
        found.update(dict(zip(classes.tolist(), counts.tolist(), strict=True)))
    return {label: found[label] for label in sorted(found)}


def compute_sample_weight(
    class_weight: ClassWeight,
    targets: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None = None,
) -> Array:
    """Return the weight of each row: the weight of its class times its sample weight.

    Parameters
    ----------
    class_weight : mapping of class to weight, or "balanced"
        See `compute_class_weight`.
    targets : array of shape (rows,)
        Class of each row.
    sample_weight : array of shape (rows,), optional
        Weight of each row.

    Raises
    ------
    ValueError
        As `compute_class_weight`, or if the number of weights is not the number of rows.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> labels = np.array([0, 0, 0, 1])
    >>> po.losses.compute_sample_weight({1: 3.0}, labels)
    array([1., 1., 1., 3.])
    >>> scores = np.zeros((4, 2))
    >>> weights = po.losses.compute_sample_weight("balanced", labels)
    >>> value, grad = po.losses.softmax.value_and_grad(scores, labels, weights)
    >>> bool(abs(grad.sum(axis=0)).max() < 1e-15)
    True
    """
    of_class = compute_class_weight(class_weight, targets)
    own = None if sample_weight is None else as_sample_weight(sample_weight)
    if own is not None and own.shape != (len(np.asarray(targets)),):
        raise ValueError(
            f"sample_weight: expected shape ({len(np.asarray(targets))},), got {own.shape}"
        )
    classes, index = np.unique(with_nan(np.asarray(targets)), return_inverse=True)
    found = np.array([of_class.get(label, 1.0) for label in classes.tolist()])
    weights: Array = found[index.reshape(-1)]
    return weights if own is None else weights * own
