"""Checks of data before a step: nonfinite values and values out of range."""

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
    """A check that raises ValueError for values that a model or loss does not accept.

    Rows of weight 0 are not checked. Messages name the number of the row in the user's data.

    Parameters
    ----------
    model : Model
        Model that defines the valid range of inputs.
    loss : Loss
        Loss that defines the valid range of targets.
    allow_nonfinite : bool
        Whether x and y can contain NaN and infinities.
    prefix : str
        Beginning of each message, such as "validation['val']: ".
    """

    model: Model
    loss: Any
    allow_nonfinite: bool = False
    prefix: str = ""

    def rows(self, rows: Rows) -> None:
        """Check targets, weights and inputs of rows in the user's order."""
        self.targets(rows)
        self.inputs(rows)

    def targets(self, rows: Rows, first: int = 0) -> None:
        """Check targets and weights of rows whose numbers start at `first`."""
        try:
            if isinstance(self.loss, Loss):
                columns = self.model.outputs
                self.loss.check_targets(rows.y, columns, rows.weights, first=first)
            elif rows.weights is not None:
                _check_weights(rows, first)
        except ValueError as error:
            raise ValueError(f"{self.prefix}{error}") from None
        place = None if self.allow_nonfinite else find_nonfinite(rows.y, rows.weights)
        if place is not None:
            self._reject("y", place.column, rows.y, place, first + place.row)

    def inputs(self, rows: Rows, numbers: Any = None) -> None:
        """Check inputs of rows.

        Parameters
        ----------
        rows : Rows
            Rows in the model's format.
        numbers : array of int or slice, optional
            Numbers of the rows in the user's data; by default they start at 0.
        """
        invalid = self.model.find_out_of_range(rows.x, rows.weights)
        if invalid is not None:
            row = _number(numbers, invalid.row)
            raise ValueError(f"{self.prefix}{invalid.message} at row {row}")
        if self.allow_nonfinite:
            return
        for part, values in enumerate(parts_of(rows.x)):
            place = find_nonfinite(values, rows.weights)
            if place is not None:
                name, column = "x", place.column
                if isinstance(rows.x, tuple):
                    name, column = self.model.name_input(part, column)
                self._reject(name, column, values, place, _number(numbers, place.row))

    def _reject(self, name: str, column: Any, values: Any, place: Place, row: int) -> NoReturn:
        dtype = "" if values.dtype == np.float64 else f" in {values.dtype}"
        at = f"row {row}" if column is None else f"row {row}, column {column}"
        raise ValueError(
            f"{self.prefix}{shown(name)}: expected finite numbers{dtype}, got {place.value:g} at "
            f"{at}; correct or drop such rows, or pass allow_nonfinite=True to Trainer"
        )


def _check_weights(rows: Rows, first: int) -> None:
    assert rows.weights is not None
    invalid = ~(np.isfinite(rows.weights) & (rows.weights >= 0))
    if invalid.any():
        row = int(invalid.argmax())
        raise ValueError(
            f"sample_weight: expected finite numbers of at least 0, got {rows.weights[row]:g} "
            f"at row {first + row}"
        )


def _number(numbers: Any, row: int) -> int:
    """Return the number in the user's data of a row in a batch."""
    if numbers is None:
        return row
    return int(numbers.start + row if isinstance(numbers, slice) else numbers[row])
