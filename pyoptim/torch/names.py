"""How torch calls settings that stand alone here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from pyoptim.catalog import Rule

TUPLES: dict[str, tuple[str, ...]] = {
    "betas": ("beta1", "beta2"),
    "etas": ("eta_minus", "eta_plus"),
    "step_sizes": ("step_size_min", "step_size_max"),
    "eps": ("eps1", "eps2"),
}
"""A setting of torch that is a tuple, and what its parts are called here."""

_SHARED = ("lr", "weight_decay", "decoupled_weight_decay", "maximize")

Settings: TypeAlias = list[tuple[str, Any]]
"""Settings as the engine takes them."""


@dataclass(frozen=True)
class Source:
    """Where a setting of the engine stands in a group: under a key, or in a tuple there."""

    name: str
    key: str
    place: int | None
    default: Any
    is_number: bool

    def value(self, group: Mapping[str, Any]) -> Any:
        """Return it as the engine takes it; None is the default."""
        value = group[self.key]
        if self.place is not None:
            value = value[self.place]
        if value is None:
            return self.default
        if isinstance(value, torch.Tensor):
            return value.item()
        return float(value) if self.is_number and isinstance(value, int) else value


def sources(rule: Rule, keys: Collection[str]) -> list[Source]:
    """Return where groups with these keys have the settings of a rule.

    What a group has not is left at its default.
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
