"""Agreement with optax, for the rules that torch does not have."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import optax_peers
import pytest
from optax_peers import CASES, RATE, gradient, start
from reference import Array

import pyoptim as po

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(importlib.util.find_spec("optax") is None, reason="needs optax"),
]


@pytest.fixture(scope="module")
def theirs() -> list[Array]:
    """Return the parameters of each case after each step, computed in another process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, optax_peers.__file__]
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    answer: list[Array] = pickle.loads(done.stdout)
    return answer


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}-{i}")
def test_agrees_over_50_steps(theirs: list[Array], index: int, maximize: bool) -> None:
    """With a rate that falls; to 1e-12 of the largest magnitude that an element has had."""
    rule, settings, *_ = CASES[index]
    mine = start()
    options: dict[str, Any] = {**settings, "maximize": maximize}
    optimizer = getattr(po, rule)([mine], lr=RATE, **options)
    size = abs(mine)
    for t, expected in enumerate(theirs[index]):
        before = mine.copy()
        optimizer.step([-gradient(t) if maximize else gradient(t)])
        if optimizer._rule.takes_hessian and t % 10 == 0:
            optimizer.update_hessian([gradient(t) ** 2])
        assert np.count_nonzero(mine - before) > mine.size / 2
        size = np.maximum(size, abs(expected))
        assert (abs(mine - expected) <= 1e-12 * size).all(), t
