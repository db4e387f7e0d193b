"""Fixtures of the tests of the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture(name="run")
def run_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command in an empty directory and checks its status."""
    from command_line import invoke

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, status: int = 0) -> Any:
        result = invoke(*arguments, status=status)
        assert "\x1b" not in result.output
        return result

    return run


@pytest.fixture(name="refused")
def run_that_must_fail(run: Run) -> Run:
    """Return a function that runs a command which must fail with one line on stderr."""

    def refused(*arguments: object) -> Any:
        result = run(*arguments, status=2)
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr

    return refused


@pytest.fixture(name="flights")
def file_of_flights(tmp_path: Path) -> Path:
    """Write the table of flights as CSV and return its path."""
    from command_line import make_table
    from pyarrow.csv import write_csv

    write_csv(make_table(), tmp_path / "flights.csv")
    return tmp_path / "flights.csv"
