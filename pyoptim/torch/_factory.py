"""The classes of `pyoptim.torch`, one for each rule, created from the registry and torch."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from pyoptim import _core
from pyoptim._utils.validation import check_keywords
from pyoptim.optim import matrix
from pyoptim.optim._base import signature_settings
from pyoptim.optim._options import (
    FUSED_DEFAULTS,
    OPTION_DEFAULTS,
    native_extras,
    native_options,
)
from pyoptim.optim._registry import Rule, rules
from pyoptim.optim.matrix._backend import MatrixEngine
from pyoptim.optim.matrix._rule import MatrixRule
from pyoptim.torch._base import Optimizer, OptionsEngine

_FUSED = {name: value for name, value in FUSED_DEFAULTS.items() if name != "zero_grads"}

_KEYWORDS = {
    name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
    for name, value in (OPTION_DEFAULTS | _FUSED).items()
}

_EXAMPLE = """
    Examples
    --------
    >>> import torch, pyoptim.torch as optim
    >>> w = torch.nn.Parameter(torch.tensor([[1.0, -2.0]]))
    >>> opt = optim.{name}([w], clip_norm=1.0)
    >>> w.square().sum().backward()
    >>> opt.step()
    >>> round(opt.info.grad_norm, 3)  # before clipping
    4.472
    """


def _signature(rule: Rule, theirs: Any, options: Mapping[str, Any]) -> inspect.Signature:
    """Return the signature of torch's class, or of pyoptim's, with the options at its end."""
    parameter = inspect.Parameter
    own = [_KEYWORDS[name] for name in options]
    if theirs is not None:
        return inspect.Signature([*inspect.signature(theirs.__init__).parameters.values(), *own])
    return inspect.Signature(
        [
            parameter("self", parameter.POSITIONAL_OR_KEYWORD),
            parameter("params", parameter.POSITIONAL_OR_KEYWORD),
            parameter("lr", parameter.POSITIONAL_OR_KEYWORD, default=rule.lr),
            *(
                parameter(name, parameter.KEYWORD_ONLY, default=default)
                for name, default in signature_settings(rule).items()
            ),
            *own,
        ]
    )


def _initializer(rule: Rule, theirs: Any, options: Mapping[str, Any]) -> Callable[..., None]:
    signature = _signature(rule, theirs, options)

    def initialize(self: Optimizer, *arguments: Any, **keywords: Any) -> None:
        self._options = {k: keywords.pop(k, default) for k, default in options.items()}
        if theirs is not None:
            theirs.__init__(self, *arguments, **keywords)
            return
        check_keywords(rule.name, list(signature.parameters)[1:], keywords.keys())
        given = signature.bind(self, *arguments, **keywords)
        given.apply_defaults()
        settings = given.arguments
        defaults = {k: settings[k] for k in settings if k not in ("self", "params", *options)}
        torch.optim.Optimizer.__init__(self, settings["params"], defaults)

    initialize.__signature__ = signature  # type: ignore[attr-defined]
    initialize.__name__ = "__init__"
    initialize.__qualname__ = f"{rule.name}.__init__"
    return initialize


def _document(rule: Rule, theirs: Any, options: Mapping[str, Any]) -> str:
    lines = rule.doc.replace("\n", "\n    ").replace("\n    \n", "\n\n")
    settings = (
        f"those of `pyoptim.{rule.name}`, with params as in torch"
        if theirs is None
        else f"those of `torch.optim.{rule.name}`, the base class"
    )
    given = () if theirs is None else inspect.signature(theirs).parameters
    unused = [f"`{name}`" for name in ("foreach", "fused", "capturable") if name in given]
    note = f"\n    {', '.join(unused)} are accepted and have no effect." if unused else ""
    *others, last = options
    listed = textwrap.fill(f"{', '.join(others)} and {last}", 92, subsequent_indent="    ")
    return f"""{lines}

    Arguments are {settings}.{note}
    Additional keywords, described in `pyoptim.{rule.name}`:
    {listed}.
{_EXAMPLE.format(name=rule.name)}"""


def make_class(
    rule: Rule, make_engine: OptionsEngine, *, elementwise: bool, options: Mapping[str, Any]
) -> type[Optimizer]:
    """Create the class of a rule, a subclass of torch's class if torch has the optimizer.

    `elementwise` is whether the rule updates each element by itself. `options` are the optimizer's
    options, with defaults.
    """
    theirs = getattr(torch.optim, rule.name, None)
    body: dict[str, Any] = {
        "__doc__": _document(rule, theirs, options),
        "__init__": _initializer(rule, theirs, options),
        "__module__": __package__,
        "rule": rule,
        "_make": staticmethod(make_engine),
        "_elementwise": elementwise,
        "_theirs": theirs,
    }
    return type(rule.name, (Optimizer,) if theirs is None else (Optimizer, theirs), body)


def _native(rule: Rule) -> type[Optimizer]:
    options = OPTION_DEFAULTS if rule.factored else {**OPTION_DEFAULTS, **_FUSED}
    make_engine = partial(_native_engine, rule)
    return make_class(rule, make_engine, elementwise=not rule.factored, options=options)


def _native_engine(rule: Rule, groups: list[Any], options: Mapping[str, Any]) -> _core.Optimizer:
    if options.get("state_dtype") == "float8":
        raise ValueError(
            "state_dtype: 'float8' is not supported for torch, which would misread such a "
            "checkpoint; use 'bfloat16'"
        )
    return _core.Optimizer(rule.name, groups, **native_options(options), **native_extras(options))


def _matrix(rule: MatrixRule) -> type[Optimizer]:
    make_engine = partial(_matrix_engine, rule)
    return make_class(rule.entry(), make_engine, elementwise=False, options=OPTION_DEFAULTS)


def _matrix_engine(rule: MatrixRule, groups: list[Any], options: Mapping[str, Any]) -> MatrixEngine:
    return MatrixEngine(rule, groups, options, set())


CLASSES: dict[str, type[Optimizer]] = {
    made.rule.name: made for made in (*map(_native, rules()), *map(_matrix, matrix.RULES))
}
