"""The products of a layer's inputs with matrices: the one place that knows how inputs are kept."""

from __future__ import annotations

from pyoptim import _core
from pyoptim.data._csr import CSR
from pyoptim.parameters._types import Array


def product(x: Array | CSR, w: Array, out: Array) -> Array:
    """Write ``x @ w`` to `out`, and return it."""
    if isinstance(x, CSR):
        _core.sparse_product(x.data, x.indices, x.indptr, w, out)
    else:
        _core.product(x, w, out)
    return out


def transposed_product(x: Array | CSR, d: Array, out: Array) -> Array:
    """Write ``x.T @ d``, the gradient of a weight, to `out`, and return it."""
    if isinstance(x, CSR):
        _core.sparse_transposed_product(x.data, x.indices, x.indptr, d, out)
    else:
        _core.product(x.T, d, out)
    return out


def product_of_transposed(d: Array, w: Array, out: Array) -> Array:
    """Write ``d @ w.T``, the slope by a layer's inputs, to `out`, and return it."""
    _core.product(d, w.T, out)
    return out
