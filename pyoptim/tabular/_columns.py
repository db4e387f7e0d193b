"""The columns a model was trained on, and how they become its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from pyoptim.tabular._column_values import (
    Doubles,
    Kind,
    check_unique,
    describe_type,
    kind_of,
    moments,
    name_in,
    refuse_too_large,
    texts_in,
    to_numbers,
    to_text,
)
from pyoptim.tabular._table_error import TableError, check_fits_memory, listing

Inputs: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.int64]

_MOST_CATEGORIES = 1000
_LARGEST_INPUT = 1e30  # of standardised numbers, so that float32 holds sums of their products


@dataclass(frozen=True)
class Number:
    """A column of numbers, dates or times, standardised; missing values become the mean."""

    name: str
    kind: Kind
    mean: float
    scale: float

    @property
    def width(self) -> int:
        """How many inputs the column becomes."""
        return 1

    def fill(self, column: Any, inputs: Inputs) -> None:
        """Write the column's values to the inputs that belong to it."""
        values = (self._numbers(column) - self.mean) / self.scale
        refuse_too_large(self.name, values, _LARGEST_INPUT)
        inputs[:, 0] = np.nan_to_num(values, copy=False, nan=0.0)

    def _numbers(self, column: Any) -> Doubles:
        kind = kind_of(column)
        if kind is Kind.TEXT:
            column, kind = self._from_text(column), Kind.NUMBER
        numeric = (Kind.NUMBER, Kind.TRUTH)
        same = kind is self.kind or (kind in numeric and self.kind in numeric)
        if not same and kind is not Kind.EMPTY:
            raise TableError(
                f"column {self.name!r}: was {self.kind} when the model was trained, now it is "
                f"{describe_type(column) if kind is Kind.OTHER else kind}"
            )
        return to_numbers(column)

    def _from_text(self, column: Any) -> Any:
        try:
            return to_text(column).cast(pa.float64())
        except pa.ArrowInvalid as error:
            raise TableError(
                f"column {self.name!r}: was {self.kind} when the model was trained, now it has "
                f"text ({error})"
            ) from None

    def to_json(self) -> dict[str, Any]:
        """Return what `column_from_json` takes."""
        return {
            "name": self.name,
            "kind": str(self.kind),
            "mean": self.mean,
            "scale": self.scale,
        }


@dataclass(frozen=True)
class Category:
    """A column of text: one input a value, 1 where the column has it; 0 for unknown values."""

    name: str
    values: tuple[str, ...]

    @property
    def width(self) -> int:
        """How many inputs the column becomes."""
        return len(self.values)

    def fill(self, column: Any, inputs: Inputs) -> None:
        """Write the column's values to the inputs that belong to it."""
        known = pa.array(self.values, pa.string())
        found = compute.index_in(to_text(column), value_set=known, skip_nulls=True)
        number = found.fill_null(-1).to_numpy()
        rows = np.flatnonzero(number >= 0)
        inputs[:] = 0
        inputs[rows, number[rows]] = 1

    def to_json(self) -> dict[str, Any]:
        """Return what `column_from_json` takes."""
        return {"name": self.name, "kind": str(Kind.TEXT), "values": list(self.values)}


Column: TypeAlias = Number | Category


def column_from_json(entry: Mapping[str, Any]) -> Column:
    """Return the column that `to_json` described."""
    kind, name = Kind(entry["kind"]), name_in(entry, "name")
    if kind is Kind.TEXT:
        return Category(name, texts_in(entry, least=1))
    if kind in (Kind.EMPTY, Kind.OTHER):
        raise ValueError(f"kind: no column of a model is {str(kind)!r}")
    return Number(name, kind, *moments(entry))


@dataclass
class FitReport:
    """What was left out or made up, for the user to know.

    Attributes
    ----------
    dropped : dict
        Why a column is not used, by its name.
    missing : dict
        How many missing numbers were replaced by the mean, by their column's name.
    """

    dropped: dict[str, str] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Columns:
    """The encoding of a table: its columns, in the order of the model's inputs.

    Examples
    --------
    >>> import numpy as np, pyarrow as pa
    >>> table = pa.table({"size": [1.0, 3.0], "colour": ["red", "blue"]})
    >>> columns, report = Columns.fit(table, np.arange(2))
    >>> columns.encode(table)
    array([[-1.,  0.,  1.],
           [ 1.,  1.,  0.]], dtype=float32)
    """

    columns: tuple[Column, ...]

    @staticmethod
    def fit(table: Any, rows: Rows) -> tuple[Columns, FitReport]:
        """Learn means, scales and categories from some rows of a table.

        Raises
        ------
        TableError
            If a number is infinite, or no column is left.
        """
        report = FitReport()
        found = [_fit_column(name, table[name], rows, report) for name in table.column_names]
        columns = tuple(column for column in found if column is not None)
        if not columns:
            why = "; ".join(f"{name}: {reason}" for name, reason in report.dropped.items())
            raise TableError(f"no column is left to learn from ({why or 'the table has no other'})")
        return Columns(columns), report

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return [column.name for column in self.columns]

    @property
    def width(self) -> int:
        """The number of inputs."""
        return sum(column.width for column in self.columns)

    def encode(self, table: Any) -> Inputs:
        """Return the inputs for a table's rows; columns are found by name, others ignored.

        Raises
        ------
        TableError
            If columns are missing, or hold something else than they did.
        """
        missing = [name for name in self.names if name not in table.column_names]
        if missing:
            raise TableError(
                f"columns that the model needs are missing: {listing(missing)}; "
                f"there are {listing(table.column_names)}"
            )
        check_fits_memory("the table", table.num_rows, self.width)
        inputs = np.empty((table.num_rows, self.width), dtype=np.float32)
        for column, part in zip(self.columns, self._parts(inputs), strict=True):
            column.fill(table[column.name], part)
        return inputs

    def _parts(self, inputs: Inputs) -> Iterator[Inputs]:
        start = 0
        for column in self.columns:
            yield inputs[:, start : start + column.width]
            start += column.width

    def to_json(self) -> list[dict[str, Any]]:
        """Return what `from_json` takes."""
        return [column.to_json() for column in self.columns]

    @staticmethod
    def from_json(entries: list[dict[str, Any]]) -> Columns:
        """Return the columns that `to_json` described."""
        columns = Columns(tuple(column_from_json(entry) for entry in entries))
        check_unique("columns", columns.names)
        return columns


def _fit_column(name: str, column: Any, rows: Rows, report: FitReport) -> Column | None:
    kind = kind_of(column)
    if kind is Kind.EMPTY:
        report.dropped[name] = "empty"
        return None
    if kind is Kind.OTHER:
        report.dropped[name] = describe_type(column)
        return None
    if kind is Kind.TEXT:
        return _fit_category(name, column, rows, report)
    return _fit_number(name, column, rows, report)


def _fit_number(name: str, column: Any, rows: Rows, report: FitReport) -> Number | None:
    numbers = to_numbers(column)
    refuse_too_large(name, numbers)
    seen = numbers[rows]
    seen = seen[~np.isnan(seen)]
    if len(seen) == 0 or seen.min() == seen.max():
        report.dropped[name] = "constant" if len(seen) else "empty"
        return None
    missing = int(np.isnan(numbers).sum())
    if missing:
        report.missing[name] = missing
    return Number(name, kind_of(column), float(seen.mean()), float(seen.std()))


def _fit_category(name: str, column: Any, rows: Rows, report: FitReport) -> Category | None:
    seen = to_text(column).take(pa.array(rows))
    values = sorted(compute.unique(seen.drop_null()).to_pylist())
    if len(values) > _MOST_CATEGORIES:
        report.dropped[name] = f"{len(values)} different values"
    elif not values:
        report.dropped[name] = "empty"
    elif len(values) == 1 and seen.null_count == 0:
        report.dropped[name] = "constant"
    else:
        return Category(name, tuple(values))
    return None
