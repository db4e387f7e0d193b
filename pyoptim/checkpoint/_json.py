"""JSON of a form that is known, read strictly where it lies: one pass, no recursion, no guesses.

Memory is needed for what was valid so far, and the first fault ends it.
"""

from __future__ import annotations

import json
import re
from mmap import mmap
from typing import NoReturn

from pyoptim.errors import CheckpointError

LONGEST_NAME = 4096  # bytes

# Possessive repetitions (`*+`): nothing is tried twice.
BLANK = rb"[ \t\n\r]*+"
_STRING = rb'"((?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+)"'
INTEGER = rb"(?:0|[1-9][0-9]*+)"
_KEY = re.compile(BLANK + _STRING + BLANK + b":" + BLANK)
_TEXT = re.compile(_STRING)
BEGIN = re.compile(rb"\{" + BLANK)
_NEXT = re.compile(BLANK + b"([,}])")
END = re.compile(BLANK + rb"\}")


class JsonReader:
    """The place up to which all was valid."""

    def __init__(self, data: bytes | mmap, begin: int, end: int) -> None:
        self.data = data
        self.at = begin
        self.end = end

    def key(self, what: str) -> str:
        """Read a string and the colon after it."""
        return self.unescape(self.take(_KEY, f"expected {what}, then a colon"), what, LONGEST_NAME)

    def text(self, what: str, longest: int) -> str:
        """Read a string."""
        return self.unescape(self.take(_TEXT, f"{what} is no string"), what, longest)

    def unescape(self, found: re.Match[bytes], what: str, longest: int) -> str:
        """Return the string that a pattern found between quotes."""
        if found.end(1) - found.start(1) > longest:
            self.fail(f"{what} is longer than {longest} bytes")
        raw = found[1]
        try:
            text: str = json.loads(b'"%b"' % raw) if b"\\" in raw else raw.decode()
            text.encode()  # no lone surrogates
        except ValueError:
            self.fail(f"{what} is no valid text")
        return text

    def more(self) -> bool:
        """Read what follows a member of an object; return whether it is a comma."""
        return self.take(_NEXT, "expected , or }")[1] == b","

    def take(self, pattern: re.Pattern[bytes], fault: str) -> re.Match[bytes]:
        """Read what must stand here."""
        found = pattern.match(self.data, self.at, self.end)
        if found is None:
            self.fail(fault)
        self.at = found.end()
        return found

    def skip(self, pattern: re.Pattern[bytes]) -> bool:
        """Read what may stand here; return whether it does."""
        found = pattern.match(self.data, self.at, self.end)
        if found is not None:
            self.at = found.end()
        return found is not None

    def fail(self, fault: str) -> NoReturn:
        """Raise an error that tells the place."""
        raise CheckpointError(f"{fault} (at byte {self.at})")
