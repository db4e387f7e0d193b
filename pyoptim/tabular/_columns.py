"""The columns of a training table, and their encoding as inputs of a model."""

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

_MAX_CATEGORIES = 1000
_MAX_INPUT = 1e30  # of standardised numbers, so that float32 represents sums of products


@dataclass(frozen=True)
class Number:
    """A standardised column of numbers, dates or times, with missing values as the mean."""

    name: str
    kind: Kind
    mean: float
    scale: float

    @property
    def width(self) -> int:
        """Number of inputs for the column."""
        return 1

    def fill(self, column: Any, inputs: Inputs) -> None:
        """Write the encoded column to its inputs."""
        values = (self._numbers(column) - self.mean) / self.scale
        refuse_too_large(self.name, values, _MAX_INPUT)
        inputs[:, 0] = np.nan_to_num(values, copy=False, nan=0.0)

    def _numbers(self, column: Any) -> Doubles:
        kind = kind_of(column)
        if kind is Kind.TEXT:
            column, kind = self._from_text(column), Kind.NUMBER
        numeric = (Kind.NUMBER, Kind.TRUTH)
        same = kind is self.kind or (kind in numeric and self.kind in numeric)
        if not same and kind is not Kind.EMPTY:
            raise TableError(
                f"column {self.name!r}: expected {self.kind} as in training, got "
                f"{describe_type(column) if kind is Kind.OTHER else kind}"
            )
        return to_numbers(column)

    def _from_text(self, column: Any) -> Any:
        try:
            return to_text(column).cast(pa.float64())
        except pa.ArrowInvalid as error:
            raise TableError(
                f"column {self.name!r}: expected {self.kind} as in training, got text ({error})"
            ) from None

    def to_json(self) -> dict[str, Any]:
        """Return the column as JSON values for `column_from_json`."""
        return {
            "name": self.name,
            "kind": str(self.kind),
            "mean": self.mean,
            "scale": self.scale,
        }


@dataclass(frozen=True)
class Category:
    """A one-hot encoded column of text, with zeros for unknown and missing values."""

    name: str
    values: tuple[str, ...]

    @property
    def width(self) -> int:
        """Number of inputs for the column."""
        return len(self.values)

    def fill(self, column: Any, inputs: Inputs) -> None:
        """Write the encoded column to its inputs."""
        known = pa.array(self.values, pa.string())
        positions = compute.index_in(to_text(column), value_set=known, skip_nulls=True)
        index = positions.fill_null(-1).to_numpy()
        rows = np.flatnonzero(index >= 0)
        inputs[:] = 0
        inputs[rows, index[rows]] = 1

    def to_json(self) -> dict[str, Any]:
        """Return the column as JSON values for `column_from_json`."""
        return {"name": self.name, "kind": str(Kind.TEXT), "values": list(self.values)}


Column: TypeAlias = Number | Category


def column_from_json(entry: Mapping[str, Any]) -> Column:
    """Return the column for the result of its `to_json`."""
    kind, name = Kind(entry["kind"]), name_in(entry, "name")
    if kind is Kind.TEXT:
        return Category(name, texts_in(entry, min_count=1))
    if kind in (Kind.EMPTY, Kind.OTHER):
        kinds = ", ".join(kind for kind in Kind if kind not in (Kind.EMPTY, Kind.OTHER))
        raise ValueError(f"kind: expected one of {kinds}, got {str(kind)!r}")
    return Number(name, kind, *moments(entry))


@dataclass
class FitReport:
    """The columns that were left out, and the missing values that were replaced.

    Attributes
    ----------
    dropped : dict of str to str
        Reason for leaving out a column, by its name.
    missing : dict of str to int
        Number of missing values that were replaced by the mean, by name of the column.
    """

    dropped: dict[str, str] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Columns:
    """The encoding of a table, as its columns in the order of the model's inputs.

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
        """Compute means, scales and categories from the training rows of a table.

        Parameters
        ----------
        table : pyarrow.Table
            Table with the input columns.
        rows : array of int64
            Indices of the training rows.

        Returns
        -------
        columns : Columns
            Encoding of the table.
        report : FitReport
            Columns that were left out, and missing values.

        Raises
        ------
        TableError
            If a number is infinite, or all columns were left out.
        """
        report = FitReport()
        fitted = [_fit_column(name, table[name], rows, report) for name in table.column_names]
        columns = tuple(column for column in fitted if column is not None)
        if not columns:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in report.dropped.items())
            raise TableError(
                f"no column is left to train on ({reasons or 'the target is the only column'})"
            )
        return Columns(columns), report

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    @property
    def width(self) -> int:
        """Total number of inputs."""
        return sum(column.width for column in self.columns)

    def encode(self, table: Any) -> Inputs:
        """Return the inputs for the rows of a table, as an array of shape (rows, width).

        Columns are matched by name. Other columns are ignored.

        Raises
        ------
        TableError
            If columns are missing, or have another kind than in training.
        """
        missing = [name for name in self.names if name not in table.column_names]
        if missing:
            raise TableError(
                f"columns that the model needs are missing: {listing(missing)}; "
                f"the table has {listing(table.column_names)}"
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
        """Return the columns as JSON values for `from_json`."""
        return [column.to_json() for column in self.columns]

    @staticmethod
    def from_json(entries: list[dict[str, Any]]) -> Columns:
        """Return the columns for the result of `to_json`."""
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
    training = numbers[rows]
    training = training[~np.isnan(training)]
    if len(training) == 0 or training.min() == training.max():
        report.dropped[name] = "constant" if len(training) else "empty"
        return None
    missing = int(np.isnan(numbers).sum())
    if missing:
        report.missing[name] = missing
    return Number(name, kind_of(column), float(training.mean()), float(training.std()))


def _fit_category(name: str, column: Any, rows: Rows, report: FitReport) -> Category | None:
    training = to_text(column).take(pa.array(rows))
    values = sorted(compute.unique(training.drop_null()).to_pylist())
    if len(values) > _MAX_CATEGORIES:
        report.dropped[name] = f"{len(values)} different values"
    elif not values:
        report.dropped[name] = "empty"
    elif len(values) == 1 and training.null_count == 0:
        report.dropped[name] = "constant"
    else:
        return Category(name, tuple(values))
    return None
