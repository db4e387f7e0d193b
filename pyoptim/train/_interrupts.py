"""Ctrl-C, SIGTERM and SIGHUP while training, and until what was trained is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: a terminal was closed


class Interrupts:
    """Handles signals: the first one is for `stop`; after `hold`, it waits for the end."""

    def __init__(self, stop: Callable[[], object] | None) -> None:
        self.held: list[int] = []
        self._stop = stop
        self._asked = False
        self._holds = False
        self._former: dict[int, Any] = {}

    def hold(self) -> None:
        """Let a first signal wait from now on, so that restoring and saving are not cut."""
        self._holds = True

    def handle(self, number: int, frame: Any) -> None:
        """Take a signal."""
        if number == signal.SIGHUP and (self._asked or self.held):
            return  # shell and kernel send one each when a terminal is closed
        if self._holds:
            if self.held:
                raise KeyboardInterrupt
            self.held.append(number)
        elif self._stop is None:
            signal.signal(number, self._former[number])
            signal.raise_signal(number)
        elif self._asked:
            raise KeyboardInterrupt
        else:
            self._asked = True
            self._stop()

    def begin(self) -> None:
        """Take the place of the handlers there are; signals that are ignored stay so."""
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if handler is not None and handler is not signal.SIG_IGN:
                self._former[number] = handler
                signal.signal(number, self.handle)

    def end(self) -> None:
        """Bring the handlers back, and give them what was held."""
        for number, handler in self._former.items():
            signal.signal(number, handler)
        if self.held:
            signal.raise_signal(self.held.pop())


@contextmanager
def interrupts(stop: Callable[[], object] | None) -> Iterator[Interrupts]:
    """Call `stop` at the first of these signals; a second one raises KeyboardInterrupt.

    A SIGHUP that is not the first signal is ignored.

    After `Interrupts.hold` a signal is delivered at the end, to the handlers there were before,
    unless it is taken out of `Interrupts.held`; a second one raises KeyboardInterrupt at once.
    Without `stop` signals are handled as before until then. Python lets only the main thread have
    handlers, so in others nothing changes.
    """
    found = Interrupts(stop)
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    found.begin()
    try:
        yield found
    finally:
        found.end()
