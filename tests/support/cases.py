"""Loops over the cases of one test, so that a fault fails one test and not hundreds."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def case(**names: Any) -> Iterator[None]:
    """Add the names of the case to an exception, for the report of the failed test."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"case: {', '.join(f'{name}={value}' for name, value in names.items())}")
        raise


def over(
    argnames: str | Sequence[str],
    argvalues: Iterable[Any],
    ids: Callable[[Any], Any] | Sequence[str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test once for each value, inside one item.

    The arguments are those of `pytest.mark.parametrize`. Use it for options, sizes and variants,
    and `parametrize` for the rule, loss or schedule. Cases share the fixtures of the item.
    """
    names = argnames.replace(" ", "").split(",") if isinstance(argnames, str) else [*argnames]
    rows = []
    for value in argvalues:
        row = value.values if isinstance(value, type(pytest.param())) else value
        if isinstance(value, type(pytest.param())):
            assert not value.marks, "over() has no marks"
            rows.append(row)
        else:
            rows.append((row,) if isinstance(argnames, str) and len(names) == 1 else tuple(row))
    assert rows, f"no values for {names}"

    def label(i: int) -> dict[str, Any]:
        if ids is None:
            return dict(zip(names, rows[i], strict=True))
        if callable(ids):
            return {name: ids(value) for name, value in zip(names, rows[i], strict=True)}
        return {", ".join(names): ids[i]}

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(test)
        rest = [p for p in signature.parameters.values() if p.name not in names]
        assert len(rest) == len(signature.parameters) - len(names), f"{test} lacks one of {names}"

        @functools.wraps(test)
        def loop(**arguments: Any) -> None:
            skipped = []
            for i, row in enumerate(rows):
                try:
                    with case(**label(i)):
                        test(**arguments, **dict(zip(names, row, strict=True)))
                except pytest.skip.Exception as reason:
                    skipped.append(reason)
            if len(skipped) == len(rows):
                raise skipped[0]

        loop.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        return loop

    return decorate
