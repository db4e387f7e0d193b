"""Row-sparse gradients in plain NumPy, with a dense rule on the rows of a batch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from reference import Array, references

import pyoptim as po


def coalesced(rows: Array, values: Array) -> tuple[Array, Array]:
    """Return sorted unique rows, with their values summed in the order given."""
    wide = np.float64 if values.dtype == np.float64 else np.float32
    touched = np.unique(rows)
    sums = np.empty((touched.size, *values.shape[1:]), values.dtype)
    for place, row in enumerate(touched):
        first, *others = values[rows == row]
        total = first.astype(wide)
        for value in others:
            total = total + value.astype(wide)
        sums[place] = total.astype(values.dtype)
    return touched, sums


class LazyReference:
    """A parameter whose steps update some rows with the dense rule."""

    def __init__(self, optimizer: po.Optimizer, index: int = 0) -> None:
        self.whole = references(optimizer)[index]
        begun = references(optimizer)[index]
        begun.shared["weight_decay"] = 0
        begun.step(np.zeros_like(begun.param))
        self.first_states = begun.state

    def step(self, touched: Array, values: Array, **options: Any) -> None:
        """Update unique rows."""
        whole = self.whole
        if whole.t == 0:
            whole.state = self.first_states
        part = copy.copy(whole)
        part.param = whole.param[touched]
        part.state = {name: state[touched] for name, state in whole.state.items()}
        part.step(values, **options)
        whole.t = part.t
        whole.param = replaced(whole.param, touched, part.param)
        for name, state in part.state.items():
            whole.state[name] = replaced(whole.state[name], touched, state)


def replaced(array: Array, rows: Array, values: Array) -> Array:
    array = array.copy()
    array[rows] = values
    return array
