"""What the training loop needs of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from os import PathLike
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pyoptim.checks import as_plain, as_real
from pyoptim.csr import is_sparse
from pyoptim.losses import Loss
from pyoptim.parameters import Array, Parameters


class Model(ABC):
    """Parameters, and a loss of them with its gradient.

    A subclass sets `params` and `loss`, and implements `scores` and `loss_and_grad`.

    Attributes
    ----------
    params : Parameters
    loss : Loss
        What `loss_and_grad` minimises unless told otherwise.
    weights : tuple of str
        The parameters that penalties act on (not the biases).
    buffers : mapping of str to array
        What training changes beside the parameters, and no optimizer: saved with them.
    least_rows : int
        How many rows `loss_and_grad` takes at least.
    """

    kind: ClassVar[str]
    params: Parameters
    loss: Loss
    weights: tuple[str, ...] = ()
    buffers: Mapping[str, Array] = MappingProxyType({})
    least_rows: int = 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of scores; by default that of the parameters."""
        return self.params.dtype

    def cast_inputs(self, x: npt.ArrayLike) -> Array:
        """Return rows as the model takes them, converted once where many batches are taken.

        Raises
        ------
        TypeError
            If they are sparse, and the model takes none that are; or complex.
        """
        if is_sparse(x):
            raise TypeError(f"{type(self).__name__} takes no sparse rows; give it x.toarray()")
        return as_plain(as_real("x", x), self.dtype)

    def columns(self, x: Any) -> Any:
        """Return what rows are taken of: x, or, where it has names, a tuple of columns."""
        return x

    @abstractmethod
    def scores(self, x: npt.ArrayLike) -> Array:
        """Return the outputs for rows `x`, one row each, before any softmax."""

    @abstractmethod
    def loss_and_grad(
        self,
        x: Array,
        y: npt.ArrayLike,
        loss: Loss | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the mean loss of a batch and write its gradient to ``params.grads``."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""

    def predict(self, x: npt.ArrayLike) -> Array:
        """Return the most likely class of each row, or the predicted value(s).

        What is predicted depends on the loss: see `pyoptim.loss.Loss.predict`.
        """
        return self.loss.predict(self.scores(x))

    def evaluate(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        loss: Loss | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> dict[str, float]:
        """Return the mean loss over all rows, and the accuracy where `y` are classes."""
        loss = loss or self.loss
        scores = self.scores(x)
        targets = loss.as_targets(y, scores)
        found = {"loss": loss(scores, targets, sample_weight)}
        accuracy = loss.accuracy(scores, targets, sample_weight)
        if accuracy is not None:
            found["accuracy"] = accuracy
        return found

    def save(
        self,
        path: str | PathLike[str],
        metadata: Mapping[str, str] | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        """Write parameters and configuration to a safetensors file; see `pyoptim.models.load`.

        A file that is not a model of pyoptim is replaced only if `overwrite` is True.
        """
        from pyoptim.models.files import save

        save(self, path, metadata, overwrite=overwrite)
