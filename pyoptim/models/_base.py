"""The base class of all models."""

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
from pyoptim.losses._class_weight import all_weights_zero, as_sample_weight, drop_zero_weights
from pyoptim.models._range_check import OutOfRange, find_index
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array


class Model(ABC):
    """Base class of models: parameters, and a loss with its gradient.

    A subclass sets `params` and `loss`, and implements `scores`, `loss_and_grad` and `config`.

    Attributes
    ----------
    params : Parameters
        Parameters of the model and their gradients.
    loss : Loss
        Loss that `loss_and_grad` and `evaluate` use by default.
    weights : tuple of str
        Names of the parameters that penalties apply to, usually all but the biases.
    buffers : mapping of str to array
        Arrays that training changes without an optimizer, such as running statistics. They are
        saved with the parameters.
    min_batch_size : int
        Minimum number of rows in a batch for `loss_and_grad`.
    outputs : int or None
        Number of columns of `scores`, or None if it is unknown.
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
        """The dtype of scores; by default the dtype of the parameters."""
        return self.params.dtype

    def cast_inputs(self, x: npt.ArrayLike) -> Array:
        """Return inputs in the format of the model.

        The trainer calls it once for all rows, or for each batch of data that is not in memory.

        Raises
        ------
        TypeError
            If `x` is complex, or sparse and the model does not support sparse inputs.
        """
        if is_sparse(x):
            raise TypeError(
                f"x: {type(self).__name__} expected dense rows, got a sparse matrix; pass "
                "x.toarray()"
            )
        return as_plain(as_real("x", x), self.dtype)

    def find_out_of_range(self, x: Any, weights: Array | None = None) -> OutOfRange | None:
        """Return the first row with an input out of range, or None.

        Rows of weight 0 are ignored. `x` is a result of `cast_inputs`. Nonfinite numbers are not
        searched for.
        """
        return find_index("x", "columns", x, x.shape[1], weights) if isinstance(x, CSR) else None

    def name_input(self, part: int, column: int | None) -> tuple[str, Any]:
        """Return the name and column that an error message shows for a column of an input part."""
        return f"x[{part}]", column

    def columns(self, x: Any) -> Any:
        """Return inputs that can be indexed by row: `x`, or a tuple of the columns of a mapping."""
        return x

    @abstractmethod
    def scores(self, x: npt.ArrayLike) -> Array:
        """Return the outputs for each row of `x`, before any softmax."""

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
        """Estimate running statistics on batches of inputs, for the current parameters.

        Call it after replacing the parameters, for example by averaged weights. By default it does
        nothing, for models without running statistics.
        """
        return

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, which can be converted to JSON."""

    def predict(self, x: npt.ArrayLike) -> Array:
        """Return the most likely class or the predicted values of each row.

        The prediction depends on the loss; see `pyoptim.losses.Loss.predict`.

        Raises
        ------
        ValueError
            If an input is not finite. `scores` accepts nonfinite inputs.
        """
        return self.loss.predict(self._finite_scores(x))

    def _finite_scores(self, x: npt.ArrayLike) -> Array:
        """Return the scores of finite inputs; raise ValueError if an input is not finite."""
        rows = self.cast_inputs(x)
        for part, values in enumerate(rows if isinstance(rows, tuple) else (rows,)):
            place = find_nonfinite(values)
            if place is not None:
                name, column = "x", place.column
                if isinstance(rows, tuple):
                    name, column = self.name_input(part, place.column)
                raise ValueError(
                    f"{shown(name)}: expected finite numbers, got {place.value:g} at row "
                    f"{place.row}, column {column}; correct or drop this row"
                )
        return self.scores(rows)

    def _drop_zero_weights(
        self, x: Any, y: npt.ArrayLike, loss: Loss, sample_weight: npt.ArrayLike | None
    ) -> tuple[Any, Any, Array | None]:
        """Return the rows of a batch with nonzero weights, with their targets and weights.

        Values out of range are reported with the row number in the whole batch.
        """
        if sample_weight is None:
            return x, y, None
        weights = as_sample_weight(sample_weight)
        rows = drop_zero_weights(x, y, weights)
        if rows[0] is not x or all_weights_zero(weights):
            loss.check_targets(loss.cast_targets(y, self.dtype), self.outputs, weights)
            invalid = self.find_out_of_range(x, weights)
            if invalid is not None:
                raise ValueError(f"{invalid.message} at row {invalid.row}")
        return rows

    def _zero_gradients(self) -> float:
        """Set all gradients to 0, and return 0, the loss of a batch with only zero weights."""
        params = self.params
        for name, array in params.items():
            if name not in params.row_sparse:
                params.grads[name][...] = 0
            else:
                values = np.empty((0, *array.shape[1:]), array.dtype)
                params.grads[name] = RowGrad(np.empty(0, np.int64), values)
        return 0.0

    def evaluate(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        loss: Loss | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> dict[str, float]:
        """Return the mean loss over all rows, and the accuracy if targets are classes.

        Parameters
        ----------
        x : array
            Inputs.
        y : array
            Targets.
        loss : Loss, optional
            Loss to use instead of the model's loss.
        sample_weight : array of shape (rows,), optional
            Weights of the rows.

        Returns
        -------
        dict
            Values of "loss" and, for classes, "accuracy".
        """
        loss = loss or self.loss
        if sample_weight is not None:
            x, y, weights = self._drop_zero_weights(self.cast_inputs(x), y, loss, sample_weight)
            if all_weights_zero(weights):
                return dict.fromkeys(loss.measures, 0.0)
            sample_weight = weights
        scores = self.scores(x)
        targets = loss.as_targets(y, scores)
        measures = {"loss": loss(scores, targets, sample_weight)}
        accuracy = loss.accuracy(scores, targets, sample_weight)
        if accuracy is not None:
            measures["accuracy"] = accuracy
        return measures

    def save(
        self,
        path: str | PathLike[str],
        metadata: Mapping[str, str] | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        """Write the model to a safetensors file, which `pyoptim.models.load` reads.

        Parameters
        ----------
        path : path
            File to write. An existing model of pyoptim is replaced atomically.
        metadata : mapping of str to str, optional
            Additional metadata of the file; see `pyoptim.models.read_metadata`.
        overwrite : bool
            Whether to replace an existing file that is not a model of pyoptim.

        Raises
        ------
        FileExistsError
            If the file exists, is not a model of pyoptim, and `overwrite` is False.
        """
        from pyoptim.models._io import save

        save(self, path, metadata, overwrite=overwrite)
