"""Progress of training: a bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO


class Progress:
    """Shows steps and epochs on a stream; escape codes go to terminals only.

    Parameters
    ----------
    wanted : bool or None
        False shows nothing.
    steps : int
        The steps that training will make.
    stream : text stream
    """

    def __init__(self, wanted: bool | None, steps: int, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None
        self._lines = wanted is not False and not stream.isatty()
        if wanted is not False and stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=steps, file=stream, unit="step", leave=False)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def step_done(self) -> None:
        """Count a step."""
        if self._bar is not None:
            self._bar.update()

    def epoch_done(self, row: Mapping[str, float], epochs: int) -> None:
        """Show an epoch's row of the history."""
        shown = {key: f"{row[key]:.4g}" for key in row if key not in ("epoch", "lr", "seconds")}
        if self._bar is not None:
            self._bar.set_postfix(shown)
        elif self._lines:
            values = "  ".join(f"{key} {value}" for key, value in shown.items())
            print(f"epoch {row['epoch']}/{epochs}  {values}", file=self._stream, flush=True)
