"""The history of a training run, with one row for each epoch."""

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

_MAX_LINE_LENGTH = 2**20  # characters


class StopReason(StrEnum):
    """The reason why training ended.

    ``FINISHED``: all epochs are done. ``EARLY_STOP``: `EarlyStopping` stopped. ``MAX_TIME``: the
    time limit was reached. ``NAN``: a loss or parameter was not finite. ``INTERRUPTED``: Ctrl-C,
    SIGTERM or SIGHUP. ``CALLBACK``: another callback called `Trainer.stop`.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.zeros((10, 1))
    >>> history = po.train.Trainer(po.models.Linear(1), epochs=1, progress=False).fit(x, x)
    >>> history.stop_reason is po.train.StopReason.FINISHED
    True
    """

    FINISHED = "finished"
    EARLY_STOP = "early_stop"
    MAX_TIME = "max_time"
    NAN = "nan"
    INTERRUPTED = "interrupted"
    CALLBACK = "callback"


class History:
    """A table of losses, metrics, learning rate and duration, with one row for each epoch.

    `Trainer.fit` returns it. ``history["loss"]`` is a column, and ``history.rows`` is a list of the
    rows. `to_csv` writes the table to a file, `read_csv` reads it, and `plot` draws the curves.
    Values that an epoch did not compute are NaN, such as metrics that were added to a resumed run.

    Attributes
    ----------
    rows : list of dict of str to float
        Values of each epoch by the name of the column.
    stop_reason : StopReason or None
        Reason why training ended, None during training.
    best_epoch : int or None
        Number of the best epoch, from 1, if the model has its weights; else None.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.zeros((10, 1))
    >>> history = po.train.Trainer(po.models.Linear(1), epochs=2, progress=False).fit(x, x)
    >>> history.columns
    ['epoch', 'loss', 'lr', 'seconds']
    >>> history["loss"]
    [0.0, 0.0]
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.stop_reason: StopReason | None = None
        self.best_epoch: int | None = None

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __getitem__(self, column: str) -> list[float]:
        if column not in self.columns:
            expected = f"one of {listed(self.columns)}" if self.rows else "a history with epochs"
            raise KeyError(f"column: expected {expected}, got {column!r}")
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
        """Write the table as comma-separated values with a header.

        A reader sees either the old file or the complete new one.

        Parameters
        ----------
        path : path
            File to write. A history is replaced.
        overwrite : bool
            Whether to also replace a file that is not a history.

        Raises
        ------
        FileExistsError
            If the file exists and is not a history, and `overwrite` is False.
        OSError
            If the file cannot be written.
        """
        check_replaceable(path, lambda file: is_history(file, self.columns), overwrite)
        replace_text(path, self._write)

    def _write(self, file: TextIO) -> None:
        write_header(file, self.columns)
        writer = csv.DictWriter(file, self.columns, restval="nan", lineterminator="\n")
        writer.writerows(self.rows)

    @classmethod
    def read_csv(cls, path: str | PathLike[str]) -> History:
        """Read a history written by `to_csv`, with bit-identical values.

        Parameters
        ----------
        path : path
            File to read.

        Returns
        -------
        History
            History with the rows of the file. Its stop reason and best epoch are None.

        Raises
        ------
        ValueError
            If the file is not a history, or is truncated. The message names the line.
        OSError
            If the file cannot be read.

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
                    raise ValueError("expected different names of columns, got duplicates")
                for record in records:
                    cells = zip(header, record, strict=True)
                    row = {name: int(x) if name == "epoch" else float(x) for name, x in cells}
                    history.rows.append(row)
            except (ValueError, csv.Error) as error:
                raise ValueError(f"{shown(path)}, line {lines.number}: {error}") from None
        return history

    def plot(self, path: str | PathLike[str] | None = None, *, overwrite: bool = False) -> Figure:
        """Draw the curves and return the figure; see `pyoptim.plots.history`."""
        from pyoptim import plots

        return plots.history(self, path, overwrite=overwrite)

    def __repr__(self) -> str:
        last = (
            ", ".join(f"{shown(name)}={value:.4g}" for name, value in self.rows[-1:][0].items())
            if self.rows
            else "no epochs"
        )
        reason = f"; {self.stop_reason}" if self.stop_reason else ""
        return f"History({len(self)} epochs{reason}; {last})"


def is_history(path: Path, columns: Sequence[str] = ()) -> bool:
    """Return whether a file is a complete history of a trainer, or has exactly these columns."""
    header = own_header(path)
    # Columns that were added by a resumed run are the last ones.
    if header is None or (header[:2] != ["epoch", "loss"] and header != list(columns)):
        return False
    try:
        History.read_csv(path)
    except (OSError, ValueError):
        return False
    return True


class _Lines:
    """An iterator over the lines of a file that rejects a truncated last line.

    Attributes
    ----------
    number : int
        Number of the last line that was read, from 1.
    """

    def __init__(self, file: TextIO) -> None:
        self.number = 0
        self._file = file

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_MAX_LINE_LENGTH)
        if not line and self.number:
            raise StopIteration
        self.number += 1
        if len(line) == _MAX_LINE_LENGTH:
            raise ValueError(f"expected at most {_MAX_LINE_LENGTH} characters, got more")
        if not line.endswith("\n"):
            raise ValueError("the file is truncated in this line")
        return line
