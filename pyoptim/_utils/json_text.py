"""JSON from files: of bounded size and depth, with errors of one line."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

LARGEST = 2**25  # characters
MOST_VALUES = 2**20

_MARK = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{,]', re.DOTALL)


def parse_json(
    text: str, *, largest: int = LARGEST, most_values: int = MOST_VALUES, **hooks: Any
) -> Any:
    """Return the value of a JSON text that somebody else may have written.

    Parameters
    ----------
    text : str
    largest : int
        Characters that it may have.
    most_values : int
        Values that it may have: each takes memory, also an empty list.
    **hooks
        As of `json.loads`.

    Raises
    ------
    ValueError
        If it is no JSON, larger, or so deep that it cannot be read, or a key of a dict comes twice.

    Examples
    --------
    >>> parse_json('[1, {"a": []}]')
    [1, {'a': []}]
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ValueError: lists and dicts are nested too deep
    """
    if len(text) > largest:
        raise ValueError(f"{len(text)} characters of JSON; {largest} are the most there may be")
    if text.count(",") + text.count("[") + text.count("{") > most_values:  # also those in strings
        values = 0
        for mark in _MARK.finditer(text):
            values += mark[0][0] != '"'
            if values > most_values:
                raise ValueError(f"more than {most_values} values of JSON")
    try:
        return json.loads(text, **{"object_pairs_hook": _unique, **hooks})
    except RecursionError:
        raise ValueError("lists and dicts are nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(key for key, _ in pairs)
        twice = next(key for key in times if times[key] > 1)
        raise ValueError(f"the key {twice!r} comes twice")
    return found


def shortened(value: object, longest: int = 200) -> str:
    r"""Return text for an error: one line, and not longer than this.

    >>> shortened("a\nb"), shortened("x" * 1000, 5)
    ('a b', 'xxxxx...')
    """
    text = str(value)[: 4 * longest]
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}..."
