"""The argument `params` of an optimizer, in all its forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pyoptim import _core
from pyoptim._utils.text import listed
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._selection import Selection

Params: TypeAlias = Any
"""An array, a list of arrays, a mapping of names to arrays, Parameters or a selection of them, or a
list of groups."""


def with_grads(params: Mapping[Any, Any]) -> list[tuple[str, Any, Any]]:
    """Return what the engine takes: each array with its name in errors and its own gradient.

    That is an array, the RowSlot where a row-sparse one is found every step, or None.
    """
    whole = params.whole if isinstance(params, Selection) else params
    grads = whole.grads if isinstance(whole, Parameters) else None
    return [
        (f"params[{key!r}]", array, None if grads is None else grads.kept(key))
        for key, array in params.items()
    ]


def row_sparse(params: Mapping[Any, Any]) -> list[str]:
    """Return which of them are row-sparse."""
    whole = params.whole if isinstance(params, Selection) else params
    return [key for key in params if isinstance(whole, Parameters) and key in whole.row_sparse]


def belongs(params: Mapping[Any, Any], whole: Parameters) -> bool:
    """Whether these are the parameters of `whole`, or some of them."""
    return params is whole or (isinstance(params, Selection) and params.whole is whole)


def as_groups(params: Params, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bring any form of `params` to groups that each map keys to arrays.

    Arrays in lists are called by their number, counted over all groups.
    """
    if isinstance(params, Mapping):
        given: list[Any] = [{"params": params}]
    elif _core.is_array(params):
        given = [{"params": [params]}]
    elif isinstance(params, Iterable):
        given = list(params)
        if not given:
            raise ValueError("an optimizer needs at least one parameter, got none")
        if not all(isinstance(group, Mapping) for group in given):
            given = [{"params": given}]
    else:
        raise TypeError(
            "params: expected an array, a list or mapping of arrays, Parameters, or a list of "
            f"groups, got {type(params).__name__}"
        )
    groups = []
    count = 0
    for index, group in enumerate(given):
        if "params" not in group:
            raise ValueError(f"group {index} has no 'params'; it has {listed(group)}")
        held = group["params"]
        if not isinstance(held, Mapping):
            arrays = [held] if _core.is_array(held) else list(held)
            held = {count + i: array for i, array in enumerate(arrays)}
        elif not isinstance(held, Parameters | Selection):
            held = dict(held)
        count += len(held)
        groups.append({**settings, **group, "params": held})
    return groups
