"""Checks of arguments that several parts share."""

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
"""Up to here a float64 has every whole number."""

LARGEST_INDEX = 2**63 - 1
"""The largest number of int64, which stands for all larger ones, too: see `as_indices`."""


def shown(value: object) -> str:
    """Return the repr of a value for an error, shortened where it is long.

    >>> shown(10**5000), shown(0.5)
    ('an integer of 16610 bits', '0.5')
    """
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


_NO_NUMBERS = (str, bytes, bool, complex, np.bool_, np.complexfloating, np.timedelta64)
_REAL = "iufV"  # kinds of dtypes; bfloat16 is V


def as_number(name: str, value: Any) -> float:
    """Return a number as a float; NumPy's numbers are taken too, text and bools are not."""
    if type(value) is float:
        return value
    try:
        array = isinstance(value, np.ndarray)
        if isinstance(value, _NO_NUMBERS) or (array and not _is_real_scalar(value)):
            raise TypeError
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} is too large for a float, got {shown(value)}") from None
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {shown(value)}") from None


def _is_real_scalar(array: npt.NDArray[Any]) -> bool:
    return array.ndim == 0 and array.dtype.kind in _REAL


def as_count(name: str, value: SupportsIndex, most: int | None = None, *, least: int = 1) -> int:
    """Return a whole number from `least` to `most`; NumPy's are taken too, bools are not."""
    try:
        count = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = least - 1
    if count < least or (most is not None and count > most):
        unlimited = most is None or (most == LARGEST_COUNT and count < least)
        limit = f"of at least {least}" if unlimited else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {limit}, got {shown(value)}")
    return count


def as_counts(
    name: str, values: Iterable[SupportsIndex], most: int | None = None
) -> tuple[int, ...]:
    """Return whole numbers of at least 1; NumPy's arrays are taken too, text is not."""
    single = not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0
    if single or isinstance(values, str | bytes):
        raise TypeError(f"{name} must be a sequence of whole numbers, got {shown(values)}")
    return tuple(as_count(f"{name}[{i}]", value, most) for i, value in enumerate(values))


def as_real(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return numbers as an array; TypeError if they are complex, dates, durations or masked.

    NumPy would cast them.
    """
    refuse_masked(name, values)
    array = with_nan(np.asarray(values))
    if array.dtype.kind in "cmM":
        raise TypeError(f"{name}: expected real numbers, got {dtype_text(array.dtype)}")
    return array


def with_nan(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return numbers and missing values as float64, with NaN for None and `pandas.NA`.

    An array without missing values, or with other objects than numbers, is returned as it is.

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


def refuse_missing(name: str, wanted: str, array: npt.NDArray[Any]) -> None:
    """Raise ValueError for the first NaN or missing value, where `wanted` cannot be NaN."""
    numbers = with_nan(array)
    if numbers.dtype.kind != "f" or not np.isnan(numbers).any():
        return
    row, *column = np.argwhere(np.isnan(numbers))[0].tolist() if numbers.ndim else [0]
    at = f"row {row}" + "".join(f", column {each}" for each in column)
    raise ValueError(
        f"{name}: expected {wanted}, got a missing value at {at}; drop such rows, or replace their "
        "values"
    )


def refuse_masked(name: str, values: object) -> None:
    """Refuse values some of which a mask hides: NumPy would give what is below it."""
    if np.ma.is_masked(values):
        raise TypeError(
            f"{name}: expected values without a mask, got a masked array; drop such rows, or "
            "replace their values by .filled(value)"
        )


def as_plain(values: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> npt.NDArray[Any]:
    """Return values as native code takes them: C-contiguous and aligned, copied if they are not.

    What `numpy.frombuffer` gives at any offset is not aligned.
    """
    array = np.ascontiguousarray(values, dtype)
    return array if array.flags.aligned else array.copy()


def as_indices(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return integers as native code takes labels and indices: int64, cut where it ends.

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
    """Return True or False; 1 and 0, and NumPy's, are taken too, words are not."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    try:
        number = as_number(name, value)
    except (TypeError, ValueError):
        number = -1.0
    if number not in (0, 1):
        raise ValueError(f"{name} must be True or False, got {shown(value)}")
    return bool(number)


def check_not_negative(name: str, value: float) -> None:
    """Raise ValueError unless the number is at least 0 and finite."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be at least 0 and finite, got {value}")


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless the number is above 0 and finite."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be above 0 and finite, got {value}")


def as_not_negative(name: str, value: Any) -> float:
    """Return a finite number of at least 0."""
    number = as_number(name, value)
    check_not_negative(name, number)
    return number


def as_positive(name: str, value: Any) -> float:
    """Return a finite number above 0."""
    number = as_number(name, value)
    check_positive(name, number)
    return number


def as_share(name: str, value: Any) -> float:
    """Return a number from 0 to 1."""
    number = as_number(name, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {number}")
    return number


def check_choice(name: str, value: object, *choices: str) -> None:
    """Raise ValueError unless the value is one of these words."""
    if value not in choices:
        listed = ", ".join(map(repr, choices[:-1]))
        raise ValueError(f"{name} must be {listed} or {choices[-1]!r}, got {value!r}")


def check_keywords(name: str, known: Sequence[str], given: Set[str]) -> None:
    """Raise a TypeError that lists the arguments of `name` if a keyword is not among them."""
    unknown = sorted(given - set(known))
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        takes = ", ".join(known) or "no arguments"
        raise TypeError(f"{name}() has no argument {unknown[0]!r}{hint} It takes {takes}")
