"""Scorers of scikit-learn, applied to the scores of a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pyoptim._utils.dependencies import requires
from pyoptim.losses import Loss
from pyoptim.parameters._types import Array

with requires("a metric with the name of a scorer", "sklearn"):
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.metrics import get_scorer, get_scorer_names


class _Regressor(RegressorMixin, BaseEstimator):
    """A regressor that predicts from scores, which scorers get in place of rows."""

    def __init__(self, loss: Any = None) -> None:
        self.loss = loss

    def predict(self, scores: Array) -> Array:
        predictions: Array = self.loss.predict(scores)
        return predictions


class _Classifier(ClassifierMixin, _Regressor):
    """A classifier that predicts classes from scores, and probabilities if the loss has them."""

    def __init__(self, loss: Any = None, classes_: Any = None) -> None:
        super().__init__(loss)
        self.classes_ = classes_

    def predict_proba(self, scores: Array) -> Array:
        probabilities: Array = self.loss.predict_proba(scores)
        return probabilities

    def decision_function(self, scores: Array) -> Array:
        if scores.shape[1] == 2 and self.loss.link == "softmax":
            difference: Array = scores[:, 1] - scores[:, 0]
            return difference
        return scores[:, 0] if scores.shape[1] == 1 else scores


def find_scorer(name: str) -> Callable[[Array, Array, Loss, Array | None], float]:
    """Return a function of scores, targets, loss and weights that computes a scorer.

    The function ignores the weights if the scorer does not accept any.

    Raises
    ------
    ValueError
        If scikit-learn has no scorer with this name.
    """
    if name not in get_scorer_names():
        names = ", ".join(get_scorer_names())
        raise ValueError(
            f"metrics: expected the name of a scorer of scikit-learn, got {name!r}; choose one of "
            f"{names}"
        )
    scorer = get_scorer(name)
    accepts_weights = "sample_weight" in inspect.signature(scorer._score_func).parameters
    return partial(_score, name, scorer, accepts_weights)


def _score(
    name: str,
    scorer: Any,
    accepts_weights: bool,
    scores: Array,
    y: Array,
    loss: Loss,
    weights: Array | None,
) -> float:
    keywords = {"sample_weight": weights} if accepts_weights and weights is not None else {}
    try:
        return float(scorer(_estimator(scores, loss), scores, y, **keywords))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"metrics: scikit-learn's scorer {name!r} cannot score {scores.shape[1]} "
            f"outputs of the loss {loss.name!r}: {error}"
        ) from error


def _estimator(scores: Array, loss: Loss) -> Any:
    if loss.link not in ("softmax", "sign", "logistic"):
        return _Regressor(loss)
    classes = scores.shape[1] if loss.link == "softmax" else 2
    return _Classifier(loss, np.arange(classes))
