"""The mean loss of a linear model as a function of its coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core, losses
from pyoptim._utils.text import dtype_text
from pyoptim._utils.validation import as_count, as_flag, as_not_negative, as_plain
from pyoptim.data._csr import CSR, as_csr, is_sparse
from pyoptim.losses import Loss
from pyoptim.losses._class_weight import as_sample_weight
from pyoptim.parameters._types import Array


class LinearObjective:
    r"""The mean loss of a linear model as a function of its coefficients, with its derivatives.

    Solvers minimize this function::

        f(W, b) = sum_i w_i loss(W x_i + b + offset_i, y_i) / sum_i w_i + l2 / 2 |W|^2

    `value_and_grad` reads `x` once, in blocks of rows that stay in the processor's cache between
    the scores and the gradient. All sums are computed in float64 and in a fixed order, also for
    float32 inputs. So results are bit-identical for every number of threads and instruction set.
    `x` is never copied or converted as a whole.

    Coefficients are one float64 vector of length `size`: the weights of all columns for the first
    output, then for the next output, then the intercepts. `unpack` returns them as ``(W, b)``.

    Parameters
    ----------
    x : array of shape (rows, columns), float32 or float64; or a sparse matrix
        Inputs, in any memory order. SciPy's sparse matrices are supported. Matrices in CSR format
        are not copied.
    y : array
        Targets of shape (rows,) or (rows, outputs). For "softmax", class labels from 0 of shape
        (rows,) or probabilities of shape (rows, classes).
    loss : str or Loss
        A loss or the name of a loss in `pyoptim.losses`.
    outputs : int, optional
        Number of scores for each row. The default is the number of columns of `y` or, for class
        labels, the largest label plus 1.
    sample_weight : array of shape (rows,), optional
        Weights of the rows. Rows of weight 0 are not read.
    offset : array of shape (rows,) or (rows, outputs), optional
        Constants that are added to the scores.
    fit_intercept : bool
        Whether to add an intercept `b` for each output, which is not penalized.
    l2 : float, at least 0
        Strength of the L2 penalty.

    Attributes
    ----------
    size : int
        Number of coefficients.
    shape : (outputs, columns)
        Shape of W.

    Raises
    ------
    TypeError
        If `x` is not float32 or float64.
    ValueError
        If shapes do not match, a target or weight is out of range, or all weights are 0.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> f = po.models.LinearObjective(x, np.array([1.0, 3.0, 5.0]), loss="squared")
    >>> value, grad = f.value_and_grad(np.array([2.0, 1.0]))  # y = 2 x + 1
    >>> value, grad
    (0.0, array([0., 0.]))
    >>> f.hessian(np.zeros(2)).round(3)
    array([[3.333, 2.   ],
           [2.   , 2.   ]])
    """

    def __init__(
        self,
        x: Any,
        y: npt.ArrayLike,
        *,
        loss: str | Loss = "squared",
        outputs: int | None = None,
        sample_weight: npt.ArrayLike | None = None,
        offset: npt.ArrayLike | None = None,
        fit_intercept: bool = True,
        l2: float = 0.0,
    ) -> None:
        self.loss = losses.get(loss)
        self.fit_intercept = as_flag("fit_intercept", fit_intercept)
        self.l2 = as_not_negative("l2", l2)
        design, rows, columns = _design(x)
        targets = self.loss.cast_targets(y, np.float64)
        if targets.shape[:1] != (rows,):
            raise ValueError(f"y: expected {rows} rows, like x, got shape {targets.shape}")
        if outputs is None:
            if self.loss.labels and targets.ndim == 1:
                outputs = int(targets.max(initial=0)) + 1
            else:
                outputs = 1 if targets.ndim == 1 else targets.shape[1]
        self.shape = (as_count("outputs", outputs), columns)
        self._rows = rows
        self._objective = _core.LinearObjective(
            design,
            self.loss.name,
            list(self.loss.parameters.values()),
            targets,
            None if sample_weight is None else as_sample_weight(sample_weight),
            None if offset is None else as_plain(np.asarray(offset), np.float64),
            self.shape[0],
            self.fit_intercept,
            self.l2,
        )
        self.size: int = self._objective.size
        self._second_derivatives = np.empty(0)  # of the loss by the scores, at _cached_coef
        self._cached_coef: Array | None = None

    @property
    def native(self) -> _core.Objective:
        """The function for native solvers, which call it without Python."""
        return self._objective

    def value(self, coef: npt.ArrayLike) -> float:
        """Return f at `coef`."""
        return self._objective.value(self._coef(coef), None, None)

    def value_and_grad(self, coef: npt.ArrayLike) -> tuple[float, Array]:
        """Return f at `coef`, and its gradient in a new array of shape (size,)."""
        grad = np.empty(self.size)
        return self._objective.value(self._coef(coef), grad, None), grad

    def hessian_product(self, coef: npt.ArrayLike, v: npt.ArrayLike) -> Array:
        """Return the product of the Hessian at `coef` with a vector.

        The second derivatives by the scores, one float64 for each score, are cached for further
        products at the same coefficients.
        """
        out = np.empty(self.size)
        self._objective.hessian_product(self._derivatives_at(coef), self._coef(v, "v"), out)
        return out

    def hessian(self, coef: npt.ArrayLike) -> Array:
        """Return the Hessian at `coef`, an array of shape (size, size)."""
        out = np.empty((self.size, self.size))
        self._objective.hessian(self._derivatives_at(coef), out)
        return out

    def scores(self, coef: npt.ArrayLike) -> Array:
        """Return ``x W^T + b + offset``, an array of shape (rows, outputs)."""
        out = np.empty((self._rows, self.shape[0]))
        self._objective.scores(self._coef(coef), out)
        return out

    def unpack(self, coef: npt.ArrayLike) -> tuple[Array, Array]:
        """Return W of shape (outputs, columns) and b of shape (outputs,); b is 0 if not fitted."""
        values = self._coef(coef)
        split = self.shape[0] * self.shape[1]
        bias = values[split:] if self.fit_intercept else np.zeros(self.shape[0])
        return values[:split].reshape(self.shape), bias

    def _coef(self, coef: npt.ArrayLike, name: str = "coef") -> Array:
        values = as_plain(np.asarray(coef), np.float64)
        if values.shape != (self.size,):
            raise ValueError(f"{name}: expected shape ({self.size},), got {values.shape}")
        return values

    def _derivatives_at(self, coef: npt.ArrayLike) -> Array:
        """Return the second derivatives of the loss by the scores, which are cached."""
        values = self._coef(coef)
        if self._cached_coef is None or not np.array_equal(self._cached_coef, values):
            derivatives = np.empty(self._rows * self.shape[0])
            self._objective.value(values, None, derivatives)
            self._second_derivatives, self._cached_coef = derivatives, values.copy()
        return self._second_derivatives

    def __repr__(self) -> str:
        outputs, columns = self.shape
        return (
            f"LinearObjective({self._rows} rows, {columns} columns, {outputs} outputs, "
            f"loss={self.loss.name!r})"
        )


def column_moments(x: Any, sample_weight: npt.ArrayLike | None = None) -> tuple[Array, Array]:
    """Return the means and variances of the columns of a matrix, weighted by row.

    Parameters
    ----------
    x : array of shape (rows, columns), float32 or float64; or a sparse matrix
        Matrix, as in `LinearObjective`.
    sample_weight : array of shape (rows,), optional
        Weights of the rows.

    Returns
    -------
    means, variances : array of shape (columns,)
        Mean and variance of each column, in float64.

    Raises
    ------
    TypeError
        If `x` is not float32 or float64.
    ValueError
        If a shape does not match.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> po.models.column_moments(np.array([[1.0, 0.0], [3.0, 0.0]]))
    (array([2., 0.]), array([1., 0.]))
    """
    design, _, columns = _design(x)
    weights = None if sample_weight is None else as_sample_weight(sample_weight)
    means, variances = np.empty(columns), np.empty(columns)
    _core.column_moments(design, weights, means, variances)
    return means, variances


def _design(x: Any) -> tuple[Any, int, int]:
    """Return a matrix in the format of the native code, and its numbers of rows and columns."""
    if is_sparse(x):
        if x.dtype not in (np.float32, np.float64):
            raise TypeError(f"x: expected float32 or float64, got {dtype_text(x.dtype)}")
        csr: CSR = as_csr(x, x.dtype)
        return (csr.data, csr.indices, csr.indptr, csr.shape[1]), *csr.shape
    array = np.asarray(x)
    if array.ndim != 2:
        raise ValueError(f"x: expected shape (rows, columns), got {array.shape}")
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"x: expected float32 or float64, got {dtype_text(array.dtype)}; pass "
            "x.astype(numpy.float32)"
        )
    return array, array.shape[0], array.shape[1]
