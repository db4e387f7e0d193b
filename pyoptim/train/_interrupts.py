"""Handling of Ctrl-C, SIGTERM and SIGHUP during training, restoring and saving."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed


class Interrupts:
    """A signal handler that calls `stop` at the first signal, or holds the signal after `hold`.

    Attributes
    ----------
    held : list of int
        The signal to deliver at the end, if one arrived after `hold`.
    """

    def __init__(self, stop: Callable[[], object] | None) -> None:
        self.held: list[int] = []
        self._stop = stop
        self._stop_requested = False
        self._holding = False
        self._previous: dict[int, Any] = {}

    def hold(self) -> None:
        """Hold the next signal until `end`, so that it does not interrupt restoring and saving."""
        self._holding = True

    def handle(self, number: int, frame: Any) -> None:
        """Handle a signal."""
        if number == signal.SIGHUP and (self._stop_requested or self.held):
            return  # both shell and kernel send SIGHUP when a terminal is closed
        if self._holding:
            if self.held:
                raise KeyboardInterrupt
            self.held.append(number)
        elif self._stop is None:
            signal.signal(number, self._previous[number])
            signal.raise_signal(number)
        elif self._stop_requested:
            raise KeyboardInterrupt
        else:
            self._stop_requested = True
            self._stop()

    def begin(self) -> None:
        """Install the handlers. Ignored signals remain ignored."""
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if handler is not None and handler is not signal.SIG_IGN:
                self._previous[number] = handler
                signal.signal(number, self.handle)

    def end(self) -> None:
        """Restore the previous handlers, and deliver the signal that was held."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self.held:
            signal.raise_signal(self.held.pop())


@contextmanager
def interrupts(stop: Callable[[], object] | None) -> Iterator[Interrupts]:
    """Call `stop` at the first signal, and raise KeyboardInterrupt at the second.

    The signals are SIGINT (Ctrl-C), SIGTERM and SIGHUP. A SIGHUP after another signal is ignored.

    After `Interrupts.hold`, the first signal is held. It is delivered to the previous handlers at
    the end, unless the caller removes it from `Interrupts.held`. A second signal raises
    KeyboardInterrupt at once. If `stop` is None, the previous handlers get all signals that arrive
    before `Interrupts.hold`.

    In other threads than the main thread this does nothing, because Python allows signal handlers
    in the main thread only.
    """
    handler = Interrupts(stop)
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    handler.begin()
    try:
        yield handler
    finally:
        handler.end()
