"""Loss, accuracy and metrics of a validation set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyoptim.data import Rows, Table
from pyoptim.losses import Loss
from pyoptim.models._base import Model
from pyoptim.train._metrics import Measure, check_names


def evaluate(
    model: Model, loss: Loss, held_out: Rows | Table, metrics: Mapping[str, Measure]
) -> dict[str, float]:
    """Return what a model reaches on rows: its own measures, and metrics that are not among them.

    Rows of a table are taken a piece at a time; metrics are of the scores of all of them.
    """
    if isinstance(held_out, Table):
        return _by_pieces(model, loss, held_out, metrics)
    held_out = held_out.counted()
    found = model.evaluate(held_out.x, held_out.y, loss, **held_out.keywords)
    check_names(metrics, found)
    wanted = {name: measure for name, measure in metrics.items() if name not in found}
    if wanted:
        scores = model.scores(held_out.x)
        found |= {name: measure.value(scores, held_out, loss) for name, measure in wanted.items()}
    return found


def _by_pieces(
    model: Model, loss: Loss, table: Table, metrics: Mapping[str, Measure]
) -> dict[str, float]:
    sums: dict[str, float] = {}
    total = 0.0
    scores, targets, weights = [], [], []
    for piece in table.pieces():
        piece = piece.counted()
        found = model.evaluate(piece.x, piece.y, loss, **piece.keywords)
        check_names(metrics, found)
        weight = piece.weight
        sums = {name: sums.get(name, 0.0) + weight * value for name, value in found.items()}
        total += weight
        if metrics.keys() - found.keys():
            scores.append(model.scores(piece.x))
            targets.append(piece.y.copy())
            weights += [] if piece.weights is None else [piece.weights.copy()]
    means = {name: value / total if total > 0 else 0.0 for name, value in sums.items()}
    if scores:
        # What they are of is not in memory, and no metric looks at it.
        rows = Rows(None, np.concatenate(targets), np.concatenate(weights) if weights else None)
        all_scores = np.concatenate(scores)
        means |= {
            name: measure.value(all_scores, rows, loss)
            for name, measure in metrics.items()
            if name not in means
        }
    return means
