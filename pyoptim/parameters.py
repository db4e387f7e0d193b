"""Named arrays in one contiguous piece of memory."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim.row_grad import Gradients, RowGrad, RowSlot
from pyoptim.selection import Selection, match

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

_DTYPES = ("float32", "float64", "bfloat16")


def to_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the NumPy dtype of a parameter; "bfloat16" is that of ml_dtypes."""
    if isinstance(dtype, str) and dtype == "bfloat16":
        from ml_dtypes import bfloat16

        found: np.dtype[Any] = np.dtype(bfloat16)
        return found
    found = np.dtype(dtype)
    if str(found) not in _DTYPES:
        raise TypeError(f"dtype must be float32, float64 or bfloat16, got {found}")
    return found


class Parameters(Mapping[str, Array]):
    """Named parameters and their gradients, all in one contiguous piece of memory.

    A mapping from names to arrays. The arrays are views: write into them, ``params["w"][...] =``
    or ``params["w"] =`` (which copies), and the memory stays one piece, so that an optimizer
    updates all of it in one sweep.

    Parameters
    ----------
    spec : mapping of str to shape or array
        Shapes give zeros; arrays are copied.
    dtype : {"float32", "float64", "bfloat16"}, optional
        By default the arrays' common type, and float32 if there are only shapes.
    row_sparse : sequence of str
        Parameters such as embedding tables, of which a batch reads a few rows: there is no memory
        for their gradients, each of which is a `RowGrad`.

    Attributes
    ----------
    grads : mapping of str to array or RowGrad
        The gradients; an optimizer over these parameters reads them. They are views of the same
        shapes, or, of a row-sparse parameter, the `RowGrad` that ``params.grads[name] =`` set last;
        before that one of no rows.
    flat, flat_grad : array, 1-D
        All parameters, and all gradients that are arrays, in the order of `spec`. Row-sparse ones
        are left out of `flat_grad`, which is empty if there are no others.
    row_sparse : tuple of str
        The row-sparse ones.

    Raises
    ------
    TypeError
        If a dtype is none of the three.
    ValueError
        If a row-sparse one is not in `spec`, or has no rows, being a single number.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> params = po.Parameters({"w": (3, 2), "b": (2,)})
    >>> params["w"] = 1.0
    >>> params.grads["w"][...] = 0.5
    >>> params.flat
    array([1., 1., 1., 1., 1., 1., 0., 0.], dtype=float32)
    >>> info = po.SGD(params, lr=1.0).step()
    >>> params["w"][0]
    array([0.5, 0.5], dtype=float32)

    With a table of a million rows, whose gradient takes no memory but for the rows in use:

    >>> params = po.Parameters({"table": (1_000_000, 2), "b": (2,)}, row_sparse=["table"])
    >>> params.grads["table"] = po.RowGrad([7, 999_999], np.ones((2, 2), np.float32))
    >>> info = po.SGD(params, lr=1.0).step()
    >>> params["table"][[0, 7]], params.flat_grad
    (array([[ 0.,  0.],
           [-1., -1.]], dtype=float32), array([0., 0.], dtype=float32))
    """

    def __init__(
        self,
        spec: Mapping[str, int | Shape | npt.ArrayLike],
        *,
        dtype: npt.DTypeLike | None = None,
        row_sparse: Iterable[str] = (),
    ) -> None:
        given: dict[str, Array] = {}
        shapes: dict[str, Shape] = {}
        for name, value in spec.items():
            if not isinstance(name, str):
                raise TypeError(f"names must be strings, got {name!r}")
            shape = _as_shape(value)
            if shape is None:
                given[name] = np.asarray(value)
                shape = given[name].shape
            shapes[name] = shape
        if dtype is None:
            found = {to_dtype(array.dtype) for array in given.values()}
            if len(found) > 1:
                kinds = ", ".join(sorted(map(str, found)))
                raise TypeError(f"the arrays have several dtypes ({kinds}): choose one with dtype=")
            dtype = found.pop() if found else np.dtype(np.float32)
        self.dtype = to_dtype(dtype)
        by_rows = {row_sparse} if isinstance(row_sparse, str) else set(row_sparse)
        self.row_sparse = tuple(name for name in shapes if name in by_rows)
        _check_row_sparse(by_rows, shapes)
        dense = {name: shape for name, shape in shapes.items() if name not in by_rows}
        size, grad_size = _elements(shapes), _elements(dense)
        if size * self.dtype.itemsize > sys.maxsize // 4:
            raise MemoryError(f"{size} parameters are more than any memory holds")
        flat, flat_grad = _core.allocate(
            [size * self.dtype.itemsize, grad_size * self.dtype.itemsize]
        )
        self._flat: Array = flat.view(self.dtype)
        self._flat_grad: Array = flat_grad.view(self.dtype)
        self._arrays = _views(self._flat, shapes)
        kept: dict[str, Array | RowSlot] = dict(_views(self._flat_grad, dense))
        for name in self.row_sparse:
            kept[name] = RowSlot(self._no_rows(name))
        self._grads = Gradients({name: kept[name] for name in shapes})
        for name, array in given.items():
            self._arrays[name][...] = array.astype(self.dtype, copy=False)

    @property
    def flat(self) -> Array:
        """All parameters as one array."""
        return self._flat

    @property
    def flat_grad(self) -> Array:
        """All gradients that are arrays as one array."""
        return self._flat_grad

    @property
    def grads(self) -> Gradients:
        """The gradients by name."""
        return self._grads

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __setitem__(self, name: str, value: npt.ArrayLike) -> None:
        if name not in self._arrays:
            raise KeyError(f"there is no parameter {name!r}; there are {', '.join(self)}")
        self._arrays[name][...] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def select(self, *patterns: str) -> Selection:
        """Return those whose names fit a pattern, for a group of an optimizer with its settings.

        Parameters
        ----------
        *patterns : str
            Names, with ``*``, ``?`` and ``[...]`` as file names have them in a shell.

        Raises
        ------
        ValueError
            If a pattern fits no name.

        Examples
        --------
        >>> import pyoptim as po
        >>> params = po.Parameters({"base.w": (3,), "base.b": (1,), "head.w": (3,)})
        >>> opt = po.SGD([{"params": params.select("head.*"), "lr": 1.0},
        ...               {"params": params.select("*.b"), "lr": 0.5}])
        >>> params.flat_grad[...] = 1
        >>> info = opt.step()  # "base.w" is in no group, and stays
        >>> params.flat
        array([ 0. ,  0. ,  0. , -0.5, -1. , -1. , -1. ], dtype=float32)
        """
        return Selection(self, match(self, patterns))

    def zero_grad(self) -> None:
        """Set all gradients to zero; those of row-sparse parameters are of no rows then."""
        self.flat_grad[...] = 0
        for name in self.row_sparse:
            self.grads[name] = self._no_rows(name)

    def scale_grad(self, factor: float) -> None:
        """Multiply all gradients by a number.

        Those of row-sparse parameters are replaced: the values they had are not written.
        """
        self.flat_grad[...] *= factor
        for name in self.row_sparse:
            grad = self.grads[name]
            self.grads[name] = RowGrad(grad.rows, np.multiply(grad.values, self.dtype.type(factor)))

    def _no_rows(self, name: str) -> RowGrad:
        return RowGrad([], np.empty((0, *self[name].shape[1:]), self.dtype))

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {array.shape}" for name, array in self.items())
        by_rows = f"; row-sparse {', '.join(self.row_sparse)}" if self.row_sparse else ""
        return f"Parameters({shapes}; {self.flat.size} of {self.dtype}{by_rows})"

    def __reduce__(self) -> tuple[Any, ...]:
        by_rows = {
            name: (self.grads[name].rows, self.grads[name].values) for name in self.row_sparse
        }
        return _restore, (dict(self._arrays), self.dtype, self.flat_grad, by_rows)


def _restore(
    arrays: dict[str, Array],
    dtype: np.dtype[Any],
    flat_grad: Array,
    by_rows: dict[str, tuple[Array, Array]],
) -> Parameters:
    """Rebuild what pickling or copying took apart."""
    params = Parameters(arrays, dtype=dtype, row_sparse=by_rows)
    params.flat_grad[...] = flat_grad
    for name, (rows, values) in by_rows.items():
        params.grads[name] = RowGrad(np.array(rows), np.array(values))
    return params


def _elements(shapes: Mapping[str, Shape]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def _views(flat: Array, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    """Return views of these shapes, one after the other."""
    views, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape)
        views[name] = flat[start:end].reshape(shape)
    return views


def _check_row_sparse(names: set[str], shapes: Mapping[str, Shape]) -> None:
    unknown = sorted(names - shapes.keys())
    if unknown:
        raise ValueError(
            f"row_sparse: there is no parameter {unknown[0]!r}; there are {', '.join(shapes)}"
        )
    for name in names:
        if shapes[name] == ():
            raise ValueError(f"row_sparse: {name!r} is a single number, which has no rows")


def _as_shape(value: object) -> Shape | None:
    """Return the shape that a whole number or a tuple of them means; None for anything else."""
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(number, int | np.integer) for number in numbers):
        return None
    sizes = tuple(map(int, numbers))
    if any(size < 0 for size in sizes):
        raise ValueError(f"a shape must not have negative sizes, got {value}")
    return sizes
