"""Optimizers by name, for the commands."""

from __future__ import annotations

import pyoptim as po
from pyoptim.optim.matrix import RULES as MATRIX_RULES


def all_rules() -> tuple[po.Rule, ...]:
    """Return all optimizers, with matrix optimizers last."""
    return (*po.rules(), *(rule.entry() for rule in MATRIX_RULES))


def find_rule(name: str) -> po.Rule:
    """Return an optimizer by name, ignoring case.

    Raises
    ------
    ValueError
        If no optimizer has this name. The message lists all names.

    >>> find_rule("muon").name
    'Muon'
    """
    for rule in all_rules():
        if rule.name.lower() == name.lower():
            return rule
    names = ", ".join(rule.name for rule in all_rules())
    raise ValueError(f"unknown optimizer {name!r}; choose one of {names}")
