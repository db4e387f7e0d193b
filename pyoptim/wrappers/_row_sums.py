"""Row-sparse gradients of a window of gradient accumulation."""

from __future__ import annotations

import numpy as np

from pyoptim import _core
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array


class RowSums:
    """Rows and weighted values that came, one behind the other, in memory that is kept.

    An optimizer adds those of a row in the order they came, so that is all there is to do.

    Parameters
    ----------
    param : array
        The row-sparse parameter.

    Attributes
    ----------
    rows : array of shape (n,)
    values : array of shape (n, *param.shape[1:])
        Of the type that arithmetic is done in: float32 for bfloat16.
    """

    def __init__(self, param: Array) -> None:
        wide = param.dtype if param.dtype == np.float64 else np.dtype(np.float32)
        self._dtype = param.dtype
        self._count = 0
        self._rows = np.empty(0, np.int64)
        self._values = np.empty((0, *param.shape[1:]), wide)

    @property
    def rows(self) -> Array:
        """The numbers of rows that came, in their order."""
        return self._rows[: self._count]

    @property
    def values(self) -> Array:
        """What belongs to them."""
        return self._values[: self._count]

    def reserve(self, count: int) -> None:
        """Take memory for so many rows."""
        if count > len(self._rows):
            length = max(count, 2 * self._count)
            self._rows, self._values = (
                _longer(array, self._count, length) for array in (self._rows, self._values)
            )

    def place(self, rows: Array) -> Array:
        """Return the memory for values of more rows, which `add` adds when it is written."""
        end = self._count + len(rows)
        self.reserve(end)
        self._rows[self._count : end] = rows
        return self._values[self._count : end]

    def add(self, count: int) -> None:
        """Add the rows that have a place."""
        self._count += count

    def clear(self) -> None:
        """Begin anew."""
        self._count = 0

    def load(self, rows: Array, values: Array) -> None:
        """Take over what another one had."""
        self.clear()
        self.place(rows)[...] = values
        self.add(len(rows))

    def gradient(self) -> RowGrad:
        """Return all of it, to be scaled by the optimizer."""
        return RowGrad(self.rows, self.values)

    def mean(self, scale: float, threads: int) -> RowGrad:
        """Return each row's sum once, scaled and rounded to the parameter's type."""
        rows, places = np.unique(self.rows, return_inverse=True)
        sums = np.zeros((len(rows), *self.values.shape[1:]), self.values.dtype)
        np.add.at(sums, places, self.values)
        means = np.empty(sums.shape, self._dtype)
        _core.narrow([sums], [means], scale, threads)
        return RowGrad(rows, means)


def _longer(array: Array, used: int, length: int) -> Array:
    longer = np.empty((length, *array.shape[1:]), array.dtype)
    longer[:used] = array[:used]
    return longer
