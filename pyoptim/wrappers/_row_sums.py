"""Row-sparse gradients of a window of gradient accumulation."""

from __future__ import annotations

import numpy as np

from pyoptim import _core
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array


class RowSums:
    """A growing buffer of the rows and weighted values of several row-sparse gradients.

    Values are appended. An optimizer sums the values of duplicate rows in the order given, so the
    buffer does not sum them itself.

    Parameters
    ----------
    param : array
        Row-sparse parameter of the gradients.

    Attributes
    ----------
    rows : array of shape (n,)
        Row numbers, in the order in which they were added.
    values : array of shape (n, *param.shape[1:])
        Weighted values of the rows, in the dtype of computations: float32 for bfloat16.
    """

    def __init__(self, param: Array) -> None:
        sum_dtype = param.dtype if param.dtype == np.float64 else np.dtype(np.float32)
        self._dtype = param.dtype
        self._count = 0
        self._rows = np.empty(0, np.int64)
        self._values = np.empty((0, *param.shape[1:]), sum_dtype)

    @property
    def rows(self) -> Array:
        """The row numbers, in the order in which they were added."""
        return self._rows[: self._count]

    @property
    def values(self) -> Array:
        """The weighted values of the rows."""
        return self._values[: self._count]

    def reserve(self, count: int) -> None:
        """Allocate memory for a total of `count` rows."""
        if count > len(self._rows):
            length = max(count, 2 * self._count)
            self._rows, self._values = (
                _resized(array, self._count, length) for array in (self._rows, self._values)
            )

    def prepare(self, rows: Array) -> Array:
        """Return the memory for the values of more rows; after writing them, call `commit`."""
        end = self._count + len(rows)
        self.reserve(end)
        self._rows[self._count : end] = rows
        return self._values[self._count : end]

    def commit(self, count: int) -> None:
        """Append the `count` rows that were prepared."""
        self._count += count

    def clear(self) -> None:
        """Remove all rows; the memory stays allocated."""
        self._count = 0

    def load(self, rows: Array, values: Array) -> None:
        """Replace all rows and values."""
        self.clear()
        self.prepare(rows)[...] = values
        self.commit(len(rows))

    def gradient(self) -> RowGrad:
        """Return the unscaled gradient, with views of all rows and values."""
        return RowGrad(self.rows, self.values)

    def mean(self, scale: float, threads: int) -> RowGrad:
        """Return one sum for each distinct row, scaled and rounded to the parameter's dtype."""
        rows, positions = np.unique(self.rows, return_inverse=True)
        sums = np.zeros((len(rows), *self.values.shape[1:]), self.values.dtype)
        np.add.at(sums, positions, self.values)
        means = np.empty(sums.shape, self._dtype)
        _core.round_scaled([sums], [means], scale, threads)
        return RowGrad(rows, means)


def _resized(array: Array, used: int, length: int) -> Array:
    resized = np.empty((length, *array.shape[1:]), array.dtype)
    resized[:used] = array[:used]
    return resized
