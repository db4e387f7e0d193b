"""A class for each optimizer of the catalog, with its signature and documentation.

The classes are made from the engine's list of rules; `_elementwise.pyi` spells them out for
editors and type checkers.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pyoptim._utils.hyperparameter import Field
from pyoptim.optim._base import Optimizer, signature_settings
from pyoptim.optim._options import EXTRAS, EXTRAS_DOC
from pyoptim.optim._registry import Rule, rules

_SHARED_DOC = """\
    weight_decay : float or schedule
        L2 penalty: adds weight_decay times the parameter to the gradient, or acts on the
        parameter itself if decoupled.
    decoupled_weight_decay : bool
        Whether weight decay multiplies the parameter by (1 - lr weight_decay) instead.
    maximize : bool
        Go up the gradient instead of down.
    clip_norm : float, optional
        Scale the gradients of all groups together down to this Euclidean norm if it is larger.
    clip_value : float, optional
        Bound every element of the gradients by this magnitude, after clip_norm.
    skip_nonfinite : bool
        Leave everything as it is where a gradient has NaN or infinity.
    num_threads : int, optional
        Threads of a step; by default those of `pyoptim.set_num_threads`.
"""

OPTIONS: dict[str, Any] = {
    "clip_norm": None,
    "clip_value": None,
    "skip_nonfinite": False,
    "num_threads": None,
}


_EXAMPLE = """\
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.{name}([w])
    >>> opt.step([2 * w]).step  # the gradient of |w|^2
    1
"""


def _signature(rule: Rule, options: Mapping[str, Any]) -> inspect.Signature:
    parameter = inspect.Parameter
    keywords = {**signature_settings(rule), **options}
    return inspect.Signature(
        [
            parameter("self", parameter.POSITIONAL_OR_KEYWORD),
            parameter("params", parameter.POSITIONAL_OR_KEYWORD),
            parameter("lr", parameter.POSITIONAL_OR_KEYWORD, default=rule.lr),
            *(
                parameter(name, parameter.KEYWORD_ONLY, default=default)
                for name, default in keywords.items()
            ),
        ]
    )


def _kind(field: Field) -> str:
    if field.is_number:
        return f"float or schedule, {field.range}"
    return "bool" if field.is_flag else field.range


def _document(rule: Rule, options_doc: str, notes: str, example: str) -> str:
    fields = "".join(
        f"    {field.name} : {_kind(field)}\n        {field.doc}\n" for field in rule.fields
    )
    lines = rule.doc.replace("\n", "\n    ").replace("\n    \n", "\n\n")
    return f"""{lines}

    Parameters
    ----------
    params : array, list or mapping of arrays, Parameters, or list of groups
        What is updated in place: float32, float64 or bfloat16, writable and C-contiguous. A group
        is a dict with "params" and settings of its own.
    lr : float or schedule
        Learning rate; a schedule is called with the step, counted from 0.
{fields}{_SHARED_DOC}{options_doc}
    Raises
    ------
    ValueError
        If a setting is out of range, or arrays overlap or cannot be updated in place.
    TypeError
        If a setting or an array has the wrong type.

{notes}    Examples
    --------
    >>> import numpy as np, pyoptim as po
{example.format(name=rule.name)}    """


def unexpected_argument(rule: Rule, known: inspect.Signature, names: set[str]) -> TypeError:
    """Return an error that tells what a class takes instead of keywords it does not know."""
    name = min(names)
    close = difflib.get_close_matches(name, list(known.parameters), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    settings = ", ".join(list(known.parameters)[1:])
    return TypeError(f"{rule.name}() has no argument {name!r}{hint} It takes {settings}")


def _initializer(rule: Rule, base: type[Optimizer], own: Mapping[str, Any]) -> Callable[..., None]:
    defaults = {**OPTIONS, **own}
    signature = _signature(rule, defaults)

    def initialize(self: Optimizer, params: Any, lr: Any = rule.lr, **keywords: Any) -> None:
        unknown = keywords.keys() - signature.parameters.keys()
        if unknown:
            raise unexpected_argument(rule, signature, unknown)
        options = {name: keywords.pop(name) for name in defaults if name in keywords}
        base.__init__(self, params, {"lr": lr, **keywords}, **options)

    initialize.__signature__ = signature  # type: ignore[attr-defined]
    initialize.__name__ = "__init__"
    initialize.__qualname__ = f"{rule.name}.__init__"
    return initialize


def make_class(
    rule: Rule,
    base: type[Optimizer] = Optimizer,
    *,
    module: str = "pyoptim.optim",
    options: Mapping[str, Any] | None = None,
    options_doc: str = "",
    notes: str = "",
    example: str = _EXAMPLE,
) -> type[Optimizer]:
    """Make the class of a rule, with its signature and documentation.

    `options` are the base's own arguments with their defaults, `options_doc` and `notes` text
    about them, `example` what a doctest runs.
    """
    return type(
        rule.name,
        (base,),
        {
            "__doc__": _document(rule, options_doc, notes, example),
            "__init__": _initializer(rule, base, options or {}),
            "__module__": module,
            "rule": rule.name,
            "_rule": rule,
        },
    )


def _made(rule: Rule) -> type[Optimizer]:
    if rule.factored:
        return make_class(rule)
    return make_class(rule, options=EXTRAS, options_doc=EXTRAS_DOC)


globals().update({rule.name: _made(rule) for rule in rules()})
__all__ = [rule.name for rule in rules()]
