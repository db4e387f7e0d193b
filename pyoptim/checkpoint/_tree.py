"""Lossless conversion of nested Python values to JSON, with their arrays as tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim._utils.text import shown

_ARRAY = "$tensor"
_FLOAT = "$float"  # "nan", "inf" or "-inf", which JSON lacks
_MAX_DEPTH = 100  # levels of lists and dicts; well below the interpreter's limit of recursion
_TOO_DEEP = f"expected at most {_MAX_DEPTH} levels of lists and dicts, got more"


def encode(
    value: Any, tensors: dict[str, npt.ArrayLike], path: str = "metadata", depth: int = 0
) -> Any:
    """Return a value as JSON values, and add its arrays to `tensors` under their paths.

    Floats are exact, because JSON stores the shortest digits that restore them. Tuples become
    lists.

    Parameters
    ----------
    value : object
        Any nesting of None, bool, int, float, str, arrays, lists, tuples and mappings from str.
    tensors : dict of str to array
        Dict to which the arrays are added.
    path : str
        Name of the value, which begins the names of its arrays.
    depth : int
        Number of lists and dicts around the value.

    Raises
    ------
    TypeError
        If a value has another type, or a key is not a string.
    ValueError
        If two arrays would have the same name, or lists and dicts are nested more than 100 deep.

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
            raise ValueError(f"{shown(path)}: another array has the same name; rename one of them")
        tensors[path] = value
        return {_ARRAY: path}
    if depth == _MAX_DEPTH:
        raise ValueError(f"{shown(path[:40])}...: {_TOO_DEEP}")
    if isinstance(value, list | tuple):
        return [encode(item, tensors, f"{path}.{i}", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {
            _escaped(key, path): encode(item, tensors, f"{path}.{key}", depth + 1)
            for key, item in value.items()
        }
    raise TypeError(
        f"{shown(path)}: expected None, bool, int, float, str, array, list, tuple or dict, got "
        f"{type(value).__name__}"
    )


def decode(value: Any, tensors: Mapping[str, Any], depth: int = 0) -> Any:
    """Return the value that `encode` converted, with its arrays from `tensors`.

    Raises
    ------
    ValueError
        If `encode` cannot have returned `value`.

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
    if depth == _MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, list):
        return [decode(item, tensors, depth + 1) for item in value]
    return {_unescaped(key): decode(item, tensors, depth + 1) for key, item in value.items()}


def arrays_in(value: Any) -> set[str]:
    """Return the names of the tensors in an encoded value."""
    if isinstance(value, list):
        return set().union(*map(arrays_in, value))
    if not isinstance(value, dict):
        return set()
    if value.keys() == {_ARRAY}:
        return {str(value[_ARRAY])}
    return set().union(*map(arrays_in, value.values()))


def _escaped(key: Any, path: str) -> str:
    """Return a key that differs from the reserved keys, which begin with a single $."""
    if not isinstance(key, str):
        raise TypeError(f"{path}: expected keys of type str, got {key!r}")
    return f"${key}" if key.startswith("$") else key


def _unescaped(key: str) -> str:
    if not key.startswith("$"):
        return key
    if not key.startswith("$$"):
        raise ValueError(f"unknown key {key!r}")
    return key[1:]
