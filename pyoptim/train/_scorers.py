"""scikit-learn's scorers, for scores that a model has given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pyoptim._utils.dependencies import requires
from pyoptim.losses import Loss
from pyoptim.parameters._types import Array

with requires("a metric named as a scorer", "sklearn"):
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.metrics import get_scorer, get_scorer_names


class _Regressor(RegressorMixin, BaseEstimator):
    """Gives scorers the values of scores, which they get in place of rows."""

    def __init__(self, loss: Any = None) -> None:
        self.loss = loss

    def predict(self, scores: Array) -> Array:
        found: Array = self.loss.predict(scores)
        return found


class _Classifier(ClassifierMixin, _Regressor):
    """Gives them classes, and probabilities where the loss has them."""

    def __init__(self, loss: Any = None, classes_: Any = None) -> None:
        super().__init__(loss)
        self.classes_ = classes_

    def predict_proba(self, scores: Array) -> Array:
        chances: Array = self.loss.predict_proba(scores)
        return chances

    def decision_function(self, scores: Array) -> Array:
        if scores.shape[1] == 2 and self.loss.link == "softmax":  # of two classes, one score
            difference: Array = scores[:, 1] - scores[:, 0]
            return difference
        return scores[:, 0] if scores.shape[1] == 1 else scores


def find_scorer(name: str) -> Callable[[Array, Array, Loss, Array | None], float]:
    """Return a scorer of scores, which gets weights if it takes them.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name not in get_scorer_names():
        raise ValueError(f"scikit-learn has no scorer {name!r}; it has {_names()}")
    scorer = get_scorer(name)
    takes_weights = "sample_weight" in inspect.signature(scorer._score_func).parameters
    return partial(_score, name, scorer, takes_weights)


def _score(
    name: str,
    scorer: Any,
    takes_weights: bool,
    scores: Array,
    y: Array,
    loss: Loss,
    weights: Array | None,
) -> float:
    keywords = {"sample_weight": weights} if takes_weights and weights is not None else {}
    try:
        return float(scorer(_estimator(scores, loss), scores, y, **keywords))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"metrics: scikit-learn's scorer {name!r} cannot score {scores.shape[1]} "
            f"outputs of the loss {loss.name!r}: {error}"
        ) from error


def _names() -> str:
    return ", ".join(get_scorer_names())


def _estimator(scores: Array, loss: Loss) -> Any:
    if loss.link not in ("softmax", "sign", "logistic"):
        return _Regressor(loss)
    classes = scores.shape[1] if loss.link == "softmax" else 2
    return _Classifier(loss, np.arange(classes))
