"""The values of a column of an Arrow table, as numbers or as text."""

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

_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # ticks per second
_DAY = 86_400  # seconds
_TOO_LARGE = 1e150  # whose square a double can represent


class Kind(StrEnum):
    """The kind of the values of a column."""

    NUMBER = "number"
    TRUTH = "true or false"
    DAYS = "date"
    SECONDS = "time"
    TEXT = "text"
    EMPTY = "empty"
    OTHER = "other"


def kind_of(column: Any) -> Kind:
    """Return the kind of a column, where a dictionary (a pandas category) counts as text."""
    return _kind_of_type(column.type)


def _kind_of_type(arrow_type: Any) -> Kind:
    if types.is_dictionary(arrow_type):
        return Kind.OTHER if _kind_of_type(arrow_type.value_type) is Kind.OTHER else Kind.TEXT
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
    return next((result for test, result in tests if test(arrow_type)), Kind.OTHER)


def describe_type(column: Any) -> str:
    """Return a description of the type of a column whose kind is `OTHER`."""
    return "bytes that are not UTF-8" if types.is_binary(column.type) else f"type {column.type}"


def to_numbers(column: Any) -> Doubles:
    """Return a column as doubles, with missing values as NaN.

    Dates and timestamps become days since 1970, times of day and durations become seconds, and
    booleans become 0 or 1.
    """
    arrow_type = column.type
    if types.is_date(arrow_type):
        return _doubles(column.cast(pa.date32()).cast(pa.int32()))
    if types.is_timestamp(arrow_type):
        return _doubles(column.cast(pa.int64())) / (_TICKS[arrow_type.unit] * _DAY)
    if types.is_time(arrow_type) or types.is_duration(arrow_type):
        integer = pa.int32() if types.is_time32(arrow_type) else pa.int64()
        return _doubles(column.cast(integer)) / _TICKS[arrow_type.unit]
    return _doubles(column)


def _doubles(column: Any) -> Doubles:
    numbers: Doubles = column.cast(pa.float64(), safe=False).to_numpy()
    return numbers


def to_text(column: Any) -> Any:
    """Return a column as strings, with whole numbers without a decimal point."""
    if types.is_floating(column.type) and is_whole(to_numbers(column)):
        column = column.cast(pa.int64())
    return column.cast(pa.string())


def is_whole(numbers: Doubles) -> bool:
    """Return whether all numbers are integers below 2^53, so that none was rounded."""
    present = numbers[~np.isnan(numbers)]
    return bool(np.all(present == np.trunc(present)) and np.all(np.abs(present) < 2.0**53))


def nan_to_null(column: Any) -> Any:
    """Return a column with NaN replaced by null."""
    if not types.is_floating(column.type):
        return column
    return compute.if_else(compute.is_nan(column), pa.scalar(None, column.type), column)


def refuse_too_large(name: str, numbers: Doubles, limit: float = _TOO_LARGE) -> None:
    """Raise TableError if numbers are infinite or larger than the limit."""
    too_large = np.abs(numbers) > limit  # false for NaN
    if too_large.any():
        count = int(too_large.sum())
        infinite = bool(np.isinf(numbers[too_large]).all())
        fault = "infinite" if infinite else "infinite or far too large"
        raise TableError(
            f"column {name!r}: {count} {'value is' if count == 1 else 'values are'} {fault}, "
            f"the first in row {int(too_large.argmax()) + 1} of the table"
        )


def moments(entry: Mapping[str, Any]) -> tuple[float, float]:
    """Return mean and scale from the metadata of a column, or raise ValueError if not finite."""
    mean, scale = float(entry["mean"]), float(entry["scale"])
    if not (math.isfinite(mean) and 0 < scale < math.inf):
        raise ValueError(
            f"expected a finite mean and a finite scale above 0, got {mean:g} and {scale:g}"
        )
    return mean, scale


def name_in(entry: Mapping[str, Any], key: str) -> str:
    """Return a string from the metadata of a column, or raise TypeError."""
    name = entry[key]
    if not isinstance(name, str):
        raise TypeError(f"{key}: expected text, got {name!r}")
    return name


def texts_in(entry: Mapping[str, Any], min_count: int) -> tuple[str, ...]:
    """Return the values from the metadata of a column, which must be distinct strings."""
    values = entry["values"]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"values: expected a list of texts, got {values!r}")
    if len(values) < min_count:
        raise ValueError(f"values: expected at least {min_count}, got {len(values)}")
    check_unique("values", values)
    return tuple(values)


def check_unique(name: str, texts: Sequence[str]) -> None:
    """Raise ValueError if a string occurs more than once."""
    duplicate = next((text for text, count in Counter(texts).items() if count > 1), None)
    if duplicate is not None:
        raise ValueError(f"{name}: expected distinct texts, got {duplicate!r} twice")
