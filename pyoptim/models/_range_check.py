"""Search for inputs out of range, which are reported before a step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pyoptim._utils.text import shown
from pyoptim._utils.validation import LARGEST_INDEX
from pyoptim.data._csr import CSR
from pyoptim.parameters._types import Array

_BLOCK = 2**16  # number of codes that are compared at a time


class OutOfRange(NamedTuple):
    """A row with an input out of range, and the beginning of the error message."""

    row: int
    message: str


def find_code(
    name: str, noun: str, codes: Array, count: int, weights: Array | None = None
) -> OutOfRange | None:
    """Return the first row whose code is not from 0 to `count` - 1, or None.

    Parameters
    ----------
    name : str
        Name of the argument for the message.
    noun : str
        Plural noun for the codes in the message, such as "users".
    codes : array of int, shape (rows,)
        Code of each row.
    count : int
        Number of valid codes.
    weights : array of shape (rows,), optional
        Weights of the rows. Rows of weight 0 are ignored.
    """
    for start in range(0, len(codes), _BLOCK):
        part = codes[start : start + _BLOCK]
        if part.min() >= 0 and part.max() < count:
            continue
        invalid = (part < 0) | (part >= count)
        if weights is not None:
            invalid &= weights[start : start + _BLOCK] != 0
        if invalid.any():
            row = int(invalid.argmax())
            return OutOfRange(start + row, _message(name, noun, count, part[row]))
    return None


def find_index(
    name: str, noun: str, matrix: CSR, count: int, weights: Array | None = None
) -> OutOfRange | None:
    """Return the first row of a matrix with a column that is not from 0 to `count` - 1, or None.

    The other parameters are those of `find_code`.
    """
    first, last = int(matrix.indptr[0]), int(matrix.indptr[-1])
    for start in range(first, last, _BLOCK):
        part = matrix.indices[start : min(start + _BLOCK, last)]
        if not part.size or (part.min() >= 0 and part.max() < count):
            continue
        for index in start + np.flatnonzero((part < 0) | (part >= count)):
            row = int(np.searchsorted(matrix.indptr, index, side="right")) - 1
            if weights is None or weights[row] != 0:
                return OutOfRange(row, _message(name, noun, count, matrix.indices[index]))
    return None


def _message(name: str, noun: str, count: int, value: Any) -> str:
    or_more = " or more" if value == LARGEST_INDEX else ""
    return f"{name}: expected {shown(noun)} from 0 to {count - 1}, got {value}{or_more}"
