"""The hyperparameters in torch's parameter groups, and their names in pyoptim."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from pyoptim._utils.validation import as_number
from pyoptim.optim._options import FUSED_DEFAULTS, OPTION_DEFAULTS
from pyoptim.optim._registry import Rule

TUPLES: dict[str, tuple[str, ...]] = {
    "betas": ("beta1", "beta2"),
    "etas": ("eta_minus", "eta_plus"),
    "step_sizes": ("step_size_min", "step_size_max"),
    "eps": ("eps1", "eps2"),
}
"""Hyperparameters of torch that are tuples, with pyoptim's names of their items."""

_SHARED = ("lr", "weight_decay", "decoupled_weight_decay", "maximize")

Settings: TypeAlias = list[tuple[str, Any]]
"""Names and values of hyperparameters for the engine."""


@dataclass(frozen=True)
class Source:
    """The location of a hyperparameter in a group: a key, or an item of the tuple at a key."""

    name: str
    key: str
    place: int | None
    default: Any
    is_number: bool

    def value(self, group: Mapping[str, Any]) -> Any:
        """Return the value for the engine; None means the default."""
        value = group[self.key]
        if self.place is not None:
            value = value[self.place]
        if value is None:
            return self.default
        if isinstance(value, torch.Tensor):
            return value.item()
        return float(value) if self.is_number and isinstance(value, int) else value


def check_numbers(known: Sequence[Source], group: Mapping[str, Any]) -> None:
    """Raise an error if a hyperparameter is not a number."""
    for source in known:
        if source.is_number:
            as_number(source.name, source.value(group))


def check_keys(rule: Rule, keys: Set[str], known: Set[str]) -> None:
    """Raise an error for options, and for hyperparameters in the spelling of another class.

    All other keys that are not `known` are allowed, because users may add keys of their own.
    """
    fields = {field.name for field in rule.fields}
    for key in sorted(keys - known):
        if key in OPTION_DEFAULTS or key in FUSED_DEFAULTS:
            raise ValueError(
                f"{key}: expected a hyperparameter of a group, got an option; pass it to "
                f"{rule.name}(), for all groups"
            )
        parts = [part for part in TUPLES.get(key, ()) if part in fields]
        wholes = [whole for whole, names in TUPLES.items() if key in names and whole in known]
        if parts or (key in fields and wholes):
            raise ValueError(
                f"{key}: {rule.name} has no such hyperparameter; use "
                f"{' and '.join(parts or wholes)}"
            )


def sources(rule: Rule, keys: Collection[str]) -> list[Source]:
    """Return the locations of a rule's hyperparameters in groups with these keys.

    Hyperparameters that a group lacks have their default.
    """
    parts = {
        part: (key, place)
        for key, names in TUPLES.items()
        if key in keys
        for place, part in enumerate(names)
    }
    found = [Source(name, name, None, None, True) for name in _SHARED if name in keys]
    for field in rule.fields:
        number = field.is_number or field.is_flag
        if field.name in keys:
            found.append(Source(field.name, field.name, None, field.default, number))
        elif field.name in parts:
            found.append(Source(field.name, *parts[field.name], field.default, number))
    return found
