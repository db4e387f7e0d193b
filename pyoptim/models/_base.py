"""What the training loop needs of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from os import PathLike
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pyoptim._utils.finite import find_nonfinite
from pyoptim._utils.text import shown
from pyoptim._utils.validation import as_plain, as_real
from pyoptim.data._csr import CSR, is_sparse
from pyoptim.losses import Loss
from pyoptim.losses._class_weight import as_sample_weight, drop_zero_weights, weigh_nothing
from pyoptim.models._range_check import Fault, find_index
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array


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
    min_batch_size : int
        Minimum number of rows in a batch for `loss_and_grad`.
    outputs : int or None
        The number of columns of `scores`, if it is known.
    """

    kind: ClassVar[str]
    params: Parameters
    loss: Loss
    weights: tuple[str, ...] = ()
    buffers: Mapping[str, Array] = MappingProxyType({})
    min_batch_size: int = 1
    outputs: int | None = None

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

    def find_fault(self, x: Any, weights: Array | None = None) -> Fault | None:
        """Return the first row of inputs, such as `cast_inputs` returns, that is out of range.

        Rows of weight 0 do not count. Finite numbers are checked elsewhere.
        """
        return find_index("x", "columns", x, x.shape[1], weights) if isinstance(x, CSR) else None

    def name_input(self, part: int, column: int | None) -> tuple[str, Any]:
        """Return what the user calls a column of a part of inputs: names for an error message."""
        return f"x[{part}]", column

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

    def estimate_buffers(self, batches: Iterable[Any]) -> None:
        """Estimate running statistics anew, on batches of inputs, for the parameters there are.

        Call it where parameters are not those that training had at the end, as averages of them.
        By default a model has none.
        """
        return

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""

    def predict(self, x: npt.ArrayLike) -> Array:
        """Return the most likely class of each row, or the predicted value(s).

        What is predicted depends on the loss: see `pyoptim.losses._base.Loss.predict`.

        Raises
        ------
        ValueError
            If an input is not finite; `scores` takes any.
        """
        return self.loss.predict(self._finite_scores(x))

    def _finite_scores(self, x: npt.ArrayLike) -> Array:
        """Return scores, which predictions are made of; ValueError unless inputs are finite."""
        rows = self.cast_inputs(x)
        for part, values in enumerate(rows if isinstance(rows, tuple) else (rows,)):
            found = find_nonfinite(values)
            if found is not None:
                name, column = "x", found.column
                if isinstance(rows, tuple):
                    name, column = self.name_input(part, found.column)
                raise ValueError(
                    f"{shown(name)}: expected finite numbers, got {found.value:g} at row "
                    f"{found.row}, column {column}; mend or drop this row"
                )
        return self.scores(rows)

    def _counted(
        self, x: Any, y: npt.ArrayLike, loss: Loss, sample_weight: npt.ArrayLike | None
    ) -> tuple[Any, Any, Array | None]:
        """Return the rows of a batch that count: those of weight 0 are gone, whatever they hold.

        Errors about the others have their numbers in the whole batch.
        """
        if sample_weight is None:
            return x, y, None
        weights = as_sample_weight(sample_weight)
        rows = drop_zero_weights(x, y, weights)
        if rows[0] is not x or weigh_nothing(weights):
            loss.check_targets(loss.cast_targets(y, self.dtype), self.outputs, weights)
            fault = self.find_fault(x, weights)
            if fault is not None:
                raise ValueError(f"{fault.message} at row {fault.row}")
        return rows

    def _no_gradient(self) -> float:
        """Set the gradient of rows that all have the weight 0, and return their loss."""
        params = self.params
        for name, array in params.items():
            if name not in params.row_sparse:
                params.grads[name][...] = 0
            else:
                nothing = np.empty((0, *array.shape[1:]), array.dtype)
                params.grads[name] = RowGrad(np.empty(0, np.int64), nothing)
        return 0.0

    def evaluate(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        loss: Loss | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> dict[str, float]:
        """Return the mean loss over all rows, and the accuracy where `y` are classes."""
        loss = loss or self.loss
        if sample_weight is not None:
            x, y, weights = self._counted(self.cast_inputs(x), y, loss, sample_weight)
            if weigh_nothing(weights):
                return dict.fromkeys(loss.measures, 0.0)
            sample_weight = weights
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
        from pyoptim.models._io import save

        save(self, path, metadata, overwrite=overwrite)
