"""Validation and conversion of arguments."""

from __future__ import annotations

import difflib
import math
import operator
import sys
from collections.abc import Iterable, Sequence, Set
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from pyoptim._utils.text import dtype_text

LARGEST_COUNT = 2**53
"""The largest integer up to which a float64 represents all integers."""

LARGEST_INDEX = 2**63 - 1
"""The maximum of int64, to which `as_indices` clips larger numbers."""


def short_repr(value: object) -> str:
    """Return the repr of a value for an error, truncated if long.

    >>> short_repr(10**5000), short_repr(0.5)
    ('an integer of 16610 bits', '0.5')
    """
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


_NOT_NUMBERS = (str, bytes, bool, complex, np.bool_, np.complexfloating, np.timedelta64)
_REAL = "iufV"  # kinds of dtypes; bfloat16 is V


def as_number(name: str, value: Any) -> float:
    """Return a number as a float.

    NumPy numbers are accepted. Strings and bools are rejected.

    Raises
    ------
    TypeError
        If the value is not a real number.
    ValueError
        If the number is too large for a float.
    """
    if type(value) is float:
        return value
    try:
        is_array = isinstance(value, np.ndarray)
        if isinstance(value, _NOT_NUMBERS) or (is_array and not _is_real_scalar(value)):
            raise TypeError
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large for a float, got {short_repr(value)}") from None
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {short_repr(value)}") from None


def _is_real_scalar(array: npt.NDArray[Any]) -> bool:
    return array.ndim == 0 and array.dtype.kind in _REAL


def as_count(
    name: str, value: SupportsIndex, maximum: int | None = None, *, minimum: int = 1
) -> int:
    """Return a whole number from `minimum` to `maximum`.

    NumPy integers are accepted. Bools and floats are rejected.

    Raises
    ------
    ValueError
        If the value is not a whole number in the range.
    """
    try:
        count = minimum - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = minimum - 1
    if count < minimum or (maximum is not None and count > maximum):
        unlimited = maximum is None or (maximum == LARGEST_COUNT and count < minimum)
        limit = f"of at least {minimum}" if unlimited else f"from {minimum} to {maximum}"
        raise ValueError(f"{name} must be a whole number {limit}, got {short_repr(value)}")
    return count


def as_counts(
    name: str, values: Iterable[SupportsIndex], maximum: int | None = None
) -> tuple[int, ...]:
    """Return a sequence of whole numbers from 1 to `maximum` as a tuple.

    NumPy arrays are accepted. Strings are rejected.

    Raises
    ------
    TypeError
        If `values` is not a sequence.
    ValueError
        If an element is not a whole number in the range.
    """
    single = not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0
    if single or isinstance(values, str | bytes):
        raise TypeError(f"{name} must be a sequence of whole numbers, got {short_repr(values)}")
    return tuple(as_count(f"{name}[{i}]", value, maximum) for i, value in enumerate(values))


def as_real(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return real numbers as an array, with missing values as NaN.

    Raises
    ------
    TypeError
        If the numbers are complex, dates, durations or masked, all of which NumPy would cast.
    """
    refuse_masked(name, values)
    array = with_nan(np.asarray(values))
    if array.dtype.kind in "cmM":
        raise TypeError(f"{name}: expected real numbers, got {dtype_text(array.dtype)}")
    return array


def with_nan(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return numbers and missing values as float64, with NaN for None and `pandas.NA`.

    An array without missing values, or with objects other than numbers, is returned unchanged.

    Examples
    --------
    >>> with_nan(np.array([1, None, 3], object))
    array([ 1., nan,  3.])
    """
    if array.dtype.kind != "O":
        return array
    na = getattr(sys.modules.get("pandas"), "NA", None)
    missing = np.fromiter((x is None or x is na for x in array.flat), bool, array.size)
    if not missing.any():
        return array
    try:
        return np.where(missing.reshape(array.shape), np.nan, array).astype(np.float64)
    except (TypeError, ValueError):
        return array


def refuse_missing(name: str, expected: str, array: npt.NDArray[Any]) -> None:
    """Raise ValueError for the first NaN or missing value; `expected` describes valid values."""
    numbers = with_nan(array)
    if numbers.dtype.kind != "f" or not np.isnan(numbers).any():
        return
    row, *column = np.argwhere(np.isnan(numbers))[0].tolist() if numbers.ndim else [0]
    position = f"row {row}" + "".join(f", column {index}" for index in column)
    raise ValueError(
        f"{name}: expected {expected}, got a missing value at {position}; drop such rows, or "
        "replace their values"
    )


def refuse_masked(name: str, values: object) -> None:
    """Raise TypeError for arrays with masked values, whose masks NumPy would ignore."""
    if np.ma.is_masked(values):
        raise TypeError(
            f"{name}: expected values without a mask, got a masked array; drop such rows, or "
            "replace their values by .filled(value)"
        )


def as_plain(values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> npt.NDArray[Any]:
    """Return values as a C-contiguous and aligned array, copied only if needed.

    Native code needs such arrays. For example, `numpy.frombuffer` can return unaligned arrays.
    """
    array = np.ascontiguousarray(values, dtype)
    return array if array.flags.aligned else array.copy()


def as_indices(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return labels or indices as int64, with larger unsigned integers clipped to its maximum.

    Examples
    --------
    >>> as_indices(np.array([3, 2**63], np.uint64)).tolist()
    [3, 9223372036854775807]
    """
    array = np.asarray(values)
    if array.dtype.kind == "u" and array.dtype.itemsize == 8:
        array = np.minimum(array, np.uint64(LARGEST_INDEX))
    return as_plain(array, np.int64)


def as_flag(name: str, value: Any) -> bool:
    """Return a flag as a bool.

    1, 0 and NumPy bools are accepted. Strings are rejected.

    Raises
    ------
    ValueError
        If the value is not True or False.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    try:
        number = as_number(name, value)
    except (TypeError, ValueError):
        number = -1.0
    if number not in (0, 1):
        raise ValueError(f"{name} must be True or False, got {short_repr(value)}")
    return bool(number)


def check_not_negative(name: str, value: float) -> None:
    """Raise ValueError unless a number is at least 0 and finite."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be at least 0 and finite, got {value}")


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless a number is above 0 and finite."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be above 0 and finite, got {value}")


def as_not_negative(name: str, value: Any) -> float:
    """Return a finite number of at least 0 as a float."""
    number = as_number(name, value)
    check_not_negative(name, number)
    return number


def as_positive(name: str, value: Any) -> float:
    """Return a finite number above 0 as a float."""
    number = as_number(name, value)
    check_positive(name, number)
    return number


def as_fraction(name: str, value: Any) -> float:
    """Return a number from 0 to 1 as a float."""
    number = as_number(name, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {number}")
    return number


def check_choice(name: str, value: object, *choices: str) -> None:
    """Raise ValueError unless a value is one of the choices."""
    if value not in choices:
        others = ", ".join(map(repr, choices[:-1]))
        raise ValueError(f"{name} must be {others} or {choices[-1]!r}, got {value!r}")


def check_keywords(name: str, allowed: Sequence[str], keywords: Set[str]) -> None:
    """Raise TypeError for a keyword that function `name` does not accept; list those it does."""
    unknown = sorted(keywords - set(allowed))
    if unknown:
        close = difflib.get_close_matches(unknown[0], allowed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        accepted = ", ".join(allowed) or "no arguments"
        raise TypeError(f"{name}() has no argument {unknown[0]!r}{hint} It takes {accepted}")
