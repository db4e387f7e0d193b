"""How good predictions are, in one line."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyoptim.parameters._types import Array
from pyoptim.tabular import Labels
from pyoptim.tabular._table_error import count
from pyoptim.tabular._target import Amount


def quality(target: Labels | Amount, truth: Any, predicted: Array) -> str:
    """Compare a model's outputs with a column of the table, which has no missing values."""
    if isinstance(target, Labels):
        return _accuracy(target, truth, predicted)
    amounts = target.decode(target.encode(truth))
    return _errors(amounts, target.decode(predicted))


def _accuracy(target: Labels, truth: Any, predicted: Array) -> str:
    classes = target.encode(truth)
    known = classes[classes >= 0]
    majority = np.bincount(known).max() / len(classes) if len(known) else 0.0
    text = f"accuracy {(classes == predicted).mean():.4f}, always the majority class {majority:.4f}"
    unknown = len(classes) - len(known)
    return f"{text}; {count(unknown, 'label')} the model does not know" if unknown else text


def _errors(amounts: Array, predicted: Array) -> str:
    error = amounts - predicted
    rmse = float(np.sqrt(np.mean(error**2)))
    spread = float(amounts.var())
    r2 = f", R^2 {1 - np.mean(error**2) / spread:.4f}" if spread > 0 else ""
    return f"RMSE {rmse:.6g}{r2}"
