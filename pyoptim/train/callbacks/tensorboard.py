"""The history as TensorBoard shows it."""

from __future__ import annotations

import time
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyoptim.dependencies import requires
from pyoptim.train.callbacks.base import Callback

if TYPE_CHECKING:
    from pyoptim.train.trainer import Trainer


class TensorBoard(Callback):
    """Writes every column of the history as a scalar for TensorBoard, once an epoch.

    It needs the package tensorboard, which needs no TensorFlow. When a run is resumed, what it had
    written of later epochs is marked as void.

    Parameters
    ----------
    directory : path

    Raises
    ------
    ImportError
        In training, if the package is not installed.
    """

    def __init__(self, directory: str | PathLike[str]) -> None:
        self.directory = Path(directory)
        self._writer: Any = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Open a new file of events."""
        event, _, writer = _tensorboard()
        self._writer = writer.EventFileWriter(str(self.directory))
        start = event.SessionLog(status=event.SessionLog.START)
        self._write(trainer.epochs_done + 1, session_log=start)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the epoch's row."""
        _, summary, _ = _tensorboard()
        row = trainer.history.rows[-1]
        values = [
            summary.Summary.Value(tag=name, simple_value=value)
            for name, value in row.items()
            if name != "epoch"
        ]
        self._write(trainer.epochs_done, summary=summary.Summary(value=values))
        self._writer.flush()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, step: int, **content: Any) -> None:
        event, _, _ = _tensorboard()
        self._writer.add_event(event.Event(wall_time=time.time(), step=step, **content))


def _tensorboard() -> tuple[Any, Any, Any]:
    """Return the modules of events, of summaries and of the writer."""
    with requires("TensorBoard", "tensorboard"):
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer import event_file_writer

    return event_pb2, summary_pb2, event_file_writer
