"""What a column of an Arrow table holds, as numbers or as text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute, types

from pyoptim.tabular._table_error import TableError

Doubles = npt.NDArray[np.float64]

_SECONDS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # parts of a second
_DAY = 86_400
_TOO_LARGE = 1e150  # its square is still a double


class Kind(StrEnum):
    """What the values of a column are."""

    NUMBER = "number"
    TRUTH = "true or false"
    DAYS = "date"
    SECONDS = "time"
    TEXT = "text"
    EMPTY = "empty"
    OTHER = "other"


def kind_of(column: Any) -> Kind:
    """Return what a column holds; a dictionary (a category of pandas) is text."""
    return _kind_of_type(column.type)


def _kind_of_type(kind: Any) -> Kind:
    if types.is_dictionary(kind):
        return Kind.OTHER if _kind_of_type(kind.value_type) is Kind.OTHER else Kind.TEXT
    tests = (
        (types.is_null, Kind.EMPTY),
        (types.is_boolean, Kind.TRUTH),
        (types.is_integer, Kind.NUMBER),
        (types.is_floating, Kind.NUMBER),
        (types.is_decimal, Kind.NUMBER),
        (types.is_date, Kind.DAYS),
        (types.is_timestamp, Kind.DAYS),
        (types.is_time, Kind.SECONDS),
        (types.is_duration, Kind.SECONDS),
        (types.is_string, Kind.TEXT),
        (types.is_large_string, Kind.TEXT),
        (types.is_string_view, Kind.TEXT),
    )
    return next((found for test, found in tests if test(kind)), Kind.OTHER)


def describe_type(column: Any) -> str:
    """Say what a column of another kind holds."""
    return "not UTF-8 text" if types.is_binary(column.type) else f"of type {column.type}"


def to_numbers(column: Any) -> Doubles:
    """Return a column as doubles, NaN where a value is missing.

    Dates and timestamps count days since 1970, times of day and durations seconds, truth is 0 or 1.
    """
    kind = column.type
    if types.is_date(kind):
        return _doubles(column.cast(pa.date32()).cast(pa.int32()))
    if types.is_timestamp(kind):
        return _doubles(column.cast(pa.int64())) / (_SECONDS[kind.unit] * _DAY)
    if types.is_time(kind) or types.is_duration(kind):
        whole = pa.int32() if types.is_time32(kind) else pa.int64()
        return _doubles(column.cast(whole)) / _SECONDS[kind.unit]
    return _doubles(column)


def _doubles(column: Any) -> Doubles:
    numbers: Doubles = column.cast(pa.float64(), safe=False).to_numpy()
    return numbers


def to_text(column: Any) -> Any:
    """Return a column as strings; whole numbers have no decimal point."""
    if types.is_floating(column.type) and is_whole(to_numbers(column)):
        column = column.cast(pa.int64())
    return column.cast(pa.string())


def is_whole(numbers: Doubles) -> bool:
    """Return whether all numbers are whole, and small enough that none was rounded to be so."""
    present = numbers[~np.isnan(numbers)]
    return bool(np.all(present == np.trunc(present)) and np.all(np.abs(present) < 2.0**53))


def nan_to_null(column: Any) -> Any:
    """Return a column in which NaN is a missing value too."""
    if not types.is_floating(column.type):
        return column
    return compute.if_else(compute.is_nan(column), pa.scalar(None, column.type), column)


def refuse_too_large(name: str, numbers: Doubles, limit: float = _TOO_LARGE) -> None:
    """Raise TableError if there are infinite, or absurdly large, numbers."""
    bad = np.abs(numbers) > limit  # false for NaN
    if bad.any():
        count = int(bad.sum())
        infinite = bool(np.isinf(numbers[bad]).all())
        what = "infinite" if infinite else "infinite or far too large"
        raise TableError(
            f"column {name!r}: {count} {'value is' if count == 1 else 'values are'} {what}, "
            f"the first in row {int(bad.argmax()) + 1} of the table"
        )


def moments(entry: Mapping[str, Any]) -> tuple[float, float]:
    """Return the mean and the scale in a column's description, which must be of use."""
    mean, scale = float(entry["mean"]), float(entry["scale"])
    if not (math.isfinite(mean) and 0 < scale < math.inf):
        raise ValueError(
            f"expected a finite mean and a finite scale above 0, got {mean:g} and {scale:g}"
        )
    return mean, scale


def name_in(entry: Mapping[str, Any], key: str) -> str:
    """Return a text in a column's description."""
    name = entry[key]
    if not isinstance(name, str):
        raise TypeError(f"{key}: expected text, got {name!r}")
    return name


def texts_in(entry: Mapping[str, Any], least: int) -> tuple[str, ...]:
    """Return the values in a column's description, which are different texts."""
    values = entry["values"]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("values: expected a list of texts")
    if len(values) < least:
        raise ValueError(f"values: expected at least {least}, got {len(values)}")
    check_unique("values", values)
    return tuple(values)


def check_unique(what: str, texts: Sequence[str]) -> None:
    """Refuse texts of which one comes twice."""
    twice = next((text for text, times in Counter(texts).items() if times > 1), None)
    if twice is not None:
        raise ValueError(f"{what}: {twice!r} comes twice")
