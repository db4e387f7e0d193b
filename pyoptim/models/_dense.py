"""Models of dense layers, whose loss and gradient the native network computes."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim.data._csr import CSR, as_csr, is_sparse
from pyoptim.losses import Loss
from pyoptim.losses._class_weight import weigh_nothing
from pyoptim.models._base import Model
from pyoptim.parameters._types import Array


class DenseModel(Model):
    """A model whose scores are the outputs of a `pyoptim._core.Network`.

    A subclass sets `sizes`, `params`, `loss` and the dtypes, and describes its layers in
    `_make_layers`.

    Attributes
    ----------
    sizes : tuple of int
        The number of inputs of the first layer, then the number of outputs of each layer.
    seed : int
        Seed for dropout.
    draws : int
        The number of random draws of dropout so far, one for each layer with dropout and batch.
    """

    sizes: tuple[int, ...]
    seed: int = 0
    draws: int = 0
    _dtype: np.dtype[Any]
    _weight_dtype: np.dtype[Any]
    _draws_per_batch: int = 0
    _adds_inputs: bool = False  # to the outputs of the first layer
    _network: _core.Network | None = None

    def _set_dtype(self, dtype: np.dtype[Any]) -> None:
        """Set the dtype of weights, and that of all computations."""
        self._weight_dtype = dtype
        self._dtype = np.dtype(np.float32) if str(dtype) == "bfloat16" else dtype

    @abstractmethod
    def _make_layers(self) -> list[_core.DenseLayer]:
        """Return the layers over the memory of `params` and `buffers`."""

    def _make_network(self) -> _core.Network:
        """Return the network, which is made when it is first used."""
        if self._network is None:
            self._network = _core.Network(self._make_layers())
        return self._network

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of scores and of all computations."""
        return self._dtype

    def cast_inputs(self, x: Any) -> Any:
        """Return rows in the model's dtype, as an array or as a CSR matrix."""
        return as_csr(x, self._dtype) if is_sparse(x) else super().cast_inputs(x)

    def _inputs(self, x: Any) -> Any:
        """Return the inputs of the first layer."""
        rows = self.cast_inputs(x)
        if rows.ndim != 2 or rows.shape[1] != self.sizes[0]:
            raise ValueError(f"x: expected shape (rows, {self.sizes[0]}), got {rows.shape}")
        if self._adds_inputs and isinstance(rows, CSR):
            raise TypeError(
                "x: expected dense rows, because a skip connection adds them to the outputs of "
                "the first layer, got sparse rows"
            )
        return rows

    def scores(self, x: npt.ArrayLike) -> Array:
        """Return the outputs for rows `x`, shape (rows, outputs), before any softmax."""
        rows = self._inputs(x)
        scores = np.empty((rows.shape[0], self.sizes[-1]), dtype=self._dtype)
        self._make_network().scores(_native(rows), scores)
        return scores

    def predict_proba(self, x: npt.ArrayLike) -> Array:
        """Return the probability of each class, one row a sample.

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
        y : array
            Class labels of shape (rows,), or values of shape (rows,) or (rows, outputs).
        loss : Loss, optional
            Loss to use instead of the model's own.
        sample_weight : array of shape (rows,), optional
            Weights of the rows. The loss becomes ``sum_i w_i l_i / sum_i w_i``. Rows of weight 0
            do not contribute, whatever values they have.

        Raises
        ------
        ValueError
            If a shape does not fit, if a target or weight is out of range, or if there is no row,
            or only one row with batch norm.
        """
        loss = loss or self.loss
        network = self._network or self._make_network()
        if sample_weight is None and network.takes(x, y, loss.labels):
            value = network.loss_and_grad(
                x, y, None, loss.name, loss._values, self.seed, self.draws
            )
            self.draws += self._draws_per_batch
            return value
        rows, targets, weights = self._counted(self._inputs(x), y, loss, sample_weight)
        if weigh_nothing(weights):
            return self._no_gradient()
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
        """Do what `loss_and_grad` does; if asked, overwrite the inputs with their gradient."""
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
    """Return rows as the native network takes them."""
    return (rows.data, rows.indices, rows.indptr) if isinstance(rows, CSR) else rows
