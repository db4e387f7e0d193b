"""Output to streams that may be closed, broken, full or missing."""

from __future__ import annotations

import os
import sys
from typing import Any


class QuietStream:
    """A text stream that ignores errors, and writes nothing after the first error.

    Use it for messages that must not end a program. Characters outside the stream's encoding are
    escaped.

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
        """Whether no write has failed so far."""
        return self._stream is not None

    @property
    def encoding(self) -> str:
        """The stream's encoding."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write text if possible, and return its length."""
        self._try("write", text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        """Flush the stream if possible."""
        self._try("flush")

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return bool(self._try("isatty"))

    def fileno(self) -> int:
        """Return the file descriptor, or raise OSError if the stream has none."""
        descriptor = self._try("fileno")
        if descriptor is None:
            raise OSError("the stream has no file descriptor")
        return int(descriptor)

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
    """Redirect broken standard streams to the null device, so that exit keeps its status."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            try:
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)
            except (OSError, ValueError):
                pass
