"""Factorization machines: linear models with all pairwise interactions of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_counts, as_number, as_plain, as_real
from pyoptim.data._csr import CSR, as_csr, check_matrix, is_sparse
from pyoptim.losses import Loss
from pyoptim.losses._class_weight import all_weights_zero
from pyoptim.models._embedding_base import (
    TableModel,
    as_codes,
    check_not_empty,
    fill_normal,
    table_dtype,
)
from pyoptim.models._range_check import OutOfRange, find_code
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array

_INITIAL_STD = 0.01  # standard deviation of the initial factors


class _Entries(NamedTuple):
    """The nonzero entries of a batch; row i has the entries offsets[i] to offsets[i + 1] - 1.

    If `offsets` is None, all rows have the same number of entries. If `values` is None, all values
    are 1.
    """

    offsets: Array | None
    features: Array
    values: Array | None


class FactorizationMachine(TableModel):
    """Factorization machine: a linear model with factorized pairwise interactions of features.

    Use it for sparse data such as clicks, where most pairs of features are rare. The score of a row
    x is::

        w_0 + sum_j w_j x_j + sum_(i<j) (v_i . v_j) x_i x_j

    The interactions are computed in time linear in the number of nonzero features, as
    ``1/2 sum_f [(sum_j v_jf x_j)^2 - sum_j v_jf^2 x_j^2]``.

    Source: Rendle, Factorization Machines, 2010, doi:10.1109/ICDM.2010.127.

    Parameters
    ----------
    features : int or sequence of int
        Number of features, for inputs of shape (rows, features): an array or a SciPy sparse matrix.
        Or the number of categories of each field, for inputs of shape (rows, fields): codes from 0.
        Each category is then a feature, with the value 1 for the row's code and 0 for others.
    rank : int
        Number of factors, the length of each ``v_j``.
    loss : str or Loss
        A loss of one score for each row: for example "logistic" for classes 0 and 1, or "squared"
        for values.
    l2 : float, at least 0
        Strength of the L2 penalty. The loss of each row gains ``l2/2 (w_j^2 + |v_j|^2)`` for each
        of its nonzero features.
    bias : float
        Initial value of ``w_0``.
    dtype : {"float32", "float64"}
        Dtype of the parameters and computations.
    seed : int, from 0 to 2^64 - 1
        Seed for the initial factors, which are normal with standard deviation 0.01. The ``w_j``
        start at 0.

    Raises
    ------
    ValueError
        If an argument is out of range, inputs have a wrong shape, or a code is out of range.
    TypeError
        If an argument has the wrong type, or codes are not integers.

    Notes
    -----
    The parameters are ``bias``, of shape (), and the row-sparse ``weights`` and ``factors`` with a
    row for each feature. The features of all fields are numbered consecutively. Penalties of the
    trainer apply to whole tables and are not supported; use `l2` instead.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> clicks = np.array([0, 1, 1, 0])  # exclusive or, which a linear model cannot learn
    >>> model = po.models.FactorizationMachine([2, 2], rank=2, loss="logistic")
    >>> opt = po.Adam(model.params, lr=0.1)
    >>> for _ in range(100):
    ...     loss = model.loss_and_grad(codes, clicks)
    ...     info = opt.step()
    >>> model.predict(codes)
    array([0, 1, 1, 0])
    """

    kind = "FactorizationMachine"

    def __init__(
        self,
        features: int | Sequence[int],
        *,
        rank: int = 8,
        loss: str | Loss | Mapping[str, Any] = "squared",
        l2: float = 0.0,
        bias: float = 0.0,
        dtype: npt.DTypeLike = "float32",
        seed: int = 0,
    ) -> None:
        super().__init__(loss, l2, seed)
        self.fields: tuple[int, ...] | None = None
        if isinstance(features, Sequence | np.ndarray):
            self.fields = as_counts("features", features)
            if not self.fields:
                raise ValueError(
                    "features: expected a number of features, or the number of categories of at "
                    "least one field, got an empty sequence"
                )
            self.features = sum(self.fields)
        else:
            self.features = as_count("features", features)
        self.rank = as_count("rank", rank)
        self.bias = as_number("bias", bias)
        tables: dict[str, tuple[int, ...]] = {
            "weights": (self.features,),
            "factors": (self.features, self.rank),
        }
        self.params = Parameters(
            {"bias": (), **tables}, dtype=table_dtype(dtype), row_sparse=tables
        )
        self.weights = tuple(tables)
        self.params["bias"] = self.bias
        fill_normal(self.params["factors"], _INITIAL_STD, self.seed, 0)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, which can be converted to JSON."""
        return {
            "features": self.features if self.fields is None else list(self.fields),
            "rank": self.rank,
            "bias": self.bias,
            **self._shared_config(),
        }

    def cast_inputs(self, x: Any) -> Any:
        """Return inputs in the format of the model: codes, values, or a CSR matrix."""
        if self.fields is not None:
            return as_codes(x, len(self.fields))
        if not is_sparse(x):
            rows: Any = as_plain(as_real("x", x), self.dtype)
        elif isinstance(x, CSR):
            rows = as_csr(x, self.dtype)
        else:
            check_matrix(x)
            matrix = x.tocsr()
            _check_rows(matrix)
            if not matrix.has_canonical_format:
                matrix = matrix.copy()
                matrix.sum_duplicates()
            rows = as_csr(matrix, self.dtype)
        if rows.ndim != 2 or rows.shape[1] != self.features:
            raise ValueError(f"x: expected shape (rows, {self.features}), got {rows.shape}")
        return rows

    def find_out_of_range(self, x: Any, weights: Array | None = None) -> OutOfRange | None:
        """Return the first row with a feature or code out of range, or None."""
        if self.fields is None:
            return super().find_out_of_range(x, weights)
        invalid_rows = [
            find_code("x", f"codes of field {i}", x[:, i], count, weights)
            for i, count in enumerate(self.fields)
        ]
        return min((invalid for invalid in invalid_rows if invalid is not None), default=None)

    def _entries(self, rows: Any) -> _Entries:
        """Return the nonzero entries of inputs in the model's format."""
        if self.fields is not None:
            features = self._scratch("features", rows.shape, np.int64)
            _core.feature_numbers(rows, self.fields, features)
            return _Entries(None, features.reshape(-1), None)
        offsets = self._scratch("offsets", (rows.shape[0] + 1,), np.int64)
        if isinstance(rows, CSR):
            values, columns, _ = rows.values
            np.subtract(rows.indptr, rows.indptr[0], out=offsets)
        else:
            nonzero = rows != 0
            offsets[0] = 0
            np.cumsum(np.count_nonzero(nonzero, axis=1), out=offsets[1:])
            columns, values = nonzero.nonzero()[1], rows[nonzero]
        features = self._scratch("features", columns.shape, np.int64)
        features[...] = columns
        return _Entries(offsets, features, values)

    def _score(self, entries: _Entries, sums: Array, scores: Array) -> None:
        weights, factors = self.params["weights"], self.params["factors"]
        _core.feature_scores(*entries, weights, factors, float(self.params["bias"]), sums, scores)

    def scores(self, x: Any) -> Array:
        """Return the score of each row; shape (rows, 1)."""
        rows = self.cast_inputs(x)
        count = rows.shape[0]
        scores = np.empty((count, 1), self.dtype)
        self._score(self._entries(rows), np.empty((count, self.rank), self.dtype), scores)
        return scores

    def loss_and_grad(
        self,
        x: Any,
        y: npt.ArrayLike,
        loss: Loss | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the mean loss of a batch with its penalty, and write gradients to `params.grads`.

        Parameters
        ----------
        x : array or sparse matrix of shape (rows, features), or codes of shape (rows, fields)
            Inputs of the batch.
        y : array of shape (rows,)
            Targets of the batch.
        loss : Loss, optional
            Loss to use instead of the model's loss.
        sample_weight : array of shape (rows,), optional
            Weights of the rows. Loss and penalty become ``sum_i w_i l_i / sum_i w_i``. Rows of
            weight 0 do not contribute, even if they contain NaN.

        Raises
        ------
        ValueError
            If a shape does not match, a code, target or weight is out of range, or there is no row.
        TypeError
            If codes are not integers, or values, targets or weights are not real numbers.
        """
        batch = self.cast_inputs(x)
        check_not_empty(batch.shape[0])
        loss = loss or self.loss
        batch, y, weights = self._drop_zero_weights(batch, y, loss, sample_weight)
        if all_weights_zero(weights):
            return self._zero_gradients()
        rows = batch.shape[0]
        entries = self._entries(batch)
        sums = self._scratch("sums", (rows, self.rank), self.dtype)
        scores = self._scratch("scores", (rows, 1), self.dtype)
        self._score(entries, sums, scores)
        value = loss.value_and_grad_in_place(scores, y, weights)
        score_grads = scores  # overwritten by value_and_grad_in_place

        features = entries.features
        weight_grads = self._scratch("weights", features.shape, self.dtype)
        factor_grads = self._scratch("factors", (features.size, self.rank), self.dtype)
        params, grads = self.params, self.params.grads
        value += _core.feature_grads(
            *entries,
            params["weights"],
            params["factors"],
            sums,
            score_grads,
            weights,
            self.l2,
            weight_grads,
            factor_grads,
        )
        grads["bias"] = _core.grad_sum(score_grads)
        grads["weights"] = RowGrad(features, weight_grads)
        grads["factors"] = RowGrad(features, factor_grads)
        return value


def _check_rows(matrix: Any) -> None:
    """Raise ValueError if the rows of a CSR matrix extend beyond its values.

    SciPy would write out of bounds when it sums duplicate entries.
    """
    starts, count = matrix.indptr, min(len(matrix.indices), len(matrix.data))
    if starts[0] != 0 or starts[-1] > count or (starts[1:] < starts[:-1]).any():
        raise ValueError(
            f"x.indptr: expected increasing numbers from 0 to at most {count}, the number of "
            f"values, got {np.array2string(starts, threshold=10)}"
        )
