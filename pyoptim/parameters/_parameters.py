"""Named parameters in one contiguous block of memory."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.equality import same_values
from pyoptim._utils.text import dtype_text, listed, shown
from pyoptim.parameters._row_grad import Gradients, RowGrad, RowSlot
from pyoptim.parameters._selection import Selection, match
from pyoptim.parameters._types import Array, Shape

_DTYPES = ("float32", "float64", "bfloat16")


_size_limit: ContextVar[tuple[int, int] | None] = ContextVar("size limit", default=None)


@contextmanager
def size_limit(parameters: int, elements: int) -> Iterator[None]:
    """Return a context manager that limits the size of Parameters created inside.

    The size is checked before memory is allocated.

    Raises
    ------
    ValueError
        If Parameters would have more parameters, or more elements in all of them.

    Examples
    --------
    >>> with size_limit(1, 10):
    ...     Parameters({"w": (10**6, 10**6)})
    Traceback (most recent call last):
    ValueError: parameters: expected at most 1 with 10 elements, got 1 with 1000000000000 elements
    """
    token = _size_limit.set((parameters, elements))
    try:
        yield
    finally:
        _size_limit.reset(token)


def _check_size(parameters: int, elements: int) -> None:
    limit = _size_limit.get()
    if limit is not None and (parameters > limit[0] or elements > limit[1]):
        raise ValueError(
            f"parameters: expected at most {limit[0]} with {limit[1]} elements, got {parameters} "
            f"with {elements} elements"
        )


def to_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the NumPy dtype of a parameter, with the dtype of ml_dtypes for "bfloat16"."""
    if isinstance(dtype, str) and dtype == "bfloat16":
        from ml_dtypes import bfloat16

        bfloat16_dtype: np.dtype[Any] = np.dtype(bfloat16)
        return bfloat16_dtype
    try:
        result = np.dtype(dtype)
    except (TypeError, ValueError):
        result = None
    if result is None or str(result) not in _DTYPES:
        value = repr(dtype) if result is None else dtype_text(result)
        raise TypeError(f"dtype: expected float32, float64 or bfloat16, got {value}")
    return result


class Parameters(Mapping[str, Array]):
    """Named parameters and their gradients in one contiguous block of memory.

    A mapping from names to arrays. The arrays are views of one block, so that an optimizer updates
    all of them in one pass. Write to them with ``params["w"][...] = value``, or with
    ``params["w"] = value``, which copies the value.

    Parameters
    ----------
    spec : mapping of str to shape or array
        Shapes of the parameters, which start from 0, or arrays, which are copied.
    dtype : {"float32", "float64", "bfloat16"}, or mapping of str to these, optional
        Dtype of all parameters, or of each name. By default the common dtype of the arrays, or
        float32 if there are only shapes. With several dtypes, there is a block for each.
    row_sparse : sequence of str
        Names of parameters of which a batch reads only some rows, such as embedding tables. Their
        gradients are `RowGrad` objects, and no memory is allocated for them.

    Attributes
    ----------
    grads : mapping of str to array or RowGrad
        Gradients of the parameters, which optimizers read. They are views with the shapes of the
        parameters. The gradient of a row-sparse parameter is the `RowGrad` last assigned by
        ``params.grads[name] = row_grad``, or one without rows.
    flat, flat_grad : array, 1-D
        All parameters and all gradients, in the order of `spec`. `flat_grad` does not contain the
        gradients of row-sparse parameters. A TypeError if there are several dtypes.
    row_sparse : tuple of str
        Names of the row-sparse parameters.
    dtype : dtype
        Dtype of all parameters. A TypeError if there are several.
    size : int
        Total number of elements.

    Raises
    ------
    TypeError
        If a dtype is not float32, float64 or bfloat16.
    ValueError
        If a mapping of dtypes does not have exactly the names in `spec`, or a row-sparse parameter
        is not in `spec` or has no axis.

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

    The gradient of a row-sparse table needs memory only for the rows in use:

    >>> params = po.Parameters({"table": (1_000_000, 2), "b": (2,)}, row_sparse=["table"])
    >>> params.grads["table"] = po.RowGrad([7, 999_999], np.ones((2, 2), np.float32))
    >>> info = po.SGD(params, lr=1.0).step()
    >>> params["table"][[0, 7]], params.flat_grad
    (array([[ 0.,  0.],
           [-1., -1.]], dtype=float32), array([0., 0.], dtype=float32))
    """

    __slots__ = ("__weakref__", "_arrays", "_grads", "_pieces", "_row_sparse", "_size")

    def __init__(
        self,
        spec: Mapping[str, int | Shape | npt.ArrayLike],
        *,
        dtype: npt.DTypeLike | Mapping[str, npt.DTypeLike] | None = None,
        row_sparse: Iterable[str] = (),
    ) -> None:
        initial: dict[str, Array] = {}
        shapes: dict[str, Shape] = {}
        for name, value in spec.items():
            if not isinstance(name, str):
                raise TypeError(f"names: expected strings, got {name!r}")
            shape = _as_shape(value)
            if shape is None:
                initial[name] = np.asarray(value)
                shape = initial[name].shape
            shapes[name] = shape
        if dtype is None:
            found_dtypes = {to_dtype(array.dtype) for array in initial.values()}
            if len(found_dtypes) > 1:
                kinds = ", ".join(sorted(map(str, found_dtypes)))
                raise TypeError(
                    f"dtype: expected one for arrays of several dtypes ({kinds}), got None"
                )
            dtype = found_dtypes.pop() if found_dtypes else np.dtype(np.float32)
        dtypes = _dtypes(dtype, shapes)
        by_rows = {row_sparse} if isinstance(row_sparse, str) else set(row_sparse)
        self._row_sparse = tuple(name for name in shapes if name in by_rows)
        _check_row_sparse(by_rows, shapes)
        self._size = _elements(shapes)
        _check_size(len(shapes), self.size)
        if self.size * 8 > sys.maxsize // 4:
            raise MemoryError(f"{self.size} elements do not fit into memory")
        self._pieces: dict[np.dtype[Any], tuple[Array, Array]] = {}
        arrays: dict[str, Array] = {}
        kept: dict[str, Array | RowSlot] = {}
        for kind in dict.fromkeys(dtypes.values()) or [np.dtype(np.float32)]:
            same_dtype = {name: shape for name, shape in shapes.items() if dtypes[name] == kind}
            dense = {name: shape for name, shape in same_dtype.items() if name not in by_rows}
            nbytes = [_elements(each) * kind.itemsize for each in (same_dtype, dense)]
            flat, flat_grad = (piece.view(kind) for piece in _core.allocate(nbytes))
            self._pieces[kind] = flat, flat_grad
            arrays |= _views(flat, same_dtype)
            kept |= _views(flat_grad, dense)
        self._arrays = {name: arrays[name] for name in shapes}
        for name in self.row_sparse:
            kept[name] = RowSlot(self._no_rows(name))
        self._grads = Gradients({name: kept[name] for name in shapes})
        for name, array in initial.items():
            self._arrays[name][...] = array.astype(dtypes[name], copy=False)

    @property
    def row_sparse(self) -> tuple[str, ...]:
        """The names of the row-sparse parameters."""
        return self._row_sparse

    @property
    def size(self) -> int:
        """The total number of elements."""
        return self._size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of all parameters."""
        return self._piece()[0].dtype

    @property
    def flat(self) -> Array:
        """All parameters as one array."""
        return self._piece()[0]

    @property
    def flat_grad(self) -> Array:
        """All gradients as one array, except those of row-sparse parameters."""
        return self._piece()[1]

    def _piece(self) -> tuple[Array, Array]:
        if len(self._pieces) > 1:
            kinds = ", ".join(map(str, self._pieces))
            raise TypeError(f"the parameters have several dtypes ({kinds}), and no common array")
        return next(iter(self._pieces.values()))

    @property
    def grads(self) -> Gradients:
        """The gradients by name."""
        return self._grads

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __setitem__(self, name: str, value: npt.ArrayLike) -> None:
        if name not in self._arrays:
            raise KeyError(f"no parameter {name!r}; the parameters are {listed(self)}")
        self._arrays[name][...] = value

    def __eq__(self, other: object) -> bool:
        """Return whether names, dtypes, shapes and values are equal, in the same order."""
        if not isinstance(other, Parameters):
            return NotImplemented
        return self.row_sparse == other.row_sparse and same_values(self._arrays, other._arrays)

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def select(self, *patterns: str) -> Selection:
        """Return the parameters whose names match a pattern, for a group of an optimizer.

        Parameters
        ----------
        *patterns : str
            Names or shell patterns with ``*``, ``?`` and ``[...]``.

        Raises
        ------
        ValueError
            If a pattern matches no name.

        Examples
        --------
        >>> import pyoptim as po
        >>> params = po.Parameters({"base.w": (3,), "base.b": (1,), "head.w": (3,)})
        >>> opt = po.SGD([{"params": params.select("head.*"), "lr": 1.0},
        ...               {"params": params.select("*.b"), "lr": 0.5}])
        >>> params.flat_grad[...] = 1
        >>> info = opt.step()  # "base.w" is in no group, so it does not change
        >>> params.flat
        array([ 0. ,  0. ,  0. , -0.5, -1. , -1. , -1. ], dtype=float32)
        """
        return Selection(self, match(self, patterns))

    def zero_grad(self) -> None:
        """Set all gradients to 0. Gradients of row-sparse parameters then have no rows."""
        for _, flat_grad in self._pieces.values():
            flat_grad[...] = 0
        for name in self.row_sparse:
            self.grads[name] = self._no_rows(name)

    def scale_grad(self, factor: float) -> None:
        """Multiply all gradients by a number. Overflow gives infinity.

        Gradients of row-sparse parameters are replaced by new ones.
        """
        with np.errstate(all="ignore"):
            for kind, (_, flat_grad) in self._pieces.items():
                flat_grad *= kind.type(factor)
            for name in self.row_sparse:
                grad = self.grads[name]
                scaled = np.multiply(grad.values, self[name].dtype.type(factor))
                self.grads[name] = RowGrad(grad.rows, scaled)

    def _no_rows(self, name: str) -> RowGrad:
        return RowGrad([], np.empty((0, *self[name].shape[1:]), self[name].dtype))

    def __repr__(self) -> str:
        shapes = ", ".join(f"{shown(name)}: {array.shape}" for name, array in self.items())
        by_rows = f"; row-sparse {listed(self.row_sparse)}" if self.row_sparse else ""
        kinds = ", ".join(map(str, self._pieces))
        return f"Parameters({shapes}; {self.size} of {kinds}{by_rows})"

    def __reduce__(self) -> tuple[Any, ...]:
        grads = {
            name: (grad.rows, grad.values) if isinstance(grad, RowGrad) else grad
            for name, grad in self.grads.items()
        }
        return _restore, (dict(self._arrays), grads)


def _restore(arrays: dict[str, Array], grads: dict[str, Array | tuple[Array, Array]]) -> Parameters:
    """Create a copy or an unpickled object."""
    by_rows = [name for name, grad in grads.items() if isinstance(grad, tuple)]
    dtypes = {name: array.dtype for name, array in arrays.items()}
    params = Parameters(arrays, dtype=dtypes, row_sparse=by_rows)
    for name, grad in grads.items():
        if isinstance(grad, tuple):
            rows, values = grad
            params.grads[name] = RowGrad(np.array(rows), np.array(values))
        else:
            params.grads[name] = grad
    return params


def _dtypes(
    dtype: npt.DTypeLike | Mapping[str, npt.DTypeLike], names: Collection[str]
) -> dict[str, np.dtype[Any]]:
    """Return the dtype of each parameter."""
    if not isinstance(dtype, Mapping):
        return dict.fromkeys(names, to_dtype(dtype))
    of_names: Mapping[str, Any] = dtype
    if of_names.keys() != set(names):
        wrong = listed(sorted(of_names.keys() ^ set(names)))
        raise ValueError(
            f"dtype: expected the names of the parameters as keys; different are {wrong}"
        )
    return {name: to_dtype(of_names[name]) for name in names}


def _elements(shapes: Mapping[str, Shape]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def _views(flat: Array, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    """Return consecutive views with these shapes."""
    views, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + math.prod(shape)
        views[name] = flat[start:end].reshape(shape)
    return views


def _check_row_sparse(names: set[str], shapes: Mapping[str, Shape]) -> None:
    unknown = sorted(names - shapes.keys())
    if unknown:
        raise ValueError(
            f"row_sparse: no parameter {unknown[0]!r}; the parameters are {listed(shapes)}"
        )
    for name in names:
        if shapes[name] == ():
            raise ValueError(f"row_sparse: expected parameters with rows, got {name!r} of shape ()")


def _as_shape(value: object) -> Shape | None:
    """Return the shape for an integer or a tuple of integers, and None for anything else."""
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(number, int | np.integer) for number in numbers):
        return None
    if any(isinstance(number, bool) for number in numbers):
        raise TypeError(f"shape: expected whole numbers, got {value}")
    sizes = tuple(map(int, numbers))
    if any(size < 0 for size in sizes):
        raise ValueError(f"shape: expected sizes of at least 0, got {value}")
    return sizes
