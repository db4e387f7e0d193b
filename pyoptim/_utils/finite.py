"""Search for NaN and infinities, block by block, so that the data are not copied."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_BLOCK = 2**16  # elements per block


class Place(NamedTuple):
    """The position and value of a number that is not finite."""

    row: int
    column: int | None
    value: float


def is_finite(array: Array) -> bool:
    """Return whether all numbers are finite. Integers and booleans always are.

    Examples
    --------
    >>> is_finite(np.array([1.0, 2.0])), is_finite(np.array([1.0, np.nan]))
    (True, False)
    """
    if not _may_be_infinite(array.dtype):
        return True
    flat = array.reshape(-1) if array.flags.c_contiguous else array.ravel(order="K")
    starts = range(0, flat.size, _BLOCK)
    return all(np.isfinite(flat[start : start + _BLOCK]).all() for start in starts)


def find_nonfinite(values: Any, weights: Array | None = None) -> Place | None:
    """Return the first number that is not finite, row by row, or None.

    Parameters
    ----------
    values : array, or CSR matrix
        Numbers to search, whose first axis are the rows.
    weights : array of shape (rows,), optional
        Weights of the rows. Rows of weight 0 are ignored.

    Examples
    --------
    >>> find_nonfinite(np.array([[1.0, 2.0], [3.0, np.inf]]))
    Place(row=1, column=1, value=inf)
    >>> find_nonfinite(np.array([1.0, np.nan]), np.array([1.0, 0.0])) is None
    True
    """
    if hasattr(values, "indptr"):
        return _find_in_csr(values, weights)
    if not isinstance(values, np.ndarray) or not _may_be_infinite(values.dtype):
        return None
    if values.ndim == 0:
        return None
    width = math.prod(values.shape[1:])
    step = max(1, _BLOCK // max(width, 1))
    for start in range(0, len(values), step):
        finite = np.isfinite(values[start : start + step])
        if finite.all():
            continue
        rows = finite.reshape(len(finite), -1)
        has_fault = ~rows.all(axis=1)
        if weights is not None:
            has_fault &= weights[start : start + step] != 0
        if has_fault.any():
            row = int(has_fault.argmax())
            column = int(rows[row].argmin())
            value = float(values[start + row].reshape(-1)[column])
            return Place(start + row, None if values.ndim == 1 else column, value)
    return None


def _find_in_csr(matrix: Any, weights: Array | None) -> Place | None:
    first, last = int(matrix.indptr[0]), int(matrix.indptr[-1])
    for start in range(first, last, _BLOCK):
        block = matrix.data[start : min(start + _BLOCK, last)]
        for index in start + np.flatnonzero(~np.isfinite(block)):
            row = int(np.searchsorted(matrix.indptr, index, side="right")) - 1
            if weights is None or weights[row] != 0:
                return Place(row, int(matrix.indices[index]), float(matrix.data[index]))
    return None


def _may_be_infinite(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "fc" or dtype.name.startswith(("bfloat", "float"))
