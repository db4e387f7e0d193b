"""Sparse matrices in CSR format, which do not need SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.equality import same_values
from pyoptim._utils.validation import as_plain, as_real
from pyoptim.parameters._types import Array


class CSR:
    """A matrix of float32 or float64 in compressed sparse row (CSR) format.

    Row i has the values ``data[indptr[i] : indptr[i + 1]]`` in the columns
    ``indices[indptr[i] : indptr[i + 1]]``. A slice of rows shares the memory of the matrix. Rows by
    number are copied.

    Parameters
    ----------
    data : array of float32 or float64, shape (nonzeros,)
        Values of all rows.
    indices : array of int32 or int64, shape (nonzeros,)
        Columns of the values.
    indptr : array of int64, shape (rows + 1,)
        Start of each row in `data` and `indices`, followed by the end of the last row.
    shape : tuple of int
        Numbers of rows and columns.

    Examples
    --------
    >>> import numpy as np
    >>> matrix = CSR(np.array([1.0, 2, 3]), np.array([0, 2, 1]), np.array([0, 2, 2, 3]), (3, 3))
    >>> len(matrix), matrix[1:].nonzeros, matrix[np.array([2, 0])].data
    (3, 1, array([3., 1., 2.]))
    """

    __slots__ = ("data", "indices", "indptr", "shape")
    ndim = 2

    def __init__(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> None:
        self.data = data
        self.indices = indices
        self.indptr = indptr
        self.shape = shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.data.dtype

    @property
    def nonzeros(self) -> int:
        """The number of values that are stored."""
        return int(self.indptr[-1] - self.indptr[0])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CSR):
            return NotImplemented
        return self.shape == other.shape and same_values(self.values, other.values)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"CSR({self.shape[0]} x {self.shape[1]}, {self.nonzeros} values of {self.dtype})"

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Array) -> CSR:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                stop = max(start, stop)
                starts = self.indptr[start : stop + 1]
                return CSR(self.data, self.indices, starts, (stop - start, self.shape[1]))
            rows = np.arange(start, stop, step)
        return CSRGather(self)(np.asarray(rows, dtype=np.int64))

    @property
    def values(self) -> tuple[Array, Array, Array]:
        """The values of the rows, their columns, and the number of values in each row.

        Values of `data` that belong to other rows are left out.
        """
        part = slice(int(self.indptr[0]), int(self.indptr[-1]))
        return self.data[part], self.indices[part], np.diff(self.indptr)


class CSRGather:
    """A function that gathers rows of a matrix by number, and reuses its memory in each call."""

    def __init__(self, source: CSR) -> None:
        self._source = source
        self._parts = (source.data, source.indices, source.indptr)
        self._allocate(0, 0)

    def _allocate(self, values: int, rows: int) -> None:
        self._data = np.empty(values, self._source.dtype)
        self._indices = np.empty(values, self._source.indices.dtype)
        self._indptr = np.empty(rows + 1, np.int64)

    def __call__(self, rows: Array) -> CSR:
        """Return rows by number; raise IndexError if a number is out of range."""
        count = len(rows)
        values = _core.count_csr_values(*self._parts, rows)
        if values > len(self._data) or count >= len(self._indptr):
            self._allocate(max(values + values // 4, len(self._data)), count)
        indptr = self._indptr[: count + 1]
        _core.gather_csr_rows(*self._parts, rows, self._data, self._indices, indptr)
        return CSR(self._data, self._indices, indptr, (count, self._source.shape[1]))


def is_sparse(x: Any) -> bool:
    """Whether x is a `CSR` matrix, or a sparse matrix or array of SciPy."""
    return isinstance(x, CSR) or hasattr(x, "tocsr")


def check_matrix(x: Any) -> None:
    """Raise ValueError unless x has two axes, because SciPy's sparse arrays can have one."""
    if len(x.shape) != 2:
        raise ValueError(f"x: expected a sparse matrix with two axes, got shape {x.shape}")


def as_csr(x: Any, dtype: npt.DTypeLike) -> CSR:
    """Return a sparse matrix in CSR format with values of a dtype.

    A CSR matrix of SciPy with values of this dtype is not copied. Only its ``indptr`` is converted
    to int64.

    Raises
    ------
    ValueError
        If x does not have two axes.
    TypeError
        If the values are complex.
    """
    if isinstance(x, CSR):
        return x if x.dtype == dtype else CSR(x.data.astype(dtype), x.indices, x.indptr, x.shape)
    check_matrix(x)
    rows = x.tocsr()
    is_int32 = rows.indices.dtype.kind == "i" and rows.indices.dtype.itemsize == 4
    return CSR(
        as_plain(as_real("x", rows.data), dtype),
        as_plain(rows.indices, np.int32 if is_int32 else np.int64),
        as_plain(rows.indptr, np.int64),
        (int(rows.shape[0]), int(rows.shape[1])),
    )


def concatenate_csr(parts: list[CSR]) -> CSR:
    """Return one matrix with the rows of several matrices."""
    values = [part.values for part in parts]
    counts = np.concatenate([counts for _, _, counts in values])
    return CSR(
        np.concatenate([data for data, _, _ in values]),
        np.concatenate([indices for _, indices, _ in values]),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        (len(counts), parts[0].shape[1]),
    )
