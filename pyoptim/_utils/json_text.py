"""A JSON parser for untrusted files, with limits of size and depth and one-line errors."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

MAX_SIZE = 2**25  # characters
MAX_VALUES = 2**20

_CHUNK = 2**20
_BLOCK = 1024
# A string without an end extends to the end of the text, so each byte is read only once.
_VALUE = rb'(?:"(?:[^"\\]++|\\.?)*+"?|[^"\[{,]++)*+[\[{,]'


class JsonObject(dict[str, Any]):
    """A JSON object, with the first key that occurs more than once.

    Use it as `object_pairs_hook` if an error should name the object with the duplicate key.

    Attributes
    ----------
    duplicate : str or None
        First duplicate key.
    """

    __slots__ = ("duplicate",)

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.duplicate = None if len(self) == len(pairs) else _first_duplicate(pairs)


def parse_json(
    text: str | memoryview, *, max_size: int = MAX_SIZE, max_values: int = MAX_VALUES, **hooks: Any
) -> Any:
    """Parse an untrusted JSON text.

    The size and the number of values are checked before the text is parsed, because each value
    takes memory.

    Parameters
    ----------
    text : str, or memoryview of UTF-8
        JSON text.
    max_size : int
        Maximum number of characters, or of bytes of a memoryview.
    max_values : int
        Maximum number of values, where an empty list counts as a value.
    **hooks
        Keyword arguments for `json.loads`.

    Raises
    ------
    ValueError
        If the text is not valid JSON, is too large, is nested too deeply, or an object has a
        duplicate key.

    Examples
    --------
    >>> parse_json('[1, {"a": []}]')
    [1, {'a': []}]
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ValueError: JSON is nested too deeply
    """
    if len(text) > max_size:
        raise ValueError(f"JSON: expected at most {max_size} characters, got {len(text)}")
    _check_values(text, max_values)
    try:
        return json.loads(_decoded(text), **{"object_pairs_hook": _unique, **hooks})
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def _check_values(text: str | memoryview, max_values: int) -> None:
    """Raise ValueError if a text has more values than the maximum."""
    upper_bound = 0  # includes commas and brackets in strings
    for begin in range(0, len(text), _CHUNK):
        chunk = text[begin : begin + _CHUNK]
        part = chunk.encode(errors="replace") if isinstance(chunk, str) else bytes(chunk)
        upper_bound += part.count(b",") + part.count(b"[") + part.count(b"{")
    if upper_bound <= max_values:
        return
    values = end = 0
    for count in (_BLOCK, 1):
        pattern = _values_pattern(count, type(text))
        while match := pattern.match(text, end):
            values += count
            end = match.end()
            if values > max_values:
                raise ValueError(f"JSON has more than {max_values} values")


def _values_pattern(count: int, kind: type[str] | type[memoryview]) -> re.Pattern[Any]:
    """Return the pattern of `count` values, which `re` caches."""
    pattern = b"(?:%b){%d}+" % (_VALUE, count)
    return re.compile(pattern.decode() if kind is str else pattern, re.DOTALL)


def _decoded(text: str | memoryview) -> str:
    if isinstance(text, str):
        return text
    try:
        return str(text, "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"JSON is not valid UTF-8 at byte {error.start}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError(f"JSON object has the duplicate key {_first_duplicate(pairs)!r}")
    return result


def _first_duplicate(pairs: Sequence[tuple[str, Any]]) -> str:
    counts = Counter(key for key, _ in pairs)
    return next(key for key, count in counts.items() if count > 1)


def shortened(value: object, max_length: int = 200) -> str:
    r"""Return text on one line for an error, truncated to `max_length` characters.

    >>> shortened("a\nb"), shortened("x" * 1000, 5)
    ('a b', 'xxxxx...')
    """
    text = str(value)[: 4 * max_length]
    line = " ".join(text.split())
    return line if len(line) <= max_length else f"{line[:max_length]}..."
