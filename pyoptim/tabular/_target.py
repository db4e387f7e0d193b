"""The target of a model: a column of labels or of numbers, or a comparison as yes or no."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from pyoptim.tabular._column_values import (
    Doubles,
    Kind,
    describe_type,
    is_whole,
    kind_of,
    moments,
    name_in,
    nan_to_null,
    refuse_too_large,
    texts_in,
    to_numbers,
    to_text,
)
from pyoptim.tabular._columns import Rows
from pyoptim.tabular._table_error import TableError, no_such_column

Task: TypeAlias = Literal["classification", "regression"]

_MAX_INTEGER_CLASSES = 20
_MAX_CLASSES = 1000
_COMPARISONS = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_EXPRESSION = re.compile(r"\s*(.*?)\s*(>=|<=|==|!=|>|<)\s*(.*?)\s*")


@dataclass(frozen=True)
class Target:
    """The source of a target: a column, or the comparison of a column with a number."""

    column: str
    sign: str = ""
    number: float = 0.0

    def read(self, table: Any) -> Any:
        """Return the target of each row of a table, with null for a missing value."""
        column = nan_to_null(table[self.column])
        kind = kind_of(column)
        if kind is Kind.OTHER or (kind in (Kind.DAYS, Kind.SECONDS) and not self.sign):
            values = f"a {kind}" if kind is not Kind.OTHER else describe_type(column)
            raise TableError(
                f"target {self.column!r}: expected text, true or false, or numbers, got {values}"
            )
        if not self.sign or kind is Kind.EMPTY:
            return column
        if kind not in (Kind.NUMBER, Kind.TRUTH):
            raise TableError(
                f"target {str(self)!r}: expected a column of numbers to compare, got {kind}"
            )
        numbers = to_numbers(column)
        answers = np.where(_COMPARISONS[self.sign](numbers, self.number), "yes", "no")
        return pa.chunked_array([pa.array(answers, mask=np.isnan(numbers))])

    def __str__(self) -> str:
        return f"{self.column} {self.sign} {self.number:.15g}" if self.sign else self.column


def find_target(text: str, columns: Sequence[str]) -> Target:
    """Parse a target, which is "COLUMN" or a comparison such as "COLUMN > NUMBER".

    Parameters
    ----------
    text : str
        Description of the target. The comparison is one of >=, <=, ==, !=, > and <.
    columns : sequence of str
        Names of the columns of the table.

    Raises
    ------
    TableError
        If the column does not exist, or the right side of a comparison is not a number.

    Examples
    --------
    >>> find_target("delay >= 15", ["delay", "carrier"])
    Target(column='delay', sign='>=', number=15.0)
    """
    if text in columns:
        return Target(text)
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        raise no_such_column(text, columns)
    column, sign, right = match.groups()
    if column not in columns:
        raise no_such_column(column, columns)
    try:
        number = float(right)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise TableError(f"target {text!r}: expected a number after {sign}, got {right!r}")
    return Target(column, sign, number)


def guess_task(column: Any) -> Task:
    """Return the task that fits a column.

    Text, booleans and at most 20 different whole numbers mean classification. Other numbers mean
    regression.
    """
    if kind_of(column) in (Kind.TEXT, Kind.TRUTH):
        return "classification"
    few = len(compute.unique(column)) <= _MAX_INTEGER_CLASSES
    return "classification" if few and is_whole(to_numbers(column)) else "regression"


@dataclass(frozen=True)
class Labels:
    """The target of a classification, with the label of each class."""

    target: Target
    values: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """Number of outputs of the model."""
        return len(self.values)

    def encode(self, column: Any) -> Rows:
        """Return the class number of each row, with -1 for unknown labels."""
        known = pa.array(self.values, pa.string())
        positions = compute.index_in(to_text(column), value_set=known, skip_nulls=True)
        numbers: Rows = positions.fill_null(-1).to_numpy().astype(np.int64)
        return numbers

    def decode(self, numbers: npt.NDArray[Any]) -> list[str]:
        """Return the labels for class numbers."""
        return [self.values[number] for number in numbers]

    def to_json(self) -> dict[str, Any]:
        """Return the target as JSON values for `target_from_json`."""
        return {"task": "classification", **vars(self.target), "values": list(self.values)}


@dataclass(frozen=True)
class Amount:
    """The target of a regression, standardised for the model."""

    target: Target
    mean: float
    scale: float

    @property
    def outputs(self) -> int:
        """Number of outputs of the model."""
        return 1

    def encode(self, column: Any) -> Doubles:
        """Return the standardised value of each row."""
        amounts = to_numbers(column)
        refuse_too_large(self.target.column, amounts)
        return (amounts - self.mean) / self.scale

    def decode(self, values: npt.NDArray[Any]) -> Doubles:
        """Return standardised values in the units of the table."""
        return values.astype(np.float64) * self.scale + self.mean

    def to_json(self) -> dict[str, Any]:
        """Return the target as JSON values for `target_from_json`."""
        return {
            "task": "regression",
            **vars(self.target),
            "mean": self.mean,
            "scale": self.scale,
        }


def fit_target(target: Target, task: Task, column: Any, rows: Rows) -> Labels | Amount:
    """Return the labels of a column, or mean and scale of its training rows.

    Parameters
    ----------
    target : Target
        Source of the column.
    task : {"classification", "regression"}
        Task of the model.
    column : pyarrow.ChunkedArray
        Target of all rows, as returned by `Target.read`, without nulls.
    rows : array of int64
        Indices of the training rows.

    Raises
    ------
    TableError
        If the column does not fit the task, or all values are equal.
    """
    if task == "classification":
        return Labels(target, _labels(target, column))
    if kind_of(column) not in (Kind.NUMBER, Kind.TRUTH):
        raise TableError(
            f"target {str(target)!r}: expected numbers for regression, got {kind_of(column)}"
        )
    amounts = to_numbers(column)
    refuse_too_large(target.column, amounts)
    training = amounts[rows]
    if training.min() == training.max():
        raise TableError(
            f"target {str(target)!r}: expected at least two different values, got only "
            f"{training[0]:g}"
        )
    return Amount(target, float(training.mean()), float(training.std()))


def _labels(target: Target, column: Any) -> tuple[str, ...]:
    """Return the labels in numerical or alphabetical order."""
    if kind_of(column) is Kind.NUMBER:
        refuse_too_large(target.column, to_numbers(column))
        column = column.sort()
        labels = list(dict.fromkeys(to_text(column).to_pylist()))
    else:
        labels = sorted(compute.unique(to_text(column)).to_pylist())
    if len(labels) < 2:
        raise TableError(
            f"target {str(target)!r}: expected at least two different values, got only {labels[0]}"
        )
    if len(labels) > _MAX_CLASSES:
        raise TableError(
            f"target {str(target)!r}: expected at most {_MAX_CLASSES} different values for "
            f"classification, got {len(labels)}"
        )
    return tuple(labels)


def target_from_json(entry: Mapping[str, Any]) -> Labels | Amount:
    """Return the target for the result of its `to_json`."""
    column, sign = name_in(entry, "column"), name_in(entry, "sign")
    target = Target(column, sign, float(entry["number"]))
    if math.isnan(target.number):
        raise ValueError("number: expected a number, got nan")
    if target.sign and target.sign not in _COMPARISONS:
        raise ValueError(f"sign: expected one of {', '.join(_COMPARISONS)}, got {target.sign!r}")
    task = entry["task"]
    if task == "classification":
        return Labels(target, texts_in(entry, min_count=2))
    if task != "regression":
        raise ValueError(f"task: expected 'classification' or 'regression', got {task!r}")
    return Amount(target, *moments(entry))
