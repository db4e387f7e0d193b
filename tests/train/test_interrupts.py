"""Ctrl-C, SIGTERM and SIGHUP during training: neither results nor signals are lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.train import Checkpoint, Lambda, StopReason, Trainer
from pyoptim.train._interrupts import interrupts

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HOOKS = ("on_fit_begin", "on_epoch_begin", "on_step_begin", "on_step_end", "on_epoch_end")


@pytest.fixture(autouse=True)
def handled() -> Iterator[list[int]]:
    """Record the signals that reach the handlers of the program."""
    seen: list[int] = []
    previous = [signal.signal(each, lambda number, frame: seen.append(number)) for each in SIGNALS]
    yield seen
    for number, handler in zip(SIGNALS, previous, strict=True):
        signal.signal(number, handler)


def send(number: int) -> Any:
    return lambda trainer: os.kill(os.getpid(), number)


def fitted(*callbacks: Any) -> Trainer:
    x = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    model = po.models.Linear(2)
    trainer = Trainer(model, epochs=3, validation=(x, x[:, 0]), callbacks=callbacks, progress=False)
    trainer.fit(x, x[:, 0])
    return trainer


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_at_the_end_is_delivered_after_restoring(number: int, handled: list[int]) -> None:
    before: list[list[int]] = []
    trainer = fitted(
        Lambda(on_fit_end=send(number)), Lambda(on_fit_end=lambda _: before.append([*handled]))
    )
    assert before == [[]]
    assert handled == [number]
    assert trainer.stop_reason is StopReason.FINISHED
    assert trainer.history.stop_reason is StopReason.FINISHED
    assert trainer.history.best_epoch == 3
    assert (trainer.model.params.flat == fitted().model.params.flat).all()


def test_a_second_signal_at_the_end_raises(handled: list[int]) -> None:
    with pytest.raises(KeyboardInterrupt):
        fitted(Lambda(on_fit_end=send(signal.SIGINT)), Lambda(on_fit_end=send(signal.SIGTERM)))
    assert handled == [signal.SIGINT]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_signal_before_the_end_stops_training_and_saves(
    hook: str, number: int, handled: list[int], tmp_path: Path
) -> None:
    trainer = fitted(Lambda(**{hook: send(number)}), Checkpoint(tmp_path))
    assert trainer.stop_reason is StopReason.INTERRUPTED
    assert handled == []
    x = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    again = Trainer(po.models.Linear(2), epochs=3, validation=(x, x[:, 0]), progress=False,
                    callbacks=[Checkpoint(tmp_path)])  # fmt: skip
    again.resume(tmp_path).fit(x, x[:, 0])
    assert (again.model.params.flat == fitted().model.params.flat).all()


@pytest.mark.parametrize("first", SIGNALS)
def test_a_closed_terminal_is_not_a_second_signal(
    first: int, handled: list[int], tmp_path: Path
) -> None:
    hang_up = Lambda(on_step_end=send(signal.SIGHUP))
    trainer = fitted(Lambda(on_step_end=send(first)), hang_up, hang_up, Checkpoint(tmp_path))
    assert trainer.stop_reason is StopReason.INTERRUPTED
    assert po.checkpoint.load(tmp_path).step == trainer.step == 1
    hang_up = Lambda(on_fit_end=send(signal.SIGHUP))
    assert fitted(Lambda(on_fit_end=send(first)), hang_up, hang_up).history.best_epoch == 3
    assert handled == [first]


def test_a_signal_during_the_last_checkpoint_is_delivered_after_it(
    handled: list[int], tmp_path: Path
) -> None:
    trainer = fitted(
        Lambda(on_step_end=send(signal.SIGINT)), Lambda(on_stop=send(signal.SIGINT)),
        Checkpoint(tmp_path),
    )  # fmt: skip
    assert po.checkpoint.load(tmp_path).step == trainer.step == 1
    assert handled == [signal.SIGINT]


def test_a_held_signal_can_be_removed(handled: list[int]) -> None:
    with interrupts(None) as signals:
        signal.raise_signal(signal.SIGINT)
        assert handled == [signal.SIGINT]
    with interrupts(None) as signals:
        signals.hold()
        signal.raise_signal(signal.SIGTERM)
        assert signals.held == [signal.SIGTERM]
        signals.held.clear()
    assert handled == [signal.SIGINT]
    signal.raise_signal(signal.SIGTERM)
    assert handled == [signal.SIGINT, signal.SIGTERM]
