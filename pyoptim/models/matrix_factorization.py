"""Matrix factorization for ratings of items by users, and for other values of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_number
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

_INITIAL_STD = 0.1  # standard deviation of the initial factors
_SIDES = ("users", "items")


class MatrixFactorization(TableModel):
    """Matrix factorization with biases, for recommendations.

    It predicts the rating of an item by a user. The score of user u and item i is::

        mean + b_u + c_i + p_u . q_i

    Gradients are row-sparse, so the time of a step does not depend on the number of users and
    items. For a user or item that was in no training batch, `scores` uses only the mean and the
    biases, because its factors are still random.

    Source: Koren, Bell and Volinsky, Matrix Factorization Techniques for Recommender Systems, 2009,
    doi:10.1109/MC.2009.263. The lambda of the paper is ``l2/2``.

    Parameters
    ----------
    users : int
        Number of users.
    items : int
        Number of items. Inputs are integers of shape (rows, 2): the number of a user and of an
        item, both from 0.
    rank : int
        Number of factors, the length of each ``p_u`` and ``q_i``.
    loss : str or Loss
        A loss of one score for each row: for example "squared" for ratings, or "logistic" for
        classes 0 and 1.
    l2 : float, at least 0
        Strength of the L2 penalty. The loss of each row gains
        ``l2/2 (b_u^2 + c_i^2 + |p_u|^2 + |q_i|^2)``. The mean is not penalized.
    mean : float
        Initial value of ``mean``, usually the mean of the targets or, with the logistic loss, its
        log-odds.
    dtype : {"float32", "float64"}
        Dtype of the parameters and computations.
    seed : int, from 0 to 2^64 - 1
        Seed for the initial factors, which are normal with standard deviation 0.1. Biases start at
        0.

    Raises
    ------
    ValueError
        If an argument is out of range, inputs have a wrong shape, or a user or item is out of
        range.
    TypeError
        If an argument has the wrong type, or inputs are not integers.

    Notes
    -----
    The parameters are ``mean``, ``users.bias``, ``users.factors`` and ``users.seen``, which is 1
    for users in a training batch, and the same for ``items``. All tables are row-sparse; see
    `pyoptim.Parameters`. Penalties of the trainer apply to whole tables and are not supported; use
    `l2` instead.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> pairs = np.array([[0, 0], [0, 1], [1, 0], [2, 1]])
    >>> ratings = np.array([5.0, 1.0, 4.0, 2.0])
    >>> model = po.models.MatrixFactorization(4, 2, rank=2, mean=ratings.mean())
    >>> opt = po.Adam(model.params, lr=0.1)
    >>> for _ in range(200):
    ...     loss = model.loss_and_grad(pairs, ratings)
    ...     info = opt.step()
    >>> model.predict(pairs).round(2)
    array([5., 1., 4., 2.], dtype=float32)
    >>> mean, bias = model.params["mean"], model.params["items.bias"]
    >>> model.predict([[3, 0]]) == mean + bias[0]  # user 3 has no training data
    array([ True])
    """

    kind = "MatrixFactorization"

    def __init__(
        self,
        users: int,
        items: int,
        *,
        rank: int = 32,
        loss: str | Loss | Mapping[str, Any] = "squared",
        l2: float = 0.0,
        mean: float = 0.0,
        dtype: npt.DTypeLike = "float32",
        seed: int = 0,
    ) -> None:
        super().__init__(loss, l2, seed)
        self.users = as_count("users", users)
        self.items = as_count("items", items)
        self.rank = as_count("rank", rank)
        self.mean = as_number("mean", mean)
        shapes: dict[str, tuple[int, ...]] = {}
        for side, count in zip(_SIDES, (self.users, self.items), strict=True):
            shapes[f"{side}.bias"] = (count,)
            shapes[f"{side}.factors"] = (count, self.rank)
            shapes[f"{side}.seen"] = (count,)
        self.params = Parameters(
            {"mean": (), **shapes}, dtype=table_dtype(dtype), row_sparse=shapes
        )
        self.weights = tuple(name for name in shapes if not name.endswith("seen"))
        self.params["mean"] = self.mean
        for number, side in enumerate(_SIDES):
            fill_normal(self.params[f"{side}.factors"], _INITIAL_STD, self.seed, number)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, which can be converted to JSON."""
        return {
            "users": self.users,
            "items": self.items,
            "rank": self.rank,
            "mean": self.mean,
            **self._shared_config(),
        }

    def cast_inputs(self, x: npt.ArrayLike) -> Array:
        """Return pairs of users and items as int64; shape (rows, 2)."""
        return as_codes(x, 2)

    def find_out_of_range(self, x: Any, weights: Array | None = None) -> OutOfRange | None:
        """Return the first row with a user or item out of range, or None."""
        counts = (self.users, self.items)
        invalid_rows = [
            find_code("x", side, x[:, i], count, weights)
            for i, (side, count) in enumerate(zip(_SIDES, counts, strict=True))
        ]
        return min((invalid for invalid in invalid_rows if invalid is not None), default=None)

    def _both(self, table: str) -> tuple[Array, Array]:
        """Return a table of users and the same table of items."""
        users, items = _SIDES
        return self.params[f"{users}.{table}"], self.params[f"{items}.{table}"]

    def scores(self, x: npt.ArrayLike) -> Array:
        """Return the score of each pair; shape (rows, 1)."""
        pairs = self.cast_inputs(x)
        scores = np.empty((len(pairs), 1), self.dtype)
        _core.pair_scores(
            pairs,
            self._both("factors"),
            self._both("bias"),
            self._both("seen"),
            float(self.params["mean"]),
            scores,
        )
        return scores

    def loss_and_grad(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        loss: Loss | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the mean loss of a batch with its penalty, and write gradients to `params.grads`.

        It also marks the users and items of the batch as seen.

        Parameters
        ----------
        x : array of int, shape (rows, 2)
            Pairs of a user and an item.
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
            If a shape does not match, a user, item, target or weight is out of range, or there is
            no row.
        TypeError
            If users or items are not integers, or targets or weights are not real numbers.
        """
        pairs = self.cast_inputs(x)
        check_not_empty(len(pairs))
        loss = loss or self.loss
        pairs, y, weights = self._drop_zero_weights(pairs, y, loss, sample_weight)
        if all_weights_zero(weights):
            return self._zero_gradients()
        rows = len(pairs)
        factors, bias = self._both("factors"), self._both("bias")
        scores = self._scratch("scores", (rows, 1), self.dtype)
        mean = float(self.params["mean"])
        _core.pair_scores(pairs, factors, bias, None, mean, scores)
        value = loss.value_and_grad_in_place(scores, y, weights)
        score_grads = scores  # overwritten by value_and_grad_in_place

        factor_grads = self._scratch("factors", (2, rows, self.rank), self.dtype)
        bias_grads = self._scratch("bias", (2, rows), self.dtype)
        value += _core.pair_grads(
            pairs,
            factors,
            bias,
            score_grads,
            weights,
            self.l2,
            (factor_grads[0], factor_grads[1]),
            (bias_grads[0], bias_grads[1]),
        )
        grads = self.params.grads
        grads["mean"] = _core.grad_sum(score_grads)
        codes = self._scratch("codes", (2, rows), np.int64)
        codes[...] = pairs.T
        for side, side_rows, side_bias, side_factors, seen in zip(
            _SIDES, codes, bias_grads, factor_grads, self._both("seen"), strict=True
        ):
            grads[f"{side}.bias"] = RowGrad(side_rows, side_bias)
            grads[f"{side}.factors"] = RowGrad(side_rows, side_factors)
            seen[side_rows] = 1
        return value
