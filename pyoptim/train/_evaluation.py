"""Loss, accuracy and metrics of a validation set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyoptim.data import Rows, Table
from pyoptim.losses import Loss
from pyoptim.models._base import Model
from pyoptim.train._metrics import MetricFunction, check_names


def evaluate(
    model: Model, loss: Loss, held_out: Rows | Table, metrics: Mapping[str, MetricFunction]
) -> dict[str, float]:
    """Return the values of `Model.evaluate` on a validation set, and the other metrics by name.

    A table is read piece by piece. Its loss and accuracy are weighted means over the pieces.
    Metrics are computed once, from the scores of all rows.
    """
    if isinstance(held_out, Table):
        return _evaluate_table(model, loss, held_out, metrics)
    held_out = held_out.counted()
    values = model.evaluate(held_out.x, held_out.y, loss, **held_out.keywords)
    check_names(metrics, values)
    additional = {name: metric for name, metric in metrics.items() if name not in values}
    if additional:
        scores = model.scores(held_out.x)
        values |= {
            name: metric.compute(scores, held_out, loss) for name, metric in additional.items()
        }
    return values


def _evaluate_table(
    model: Model, loss: Loss, table: Table, metrics: Mapping[str, MetricFunction]
) -> dict[str, float]:
    sums: dict[str, float] = {}
    total = 0.0
    scores, targets, weights = [], [], []
    for piece in table.pieces():
        piece = piece.counted()
        values = model.evaluate(piece.x, piece.y, loss, **piece.keywords)
        check_names(metrics, values)
        weight = piece.weight
        sums = {name: sums.get(name, 0.0) + weight * value for name, value in values.items()}
        total += weight
        if metrics.keys() - values.keys():
            scores.append(model.scores(piece.x))
            targets.append(piece.y.copy())
            weights += [] if piece.weights is None else [piece.weights.copy()]
    means = {name: value / total if total > 0 else 0.0 for name, value in sums.items()}
    if scores:
        # The inputs are not in memory, and metrics do not use them.
        rows = Rows(None, np.concatenate(targets), np.concatenate(weights) if weights else None)
        all_scores = np.concatenate(scores)
        means |= {
            name: metric.compute(all_scores, rows, loss)
            for name, metric in metrics.items()
            if name not in means
        }
    return means
