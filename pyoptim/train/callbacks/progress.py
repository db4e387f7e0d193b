"""Display of progress: a bar on a terminal, or a line for each epoch elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from pyoptim._utils.streams import QuietStream
from pyoptim._utils.text import shown
from pyoptim.train.callbacks._base import Callback

if TYPE_CHECKING:
    from pyoptim.train._trainer import Trainer


class Progress(Callback):
    """A callback that shows a progress bar on a terminal, or a line for each epoch elsewhere.

    A trainer has a `Progress` unless ``progress=False``. Only terminals get escape codes. If the
    stream is None, closed or broken, nothing is shown and training continues.

    Parameters
    ----------
    stream : text stream, optional
        Stream to write to. By default stderr.

    Examples
    --------
    >>> import sys
    >>> import numpy as np, pyoptim as po
    >>> x = np.zeros((10, 1))
    >>> _ = po.train.Trainer(po.models.Linear(1), epochs=2,
    ...                      callbacks=[po.train.Progress(sys.stdout)]).fit(x, x)
    epoch 1/2  loss 0
    epoch 2/2  loss 0
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self._quiet = QuietStream(None)
        self._bar: Any = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Show the bar if the stream is a terminal, and the report of measured batch sizes."""
        self._quiet = QuietStream(sys.stderr if self.stream is None else self.stream)
        if trainer.batch_size_report is not None:
            self._print(str(trainer.batch_size_report))
        if self._quiet.isatty():
            from tqdm import tqdm

            steps = trainer.steps_per_epoch
            self._bar = tqdm(
                total=None if steps is None else trainer.epochs * steps,
                initial=trainer.step,
                file=self._quiet,
                unit="step",
                leave=False,
            )

    def on_step_end(self, trainer: Trainer) -> None:
        """Advance the bar by one step."""
        if self._bar is not None:
            self._bar.update()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Show the losses and metrics of the epoch."""
        row = trainer.history.rows[-1]
        values = {
            shown(key): f"{row[key]:.4g}" for key in row if key not in ("epoch", "lr", "seconds")
        }
        if self._bar is not None:
            self._bar.set_postfix(values)
        else:
            texts = "  ".join(f"{key} {value}" for key, value in values.items())
            self._print(f"epoch {row['epoch']}/{trainer.epochs}  {texts}")

    def on_fit_end(self, trainer: Trainer) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _print(self, line: str) -> None:
        self._quiet.write(line + "\n")
        self._quiet.flush()
