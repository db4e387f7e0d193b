"""Gradients of a few rows, as embeddings with ``sparse=True`` have them."""

from __future__ import annotations

from typing import Any

import pyoptim
from pyoptim.torch.memory import Place, Tensor, as_numpy


def row_grad(rule: str, place: Place, grad: Tensor) -> Any:
    """Return a sparse COO gradient as the engine takes it; RuntimeError, as torch's, if not."""
    kind = getattr(pyoptim, "RowGrad", None)
    if kind is None or grad.sparse_dim() != 1 or place.flat:
        raise RuntimeError(f"{rule} does not support sparse gradients (that of {place.name})")
    grad = grad.detach().coalesce()
    values = grad.values().to(place.dtype).contiguous()
    return kind(grad.indices()[0].numpy(), as_numpy(values))
