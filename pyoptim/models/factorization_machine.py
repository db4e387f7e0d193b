"""Factorization machines: linear models with all interactions of two features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_counts, as_number, as_plain, as_real
from pyoptim.data._csr import CSR, as_csr, check_matrix, is_sparse
from pyoptim.losses import Loss
from pyoptim.losses._class_weight import weigh_nothing
from pyoptim.models._embedding_base import (
    TableModel,
    as_codes,
    check_not_empty,
    fill_normal,
    table_dtype,
)
from pyoptim.models._range_check import Fault, find_code
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array

_SPREAD = 0.01  # of initial factors


class _Entries(NamedTuple):
    """What of a batch is not 0: those of row i are from offsets[i] to offsets[i + 1].

    Without offsets all rows have as many; without values they are 1.
    """

    offsets: Array | None
    features: Array
    values: Array | None


class FactorizationMachine(TableModel):
    """Factorization machine: a linear model, and a product of factors for each pair of features.

    The score of a row x is ``w_0 + sum_j w_j x_j + sum_(i<j) (v_i . v_j) x_i x_j``, found in a time
    that grows with the numbers that are not 0 as
    ``1/2 sum_f [(sum_j v_jf x_j)^2 - sum_j v_jf^2 x_j^2]``. With `l2` the loss of every row has the
    penalty ``l2/2 (w_j^2 + |v_j|^2)`` of each of its features. A batch's gradients are those of the
    features in it.

    Source: Rendle, Factorization Machines, 2010, doi:10.1109/ICDM.2010.127.

    Parameters
    ----------
    features : int or sequence of int
        The number of features, for rows of values: an array, or a sparse matrix of SciPy, of shape
        (rows, features). Or the number of categories of each field, for rows of codes: integers of
        shape (rows, fields), each from 0; the feature of a code is 1, all others of its field 0.
    rank : int
        The number of factors.
    loss : str or Loss
        "logistic" for classes 0 and 1, such as clicks, "squared" for values, or another one.
    l2 : float, at least 0
    bias : float
        Where ``w_0`` begins.
    dtype : {"float32", "float64"}
    seed : int
        Of the initial factors, normal with standard deviation 0.01. The ``w_j`` are 0.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range. Of inputs: TypeError if codes are no integers, ValueError if
        the shape is another one, or there is no such category.

    Notes
    -----
    The parameters are ``bias``, and the row-sparse ``weights`` and ``factors``, which have a row
    for each feature; those of a field come after those of all fields before. Penalties of the
    trainer, which act on whole tables, are not for them.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> clicks = np.array([0, 1, 1, 0])  # no linear model has it
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
                raise ValueError("features: expected at least one field, got none")
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
        fill_normal(self.params["factors"], _SPREAD, self.seed, 0)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""
        return {
            "features": self.features if self.fields is None else list(self.fields),
            "rank": self.rank,
            "bias": self.bias,
            **self._settings(),
        }

    def cast_inputs(self, x: Any) -> Any:
        """Return rows as the model takes them: codes, values, or a sparse matrix in rows."""
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

    def find_fault(self, x: Any, weights: Array | None = None) -> Fault | None:
        """Return the first row with a feature that there is not."""
        if self.fields is None:
            return super().find_fault(x, weights)
        faults = [
            find_code("x", f"codes of field {i}", x[:, i], count, weights)
            for i, count in enumerate(self.fields)
        ]
        return min((fault for fault in faults if fault is not None), default=None)

    def _entries(self, rows: Any) -> _Entries:
        """Return what is not 0 in rows that the model takes."""
        if self.fields is not None:
            features = self._scratch("features", rows.shape, np.int64)
            _core.feature_numbers(rows, self.fields, features)
            return _Entries(None, features.reshape(-1), None)
        offsets = self._scratch("offsets", (rows.shape[0] + 1,), np.int64)
        if isinstance(rows, CSR):
            values, found, _ = rows.values
            np.subtract(rows.indptr, rows.indptr[0], out=offsets)
        else:
            there = rows != 0
            offsets[0] = 0
            np.cumsum(np.count_nonzero(there, axis=1), out=offsets[1:])
            found, values = there.nonzero()[1], rows[there]
        features = self._scratch("features", found.shape, np.int64)
        features[...] = found
        return _Entries(offsets, features, values)

    def _score(self, entries: _Entries, sums: Array, scores: Array) -> None:
        weights, factors = self.params["weights"], self.params["factors"]
        _core.feature_scores(*entries, weights, factors, float(self.params["bias"]), sums, scores)

    def scores(self, x: Any) -> Array:
        """Return the score of each row, of shape (rows, 1)."""
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
        """Return the mean loss of a batch, penalty included, and set ``params.grads``.

        Parameters
        ----------
        x : array or sparse matrix of shape (rows, features), or codes of shape (rows, fields)
        y : array of shape (rows,)
        loss : Loss, optional
            In place of the model's own.
        sample_weight : array of shape (rows,), optional
            Loss and penalty are then ``sum_i w_i l_i / sum_i w_i``. Rows of weight 0 contribute
            nothing, whatever they hold.

        Raises
        ------
        ValueError, TypeError
            If inputs are not as they should be, a shape does not fit, or a target or weight is out
            of range.
        """
        batch = self.cast_inputs(x)
        check_not_empty(batch.shape[0])
        loss = loss or self.loss
        batch, y, weights = self._counted(batch, y, loss, sample_weight)
        if weigh_nothing(weights):
            return self._no_gradient()
        rows = batch.shape[0]
        entries = self._entries(batch)
        sums = self._scratch("sums", (rows, self.rank), self.dtype)
        slope = self._scratch("scores", (rows, 1), self.dtype)
        self._score(entries, sums, slope)
        value = loss.value_and_grad_in_place(slope, y, weights)

        features = entries.features
        weight_slopes = self._scratch("weights", features.shape, self.dtype)
        factor_slopes = self._scratch("factors", (features.size, self.rank), self.dtype)
        params, grads = self.params, self.params.grads
        value += _core.feature_grads(
            *entries,
            params["weights"],
            params["factors"],
            sums,
            slope,
            weights,
            self.l2,
            weight_slopes,
            factor_slopes,
        )
        grads["bias"] = _core.grad_sum(slope)
        grads["weights"] = RowGrad(features, weight_slopes)
        grads["factors"] = RowGrad(features, factor_slopes)
        return value


def _check_rows(matrix: Any) -> None:
    """Raise ValueError where the rows of a CSR matrix reach beyond its values.

    SciPy, which joins values of one place, would write there.
    """
    starts, count = matrix.indptr, min(len(matrix.indices), len(matrix.data))
    if starts[0] != 0 or starts[-1] > count or (starts[1:] < starts[:-1]).any():
        raise ValueError(f"x: indptr: expected numbers that rise from 0 to at most {count}")
