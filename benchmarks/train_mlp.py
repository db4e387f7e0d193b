"""One training step of a perceptron beside PyTorch's and scikit-learn's."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import pyoptim as po
from benchmarks.compare import Competitor, Step, compare
from benchmarks.competitors import LR, PARAMETERS, is_installed
from benchmarks.report import Measurement, Target, summary, table_of_competitors
from benchmarks.workloads import Array, Workload

_SIZES = (784, 100, 10)
_WANTED = {32: 4.0, 200: 1.8, 1000: 1.2}  # by rows of a batch: the peer's time / ours
_SHAPES = Workload("MLP 784-100-10", ((784, 100), (100,), (100, 10), (10,)))
TORCH, SKLEARN = "torch, fused Adam", "scikit-learn"


def measure(options: argparse.Namespace) -> tuple[str, Any]:
    """Return tables of all batch sizes, and their figures."""
    found = []
    for rows, least in _WANTED.items():
        everyone = list(_competitors(*_batch(rows)))
        comparison = compare(everyone, _SHAPES, options.repeats)
        targets = (Target(least, PARAMETERS, TORCH), Target(least, PARAMETERS, SKLEARN))
        found.append(Measurement(f"batch of {rows}", _SHAPES, comparison, (PARAMETERS,), targets))
    return f"{table_of_competitors(found)}\n\n{summary(found)}", [m.as_json() for m in found]


def _batch(rows: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.random((rows, _SIZES[0]), np.float32), rng.integers(0, _SIZES[-1], rows)


def _competitors(x: Array, y: Array) -> Iterator[Competitor]:
    """Yield those who are installed; each makes steps of Adam with one batch."""
    yield Competitor(PARAMETERS, lambda _: _ours(x, y))
    if is_installed("torch"):
        yield Competitor(TORCH, lambda _: _torch(x, y))
    if is_installed("sklearn"):
        yield Competitor(SKLEARN, lambda _: _sklearn(x, y))


def _ours(x: Array, y: Array) -> Step:
    model = po.models.MLP(_SIZES)
    optimizer = po.Adam(model.params, lr=LR)

    def step() -> None:
        model.loss_and_grad(x, y)
        optimizer.step()

    return step


def _torch(x: Array, y: Array) -> Step:
    import torch
    from torch import nn

    inputs, hidden, outputs = _SIZES
    model = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    loss_of = nn.CrossEntropyLoss()
    rows, labels = torch.from_numpy(x), torch.from_numpy(y)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model(rows), labels).backward()
        optimizer.step()

    return step


def _sklearn(x: Array, y: Array) -> Step:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(_SIZES[1:-1], learning_rate_init=LR, alpha=0.0, batch_size=len(x))
    model.partial_fit(x, y, classes=np.arange(_SIZES[-1]))
    return partial(model.partial_fit, x, y)
