"""The loss classes."""

from pathlib import Path
from typing import Any

from python_code import exported, indented, parameter

from pyoptim import _core
from pyoptim._utils.hyperparameter import Field

_HEAD = '''\
"""The class of each loss, and an instance with the defaults."""

# Written by tools/generate from the engine's list of losses; do not edit.

from __future__ import annotations

from pyoptim.losses._base import Loss

'''

_TARGETS_OF_ROWS = "whole numbers from 0, one a row, or rows of probabilities, one for each class"


def class_name(name: str) -> str:
    """Return the name of a loss's class."""
    return "".join(map(str.capitalize, name.split("_")))


def document(entry: dict[str, Any], cls: str, fields: list[Field]) -> str:
    """Return the docstring of a loss class."""
    targets = _TARGETS_OF_ROWS if entry["of_rows"] else f"numbers, {entry['targets']}"
    parameters = "".join(
        f"{field.name} : float, {field.range}, by default {field.default}\n    {field.doc}\n"
        for field in fields
    )
    scores = "[[0.5, 2.0], [1.0, -1.0]]" if entry["of_rows"] else "[0.5, 2.0]"
    heading = f"Parameters\n----------\n{parameters}\n" if fields else ""
    return f"""{entry["doc"]}

Targets are {targets}.
See `pyoptim.losses.Loss` for what a loss can do.

{heading}Raises
------
ValueError
    If a parameter, a target or a weight is out of range.

Examples
--------
>>> import numpy as np, pyoptim as po
>>> scores, targets = np.array({scores}), np.array([0, 1])
>>> loss = po.losses.{cls}()
>>> value, grad, hessian = loss.value_grad_hessian(scores, targets)
>>> value == loss(scores, targets), grad.shape == scores.shape
(True, True)
"""


def loss_class(entry: dict[str, Any]) -> str:
    """Return the source of a loss class."""
    name = str(entry["name"])
    cls = class_name(name)
    fields = [Field(*field) for field in entry["fields"]]
    doc = indented(document(entry, cls, fields))
    text = f'class {cls}(Loss):\n    """{doc}    """\n\n    name = "{name}"\n'
    values = ", ".join(f"{field.name}={field.name}" for field in fields)
    signature = ", ".join(["self", *(parameter(f.name, "float", f.default) for f in fields)])
    text += f"\n    def __init__({signature}) -> None:\n        super().__init__({values})\n"
    for field in fields:
        text += (
            f'\n    @property\n    def {field.name}(self) -> float:\n        """{field.doc}"""\n'
        )
        text += f'        return self.parameters["{field.name}"]\n'
    return text


def texts() -> dict[Path, str]:
    """Return the generated module."""
    entries = _core.losses()
    names = [str(entry["name"]) for entry in entries]
    instances = "".join(f"{name} = {class_name(name)}()\n" for name in names)
    classes = "".join(f"\n\n{loss_class(entry)}" for entry in entries)
    listed = exported([*names, *map(class_name, names)])
    return {Path("pyoptim", "losses", "_builtin.py"): f"{_HEAD}{listed}{classes}\n\n{instances}"}
