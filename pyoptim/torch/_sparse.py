"""Gradients of a few rows, as embeddings with ``sparse=True`` have them."""

from __future__ import annotations

from typing import Any

import torch

from pyoptim.parameters._row_grad import RowGrad
from pyoptim.torch._layout import Place, Tensor, as_numpy, check_memory


def row_grad(place: Place, grad: Tensor) -> Any:
    """Return a sparse COO gradient as the engine takes it: rows of values."""
    if grad.layout is not torch.sparse_coo or grad.sparse_dim() != 1:
        raise RuntimeError(
            f"gradient of {place.name}: of sparse tensors only rows of dense values are supported"
        )
    grad = grad.detach()
    check_memory(grad._indices(), f"gradient of {place.name}: its indices")
    check_memory(grad._values(), f"gradient of {place.name}: its values")
    grad = grad.coalesce()
    values = grad.values().to(place.dtype).contiguous()
    return RowGrad(grad.indices()[0].numpy(), as_numpy(values))
