"""What a model is to predict: a column of labels or of amounts, or a yes/no question about one."""

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

_MOST_WHOLE_NUMBER_CLASSES = 20
_MOST_CLASSES = 1000
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
    """Where a target comes from: a column, or the comparison of a column with a number."""

    column: str
    sign: str = ""
    number: float = 0.0

    def read(self, table: Any) -> Any:
        """Return the target of each row of a table, null where it is missing."""
        column = nan_to_null(table[self.column])
        kind = kind_of(column)
        if kind is Kind.OTHER or (kind in (Kind.DAYS, Kind.SECONDS) and not self.sign):
            what = f"a {kind}" if kind is not Kind.OTHER else describe_type(column)
            raise TableError(
                f"the target {self.column!r} is {what}; it must be text, true or false, or numbers"
            )
        if not self.sign or kind is Kind.EMPTY:
            return column
        if kind not in (Kind.NUMBER, Kind.TRUTH):
            raise TableError(
                f"the target {str(self)!r} compares column {self.column!r}, which is {kind}, with "
                "a number"
            )
        numbers = to_numbers(column)
        answers = np.where(_COMPARISONS[self.sign](numbers, self.number), "yes", "no")
        return pa.chunked_array([pa.array(answers, mask=np.isnan(numbers))])

    def __str__(self) -> str:
        return f"{self.column} {self.sign} {self.number:.15g}" if self.sign else self.column


def find_target(text: str, columns: Sequence[str]) -> Target:
    """Return the target that "COLUMN" or "COLUMN > NUMBER" means, among these columns.

    Raises
    ------
    TableError
        If there is no such column, or the right side is not a number.

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
        raise TableError(f"the target {text!r} compares with {right!r}, which is not a number")
    return Target(column, sign, number)


def guess_task(column: Any) -> Task:
    """Return what kind of target a column is.

    Text, truth values and at most 20 different whole numbers are classes, other numbers amounts.
    """
    if kind_of(column) in (Kind.TEXT, Kind.TRUTH):
        return "classification"
    few = len(compute.unique(column)) <= _MOST_WHOLE_NUMBER_CLASSES
    return "classification" if few and is_whole(to_numbers(column)) else "regression"


@dataclass(frozen=True)
class Labels:
    """Classes, and the label of each."""

    target: Target
    values: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """How many outputs the model has."""
        return len(self.values)

    def encode(self, column: Any) -> Rows:
        """Return the class number of each row, -1 for labels that are not known."""
        known = pa.array(self.values, pa.string())
        found = compute.index_in(to_text(column), value_set=known, skip_nulls=True)
        numbers: Rows = found.fill_null(-1).to_numpy().astype(np.int64)
        return numbers

    def decode(self, numbers: npt.NDArray[Any]) -> list[str]:
        """Return the labels of class numbers."""
        return [self.values[number] for number in numbers]

    def to_json(self) -> dict[str, Any]:
        """Return what `target_from_json` takes."""
        return {"task": "classification", **vars(self.target), "values": list(self.values)}


@dataclass(frozen=True)
class Amount:
    """A number, standardised for the model."""

    target: Target
    mean: float
    scale: float

    @property
    def outputs(self) -> int:
        """How many outputs the model has."""
        return 1

    def encode(self, column: Any) -> Doubles:
        """Return the standardised amount of each row."""
        amounts = to_numbers(column)
        refuse_too_large(self.target.column, amounts)
        return (amounts - self.mean) / self.scale

    def decode(self, values: npt.NDArray[Any]) -> Doubles:
        """Return amounts in the units of the table."""
        return values.astype(np.float64) * self.scale + self.mean

    def to_json(self) -> dict[str, Any]:
        """Return what `target_from_json` takes."""
        return {
            "task": "regression",
            **vars(self.target),
            "mean": self.mean,
            "scale": self.scale,
        }


def fit_target(target: Target, task: Task, column: Any, rows: Rows) -> Labels | Amount:
    """Learn labels from a target's column, or mean and scale from those rows of it to train on.

    Raises
    ------
    TableError
        If the column does not fit the task, or has one value only.
    """
    if task == "classification":
        return Labels(target, _labels(target, column))
    if kind_of(column) not in (Kind.NUMBER, Kind.TRUTH):
        raise TableError(
            f"regression needs a target of numbers; {str(target)!r} is {kind_of(column)}"
        )
    amounts = to_numbers(column)
    refuse_too_large(target.column, amounts)
    seen = amounts[rows]
    if seen.min() == seen.max():
        raise TableError(f"the target {str(target)!r} has one value only, {seen[0]:g}")
    return Amount(target, float(seen.mean()), float(seen.std()))


def _labels(target: Target, column: Any) -> tuple[str, ...]:
    """Return the labels in order: that of the numbers, or of the alphabet."""
    if kind_of(column) is Kind.NUMBER:
        refuse_too_large(target.column, to_numbers(column))
        column = column.sort()
        labels = list(dict.fromkeys(to_text(column).to_pylist()))
    else:
        labels = sorted(compute.unique(to_text(column)).to_pylist())
    if len(labels) < 2:
        raise TableError(f"the target {str(target)!r} has one value only, {labels[0]}")
    if len(labels) > _MOST_CLASSES:
        raise TableError(
            f"the target {str(target)!r} has {len(labels)} different values, too many for "
            f"classes (at most {_MOST_CLASSES})"
        )
    return tuple(labels)


def target_from_json(entry: Mapping[str, Any]) -> Labels | Amount:
    """Return the target that `to_json` described."""
    column, sign = name_in(entry, "column"), name_in(entry, "sign")
    target = Target(column, sign, float(entry["number"]))
    if math.isnan(target.number):
        raise ValueError("number: expected a number, got nan")
    if target.sign and target.sign not in _COMPARISONS:
        raise ValueError(f"unknown comparison {target.sign!r}")
    task = entry["task"]
    if task == "classification":
        return Labels(target, texts_in(entry, least=2))
    if task != "regression":
        raise ValueError(f"task: expected 'classification' or 'regression', got {task!r}")
    return Amount(target, *moments(entry))
