"""The optimizer classes for NumPy arrays: of elementwise rules, and of matrix rules."""

from pathlib import Path
from typing import Any

from python_code import KINDS, exported, function, indented, keywords, literal, mapping, parameter

from pyoptim._utils.hyperparameter import Field
from pyoptim.optim import matrix
from pyoptim.optim._base import signature_settings
from pyoptim.optim._options import FUSED_OPTIONS, STEP_OPTIONS, Option
from pyoptim.optim._registry import Rule, rules
from pyoptim.optim.matrix._base import ADAMW_PARAMS

_HEAD = '''\
"""The class of each elementwise rule, with its signature and documentation."""

# Written by tools/generate from the registry of rules; do not edit.

from __future__ import annotations

from pyoptim.optim._base import Optimizer, Params, ScalarOrSchedule
from pyoptim.optim._options import MasterWeights, Modifier, StateDType

'''

_MATRIX_HEAD = '''\
"""The class of each matrix rule, with its signature and documentation."""

# Written by tools/generate from the matrix rules; do not edit.

from __future__ import annotations

from collections.abc import Collection, Sequence

from pyoptim.optim._base import Params, ScalarOrSchedule
from pyoptim.optim.matrix._base import MatrixOptimizer

'''

_SHARED_DOC = """\
weight_decay : float or schedule
    Strength of the weight decay. It adds weight_decay times the parameter to the gradient,
    as an L2 penalty does, unless it is decoupled.
decoupled_weight_decay : bool
    Whether to multiply the parameter by (1 - lr weight_decay) instead.
maximize : bool
    Whether to maximize the objective instead of minimizing it.
"""

_EXAMPLE = """\
>>> w = np.array([1.0, -2.0])
>>> opt = po.{name}([w])
>>> opt.step([2 * w]).step  # the gradient of |w|^2
1
"""

_MATRIX_EXAMPLE = """\
>>> w, b = np.eye(3), np.ones(3)
>>> opt = po.{name}([w, b], lr=po.schedules.linear(0.2, steps=200))
>>> for _ in range(200):
...     info = opt.step([2 * (w - 1), 2 * b])  # the gradients of |w - 1|^2 + |b|^2
>>> bool(abs(w - 1).max() < 0.1)
True
"""

_MATRIX_NOTES = """\
Notes
-----
This rule updates parameters with two axes. AdamW updates all others, with the hyperparameters
that start with ``adamw_``. Clipping, maximize and skipped steps apply to both. NumPy's BLAS
multiplies the matrices, with its own threads. Results are bit-identical for the same number of
BLAS threads. A bfloat16 gradient of a matrix is rounded again after it is scaled.

"""


def _kind(field: Field) -> str:
    if field.is_number:
        return f"float or schedule, {field.range}"
    return "bool" if field.is_flag else field.range


def document(rule: Rule, options: list[Option], notes: str, example: str) -> str:
    """Return the docstring of an optimizer class."""
    fields = "".join(f"{field.name} : {_kind(field)}\n    {field.doc}\n" for field in rule.fields)
    described = "".join(f"{o.name} : {o.kind}\n{o.indented_doc}\n" for o in options)
    return f"""{rule.doc}

Parameters
----------
params : array, list or mapping of arrays, Parameters, or list of groups
    Parameters to update in place: writable, C-contiguous arrays of float32, float64 or
    bfloat16. A group is a dict with "params" and hyperparameters for this group.
lr : float or schedule
    Learning rate. A schedule is a function of the step, which starts from 0.
{fields}{_SHARED_DOC}{described}
Raises
------
ValueError
    If a hyperparameter is out of range, or arrays overlap or cannot be updated in place.
TypeError
    If a hyperparameter or an array has the wrong type.

{notes}Examples
--------
>>> import numpy as np, pyoptim as po
{example.format(name=rule.name)}"""


def _annotation(default: Any) -> str:
    return KINDS.get(type(default), "ScalarOrSchedule")


def optimizer_class(
    rule: Rule, base: str, options: list[Option], attributes: str, notes: str, example: str
) -> str:
    """Return the source of an optimizer class."""
    settings = {"lr": rule.lr, **signature_settings(rule)}
    names = [option.name for option in options]
    signature = [
        "self",
        "params: Params",
        parameter("lr", "ScalarOrSchedule", rule.lr),
        "*",
        *(parameter(n, _annotation(d), d) for n, d in settings.items() if n != "lr"),
        *(parameter(o.name, o.annotation, o.default) for o in options),
    ]
    call = ["super().__init__(", "    params,", "    {", *mapping(settings, 8), "    },"]
    body = [*call, *keywords(names, 4), ")"]
    doc = indented(document(rule, options, notes, example))
    init = function("__init__", signature, "None", body)
    return f'class {rule.name}({base}):\n    """{doc}    """\n\n{attributes}\n{init}'


def elementwise() -> str:
    """Return the source of the classes of all native rules."""
    classes = [
        optimizer_class(
            rule,
            "Optimizer",
            [*STEP_OPTIONS, *([] if rule.factored else FUSED_OPTIONS)],
            f"    rule = {literal(rule.name)}\n",
            "",
            _EXAMPLE,
        )
        for rule in rules()
    ]
    return _HEAD + exported(rule.name for rule in rules()) + "".join(f"\n\n{c}" for c in classes)


def matrices() -> str:
    """Return the source of the classes of all matrix rules."""
    classes = [
        optimizer_class(
            rule.entry(),
            "MatrixOptimizer",
            [*STEP_OPTIONS, ADAMW_PARAMS],
            f"    rule = {literal(rule.name)}\n",
            _MATRIX_NOTES,
            _MATRIX_EXAMPLE,
        )
        for rule in matrix.RULES
    ]
    listed = exported(rule.name for rule in matrix.RULES)
    return _MATRIX_HEAD + listed + "".join(f"\n\n{c}" for c in classes)


def texts() -> dict[Path, str]:
    """Return the generated modules."""
    folder = Path("pyoptim", "optim")
    return {
        folder / "_elementwise.py": elementwise(),
        folder / "matrix" / "_classes.py": matrices(),
    }
