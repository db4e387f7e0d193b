"""Rows that training refuses before a step: values that are not finite, or out of range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from pyoptim._utils.finite import Place, find_nonfinite
from pyoptim._utils.text import shown
from pyoptim.data._batch import Rows, parts_of
from pyoptim.losses import Loss

if TYPE_CHECKING:
    from pyoptim.models._base import Model


@dataclass(frozen=True)
class Check:
    """Raises ValueError where rows, as a model takes them, have values that training refuses.

    Rows of weight 0 may have any. Messages have the row's number in the data that the user gave.

    Parameters
    ----------
    model : Model
    loss : Loss
    allow_nonfinite : bool
        Whether x and y may have NaN and infinities.
    what : str
        Which rows these are, as errors begin: "" or "validation['val']: ".
    """

    model: Model
    loss: Any
    allow_nonfinite: bool = False
    what: str = ""

    def rows(self, rows: Rows) -> None:
        """Check all of some rows, which the user gave as they are."""
        self.targets(rows)
        self.inputs(rows)

    def targets(self, rows: Rows, first: int = 0) -> None:
        """Check targets and weights of rows, the first of which has this number."""
        try:
            if isinstance(self.loss, Loss):
                columns = self.model.outputs
                self.loss.check_targets(rows.y, columns, rows.weights, first=first)
            elif rows.weights is not None:
                _check_weights(rows, first)
        except ValueError as error:
            raise ValueError(f"{self.what}{error}") from None
        found = None if self.allow_nonfinite else find_nonfinite(rows.y, rows.weights)
        if found is not None:
            self._refuse("y", found.column, rows.y, found, first + found.row)

    def inputs(self, rows: Rows, numbers: Any = None) -> None:
        """Check inputs of rows that have these numbers: an array, or a slice; or from 0 on."""
        fault = self.model.find_fault(rows.x, rows.weights)
        if fault is not None:
            raise ValueError(f"{self.what}{fault.message} at row {_number(numbers, fault.row)}")
        if self.allow_nonfinite:
            return
        for part, values in enumerate(parts_of(rows.x)):
            found = find_nonfinite(values, rows.weights)
            if found is not None:
                name, column = "x", found.column
                if isinstance(rows.x, tuple):
                    name, column = self.model.name_input(part, column)
                self._refuse(name, column, values, found, _number(numbers, found.row))

    def _refuse(self, name: str, column: Any, values: Any, found: Place, row: int) -> NoReturn:
        kind = "" if values.dtype == np.float64 else f" in {values.dtype}"
        at = f"row {row}" if column is None else f"row {row}, column {column}"
        raise ValueError(
            f"{self.what}{shown(name)}: expected finite numbers{kind}, got {found.value:g} at "
            f"{at}; mend or drop such rows, or pass allow_nonfinite=True to Trainer"
        )


def _check_weights(rows: Rows, first: int) -> None:
    assert rows.weights is not None
    wrong = ~(np.isfinite(rows.weights) & (rows.weights >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"sample_weight: expected finite numbers of at least 0, got {rows.weights[row]:g} "
            f"at row {first + row}"
        )


def _number(numbers: Any, row: int) -> int:
    """Return the number of a row in the user's data."""
    if numbers is None:
        return row
    return int(numbers.start + row if isinstance(numbers, slice) else numbers[row])
