"""Nested Python values as JSON that gives back the same, and arrays in them as tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim._utils.text import shown

_ARRAY = "$tensor"
_FLOAT = "$float"  # one of nan, inf, -inf, which JSON does not have
_DEEPEST = 100  # levels of lists and dicts in each other: no recursion ends elsewhere
_TOO_DEEP = f"more than {_DEEPEST} levels of lists and dicts"


def encode(
    value: Any, tensors: dict[str, npt.ArrayLike], path: str = "metadata", depth: int = 0
) -> Any:
    """Return a value as JSON can hold it; its arrays are put to `tensors`, named after their place.

    Floats keep every bit: JSON gets the shortest digits that give them back.

    Raises
    ------
    TypeError
        If something is none of None, bool, int, float, str, array, list, tuple (which becomes a
        list), and mapping from str.
    ValueError
        If two arrays would have one name, or there are more than 100 levels of lists and dicts.

    Examples
    --------
    >>> tensors = {}
    >>> encode({"best": float("inf"), "m": np.zeros(2)}, tensors)
    {'best': {'$float': 'inf'}, 'm': {'$tensor': 'metadata.m'}}
    >>> tensors
    {'metadata.m': array([0., 0.])}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_FLOAT: repr(float(value))}
    if isinstance(value, np.ndarray):
        if path in tensors:
            raise ValueError(f"two arrays would be named {path!r}")
        tensors[path] = value
        return {_ARRAY: path}
    if depth == _DEEPEST:
        raise ValueError(f"{shown(path[:40])}...: {_TOO_DEEP}")
    if isinstance(value, list | tuple):
        return [encode(item, tensors, f"{path}.{i}", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {
            _escaped(key, path): encode(item, tensors, f"{path}.{key}", depth + 1)
            for key, item in value.items()
        }
    raise TypeError(f"{shown(path)}: a checkpoint cannot hold {type(value).__name__}")


def decode(value: Any, tensors: Mapping[str, Any], depth: int = 0) -> Any:
    """Return what `encode` was given.

    Raises
    ------
    ValueError
        If `encode` has not written this.

    Examples
    --------
    >>> decode({"best": {"$float": "inf"}, "m": {"$tensor": "x"}}, {"x": np.zeros(2)})
    {'best': inf, 'm': array([0., 0.])}
    """
    if not isinstance(value, list | dict):
        return value
    if isinstance(value, dict):
        if value.keys() == {_FLOAT} and value[_FLOAT] in ("nan", "inf", "-inf"):
            return float(value[_FLOAT])
        name = value.get(_ARRAY)
        if value.keys() == {_ARRAY} and isinstance(name, str) and name in tensors:
            return tensors[name]
    if depth == _DEEPEST:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, list):
        return [decode(item, tensors, depth + 1) for item in value]
    return {_unescaped(key): decode(item, tensors, depth + 1) for key, item in value.items()}


def arrays_in(value: Any) -> set[str]:
    """Return the names of the tensors that an encoded value refers to."""
    if isinstance(value, list):
        return set().union(*map(arrays_in, value))
    if not isinstance(value, dict):
        return set()
    if value.keys() == {_ARRAY}:
        return {str(value[_ARRAY])}
    return set().union(*map(arrays_in, value.values()))


def _escaped(key: Any, path: str) -> str:
    """Return a key that is none of ours."""
    if not isinstance(key, str):
        raise TypeError(f"{path}: keys must be strings, got {key!r}")
    return f"${key}" if key.startswith("$") else key


def _unescaped(key: str) -> str:
    if not key.startswith("$"):
        return key
    if not key.startswith("$$"):
        raise ValueError(f"unknown key {key!r}")
    return key[1:]
