"""What happened in each epoch of a training run."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from enum import StrEnum
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pyoptim._utils.atomic import replace_text
from pyoptim._utils.equality import same_values
from pyoptim._utils.ownership import check_replaceable, own_header, write_header
from pyoptim._utils.text import listed, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST_LINE = 2**20  # characters


class StopReason(StrEnum):
    """Why training ended."""

    FINISHED = "finished"
    EARLY_STOP = "early_stop"
    MAX_TIME = "max_time"
    NAN = "nan"
    INTERRUPTED = "interrupted"
    CALLBACK = "callback"


class History:
    """A small table: one row an epoch, with its losses, metrics, learning rate and duration.

    ``history["loss"]`` is a column, ``history.rows`` the rows as dicts. `to_csv` writes it to a
    file, `read_csv` reads it back, `plot` draws it. What an epoch has not measured, as metrics that
    only a resumed run has, is NaN.

    Attributes
    ----------
    rows : list of dict
    stop_reason : StopReason or None
        None while training goes on.
    best_epoch : int or None
        The epoch whose weights the model has, where early stopping brought them back.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.stop_reason: StopReason | None = None
        self.best_epoch: int | None = None

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __getitem__(self, column: str) -> list[float]:
        if column not in self.columns:
            raise KeyError(f"no column {column!r}; there are {listed(self.columns)}")
        return [row.get(column, math.nan) for row in self.rows]

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        return same_values(vars(self), vars(other))

    __hash__ = None  # type: ignore[assignment]

    def to_csv(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the table as comma-separated values with a header, in one move.

        Parameters
        ----------
        path : path
        overwrite : bool
            Whether to replace a file that is not a table of this kind.

        Raises
        ------
        FileExistsError
            If there is such a file, and `overwrite` is False.
        """
        check_replaceable(path, lambda file: is_history(file, self.columns), overwrite)
        replace_text(path, self._write)

    def _write(self, file: TextIO) -> None:
        write_header(file, self.columns)
        writer = csv.DictWriter(file, self.columns, restval="nan", lineterminator="\n")
        writer.writerows(self.rows)

    @classmethod
    def read_csv(cls, path: str | PathLike[str]) -> History:
        """Read what `to_csv` wrote: the same rows, to the bit.

        Raises
        ------
        ValueError
            If it is no such table, or was cut within a line; the message names the line.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> history = History()
        >>> history.rows.append({"epoch": 1, "loss": 0.1})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history.to_csv(Path(folder, "log.csv"))
        ...     History.read_csv(Path(folder, "log.csv")).rows
        [{'epoch': 1, 'loss': 0.1}]
        """
        history = cls()
        with Path(path).open(newline="", encoding="utf-8") as file:
            lines = _Lines(file)
            try:
                records = csv.reader(lines)
                header = next(records)
                if len(set(header)) < len(header):
                    raise ValueError("a column comes twice")
                for record in records:
                    cells = zip(header, record, strict=True)
                    row = {name: int(x) if name == "epoch" else float(x) for name, x in cells}
                    history.rows.append(row)
            except (ValueError, csv.Error) as error:
                raise ValueError(f"{shown(path)}, line {lines.number}: {error}") from None
        return history

    def plot(self, path: str | PathLike[str] | None = None, *, overwrite: bool = False) -> Figure:
        """Draw the curves; see `pyoptim.plots.history`."""
        from pyoptim import plots

        return plots.history(self, path, overwrite=overwrite)

    def __repr__(self) -> str:
        last = (
            ", ".join(f"{shown(name)}={value:.4g}" for name, value in self.rows[-1:][0].items())
            if (self.rows)
            else "no epochs"
        )
        reason = f"; {self.stop_reason}" if self.stop_reason else ""
        return f"History({len(self)} epochs{reason}; {last})"


def is_history(path: Path, columns: Sequence[str] = ()) -> bool:
    """Return whether a file is a whole history of a trainer, or one of these columns."""
    header = own_header(path)
    # Columns that only a resumed run has measured come after the others.
    if header is None or (header[:2] != ["epoch", "loss"] and header != list(columns)):
        return False
    try:
        History.read_csv(path)
    except (OSError, ValueError):
        return False
    return True


class _Lines:
    """The lines of a file, of which the last one must be complete.

    Attributes
    ----------
    number : int
        Of the line that was read last.
    """

    def __init__(self, file: TextIO) -> None:
        self.number = 0
        self._file = file

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST_LINE)
        if not line and self.number:
            raise StopIteration
        self.number += 1
        if len(line) == _LONGEST_LINE:
            raise ValueError(f"more than {_LONGEST_LINE} characters")
        if not line.endswith("\n"):
            raise ValueError("the file ends within this line: it was cut")
        return line
