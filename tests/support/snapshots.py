"""Snapshots of optimizers, which compare with ==, and copies through pickle."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

import pyoptim as po


def contents(optimizer: po.Optimizer | po.wrappers.Wrapper) -> dict[str, Any]:
    """Everything that a step may change, as values that compare with ==."""
    params = [param for group in optimizer.param_groups for param in group["params"]]
    held = {**{f"param {i}": p for i, p in enumerate(params)}, **optimizer.state_dict()}
    return {
        name: (str(value.dtype), value.shape, value.tobytes())
        if isinstance(value, np.ndarray)
        else value
        for name, value in held.items()
    }


def through_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))
