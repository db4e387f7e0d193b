"""Pieces of Python source that several generators write."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

KINDS = {bool: "bool", str: "str", tuple: "Sequence[float]"}


def indented(text: str, spaces: int = 4) -> str:
    """Return a text whose lines, but the first and the empty ones, are indented."""
    gap = " " * spaces
    first, *others = text.split("\n")
    return "\n".join([first, *(f"{gap}{line}" if line else "" for line in others)])


def literal(value: Any) -> str:
    """Return the source of a default."""
    return f'"{value}"' if isinstance(value, str) else repr(value)


def parameter(name: str, kind: str, default: Any = inspect.Parameter.empty) -> str:
    """Return a parameter of a signature."""
    if default is inspect.Parameter.empty:
        return f"{name}: {kind}"
    return f"{name}: {kind} = {literal(default)}"


def function(head: str, parameters: Iterable[str], result: str, body: Iterable[str]) -> str:
    """Return a method of a class, its parameters one a line."""
    listed = "".join(f"        {each},\n" for each in parameters)
    lines = "".join(f"        {line}\n" if line else "\n" for line in body)
    return f"    def {head}(\n{listed}    ) -> {result}:\n{lines}"


def keywords(names: Iterable[str], spaces: int) -> list[str]:
    """Return arguments that pass on variables by their names, one a line."""
    return [" " * spaces + f"{name}={name}," for name in names]


def mapping(names: Iterable[str], spaces: int) -> list[str]:
    """Return the lines of a dict from names to variables of these names."""
    return [" " * spaces + f'"{name}": {name},' for name in names]


def exported(names: Iterable[str]) -> str:
    """Return the list of a module's public names."""
    return "__all__ = [\n" + "".join(f'    "{name}",\n' for name in names) + "]\n"


def defaults_of(parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Return the parameters of a signature with their defaults."""
    return {name: each.default for name, each in parameters.items()}
