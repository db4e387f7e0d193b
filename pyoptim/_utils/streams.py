"""Messages to streams that may be closed, broken, full, or not there."""

from __future__ import annotations

import os
import sys
from typing import Any


class QuietStream:
    """A text stream whose failures end nothing: after the first one, no more is written.

    Characters that the stream's encoding lacks are escaped.

    Examples
    --------
    >>> stream = QuietStream(None)
    >>> stream.write("lost"), stream.isatty(), stream.works
    (4, False, False)
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    @property
    def works(self) -> bool:
        """Whether what is written still arrives, as far as is known."""
        return self._stream is not None

    @property
    def encoding(self) -> str:
        """The stream's encoding."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write text, if that is possible."""
        self._try("write", text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, if that is possible."""
        self._try("flush")

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return bool(self._try("isatty"))

    def fileno(self) -> int:
        """Return the file descriptor; OSError if there is none."""
        number = self._try("fileno")
        if number is None:
            raise OSError("there is no stream")
        return int(number)

    def _try(self, method: str, *arguments: Any) -> Any:
        if self._stream is None:
            return None
        try:
            return getattr(self._stream, method)(*arguments)
        except (OSError, ValueError):  # a closed stream raises ValueError
            if method in ("write", "flush"):
                self._stream = None
            return None


def abandon_broken_streams() -> None:
    """Keep what could not be written from changing the status when the process ends."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            try:
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, stream.fileno())
                os.close(nothing)
            except (OSError, ValueError):
                pass
