"""Mixes of hyperparameters and options that tests run every rule with."""

from __future__ import annotations

from typing import Any

# What the engine does around every rule: options of the optimizer, and of its step.
MIXES: dict[str, tuple[dict[str, Any], float]] = {
    "plain": ({"weight_decay": 0}, 1),
    "l2": ({"weight_decay": 0.1, "decoupled_weight_decay": False}, 1),
    "decoupled": ({"weight_decay": 0.1, "decoupled_weight_decay": True}, 1),
    "maximize": ({"weight_decay": 0.1, "maximize": True}, 1),
    "clip_value": ({"clip_value": 0.1}, 1),
    "clip_norm": ({"clip_norm": 0.7}, 1),
    "clip_norm that is not reached": ({"clip_norm": 1e6}, 1),
    "grad_scale": ({}, 0.3),
    "everything": (
        {"weight_decay": 0.1, "maximize": True, "clip_norm": 0.7, "clip_value": 0.05},
        0.3,
    ),
}
RATES = (0.5, 0.5, 0.25, 0.1, 0.3, 0.3, 0.2, 0.7, 0.1, 0.05)
