"""Metrics of predictions as one line of text."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyoptim.parameters._types import Array
from pyoptim.tabular import Labels
from pyoptim.tabular._table_error import count
from pyoptim.tabular._target import Amount


def quality(target: Labels | Amount, truth: Any, predicted: Array) -> str:
    """Return the accuracy, or RMSE and R^2, of a model's outputs for a column without nulls."""
    if isinstance(target, Labels):
        return _accuracy(target, truth, predicted)
    amounts = target.decode(target.encode(truth))
    return _errors(amounts, target.decode(predicted))


def _accuracy(target: Labels, truth: Any, predicted: Array) -> str:
    classes = target.encode(truth)
    known = classes[classes >= 0]
    majority = np.bincount(known).max() / len(classes) if len(known) else 0.0
    text = f"accuracy {(classes == predicted).mean():.4f}, majority-class baseline {majority:.4f}"
    unknown = len(classes) - len(known)
    return f"{text}; {count(unknown, 'label')} unknown to the model" if unknown else text


def _errors(amounts: Array, predicted: Array) -> str:
    error = amounts - predicted
    rmse = float(np.sqrt(np.mean(error**2)))
    variance = float(amounts.var())
    r2 = f", R^2 {1 - np.mean(error**2) / variance:.4f}" if variance > 0 else ""
    return f"RMSE {rmse:.6g}{r2}"
