"""Writing the history for TensorBoard."""

from __future__ import annotations

import io
import itertools
import os
import re
import time
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyoptim._utils.atomic import GrowingFile, make_directories
from pyoptim._utils.dependencies import requires
from pyoptim.train.callbacks._base import Callback
from pyoptim.train.callbacks._outage import Outage

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer

_NAME = re.compile(r"events\.out\.tfevents\.(\d{10})\.")  # with the time of creation in seconds


class TensorBoard(Callback):
    """A callback that writes each column of the history as a scalar for TensorBoard.

    You need the package tensorboard, but not TensorFlow. A resumed run marks the events of later
    epochs as void, so TensorBoard shows every epoch once.

    If an epoch cannot be written, for example because the disk is full, training continues with a
    warning, and the epoch is written together with a later one.

    Parameters
    ----------
    directory : path
        Directory of the event files, created if it is missing.

    Raises
    ------
    ImportError
        At the beginning of training, if tensorboard is not installed.
    OSError
        At the beginning of training, if the event file cannot be created.

    Examples
    --------
    >>> import pyoptim as po
    >>> board = po.train.TensorBoard("runs/first")
    >>> trainer = po.train.Trainer(po.models.Linear(1), callbacks=[board])
    """

    def __init__(self, directory: str | PathLike[str]) -> None:
        self.directory = Path(directory)
        self._file: GrowingFile | None = None
        self._pending: list[bytes] = []  # records that are not written yet
        self._outage = Outage(f"TensorBoard cannot write to {self.directory}")

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Create a new event file."""
        event, _, _ = _tensorboard()
        make_directories(self.directory)
        self._file = _new_file(self.directory)
        self._add(file_version="brain.Event:2")
        start = event.SessionLog(status=event.SessionLog.START)
        self._add(step=trainer.epochs_done + 1, session_log=start)
        self._write()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the columns of the epoch."""
        _, summary, _ = _tensorboard()
        row = trainer.history.rows[-1]
        values = [
            summary.Summary.Value(tag=name, simple_value=value)
            for name, value in row.items()
            if name != "epoch"
        ]
        self._add(step=trainer.epochs_done, summary=summary.Summary(value=values))
        self._write()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the file."""
        file, self._file, self._pending = self._file, None, []
        if file is not None:
            with self._outage.as_warning("the last epochs may be missing from the file"):
                file.close()

    def _add(self, **content: Any) -> None:
        event, _, record = _tensorboard()
        data = event.Event(wall_time=time.time(), **content).SerializeToString()
        stream = io.BytesIO()
        record.RecordWriter(stream).write(data)
        self._pending.append(stream.getvalue())

    def _write(self) -> None:
        assert self._file is not None
        with self._outage.as_warning():
            while self._pending:
                self._file.append(self._pending[0])
                self._pending.pop(0)


def _new_file(directory: Path) -> GrowingFile:
    """Create a file whose name TensorBoard sorts after the existing files."""
    names = (_NAME.match(path.name) for path in directory.iterdir())
    seconds = max([int(time.time()), *(int(name[1]) + 1 for name in names if name)])
    start = f"events.out.tfevents.{seconds:010}.{os.uname().nodename}.{os.getpid()}"
    for number in itertools.count():
        with suppress(FileExistsError):
            return GrowingFile(directory / f"{start}.{number}")
    raise AssertionError


def _tensorboard() -> tuple[Any, Any, Any]:
    """Return TensorBoard's modules for events, summaries and records."""
    with requires("TensorBoard", "tensorboard"):
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer import record_writer

    return event_pb2, summary_pb2, record_writer
