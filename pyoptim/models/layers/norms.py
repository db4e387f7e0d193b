"""Normalisation of what a layer's weights give, before bias and activation."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pyoptim import _core
from pyoptim.parameters._types import Array

EPS = 1e-5
"""What is added to variances before their roots are divided by."""

MOMENTUM = 0.1
"""How much a batch counts in the running statistics of batch norm."""


class Norm(Protocol):
    """Makes mean 0 and variance 1 of numbers, and multiplies columns by gains."""

    def forward(self, normal: Array, scaled: Array) -> None:
        """Normalise in place; that times the gains goes to `scaled`."""

    def backward(self, d: Array, normal: Array) -> None:
        """Make the slope by what was normalised of `d`, that by `scaled`; write that by gains."""

    def scores(self, z: Array) -> None:
        """Normalise, and multiply by the gains, in place, as it is done outside of training."""


class LayerNorm:
    """Normalises each row: Ba, Kiros and Hinton, Layer normalization, arXiv:1607.06450."""

    def __init__(self, gain: Array, gain_grad: Array) -> None:
        self.gain = gain
        self.gain_grad = gain_grad
        self._factors = np.empty(0)

    def forward(self, normal: Array, scaled: Array) -> None:
        """Normalise in place; that times the gains goes to `scaled`."""
        if len(self._factors) < len(normal):
            self._factors = np.empty(len(normal))
        _core.layer_norm(normal, self.gain, scaled, self._factors[: len(normal)], EPS)

    def backward(self, d: Array, normal: Array) -> None:
        """Make the slope by what was normalised of `d`, that by `scaled`; write that by gains."""
        factors = self._factors[: len(normal)]
        _core.layer_norm_backward(d, normal, self.gain, factors, self.gain_grad)

    def scores(self, z: Array) -> None:
        """Normalise, and multiply by the gains, in place."""
        _core.layer_norm(z, self.gain, z, None, EPS)


class BatchNorm:
    """Normalises each column over the batch: Ioffe and Szegedy, arXiv:1502.03167.

    In training by the mean and variance of the batch, else by running ones, to which those of
    each batch are added with `MOMENTUM`.
    """

    def __init__(self, gain: Array, gain_grad: Array, mean: Array, variance: Array) -> None:
        self.gain = gain
        self.gain_grad = gain_grad
        self.running_mean = mean
        self.running_var = variance
        self._factors = np.empty(len(gain))

    def forward(self, normal: Array, scaled: Array) -> None:
        """Normalise in place; that times the gains goes to `scaled`."""
        _core.batch_norm(normal, self.gain, scaled, self._factors, EPS,
                         self.running_mean, self.running_var, MOMENTUM)  # fmt: skip

    def estimate(self, z: Array, share: float) -> None:
        """Normalise a batch as in training; the running statistics take it in by a share."""
        scaled = np.empty_like(z)
        _core.batch_norm(z, self.gain, scaled, self._factors, EPS,
                         self.running_mean, self.running_var, share)  # fmt: skip
        z[...] = scaled

    def backward(self, d: Array, normal: Array) -> None:
        """Make the slope by what was normalised of `d`, that by `scaled`; write that by gains."""
        _core.batch_norm_backward(d, normal, self.gain, self._factors, self.gain_grad)

    def scores(self, z: Array) -> None:
        """Normalise by the running statistics, and multiply by the gains, in place."""
        z -= self.running_mean
        z *= self.gain / np.sqrt(self.running_var + EPS)
