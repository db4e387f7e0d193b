"""Names from files and users, as they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN = re.compile(r"[\x20-\x7e]*")


def shown(text: object) -> str:
    r"""Return text in which what a terminal would obey, or show in another order, is escaped.

    These are control characters, C1 ones among them, marks of direction, other invisible ones, and
    surrogates: all that `str.isprintable` does not count as printable.

    Examples
    --------
    >>> print(shown("a\x1b[31mb"), shown("caf\u00e9"), shown("\u202eabc"))
    a\x1b[31mb café \u202eabc
    """
    plain = str(text)
    if _PLAIN.fullmatch(plain) or plain.isprintable():
        return plain
    return "".join(char if char.isprintable() else _escaped(char) for char in plain)


def shown_lines(text: object) -> str:
    r"""Return text of several lines, each such as `shown` returns.

    Examples
    --------
    >>> shown_lines("one\ntwo\r")
    'one\ntwo\\r'
    """
    return "\n".join(map(shown, str(text).split("\n")))


def listed(given: Iterable[object]) -> str:
    r"""Return names for a message, with commas between them.

    Examples
    --------
    >>> listed(["w", "b\n"])
    'w, b\\n'
    """
    return ", ".join(map(shown, given))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
