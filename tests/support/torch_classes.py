"""The classes of pyoptim.torch, and steps of them with random gradients."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
import pyoptim.torch as ours  # noqa: E402 - after torch was found

RULES = [getattr(ours, name) for name in ours.__all__ if name != "Optimizer"]
all_rules = pytest.mark.parametrize("cls", RULES, ids=lambda cls: cls.__name__)


def set_grads(of: list[Any], t: int) -> None:
    generator = torch.Generator().manual_seed(t)
    for p in of:
        p.grad = torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype)


def step(optimizer: Any, t: int) -> None:
    set_grads([p for group in optimizer.param_groups for p in group["params"]], t)
    optimizer.step()
