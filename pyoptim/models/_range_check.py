"""Inputs that are out of range: the first row that has one, found before a step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pyoptim._utils.text import shown
from pyoptim._utils.validation import LARGEST_INDEX
from pyoptim.data._csr import CSR
from pyoptim.parameters._types import Array

_BLOCK = 2**16  # codes that are looked at together


class Fault(NamedTuple):
    """A row with an input out of range, and what is wrong with it."""

    row: int
    message: str


def find_code(
    name: str, what: str, codes: Array, count: int, weights: Array | None = None
) -> Fault | None:
    """Return the first code, one a row, that is not from 0 to `count` - 1."""
    for start in range(0, len(codes), _BLOCK):
        part = codes[start : start + _BLOCK]
        if part.min() >= 0 and part.max() < count:
            continue
        wrong = (part < 0) | (part >= count)
        if weights is not None:
            wrong &= weights[start : start + _BLOCK] != 0
        if wrong.any():
            row = int(wrong.argmax())
            return Fault(start + row, _out_of_range(name, what, count, part[row]))
    return None


def find_index(
    name: str, what: str, matrix: CSR, count: int, weights: Array | None = None
) -> Fault | None:
    """Return the first row of a matrix with a column that is not from 0 to `count` - 1."""
    first, last = int(matrix.indptr[0]), int(matrix.indptr[-1])
    for start in range(first, last, _BLOCK):
        part = matrix.indices[start : min(start + _BLOCK, last)]
        if not part.size or (part.min() >= 0 and part.max() < count):
            continue
        for index in start + np.flatnonzero((part < 0) | (part >= count)):
            row = int(np.searchsorted(matrix.indptr, index, side="right")) - 1
            if weights is None or weights[row] != 0:
                return Fault(row, _out_of_range(name, what, count, matrix.indices[index]))
    return None


def _out_of_range(name: str, what: str, count: int, got: Any) -> str:
    more = " or more" if got == LARGEST_INDEX else ""
    return f"{name}: expected {shown(what)} from 0 to {count - 1}, got {got}{more}"
