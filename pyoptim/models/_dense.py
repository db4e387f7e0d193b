"""The base class of models with dense layers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim.data._csr import CSR, as_csr, is_sparse
from pyoptim.losses import Loss
from pyoptim.losses._class_weight import all_weights_zero
from pyoptim.models._base import Model
from pyoptim.parameters._types import Array


class DenseModel(Model):
    """Base class of models whose scores are the outputs of a native network of dense layers.

    A subclass sets `sizes`, `params` and `loss`, calls `_set_dtype`, and returns its layers from
    `_make_layers`.

    Attributes
    ----------
    sizes : tuple of int
        Number of inputs of the first layer, followed by the number of outputs of each layer.
    seed : int
        Seed for dropout.
    draws : int
        Number of dropout masks drawn so far, one for each batch and layer with dropout.
    """

    sizes: tuple[int, ...]
    seed: int = 0
    draws: int = 0
    _dtype: np.dtype[Any]
    _weight_dtype: np.dtype[Any]
    _draws_per_batch: int = 0
    _has_input_skip: bool = False  # whether the first layer has a skip connection
    _network: _core.Network | None = None

    def _set_dtype(self, dtype: np.dtype[Any]) -> None:
        """Set the dtype of weights, and the dtype of computations that follows from it."""
        self._weight_dtype = dtype
        self._dtype = np.dtype(np.float32) if str(dtype) == "bfloat16" else dtype

    @abstractmethod
    def _make_layers(self) -> list[_core.DenseLayer]:
        """Return the layers, which share the memory of `params` and `buffers`."""

    def _make_network(self) -> _core.Network:
        """Return the network, which is created on first use."""
        if self._network is None:
            self._network = _core.Network(self._make_layers())
        return self._network

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of scores and of all computations."""
        return self._dtype

    def cast_inputs(self, x: Any) -> Any:
        """Return inputs in the model's dtype, as an array or a CSR matrix."""
        return as_csr(x, self._dtype) if is_sparse(x) else super().cast_inputs(x)

    def _inputs(self, x: Any) -> Any:
        """Return the inputs of the first layer."""
        rows = self.cast_inputs(x)
        if rows.ndim != 2 or rows.shape[1] != self.sizes[0]:
            raise ValueError(f"x: expected shape (rows, {self.sizes[0]}), got {rows.shape}")
        if self._has_input_skip and isinstance(rows, CSR):
            raise TypeError(
                "x: expected dense rows, because a skip connection adds x to the outputs of the "
                "first layer, got a sparse matrix; pass x.toarray()"
            )
        return rows

    def scores(self, x: npt.ArrayLike) -> Array:
        """Return the outputs for each row of `x`, before any softmax; shape (rows, outputs)."""
        rows = self._inputs(x)
        scores = np.empty((rows.shape[0], self.sizes[-1]), dtype=self._dtype)
        self._make_network().scores(_native(rows), scores)
        return scores

    def predict_proba(self, x: npt.ArrayLike) -> Array:
        """Return the probability of each class for each row; shape (rows, classes).

        Raises
        ------
        AttributeError
            If the model's loss does not define probabilities.
        """
        return self.loss.predict_proba(self._finite_scores(x))

    def loss_and_grad(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        loss: Loss | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the mean loss of a batch and write its gradient to ``params.grads``.

        Parameters
        ----------
        x : array or sparse matrix of shape (rows, inputs)
            Inputs of the batch.
        y : array
            Class labels of shape (rows,), or values of shape (rows,) or (rows, outputs).
        loss : Loss, optional
            Loss to use instead of the model's loss.
        sample_weight : array of shape (rows,), optional
            Weights of the rows. The loss becomes ``sum_i w_i l_i / sum_i w_i``. Rows of weight 0
            do not contribute, even if they contain NaN.

        Raises
        ------
        ValueError
            If a shape does not match, a target or weight is out of range, or the batch has fewer
            rows than `min_batch_size`.
        TypeError
            If inputs, targets or weights are not real numbers, or `x` is sparse and the first layer
            has a skip connection.
        """
        loss = loss or self.loss
        network = self._network or self._make_network()
        if sample_weight is None and network.takes(x, y, loss.labels):
            value = network.loss_and_grad(
                x, y, None, loss.name, loss._values, self.seed, self.draws
            )
            self.draws += self._draws_per_batch
            return value
        rows, targets, weights = self._drop_zero_weights(self._inputs(x), y, loss, sample_weight)
        if all_weights_zero(weights):
            return self._zero_gradients()
        return self._backpropagate(rows, targets, loss, weights)

    def _backpropagate(
        self,
        rows: Any,
        y: npt.ArrayLike,
        loss: Loss,
        weights: Array | None,
        *,
        to_inputs: bool = False,
    ) -> float:
        """Compute loss and gradients; with `to_inputs` overwrite `rows` with their gradient."""
        value = self._make_network().loss_and_grad(
            _native(rows),
            loss.cast_targets(y, self._dtype),
            weights,
            loss.name,
            loss._values,
            self.seed,
            self.draws,
            to_inputs,
        )
        self.draws += self._draws_per_batch
        return value

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_network": None}


def _native(rows: Any) -> Any:
    """Return inputs in the format of the native network."""
    return (rows.data, rows.indices, rows.indptr) if isinstance(rows, CSR) else rows
