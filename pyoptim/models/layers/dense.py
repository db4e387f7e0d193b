"""A dense layer: forwards, backwards, and its gradients."""

from __future__ import annotations

import numpy as np

from pyoptim import _core
from pyoptim.models._matmul import product, product_of_transposed, transposed_product
from pyoptim.models.layers.norms import BatchNorm, Norm
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._types import Array


class DenseLayer:
    """``a = dropout(activation(norm(x W) + b))``, plus x where the layer is residual.

    Weights in bfloat16 are widened to float32 for the
    products, and their gradient is rounded once.

    Parameters
    ----------
    params : Parameters
        With ``name.weight`` and ``name.bias``.
    name : str
    activation : str
        Of the native ones, "identity" among them.
    norm : Norm, optional
    rate : float
        The probability of dropout; not for the identity.
    residual : bool
    """

    def __init__(
        self,
        params: Parameters,
        name: str,
        activation: str,
        *,
        norm: Norm | None = None,
        rate: float = 0.0,
        residual: bool = False,
    ) -> None:
        self.weight, self.weight_grad = (m[f"{name}.weight"] for m in (params, params.grads))
        self.bias, self.bias_grad = (m[f"{name}.bias"] for m in (params, params.grads))
        self.activation = _core.Activation[activation]
        self.norm = norm
        self.rate = rate
        self.residual = residual
        self._slopes = activation != "identity"  # else they are 1
        # In the type that is computed in.
        self._wide, self._wide_grad = self.weight, self.weight_grad
        if self.weight.dtype != self.bias.dtype:
            self._wide = np.empty_like(self.weight, dtype=self.bias.dtype)
            self._wide_grad = np.empty_like(self._wide)
        self._capacity = 0
        self._rows = 0

    def scores(self, x: Array) -> Array:
        """Return the outputs for rows `x`, as they are outside of training."""
        return self._outputs(x, None)

    def estimate(self, x: Array, share: float) -> Array:
        """Return outputs with the batch's own statistics, but without dropout.

        The batch counts in the running statistics by a share.
        """
        return self._outputs(x, share)

    def _outputs(self, x: Array, share: float | None) -> Array:
        z = np.empty((x.shape[0], len(self.bias)), dtype=self.bias.dtype)
        product(x, self.weight.astype(z.dtype, copy=False), z)
        if isinstance(self.norm, BatchNorm) and share is not None:
            self.norm.estimate(z, share)
        elif self.norm is not None:
            self.norm.scores(z)
        _core.layer_forward(self.activation, z, self.bias, z, x if self.residual else None)
        return z

    def forward(self, x: Array, seed: int = 0, draw: int = 0) -> Array:
        """Return the outputs in training; they are the layer's memory.

        Seed and draw say what is dropped.
        """
        if x.shape[0] != self._rows:
            self._resize(x.shape[0])
        if self._wide is not self.weight:
            _core.take([self._wide], [self.weight], 0)
        if self.norm is None:
            product(x, self._wide, self._z)
        else:
            product(x, self._wide, self._normal)
            self.norm.forward(self._normal, self._z)
        skip = x if self.residual else None
        _core.layer_forward(
            self.activation, self._z, self.bias, self._a, skip, self.rate, seed, draw
        )
        return self._a

    def backward(self, x: Array, d: Array, *, first: bool) -> Array:
        """Write the gradients, given the slope `d` by the outputs.

        Returns the slope by the inputs `x`, written over them; nothing of use for the first layer.
        """
        by_z = self._z if self._slopes else d
        _core.layer_backward(d, by_z if self._slopes else None, self.bias_grad)
        if self.norm is not None:
            self.norm.backward(by_z, self._normal)
        transposed_product(x, by_z, self._wide_grad)
        if self._wide is not self.weight:
            _core.narrow([self._wide_grad], [self.weight_grad], 1.0, 0)
        if not first:
            product_of_transposed(by_z, self._wide, x)
            if self.residual:
                x += d
        return x

    def _resize(self, rows: int) -> None:
        """Use memory of so many rows; none is allocated if there were as many before."""
        if rows > self._capacity:
            self._capacity = rows
            of_layer = (rows, len(self.bias)), self.bias.dtype
            self._z_memory = np.empty(*of_layer)
            self._a_memory = np.empty(*of_layer) if self._slopes else self._z_memory
            self._normal_memory = np.empty(*of_layer) if self.norm is not None else self._z_memory
        self._rows = rows
        self._z = self._z_memory[:rows]
        self._a = self._a_memory[:rows]
        self._normal = self._normal_memory[:rows]
