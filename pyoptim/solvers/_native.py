"""Compiled functions as objectives."""

from __future__ import annotations

import ctypes
from typing import Any

from pyoptim import _core
from pyoptim._utils.validation import as_count, short_repr

_FUNCTION = ctypes.CFUNCTYPE(None).__mro__[1]  # all function pointers of ctypes are of this class


def native_function(function: Any, size: int, data: int = 0) -> _core.NativeFunction:
    """Return a compiled function as an objective, which runs without Python in the loop.

    The function is called without the GIL. Its signature in C is
    ``double function(size_t size, const double *x, double *grad, void *data)``. It returns the
    value at x and writes the gradient. An objective is for one run at a time.

    Parameters
    ----------
    function : ctypes function pointer, numba.cfunc, or int
        The function, an object with its `address`, or the address itself. The address of a function
        must stay valid as long as the objective.
    size : int
        Number of variables.
    data : int
        Address that the function receives as its last argument.

    Returns
    -------
    objective
        The argument `fun` of `minimize`, which needs no `jac` then.

    Examples
    --------
    >>> import ctypes, pyoptim as po
    >>> doubles = ctypes.POINTER(ctypes.c_double)
    >>> signature = (ctypes.c_double, ctypes.c_size_t, doubles, doubles, ctypes.c_void_p)
    >>> @ctypes.CFUNCTYPE(*signature)  # in earnest, a function of a library in C
    ... def square(size, x, grad, data):
    ...     for i in range(size):
    ...         grad[i] = 2 * (x[i] - 1)
    ...     return sum((x[i] - 1) ** 2 for i in range(size))
    >>> po.minimize(po.solvers.native_function(square, 3), [0.0, 0.0, 0.0]).x.round(6)
    array([1., 1., 1.])
    """
    address: Any = function if isinstance(function, int) else getattr(function, "address", None)
    if address is None and isinstance(function, _FUNCTION):
        pointer: Any = function
        address = ctypes.cast(pointer, ctypes.c_void_p).value
    if isinstance(function, bool) or not isinstance(address, int) or address <= 0:
        raise TypeError(
            "function: expected a ctypes function, an object with an address, or an address, got "
            f"{short_repr(function)}"
        )
    return _core.NativeFunction(as_count("size", size), address, data, function)
