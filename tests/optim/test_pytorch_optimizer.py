"""Agreement with pytorch_optimizer, for elementwise rules that neither torch nor optax has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optax_peers import PEERS as OPTAX_PEERS
from reference import some_numbers

import pyoptim as po

torch = pytest.importorskip("torch")
peers = pytest.importorskip("pytorch_optimizer")
pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
]

# Our rule and settings, the peer's name and settings.
Case = tuple[str, dict[str, float], str, dict[str, Any]]
CASES: list[Case] = [
    # optax weighs differences by 1 - b2, b2 being the share kept: the paper weighs by that share.
    ("Adan", {}, "Adan", {}),
    (
        "Adan",
        {"beta1": 0.8, "beta2": 0.7, "beta3": 0.9, "eps": 1e-3},
        "Adan",
        {"betas": (0.8, 0.7, 0.9), "eps": 1e-3},
    ),
    ("AdEMAMix", {"warmup_steps": 20.0}, "AdEMAMix", {"t_alpha_beta3": 20.0}),
    (
        "AdEMAMix",
        {"beta1": 0.8, "beta2": 0.9, "beta3": 0.99, "alpha": 2.0, "warmup_steps": 70.0},
        "AdEMAMix",
        {"betas": (0.8, 0.9, 0.99), "alpha": 2.0, "t_alpha_beta3": 70.0},
    ),
    # It clips one step too late: the paper's t^(1/4) counts from the first step that moves.
    ("ADOPT", {}, "ADOPT", {"clip_lambda": lambda step: (step - 1) ** 0.25}),
    (
        "ADOPT",
        {"beta1": 0.7, "beta2": 0.95, "eps": 0.1},
        "ADOPT",
        {"betas": (0.7, 0.95), "eps": 0.1, "clip_lambda": lambda step: (step - 1) ** 0.25},
    ),
    # Its eps is corrected along with the root, so none is compared.
    ("LaProp", {"eps": 0.0}, "LaProp", {"eps": 0.0}),
    (
        "LaProp",
        {"beta1": 0.7, "beta2": 0.95, "eps": 0.0},
        "LaProp",
        {"betas": (0.7, 0.95), "eps": 0.0},
    ),
    ("QHAdam", {}, "QHAdam", {}),
    (
        "QHAdam",
        {"beta1": 0.995, "beta2": 0.99, "nu1": 0.7, "nu2": 0.9, "eps": 1e-3},
        "QHAdam",
        {"betas": (0.995, 0.99), "nus": (0.7, 0.9), "eps": 1e-3},
    ),
    ("AdaBound", {}, "AdaBound", {}),
    (
        "AdaBound",
        {"final_lr": 0.02, "gamma": 0.1, "eps": 1e-3, "amsbound": True},
        "AdaBound",
        {"final_lr": 0.02, "gamma": 0.1, "eps": 1e-3, "ams_bound": True},
    ),
    ("DiffGrad", {}, "DiffGrad", {}),
    (
        "DiffGrad",
        {"beta1": 0.7, "beta2": 0.9, "eps": 1e-2},
        "DiffGrad",
        {"betas": (0.7, 0.9), "eps": 1e-2},
    ),
    ("PAdam", {}, "PAdam", {}),
    ("PAdam", {"partial": 0.125}, "PAdam", {"partial": 0.125}),
    ("PAdam", {"partial": 0.0625, "eps": 0.1}, "PAdam", {"partial": 0.0625, "eps": 0.1}),
    ("PAdam", {"partial": 0.5}, "PAdam", {"partial": 0.5}),
    ("Tiger", {"weight_decay": 0.1}, "Tiger", {"weight_decay": 0.1}),
    ("Tiger", {"momentum": 0.6}, "Tiger", {"beta": 0.6}),
    ("MADGRAD", {}, "MADGRAD", {}),
    ("MADGRAD", {"momentum": 0.0, "eps": 1e-3}, "MADGRAD", {"momentum": 0.0, "eps": 1e-3}),
    ("FTRL", {}, "FTRL", {"beta": 1.0}),
    (
        "FTRL",
        {"beta": 0.5, "l1": 0.3, "l2": 0.2},
        "FTRL",
        {"beta": 0.5, "lambda_1": 0.3, "lambda_2": 0.2},
    ),
    ("StableAdamW", {"weight_decay": 0.1}, "StableAdamW", {"weight_decay": 0.1}),
    (
        "StableAdamW",
        {"beta1": 0.7, "beta2": 0.95, "eps": 1e-2},
        "StableAdamW",
        {"betas": (0.7, 0.95), "eps": 1e-2},
    ),
    ("Prodigy", {"d0": 0.1, "weight_decay": 0.1}, "Prodigy", {"d0": 0.1, "weight_decay": 0.1}),
    (
        "Prodigy",
        {"beta1": 0.7, "beta2": 0.9, "eps": 1e-2, "d0": 1e-2, "d_coef": 2.0},
        "Prodigy",
        {"betas": (0.7, 0.9), "eps": 1e-2, "d0": 1e-2, "d_coef": 2.0},
    ),
    (
        "DAdaptAdam",
        {"d0": 0.1, "weight_decay": 0.1},
        "DAdaptAdam",
        {"d0": 0.1, "weight_decay": 0.1, "weight_decouple": True},
    ),
    (
        "DAdaptAdam",
        {"beta1": 0.7, "beta2": 0.9, "eps": 1e-2, "d0": 1e-2},
        "DAdaptAdam",
        {"betas": (0.7, 0.9), "eps": 1e-2, "d0": 1e-2},
    ),
    ("ScheduleFreeSGD", {"weight_decay": 0.1}, "ScheduleFreeSGD", {"weight_decay": 0.1}),
    (
        "ScheduleFreeSGD",
        {"momentum": 0.7, "r": 1.5, "weight_lr_power": 1.0},
        "ScheduleFreeSGD",
        {"momentum": 0.7, "r": 1.5, "weight_lr_power": 1.0},
    ),
    ("ScheduleFreeAdamW", {"weight_decay": 0.1}, "ScheduleFreeAdamW", {"weight_decay": 0.1}),
    (
        "ScheduleFreeAdamW",
        {"beta1": 0.8, "beta2": 0.95, "eps": 1e-2, "r": 1.5},
        "ScheduleFreeAdamW",
        {"betas": (0.8, 0.95), "eps": 1e-2, "r": 1.5},
    ),
]
# Their weights of means are float32, whatever the parameters are.
TOLERANCE = {"LaProp": 1e-6, "QHAdam": 1e-6}
ALONE = {"FTML", "RowwiseAdagrad"}  # none of the peers has it
SIZE = 40
LR = 0.03


@pytest.fixture(autouse=True)
def exact_peers(default_float64: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what peers do beside their formulas.

    Numbers kept beside states are of torch's default type, and 1e-15 is added under roots.
    """
    base = peers.base.optimizer.BaseOptimizer
    for function in (base.apply_ams_bound, base.apply_ams_bound_foreach):
        monkeypatch.setattr(function, "__defaults__", (0.0,))


def test_every_rule_has_a_peer() -> None:
    of_torch = {rule.name for rule in po.rules() if hasattr(torch.optim, rule.name)}
    here = {rule for rule, *_ in CASES}
    covered = of_torch | OPTAX_PEERS.keys() | here | ALONE | {"AMSGrad"}  # Adam(amsgrad=True)
    assert covered == {rule.name for rule in po.rules()}


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda i: f"{CASES[i][0]}-{i}")
def test_agrees_over_50_steps(index: int) -> None:
    """To the tolerance times the largest magnitude that an element has had; in eval mode, too."""
    rule, settings, peer_name, peer_settings = CASES[index]
    mine = some_numbers(1, SIZE, "float64").copy()
    theirs = torch.nn.Parameter(torch.tensor(mine))
    optimizer = getattr(po, rule)([mine], lr=LR, **{"weight_decay": 0.0, **settings})
    decay = {} if rule == "FTRL" else {"weight_decay": 0.0}
    peer = getattr(peers, peer_name)([theirs], lr=LR, **{**decay, **peer_settings})
    size, moved = abs(mine), 0
    for t in range(50):
        before = mine.copy()
        grad = some_numbers(2 + t, SIZE, "float64")
        theirs.grad = torch.tensor(grad)
        peer.step()
        optimizer.step([grad])
        moved += np.count_nonzero(mine - before)
        expected = theirs.detach().numpy()
        size = np.maximum(size, abs(expected))
        assert (abs(mine - expected) <= TOLERANCE.get(rule, 1e-12) * size).all(), t
    assert moved > 40 * SIZE
    optimizer.eval()
    if optimizer._rule.has_eval_mode:
        peer.eval()
        assert abs(mine - before).max() > 1e-3
        np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_adopt_of_the_peer_clips_too_late() -> None:
    """Its bound at the first step that moves is 2^(1/4); in the paper's algorithm it is 1."""
    theirs = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    mine = np.zeros(1)
    peer, optimizer = peers.ADOPT([theirs], lr=1.0), po.ADOPT([mine], lr=1.0)
    for grad in (1e-3, 1.0):
        theirs.grad = torch.full((1,), grad, dtype=torch.float64)
        peer.step()
        optimizer.step([np.full(1, grad)])
    assert mine[0] == pytest.approx(-0.1)
    assert theirs.item() == pytest.approx(-0.1 * 2**0.25)
