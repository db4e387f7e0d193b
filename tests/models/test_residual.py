"""Residual networks of any depth start at a moderate loss, and train."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.models import MLP
from pyoptim.models.mlp import _HIDDEN

DEPTHS = [5, 20, 50]


def problem() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8)).astype(np.float32)
    return x, np.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2]


def network(depth: int, outputs: int, **options: Any) -> MLP:
    return MLP([8, *[16] * (depth + 1), outputs], residual=True, **options)


@pytest.mark.parametrize("norm", [None, "layer", "batch"])
@pytest.mark.parametrize("activation", _HIDDEN)
@pytest.mark.parametrize("depth", DEPTHS)
def test_deep_residual_networks_start_at_a_sensible_loss_and_train(
    depth: int, activation: str, norm: str | None
) -> None:
    x, y = problem()
    for seed in range(3):
        classes = network(depth, 4, activation=activation, norm=norm, seed=seed)
        assert classes.loss_and_grad(x, np.arange(64) % 4) < 3 * math.log(4)
    model = network(depth, 1, activation=activation, norm=norm, loss="squared")
    optimizer = po.Adam(model.params, lr=2e-3)
    start = model.loss_and_grad(x, y)
    assert start < 16 * np.var(y)
    losses = []
    for _ in range(60):
        losses.append(model.loss_and_grad(x, y))
        optimizer.step()
    assert max(losses) < 2 * start
    assert min(losses[-5:]) < 0.75 * np.var(y)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("norm", [None, "layer", "batch"])
def test_only_branches_of_a_network_are_scaled(norm: str | None, dtype: str) -> None:
    plain = MLP([8, 16, 16, 8, 8, 8, 3], norm=norm, dtype=dtype)
    scaled = MLP([8, 16, 16, 8, 8, 8, 3], norm=norm, dtype=dtype, residual=True)
    kind = "weight" if norm is None else "gain"
    branches = {f"layers.{i}.{kind}" for i in (1, 3, 4)}
    for name in plain.params:
        expected = plain.params[name].astype(float) / (3 if name in branches else 1)
        tolerance = 2**-7 if dtype == "bfloat16" else 1e-6
        np.testing.assert_allclose(scaled.params[name].astype(float), expected, rtol=tolerance)


def test_a_single_branch_starts_as_a_layer_without_a_skip_connection() -> None:
    for activation in _HIDDEN:
        one, other = (
            MLP([4, 6, 6, 2], activation=activation, residual=residual)
            for residual in (True, False)
        )
        assert np.array_equal(one.params.flat, other.params.flat)
