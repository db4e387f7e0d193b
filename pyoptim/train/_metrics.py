"""Metrics of validation sets: functions, and scorers of scikit-learn by name."""

from __future__ import annotations

import inspect
import math
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from pyoptim._utils.text import listed, shown
from pyoptim._utils.validation import as_number
from pyoptim.data import Rows
from pyoptim.losses import Loss
from pyoptim.parameters._types import Array

Metric: TypeAlias = str | Callable[..., float]
Metrics: TypeAlias = Sequence[Metric] | Mapping[str, Metric]


@dataclass(frozen=True)
class MetricFunction:
    """A metric of the user, and the function that computes it.

    Attributes
    ----------
    metric : str or callable
        Name of a scorer of scikit-learn, or function of the user.
    compute : callable
        Function of scores, rows and loss that returns the value.
    """

    metric: Metric
    compute: Callable[[Array, Rows, Loss], float]


def as_metrics(metrics: Metrics) -> dict[str, MetricFunction]:
    """Return the function that computes each metric, by the metric's name.

    A metric is the name of a scorer of scikit-learn, or a function ``metric(y, predicted)``. A
    function with the argument ``sample_weight`` gets the weights if there are any. Both arrays have
    the same shape: (rows,), or (rows, outputs) for several outputs.

    Raises
    ------
    ValueError
        If there is no scorer with this name, or two metrics have the same name.
    TypeError
        If `metrics` is a single name, or a metric is neither a name nor a function.

    Examples
    --------
    >>> import numpy as np
    >>> list(as_metrics(["f1_macro", np.array_equal]))
    ['f1_macro', 'array_equal']
    """
    if not isinstance(metrics, Mapping):
        if isinstance(metrics, str):
            raise TypeError(f"metrics: expected a list, got {metrics!r}; write [{metrics!r}]")
        names = [each if isinstance(each, str) else _name(each) for each in metrics]
        if len(set(names)) < len(names):
            raise ValueError(
                f"metrics: expected different names, got {listed(names)}; pass a mapping of names "
                "to metrics"
            )
        metrics = dict(zip(names, metrics, strict=True))
    return {name: _metric_function(metric) for name, metric in metrics.items()}


def builtin_metrics(loss: Loss) -> set[str]:
    """Return the names of the metrics that are always computed with a loss."""
    return set(loss.measures)


def check_names(metrics: Mapping[str, MetricFunction], builtin: Container[str]) -> None:
    """Raise ValueError if a metric has the name of another metric that is always computed."""
    for name, metric in metrics.items():
        if name in builtin and metric.metric != name:
            raise ValueError(
                f"metrics: {name!r} is the name of a built-in metric; choose another name, such as "
                f"metrics={{'my_{shown(name)}': ...}}"
            )


def check_columns(sets: Iterable[str], metrics: Collection[str]) -> None:
    """Raise ValueError if two metrics of validation sets would have the same column."""
    columns = Counter(f"{name}_{metric}" for name in sets for metric in metrics)
    for column, count in columns.items():
        if count > 1:
            raise ValueError(
                f"validation: expected different columns of the history, got {count} named "
                f"{column!r}; rename a validation set or a metric"
            )


def check_scorers(metrics: Mapping[str, MetricFunction], loss: Loss, outputs: int) -> None:
    """Raise ValueError if a scorer does not support the predictions of a loss.

    The check computes each scorer on a few rows with targets of all classes and perfect scores.
    """
    y: Array
    scores: Array
    rows = np.arange(max(4, 2 * outputs))
    grid = rows[:, np.newaxis] + np.arange(outputs)
    if loss.link == "softmax":
        if outputs < 2:
            return
        y = rows % outputs
        scores = np.eye(outputs)[y]
    elif loss.link in ("sign", "logistic"):
        y = grid % 2
        scores = 2.0 * y - 1
    else:
        y = 1.0 + grid
        scores = np.log(y) if loss.link == "exponential" else y
    example = Rows((), y[:, 0] if y.ndim == 2 and outputs == 1 else y)
    for metric in metrics.values():
        if isinstance(metric.metric, str):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                metric.compute(scores, example, loss)


def scorer_names(metrics: Metrics) -> set[str]:
    """Return the names of the metrics that are scorers. A higher score is always better."""
    if isinstance(metrics, Mapping):
        return {name for name, metric in metrics.items() if isinstance(metric, str)}
    return {metric for metric in metrics if isinstance(metric, str)}


def _name(metric: Any) -> str:
    if not callable(metric):
        raise TypeError(
            f"metrics: expected the name of a scorer of scikit-learn or a function, got {metric!r}"
        )
    return str(getattr(metric, "__name__", type(metric).__name__))


def _metric_function(metric: Metric) -> MetricFunction:
    if isinstance(metric, str):
        from pyoptim.train._scorers import find_scorer

        return MetricFunction(metric, partial(_compute_scorer, find_scorer(metric)))
    return MetricFunction(metric, partial(_compute_function, metric, _accepts_weights(metric)))


def _accepts_weights(metric: Callable[..., float]) -> bool:
    try:
        return "sample_weight" in inspect.signature(metric).parameters
    except ValueError:  # some functions in C have no signature
        return False


def _compute_function(
    metric: Callable[..., float], accepts_weights: bool, scores: Array, rows: Rows, loss: Loss
) -> float:
    if np.isnan(scores).any():
        return math.nan
    predicted = loss.predict(scores)
    keywords = rows.keywords if accepts_weights else {}
    value = metric(loss.like_predictions(rows.y, predicted), predicted, **keywords)
    return as_number(f"metrics: the value of {shown(_name(metric))}", value)


def _compute_scorer(score: Callable[..., float], scores: Array, rows: Rows, loss: Loss) -> float:
    if not np.isfinite(scores).all():  # scikit-learn rejects these
        return math.nan
    y = loss.like_predictions(rows.y, loss.predict(scores))
    return score(scores, y, loss, rows.weights)
