"""Runs of commands inside this process, and a table for them."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest

click_testing = pytest.importorskip("click.testing")
pa = pytest.importorskip("pyarrow")

import pyoptim as po  # noqa: E402
from pyoptim.cli._commands import pyoptim  # noqa: E402

ROWS = 400


def invoke(*arguments: object, status: int = 0) -> Any:
    """Run a command, raise its exception except SystemExit, and check its exit status."""
    result = click_testing.CliRunner().invoke(pyoptim, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


def interrupted_at(monkeypatch, step, number=signal.SIGINT):
    """Send a signal during a training step."""
    plain = po.train._trainer.Step.__call__

    def call(self, batch):
        if self.optimizer.steps == step - 1:
            os.kill(os.getpid(), number)
        return plain(self, batch)

    monkeypatch.setattr("pyoptim.train._trainer.Step.__call__", call)


def make_table():
    """Return flights whose delay depends on carrier and distance."""
    rng = np.random.default_rng(0)
    carrier = rng.choice(["AA", "UA", "WN"], ROWS)
    distance = rng.uniform(100, 2000, ROWS)
    delay = 0.02 * distance - 20 + 15 * (carrier == "UA") + rng.normal(size=ROWS)
    return pa.table(
        {
            "delay": delay,
            "carrier": carrier,
            "distance": pa.array(distance, mask=np.arange(ROWS) % 50 == 0),
            "year": np.full(ROWS, 2013),
        }
    )
