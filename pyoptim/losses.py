"""Losses: the mean over a batch, and its slope by the scores, in one pass.

Examples
--------
>>> import numpy as np, pyoptim as po
>>> scores = np.array([[2.0, 0.0], [0.0, 1.0]])
>>> round(po.losses.softmax(scores, np.array([0, 1])), 12)
0.220094849281
>>> value, slope = po.losses.squared.value_and_slope(scores, np.zeros((2, 2)))
>>> value, slope.tolist()
(1.25, [[1.0, 0.0], [0.0, 0.5]])
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim.parameters import Array

__all__ = ["Loss", "get", "softmax", "squared"]


class Loss:
    """A loss of scores against targets.

    ``loss(scores, targets)`` is its mean: over rows for losses of class labels (targets are whole
    numbers, one a row), over all scores for the others (targets are values, one a score).
    Scores are float32 or float64, one row a sample.

    Attributes
    ----------
    name : str
    labels : bool
        Whether targets are class labels.
    """

    def __init__(self, name: str, doc: str, labels: bool) -> None:
        self.name = name
        self.labels = labels
        self.__doc__ = doc

    def __call__(self, scores: npt.ArrayLike, targets: npt.ArrayLike) -> float:
        """Return the mean loss."""
        rows = np.ascontiguousarray(scores)
        return _core.mean_loss(self.name, rows.copy(), self.as_targets(targets, rows), None)

    def value_and_slope(self, scores: Array, targets: npt.ArrayLike) -> tuple[float, Array]:
        """Return the mean loss and its slope by every score."""
        slope = np.array(scores, order="C")
        value = _core.mean_loss(self.name, slope, self.as_targets(targets, slope), slope)
        return value, slope

    def as_targets(self, targets: npt.ArrayLike, scores: Array) -> Array:
        """Return targets in the type and shape that the loss of these scores takes.

        Raises
        ------
        TypeError
            If labels are not whole numbers.
        ValueError
            If the number of targets does not fit the scores.
        """
        given = np.asarray(targets)
        if self.labels:
            return as_labels(given)
        values = np.ascontiguousarray(given, dtype=scores.dtype)
        if values.ndim == 1 and scores.ndim == 2 and scores.shape[1] == 1:
            values = values.reshape(-1, 1)
        return values

    def __repr__(self) -> str:
        return f"losses.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return get, (self.name,)


def as_labels(targets: Array) -> Array:
    """Return class labels as the kernels take them; TypeError unless they are whole numbers."""
    if targets.dtype.kind not in "iu":
        raise TypeError(f"targets: expected whole-number class labels, got dtype {targets.dtype}")
    return np.ascontiguousarray(targets, dtype=np.int64)


_ALL = {name: Loss(name, doc, labels) for name, doc, labels in _core.losses()}

squared = _ALL["squared"]
softmax = _ALL["softmax"]


def get(loss: str | Loss) -> Loss:
    """Return the loss of this name.

    Raises
    ------
    ValueError
        If there is none; the message lists those there are.
    """
    if isinstance(loss, Loss):
        return loss
    if loss not in _ALL:
        raise ValueError(f"there is no loss {loss!r}; there are {', '.join(_ALL)}")
    return _ALL[loss]
