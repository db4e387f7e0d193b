"""Metrics of validation sets: functions, and scikit-learn's scorers by name."""

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
class Measure:
    """A metric as it was given, and its value of scores, rows and loss."""

    given: Metric
    value: Callable[[Array, Rows, Loss], float]


def named_metrics(metrics: Metrics) -> dict[str, Measure]:
    """Return how each metric is measured, by its name.

    A metric is the name of one of scikit-learn's scorers, or a function ``metric(y, predicted)``
    that is given ``sample_weight=`` if it takes that and there are weights. Both arrays have the
    same shape: (rows,), or (rows, outputs) for several outputs.

    Raises
    ------
    ValueError
        If there is no such scorer, or two metrics have one name.
    TypeError
        If a metric is neither.

    Examples
    --------
    >>> import numpy as np
    >>> list(named_metrics(["f1_macro", np.array_equal]))
    ['f1_macro', 'array_equal']
    """
    if not isinstance(metrics, Mapping):
        if isinstance(metrics, str):
            raise TypeError(f"metrics must be a list, got {metrics!r}; write [{metrics!r}]")
        names = [each if isinstance(each, str) else _name(each) for each in metrics]
        if len(set(names)) < len(names):
            raise ValueError(f"two metrics have one name: {listed(names)}")
        metrics = dict(zip(names, metrics, strict=True))
    return {name: _measure(metric) for name, metric in metrics.items()}


def own_measures(loss: Loss) -> set[str]:
    """Return the names of what is measured with a loss anyway."""
    return set(loss.measures)


def check_names(metrics: Mapping[str, Measure], own: Container[str]) -> None:
    """Raise ValueError if a metric has the name of another one that is measured anyway."""
    for name, measure in metrics.items():
        if name in own and measure.given != name:
            raise ValueError(
                f"metrics: {name!r} is measured anyway; give your own another name, as "
                f"metrics={{'my_{shown(name)}': ...}}"
            )


def check_columns(sets: Iterable[str], measures: Collection[str]) -> None:
    """Raise ValueError if what is measured on two sets has one name in the history."""
    columns = Counter(f"{name}_{measure}" for name in sets for measure in measures)
    for column, count in columns.items():
        if count > 1:
            raise ValueError(
                f"validation: two columns of the history would be called {column!r}; give a set or "
                "a metric another name"
            )


def check_scorers(metrics: Mapping[str, Measure], loss: Loss, outputs: int) -> None:
    """Raise ValueError for a scorer that cannot score such predictions, whatever the rows.

    Each is tried on a few rows with targets of all classes, and the best scores for them.
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
    for measure in metrics.values():
        if isinstance(measure.given, str):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                measure.value(
                    scores, Rows((), y[:, 0] if y.ndim == 2 and outputs == 1 else y), loss
                )


def scorers(metrics: Metrics) -> set[str]:
    """Return the names of those that are scorers: more is better for all of them."""
    if isinstance(metrics, Mapping):
        return {name for name, metric in metrics.items() if isinstance(metric, str)}
    return {metric for metric in metrics if isinstance(metric, str)}


def _name(metric: Any) -> str:
    if not callable(metric):
        raise TypeError(f"a metric must be a scorer's name or a function, got {metric!r}")
    return str(getattr(metric, "__name__", type(metric).__name__))


def _measure(metric: Metric) -> Measure:
    if isinstance(metric, str):
        from pyoptim.train._scorers import find_scorer

        return Measure(metric, partial(_by_scorer, find_scorer(metric)))
    return Measure(metric, partial(_by_function, metric, _takes_weights(metric)))


def _takes_weights(metric: Callable[..., float]) -> bool:
    try:
        return "sample_weight" in inspect.signature(metric).parameters
    except ValueError:  # some functions of C tell nothing
        return False


def _by_function(
    metric: Callable[..., float], takes_weights: bool, scores: Array, rows: Rows, loss: Loss
) -> float:
    if np.isnan(scores).any():
        return math.nan
    predicted = loss.predict(scores)
    keywords = rows.keywords if takes_weights else {}
    value = metric(loss.like_predictions(rows.y, predicted), predicted, **keywords)
    return as_number(f"metrics: the value of {shown(_name(metric))}", value)


def _by_scorer(score: Callable[..., float], scores: Array, rows: Rows, loss: Loss) -> float:
    if not np.isfinite(scores).all():  # which scikit-learn refuses
        return math.nan
    y = loss.like_predictions(rows.y, loss.predict(scores))
    return score(scores, y, loss, rows.weights)
