"""The base class of losses."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.hyperparameter import Field
from pyoptim._utils.text import dtype_text
from pyoptim._utils.validation import (
    as_indices,
    as_number,
    as_plain,
    check_keywords,
    refuse_masked,
    refuse_missing,
    with_nan,
)
from pyoptim.losses._class_weight import as_sample_weight
from pyoptim.parameters._types import Array

_ENTRIES = {entry["name"]: entry for entry in _core.losses()}

_KINDS = "biuf"  # of NumPy's types: bool, integers, floats
_OF_CLASSES = ("softmax", "sign", "logistic")  # the links of classification losses
_MANY = 2**63 - 1  # the number of classes if it is not known


class Loss:
    """A loss of scores and targets. `pyoptim.losses` lists all losses.

    ``loss(scores, targets)`` is the mean loss, weighted by ``sample_weight`` if you pass it:
    ``sum_i w_i l_i / sum_i w_i``. Scores are float32 or float64, with one row per sample. The mean
    is over all scores, or over rows for the softmax loss. Rows of weight 0 do not count, even if
    they contain NaN. If all weights are 0, the mean and its derivatives are 0.

    Attributes
    ----------
    name : str
        Name of the loss, for `pyoptim.losses.get`.
    labels : bool
        Whether targets may be class labels, one per row, for scores with one column per class.
    link : str
        Meaning of a model's scores: "identity" is the predicted value, "exponential" its logarithm.
        "sign" is class 1 if the score is above 0, and "logistic" is also the log-odds of class 1.
        "softmax" is the logarithm of each class's probability, up to a constant.
    """

    name: ClassVar[str]
    labels: ClassVar[bool]
    link: ClassVar[str]
    fields: ClassVar[tuple[Field, ...]]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        entry = _ENTRIES[cls.name]
        cls.labels = entry["of_rows"]
        cls.link = entry["link"].name
        cls.fields = tuple(Field(*field) for field in entry["fields"])

    def __new__(cls, *_: float, **parameters: float) -> Self:
        """Raise TypeError for an unknown keyword, with a list of the parameters."""
        names = [field.name for field in cls.fields]
        check_keywords(cls.__name__, names, parameters.keys())
        return super().__new__(cls)

    def __init__(self, **parameters: float) -> None:
        self._parameters = {name: as_number(name, value) for name, value in parameters.items()}
        self._values = list(self._parameters.values())
        _core.check_loss(self.name, self._values)

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters of the loss by name."""
        return dict(self._parameters)

    def config(self) -> str | dict[str, Any]:
        """Return JSON values from which `pyoptim.losses.get` creates the same loss."""
        if self == type(self)():
            return self.name
        return {"name": self.name, **self._parameters}

    def __call__(
        self,
        scores: npt.ArrayLike,
        targets: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the mean loss.

        Parameters
        ----------
        scores : array of shape (rows,) or (rows, columns), float32 or float64
            Scores of each row.
        targets : array
            A bool, integer or float for each score. Targets of shape (rows,) are accepted for
            scores of shape (rows, 1). If ``loss.labels``, integer labels of shape (rows,), or
            probabilities of shape (rows, columns).
        sample_weight : array of shape (rows,), optional
            Nonnegative weights of the rows.

        Raises
        ------
        ValueError
            If shapes do not fit, or a target or weight is out of range.
        TypeError
            If scores are not float32 or float64, or targets or weights are not numbers.
        """
        return self._mean(as_plain(scores), targets, sample_weight, None, None)

    def value_and_grad(
        self,
        scores: npt.ArrayLike,
        targets: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> tuple[float, Array]:
        """Return the mean loss and its gradient with respect to the scores."""
        rows = as_plain(scores)
        grad = np.empty_like(rows)
        return self._mean(rows, targets, sample_weight, grad, None), grad

    def value_grad_hessian(
        self,
        scores: npt.ArrayLike,
        targets: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> tuple[float, Array, Array]:
        """Return the mean loss, its gradient and its (diagonal) Hessian with respect to the scores.

        All three are computed in one pass. For the softmax loss, `hessian` is the diagonal of each
        row's Hessian.
        """
        rows = as_plain(scores)
        grad, hessian = np.empty_like(rows), np.empty_like(rows)
        return self._mean(rows, targets, sample_weight, grad, hessian), grad, hessian

    def value_and_grad_in_place(
        self, scores: Array, targets: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> float:
        """Return the mean loss, and overwrite the C-contiguous scores with its gradient."""
        return self._mean(scores, targets, sample_weight, scores, None)

    def _mean(
        self,
        scores: Array,
        targets: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        grad: Array | None,
        hessian: Array | None,
    ) -> float:
        weights = None if sample_weight is None else as_sample_weight(sample_weight)
        fitting = self.as_targets(targets, scores)
        return _core.mean_loss(self.name, self._values, scores, fitting, weights, grad, hessian)

    def as_targets(self, targets: npt.ArrayLike, scores: Array) -> Array:
        """Return targets in the dtype and shape for the loss of `scores`."""
        values = self.cast_targets(targets, scores.dtype)
        if values.ndim == 1 and scores.ndim == 2 and scores.shape[1] == 1 and not self.labels:
            values = values.reshape(-1, 1)
        return values

    def check_targets(
        self,
        targets: Array,
        outputs: int | None = None,
        weights: Array | None = None,
        *,
        first: int = 0,
    ) -> None:
        """Raise ValueError for targets or weights that the loss would reject, without scores.

        Parameters
        ----------
        targets : array
            Targets as returned by `cast_targets`.
        outputs : int, optional
            Number of columns of the scores. By default that of the targets.
        weights : array of float64, of shape (rows,), optional
            Weights. Targets of rows of weight 0 are not checked.
        first : int
            Index of the first row, for the message.
        """
        if outputs is None:
            labels = self.labels and targets.ndim == 1
            outputs = _MANY if labels else targets.shape[1] if targets.ndim > 1 else 1
        _core.check_targets(self.name, targets, weights, outputs, first)

    def like_predictions(self, targets: Array, predicted: Array) -> Array:
        """Return targets in the shape of predictions, so that metrics can compare them.

        A single column becomes one axis. Rows of probabilities become the most probable class.

        Raises
        ------
        ValueError
            If the shapes do not fit.
        """
        fitting = targets
        if self.link == "softmax" and targets.ndim == 2:
            fitting = targets.argmax(axis=1)
        elif targets.ndim == 2 and targets.shape[1] == 1 and predicted.ndim == 1:
            fitting = targets[:, 0]
        if fitting.shape != predicted.shape:
            raise ValueError(
                f"y: expected shape {predicted.shape}, like the predictions, got {targets.shape}"
            )
        return fitting

    def cast_targets(self, targets: npt.ArrayLike, dtype: npt.DTypeLike) -> Array:
        """Return targets in the dtype for the loss of scores of `dtype`.

        Raises
        ------
        TypeError
            If the targets are not numbers, or class labels are not integers.
        ValueError
            If a class label is missing.
        """
        refuse_masked("targets", targets)
        values = np.asarray(targets)
        if self.labels and values.ndim < 2:
            refuse_missing("targets", "whole-number class labels", values)
        values = with_nan(values)
        if values.dtype.kind not in _KINDS:
            raise TypeError(f"targets: expected numbers, got dtype {dtype_text(values.dtype)}")
        if self.labels and values.ndim < 2:
            if values.dtype.kind == "f":
                raise TypeError(
                    "targets: expected whole-number class labels, got dtype "
                    f"{dtype_text(values.dtype)}"
                )
            return as_indices(values)
        return as_plain(values, dtype)

    def predict(self, scores: Array) -> Array:
        """Return the predictions for scores of shape (rows, columns).

        They are classes, counted from 0, for classification losses, and values for others. Their
        shape is (rows,) for one prediction per row, else (rows, columns).

        Raises
        ------
        ValueError
            If a score is NaN and the predictions are classes.
        """
        if self.link in _OF_CLASSES:
            _check_scores(scores)
        return self._predict(scores)

    def _predict(self, scores: Array) -> Array:
        if self.link == "softmax":
            best: Array = scores.argmax(axis=1)
            return best
        if self.link in ("sign", "logistic"):
            predictions = (scores > 0).astype(np.int64)
        elif self.link == "exponential":
            with np.errstate(over="ignore", under="ignore"):
                predictions = np.exp(scores)
        else:
            predictions = scores
        return predictions[:, 0] if predictions.shape[1] == 1 else predictions

    def predict_proba(self, scores: Array) -> Array:
        """Return the probability of each class, one row per sample.

        With the logistic loss and several columns, each column is a separate binary problem, and
        the result is the probability of class 1 in each.

        Raises
        ------
        AttributeError
            If the loss has no probabilities.
        ValueError
            If a score is NaN.
        """
        if self.link in ("softmax", "logistic"):
            _check_scores(scores)
        if self.link == "softmax":
            probabilities = np.array(scores, order="C")
            _core.softmax(probabilities)
            return probabilities
        if self.link != "logistic":
            raise AttributeError(f"a model with the loss {self.name!r} has no probabilities")
        probabilities = np.stack([np.zeros_like(scores), scores], axis=-1).reshape(-1, 2)
        _core.softmax(probabilities)
        return probabilities if scores.shape[1] == 1 else probabilities[:, 1].reshape(scores.shape)

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the metrics: the loss, and the accuracy for classification losses."""
        return ("loss", "accuracy") if self.link in _OF_CLASSES else ("loss",)

    def accuracy(
        self, scores: Array, targets: Array, sample_weight: npt.ArrayLike | None = None
    ) -> float | None:
        """Return the fraction of correct rows, or None if targets are not classes.

        With several columns, all columns of a row must be correct, as in scikit-learn's
        ``accuracy_score``. Targets are as returned by `as_targets`. Rows of weight 0 do not count.
        """
        if self.link == "softmax":
            if targets.ndim > 1:
                return None
        elif self.link in ("sign", "logistic"):
            counted = targets if sample_weight is None else targets[np.asarray(sample_weight) != 0]
            if not ((counted == 0) | (counted == 1)).all():
                return None
        else:
            return None
        right = self._predict(scores).reshape(targets.shape) == targets
        if np.isnan(scores).any():  # such a row has no predicted class
            right &= ~np.isnan(scores).any(axis=-1).reshape(-1, *[1] * (right.ndim - 1))
        of_rows = right.reshape(len(right), -1).all(axis=1)
        if sample_weight is None:
            return float(of_rows.mean())
        weights = as_sample_weight(sample_weight)
        total = weights.sum()
        return float((weights * of_rows).sum() / total) if total > 0 else 0.0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Loss):
            return NotImplemented
        return (self.name, self._parameters) == (other.name, other._parameters)

    def __hash__(self) -> int:
        return hash((self.name, *self._values))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self._parameters.items())
        return f"{type(self).__name__}({values})"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self._parameters), ()


def _check_scores(scores: Array) -> None:
    """Raise ValueError if a score is NaN, because argmax would then return the first class."""
    wrong = np.isnan(scores)
    if wrong.any():
        row = int(wrong.reshape(len(wrong), -1).any(axis=1).argmax())
        raise ValueError(
            f"scores: expected numbers, got nan at row {row}; the parameters or inputs of the "
            "model are not finite"
        )
