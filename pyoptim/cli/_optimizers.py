"""The optimizers that commands take by name."""

from __future__ import annotations

import pyoptim as po
from pyoptim.optim.matrix import RULES as MATRIX_RULES


def all_rules() -> tuple[po.Rule, ...]:
    """List every optimizer, those for matrices last."""
    return (*po.rules(), *(rule.entry() for rule in MATRIX_RULES))


def find_rule(name: str) -> po.Rule:
    """Return the optimizer of this name, case ignored; ValueError lists the names.

    >>> find_rule("muon").name
    'Muon'
    """
    for rule in all_rules():
        if rule.name.lower() == name.lower():
            return rule
    names = ", ".join(rule.name for rule in all_rules())
    raise ValueError(f"there is no optimizer {name!r}; there are {names}")
