"""A class for each rule, made from the engine's list and torch's classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from pyoptim import _core, matrix
from pyoptim.catalog import Rule, rules
from pyoptim.matrix.engine import MatrixEngine
from pyoptim.matrix.rule import MatrixRule
from pyoptim.optimizer import native_options, signature_settings
from pyoptim.torch.binding import MakeEngine
from pyoptim.torch.optimizer import Optimizer

_EXAMPLE = """
    Examples
    --------
    >>> import torch, pyoptim.torch as optim
    >>> w = torch.nn.Parameter(torch.tensor([[1.0, -2.0]]))
    >>> opt = optim.{name}([w])
    >>> w.square().sum().backward()
    >>> opt.step()
    """


def _signature(rule: Rule) -> inspect.Signature:
    parameter = inspect.Parameter
    return inspect.Signature(
        [
            parameter("self", parameter.POSITIONAL_OR_KEYWORD),
            parameter("params", parameter.POSITIONAL_OR_KEYWORD),
            parameter("lr", parameter.POSITIONAL_OR_KEYWORD, default=rule.lr),
            *(
                parameter(name, parameter.KEYWORD_ONLY, default=default)
                for name, default in signature_settings(rule).items()
            ),
        ]
    )


def _initializer(rule: Rule) -> Callable[..., None]:
    """Make the constructor of a rule that torch has not."""
    signature = _signature(rule)

    def initialize(self: Optimizer, *arguments: Any, **keywords: Any) -> None:
        given = signature.bind(self, *arguments, **keywords)
        given.apply_defaults()
        _, params, *_ = given.args
        defaults = {k: v for k, v in given.arguments.items() if k not in ("self", "params")}
        torch.optim.Optimizer.__init__(self, params, defaults)

    initialize.__signature__ = signature  # type: ignore[attr-defined]
    initialize.__name__ = "__init__"
    initialize.__qualname__ = f"{rule.name}.__init__"
    return initialize


def _document(rule: Rule, theirs: type | None) -> str:
    lines = rule.doc.replace("\n", "\n    ").replace("\n    \n", "\n\n")
    settings = (
        f"those of `pyoptim.{rule.name}`, and torch's forms of params"
        if theirs is None
        else f"those of `torch.optim.{rule.name}`, the base class"
    )
    return f"{lines}\n\n    Arguments are {settings}.\n{_EXAMPLE.format(name=rule.name)}"


def make_class(rule: Rule, make_engine: MakeEngine, *, elementwise: bool) -> type[Optimizer]:
    """Make the class of a rule: a subclass of torch's where torch has it.

    `elementwise` is whether the rule takes elements in any order.
    """
    theirs = getattr(torch.optim, rule.name, None)
    body: dict[str, Any] = {
        "__doc__": _document(rule, theirs),
        "__module__": __package__,
        "rule": rule,
        "_make_engine": staticmethod(make_engine),
        "_elementwise": elementwise,
        "_theirs": theirs,
    }
    if theirs is None:
        body["__init__"] = _initializer(rule)
        return type(rule.name, (Optimizer,), body)
    return type(rule.name, (Optimizer, theirs), body)


def _native(rule: Rule) -> type[Optimizer]:
    make_engine = partial(_core.Optimizer, rule.name, **native_options({}))
    return make_class(rule, make_engine, elementwise=not rule.factored)


def _matrix(rule: MatrixRule) -> type[Optimizer]:
    return make_class(rule.entry(), partial(_matrix_engine, rule), elementwise=False)


def _matrix_engine(rule: MatrixRule, groups: list[Any]) -> MatrixEngine:
    return MatrixEngine(rule, groups, {}, set())


CLASSES: dict[str, type[Optimizer]] = {
    made.rule.name: made for made in (*map(_native, rules()), *map(_matrix, matrix.RULES))
}
