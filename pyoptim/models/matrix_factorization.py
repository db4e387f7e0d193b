"""Matrix factorization: ratings of items by users, and whatever else is of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_number
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

_SPREAD = 0.1  # of initial factors
_SIDES = ("users", "items")


class MatrixFactorization(TableModel):
    """Matrix factorization with biases: what a user thinks of an item.

    The score of user u and item i is ``mean + b_u + c_i + p_u . q_i``. With `l2` the loss of every
    row has the penalty ``l2/2 (b_u^2 + c_i^2 + |p_u|^2 + |q_i|^2)``, so that rows of tables are
    held back as often as they are used; the mean is free. A batch's gradients are those of the rows
    it reads, so that a step costs the same however many users and items there are.

    Where a user or an item never was in a batch of training, there are no factors to go by:
    `scores`, and all that is made of them, are then mean and biases alone, of which those of what
    never was trained are 0.

    Source: Koren, Bell and Volinsky, Matrix Factorization Techniques for Recommender Systems, 2009,
    doi:10.1109/MC.2009.263, whose lambda is ``l2/2`` here.

    Parameters
    ----------
    users, items : int
        How many there are. Rows of inputs are of two integers: a user and an item, each from 0.
    rank : int
        The number of factors.
    loss : str or Loss
        "squared" for ratings, "logistic" for classes 0 and 1, or another one of values.
    l2 : float, at least 0
    mean : float
        Where the mean begins, usually at the targets' (with the logistic loss, at its log-odds).
    dtype : {"float32", "float64"}
    seed : int
        Of the initial factors, normal with standard deviation 0.1. Biases are 0.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range. Of inputs: TypeError if they are no integers, ValueError if
        their shape is another one, or there is no such user or item.

    Notes
    -----
    The parameters are ``mean``; ``users.bias``, ``users.factors`` and ``users.seen``, which is 1
    for those that were in a batch; and the same of items. All tables are row-sparse: see
    `pyoptim.Parameters`. Penalties of the trainer, which act on whole tables, are not for them.

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
    >>> model.predict([[3, 0]]) == mean + bias[0]  # a user who rated nothing
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
            fill_normal(self.params[f"{side}.factors"], _SPREAD, self.seed, number)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""
        return {
            "users": self.users,
            "items": self.items,
            "rank": self.rank,
            "mean": self.mean,
            **self._settings(),
        }

    def cast_inputs(self, x: npt.ArrayLike) -> Array:
        """Return pairs of users and items as the model takes them."""
        return as_codes(x, 2)

    def find_fault(self, x: Any, weights: Array | None = None) -> Fault | None:
        """Return the first pair with a user or an item that there is not."""
        counts = (self.users, self.items)
        faults = [
            find_code("x", side, x[:, i], count, weights)
            for i, (side, count) in enumerate(zip(_SIDES, counts, strict=True))
        ]
        return min((fault for fault in faults if fault is not None), default=None)

    def _both(self, what: str) -> tuple[Array, Array]:
        users, items = _SIDES
        return self.params[f"{users}.{what}"], self.params[f"{items}.{what}"]

    def scores(self, x: npt.ArrayLike) -> Array:
        """Return the score of each pair, of shape (rows, 1)."""
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
        """Return the mean loss of a batch, penalty included, and set ``params.grads``.

        The users and items of the batch count as seen from here on.

        Parameters
        ----------
        x : array of integers, of shape (rows, 2)
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
        pairs = self.cast_inputs(x)
        check_not_empty(len(pairs))
        loss = loss or self.loss
        pairs, y, weights = self._counted(pairs, y, loss, sample_weight)
        if weigh_nothing(weights):
            return self._no_gradient()
        rows = len(pairs)
        factors, bias = self._both("factors"), self._both("bias")
        slope = self._scratch("scores", (rows, 1), self.dtype)
        mean = float(self.params["mean"])
        _core.pair_scores(pairs, factors, bias, None, mean, slope)
        value = loss.value_and_grad_in_place(slope, y, weights)

        factor_slopes = self._scratch("factors", (2, rows, self.rank), self.dtype)
        bias_slopes = self._scratch("bias", (2, rows), self.dtype)
        value += _core.pair_grads(
            pairs,
            factors,
            bias,
            slope,
            weights,
            self.l2,
            (factor_slopes[0], factor_slopes[1]),
            (bias_slopes[0], bias_slopes[1]),
        )
        grads = self.params.grads
        grads["mean"] = _core.grad_sum(slope)
        numbers = self._scratch("numbers", (2, rows), np.int64)
        numbers[...] = pairs.T
        for side, its_rows, its_bias, its_factors, seen in zip(
            _SIDES, numbers, bias_slopes, factor_slopes, self._both("seen"), strict=True
        ):
            grads[f"{side}.bias"] = RowGrad(its_rows, its_bias)
            grads[f"{side}.factors"] = RowGrad(its_rows, its_factors)
            seen[its_rows] = 1
        return value
