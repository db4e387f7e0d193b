"""Named arrays in one contiguous piece of memory."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterator, Mapping
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
    dtype : {"float32", "float64", "bfloat16"}, or mapping of str to these, optional
        By default the arrays' common type, and float32 if there are only shapes. A mapping has the
        type of each name; the parameters of one type are then one piece of memory.

    Attributes
    ----------
    grads : mapping of str to array
        The gradients, views of the same shapes; an optimizer over these parameters reads them.
    flat, flat_grad : array, 1-D
        All parameters, and all gradients, in the order of `spec`. TypeError if they are of several
        types.
    dtype : dtype
        The type of all; TypeError if there are several.
    size : int
        The number of parameters, all arrays together.

    Raises
    ------
    TypeError
        If a dtype is none of the three.
    ValueError
        If a mapping of dtypes lacks a name, or has another.

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
        self,
        spec: Mapping[str, int | Shape | npt.ArrayLike],
        *,
        dtype: npt.DTypeLike | Mapping[str, npt.DTypeLike] | None = None,
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
        dtypes = _dtypes(dtype, shapes)
        self.size = sum(math.prod(shape) for shape in shapes.values())
        if self.size * 8 > sys.maxsize // 4:
            raise MemoryError(f"{self.size} parameters are more than any memory holds")
        self._pieces: dict[np.dtype[Any], tuple[Array, Array]] = {}
        arrays: dict[str, Array] = {}
        grads: dict[str, Array] = {}
        for kind in dict.fromkeys(dtypes.values()) or [np.dtype(np.float32)]:
            names = [name for name in shapes if dtypes[name] == kind]
            sizes = [math.prod(shapes[name]) for name in names]
            nbytes = sum(sizes) * kind.itemsize
            flat, flat_grad = (piece.view(kind) for piece in _core.allocate([nbytes, nbytes]))
            self._pieces[kind] = flat, flat_grad
            for name, size, end in zip(names, sizes, np.cumsum(sizes, dtype=np.int64), strict=True):
                arrays[name] = flat[end - size : end].reshape(shapes[name])
                grads[name] = flat_grad[end - size : end].reshape(shapes[name])
        self._arrays = {name: arrays[name] for name in shapes}
        self.grads: Mapping[str, Array] = MappingProxyType({name: grads[name] for name in shapes})
        for name, array in given.items():
            self._arrays[name][...] = array.astype(dtypes[name], copy=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of all parameters."""
        return self._piece()[0].dtype

    @property
    def flat(self) -> Array:
        """All parameters as one array."""
        return self._piece()[0]

    @property
    def flat_grad(self) -> Array:
        """All gradients as one array."""
        return self._piece()[1]

    def _piece(self) -> tuple[Array, Array]:
        if len(self._pieces) > 1:
            kinds = ", ".join(map(str, self._pieces))
            raise TypeError(f"the parameters are of several dtypes ({kinds}), not in one array")
        return next(iter(self._pieces.values()))

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
        for _, flat_grad in self._pieces.values():
            flat_grad[...] = 0

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {array.shape}" for name, array in self.items())
        return f"Parameters({shapes}; {self.size} of {', '.join(map(str, self._pieces))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (dict(self._arrays), dict(self.grads))


def _restore(arrays: dict[str, Array], grads: dict[str, Array]) -> Parameters:
    """Rebuild what pickling or copying took apart."""
    params = Parameters(arrays, dtype={name: array.dtype for name, array in arrays.items()})
    for name, grad in grads.items():
        params.grads[name][...] = grad
    return params


def _dtypes(
    dtype: npt.DTypeLike | Mapping[str, npt.DTypeLike], names: Collection[str]
) -> dict[str, np.dtype[Any]]:
    """Return the type of each parameter."""
    if not isinstance(dtype, Mapping):
        return dict.fromkeys(names, to_dtype(dtype))
    of_names: Mapping[str, Any] = dtype
    if of_names.keys() != set(names):
        wrong = ", ".join(sorted(of_names.keys() ^ set(names)))
        raise ValueError(f"dtype must have the names of the parameters; different: {wrong}")
    return {name: to_dtype(of_names[name]) for name in names}


def _as_shape(value: object) -> Shape | None:
    """Return the shape that a whole number or a tuple of them means; None for anything else."""
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(number, int | np.integer) for number in numbers):
        return None
    sizes = tuple(map(int, numbers))
    if any(size < 0 for size in sizes):
        raise ValueError(f"a shape must not have negative sizes, got {value}")
    return sizes
