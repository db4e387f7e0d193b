"""Named arrays in one contiguous piece of memory."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core
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

    Attributes
    ----------
    grads : mapping of str to array
        The gradients, views of the same shapes; an optimizer over these parameters reads them.
    flat, flat_grad : array, 1-D
        All parameters, and all gradients, in the order of `spec`.

    Raises
    ------
    TypeError
        If a dtype is none of the three.

    Examples
    --------
    >>> import pyoptim as po
    >>> params = po.Parameters({"w": (3, 2), "b": (2,)})
    >>> params["w"] = 1.0
    >>> params.grads["w"][...] = 0.5
    >>> params.flat
    array([1., 1., 1., 1., 1., 1., 0., 0.], dtype=float32)
    >>> info = po.SGD(params, lr=1.0).step()
    >>> params["w"][0]
    array([0.5, 0.5], dtype=float32)
    """

    def __init__(
        self, spec: Mapping[str, int | Shape | npt.ArrayLike], *, dtype: npt.DTypeLike | None = None
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
        sizes = [math.prod(shape) for shape in shapes.values()]
        nbytes = sum(sizes) * self.dtype.itemsize
        if nbytes > sys.maxsize // 4:
            raise MemoryError(f"{sum(sizes)} parameters are more than any memory holds")
        flat, flat_grad = _core.allocate([nbytes, nbytes])
        self._flat: Array = flat.view(self.dtype)
        self._flat_grad: Array = flat_grad.view(self.dtype)
        ends = np.cumsum(sizes, dtype=np.int64)
        self._arrays = {
            name: self.flat[end - size : end].reshape(shape)
            for (name, shape), size, end in zip(shapes.items(), sizes, ends, strict=True)
        }
        self.grads: Mapping[str, Array] = MappingProxyType(
            {
                name: self.flat_grad[end - size : end].reshape(shape)
                for (name, shape), size, end in zip(shapes.items(), sizes, ends, strict=True)
            }
        )
        for name, array in given.items():
            self._arrays[name][...] = array.astype(self.dtype, copy=False)

    @property
    def flat(self) -> Array:
        """All parameters as one array."""
        return self._flat

    @property
    def flat_grad(self) -> Array:
        """All gradients as one array."""
        return self._flat_grad

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
        """Set all gradients to zero."""
        self.flat_grad[...] = 0

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {array.shape}" for name, array in self.items())
        return f"Parameters({shapes}; {self.flat.size} of {self.dtype})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (dict(self._arrays), self.dtype, self.flat_grad)


def _restore(arrays: dict[str, Array], dtype: np.dtype[Any], flat_grad: Array) -> Parameters:
    """Rebuild what pickling or copying took apart."""
    params = Parameters(arrays, dtype=dtype)
    params.flat_grad[...] = flat_grad
    return params


def _as_shape(value: object) -> Shape | None:
    """Return the shape that a whole number or a tuple of them means; None for anything else."""
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(number, int | np.integer) for number in numbers):
        return None
    sizes = tuple(map(int, numbers))
    if any(size < 0 for size in sizes):
        raise ValueError(f"a shape must not have negative sizes, got {value}")
    return sizes
