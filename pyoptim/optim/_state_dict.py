"""Whether a saved state fits an optimizer."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import numpy as np

from pyoptim._utils.text import dtype_text, listed, shown
from pyoptim._utils.validation import as_number

StateDict: TypeAlias = dict[str, Any]

_LARGEST_STEP = 2**53  # up to here a float64 counts exactly


def fitting(
    state: Mapping[str, Any],
    own: StateDict,
    kind: str = "rule",
    any_length: Collection[str] = (),
) -> StateDict:
    """Return a saved state with values of the same types as an optimizer's own.

    `kind` is the key with the name of the optimizer. Integers of the own state have to be integers
    of at least 0 in the saved one. The first axis of the arrays in `any_length` may have another
    length.

    Raises
    ------
    ValueError
        If the rule, the keys, a shape or a number does not fit.
    TypeError
        If a dtype differs, or a value is not a number.
    """
    if state.get(kind) != own[kind]:
        raise ValueError(
            f"cannot load state_dict: saved by {state.get(kind)}, but this optimizer is {own[kind]}"
        )
    missing = sorted(own.keys() - state.keys())
    unknown = sorted(map(str, state.keys() - own.keys()))
    if missing or unknown:
        raise ValueError(
            "cannot load state_dict: it does not fit the parameters and hyperparameters of this "
            f"{own[kind]}"
            + (f"; missing keys: {listed(missing)}" if missing else "")
            + (f"; unexpected keys: {listed(unknown)}" if unknown else "")
        )
    return {
        key: _fitting_value(key, state[key], mine, 1 if key in any_length else 0)
        for key, mine in own.items()
    }


def _fitting_value(key: str, value: Any, mine: Any, free_axes: int) -> Any:
    if isinstance(mine, np.ndarray):
        return _fitting_array(key, np.asarray(value), mine, free_axes)
    if isinstance(mine, str):
        return value
    if type(mine) is int:
        return _as_count(key, value)
    if isinstance(mine, bool) and isinstance(value, bool | np.bool_):
        return bool(value)
    number = as_number(key, value)
    if not key.startswith("groups.") and not math.isfinite(number):
        raise ValueError(f"{shown(key)} must be finite, got {value!r}")
    return number  # the ranges of settings are the engine's to check


def _fitting_array(key: str, theirs: np.ndarray, mine: np.ndarray, free_axes: int) -> np.ndarray:
    if theirs.ndim != mine.ndim or theirs.shape[free_axes:] != mine.shape[free_axes:]:
        raise ValueError(
            f"{shown(key)}: the state has shape {theirs.shape}, this optimizer {mine.shape}"
        )
    if theirs.dtype != mine.dtype:
        raise TypeError(
            f"{shown(key)}: the state has dtype {dtype_text(theirs.dtype)}, "
            f"this optimizer {dtype_text(mine.dtype)}"
        )
    return theirs


def _as_count(key: str, value: Any) -> int:
    try:
        whole = int(value)
        fits = whole == value and 0 <= whole <= _LARGEST_STEP
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise ValueError(f"{shown(key)} must be a whole number of at least 0, got {value!r}")
    return whole
