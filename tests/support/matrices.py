"""What tests of matrix rules share."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from reference import DTYPES, Array
from snapshots import through_pickle

import pyoptim as po
from pyoptim.optim.matrix import RULES
from pyoptim.optim.matrix._rule import MatrixRule

all_rules = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
all_dtypes = pytest.mark.parametrize("dtype", DTYPES)
cloning = pytest.mark.parametrize("cloned", [through_pickle, copy.deepcopy])


def make(rule: MatrixRule, params: Any, **settings: Any) -> po.Optimizer:
    made: po.Optimizer = getattr(po, rule.name)(params, **settings)
    return made


def numbers(seed: int, shape: tuple[int, ...], dtype: str = "float64") -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(DTYPES[dtype])


def well_conditioned(seed: int, shape: tuple[int, ...], dtype: str = "float64") -> Array:
    """A gradient whose eigenvectors are no matter of rounding: small, but for a diagonal."""
    grad = 0.2 * numbers(seed, shape)
    np.fill_diagonal(grad, np.arange(2, 2 + min(shape)))
    return grad.astype(DTYPES[dtype])


MIXED = [(5, 4), (4,), (3, 6), (2, 2, 2), ()]
"""Matrices and others, the last group's matrix by AdamW, too."""


def some_params(dtype: str = "float32") -> list[Array]:
    return [numbers(i, shape, dtype) for i, shape in enumerate(MIXED)]


def some_grads(t: int, dtype: str = "float32") -> list[Array | None]:
    """Gradients of step t; the first or third is missing now and then."""
    grads: list[Array | None] = [
        numbers(100 + 10 * t + i, shape, dtype) for i, shape in enumerate(MIXED)
    ]
    if t % 4 == 2:
        grads[0] = None
    if t % 4 == 3:
        grads[2] = None
    return grads


def two_groups(rule: MatrixRule, params: Sequence[Array], **more: Any) -> po.Optimizer:
    frequent = {"precondition_frequency": 2} if rule.name != "Muon" else {}
    groups = [{"params": params[:2], "lr": 0.05}, {"params": params[2:], "adamw_lr": 0.3}]
    return make(rule, groups, **{"lr": 0.02, "clip_norm": 3.0, **frequent, **more})


def train(optimizer: po.Optimizer, start: int, stop: int, dtype: str = "float32") -> None:
    for t in range(start, stop):
        optimizer.param_groups[1]["lr"] = 0.3 / (1 + t)
        optimizer.step(some_grads(t, dtype))
