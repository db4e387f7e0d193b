"""Safe display of names that come from files and users."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

_PLAIN = re.compile(r"[\x20-\x7e]*")


def shown(text: object) -> str:
    r"""Return text with all unprintable characters escaped.

    Unprintable are all characters for which `str.isprintable` is false, such as control characters,
    direction marks, other invisible characters and surrogates. So a name cannot control a terminal
    or change the order of the text.

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
    r"""Return text with all unprintable characters except newlines escaped.

    Examples
    --------
    >>> shown_lines("one\ntwo\r")
    'one\ntwo\\r'
    """
    return "\n".join(map(shown, str(text).split("\n")))


def listed(names: Iterable[object]) -> str:
    r"""Return names for a message, escaped and separated by commas.

    Examples
    --------
    >>> listed(["w", "b\n"])
    'w, b\\n'
    """
    return ", ".join(map(shown, names))


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Return the name of a dtype, with its byte order if not native.

    Examples
    --------
    >>> import ml_dtypes
    >>> dtype_text(np.dtype("float32")), dtype_text(np.dtype([("x", "f4")]))
    ('float32', "[('x', '<f4')]")
    >>> dtype_text(np.dtype(ml_dtypes.bfloat16).newbyteorder(">"))
    'big-endian bfloat16'
    """
    if dtype.byteorder not in "<>" or dtype.isnative or dtype.kind not in "iufcV":
        return str(dtype)
    return f"{'big' if dtype.byteorder == '>' else 'little'}-endian {dtype.name}"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
