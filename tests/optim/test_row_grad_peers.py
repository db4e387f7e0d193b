"""Agreement with torch's optimizers on sparse gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reference import Array, same_bits, some_numbers

import pyoptim as po

torch = pytest.importorskip("torch")
torch.sparse.check_sparse_tensor_invariants.disable()  # said, or there is a warning
pytestmark = pytest.mark.peers

SHAPE = (60, 5)


def outside(eps: float, beta2: float) -> Callable[[int], float]:
    """Return our eps as SparseAdam has it: added to the root before its correction, not after."""
    return lambda step: eps / math.sqrt(1 - beta2 ** (step + 1))


# Ours, torch's, and their settings where they have other names.
PEERS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("Adam", "SparseAdam", {"eps": outside(1e-8, 0.999)}, {}),
    ("Adam", "SparseAdam", {"beta1": 0.7, "beta2": 0.9, "eps": outside(1e-3, 0.9)},
     {"betas": (0.7, 0.9), "eps": 1e-3}),
    ("Adam", "SparseAdam", {"maximize": True, "eps": outside(1e-8, 0.999)}, {"maximize": True}),
    ("Adagrad", "Adagrad", {}, {}),
    ("Adagrad", "Adagrad", {"lr_decay": 0.01, "initial_accumulator_value": 0.2, "eps": 1e-4},
     {"lr_decay": 0.01, "initial_accumulator_value": 0.2, "eps": 1e-4}),
    ("SGD", "SGD", {}, {}),
]  # fmt: skip


def gradient(step: int) -> tuple[Array, Array]:
    """Return rows, some of them several times, and values."""
    rows = np.random.default_rng(step).integers(0, SHAPE[0], 40)
    return rows, some_numbers(step, 40 * SHAPE[1], "float64").reshape(40, SHAPE[1])


@pytest.mark.parametrize(("ours", "theirs", "settings", "their_settings"), PEERS)
def test_agrees_with_torch_on_sparse_gradients(
    ours: str, theirs: str, settings: dict[str, Any], their_settings: dict[str, Any]
) -> None:
    start = some_numbers(1, SHAPE[0] * SHAPE[1], "float64").reshape(SHAPE)
    table, tensor = start.copy(), torch.nn.Parameter(torch.tensor(start))
    optimizer = getattr(po, ours)([table], lr=0.05, **settings)
    peer = getattr(torch.optim, theirs)([tensor], lr=0.05, **their_settings)
    for step in range(50):
        rows, values = gradient(step)
        optimizer.step(po.RowGrad(rows, values))
        indices = torch.from_numpy(rows)[None]
        tensor.grad = torch.sparse_coo_tensor(indices, torch.tensor(values), SHAPE)
        peer.step()
    found, wanted = table - start, tensor.detach().numpy() - start
    assert np.abs(wanted).max() > 0.1
    assert np.abs(found - wanted).max() <= 1e-12 * np.abs(wanted).max()


def test_tensors_may_be_table_rows_and_values() -> None:
    rows, values = gradient(0)
    wanted, tensor = np.zeros(SHAPE), torch.zeros(SHAPE, dtype=torch.float64)
    po.Adam([wanted]).step(po.RowGrad(rows, values))
    po.Adam([tensor]).step(po.RowGrad(torch.from_numpy(rows), torch.tensor(values)))
    assert same_bits(tensor.numpy(), wanted)
