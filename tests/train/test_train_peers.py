"""Failures of Keras and skorch during training, compared with pyoptim.

The script peers_of_training.py runs the peers in a separate process. The tests check the installed
releases, with their faults. Users of other libraries have reported more faults. These have tests of
their own, without the other libraries:

==============================================  ==================================================
patience starts again after a resume            below, and test_train_resume.py (callbacks)
best weights only after an early stop           below, and test_callbacks.py (after an error)
other batches after a resume                    below, and training_killed.py (log of batches)
another learning rate after a resume            test_train_resume.py (a rate by epochs, schedules)
last accumulation window has a wrong scale      below, and test_train_steps.py (22 rows)
a resume forgets the k best checkpoints         test_callbacks.py (over a restart)
Ctrl-C is swallowed                             below, and test_train_resume.py (signals)
==============================================  ==================================================
"""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import peers_of_training
import pytest
from peers_of_training import BATCH, CRASH, EPOCHS, SAVE_EVERY
from training import Crash, crash_at

import pyoptim as po
from pyoptim.models import Linear
from pyoptim.train import (
    Callback,
    Checkpoint,
    EarlyStopping,
    Lambda,
    Progress,
    StopReason,
    Trainer,
)

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("ctrl_c")]

X, Y = peers_of_training.rows()
STEPS = EPOCHS * len(X) // BATCH


@pytest.fixture(scope="module")
def peer_results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the results of each scenario for the installed peers."""
    backend = next((name for name in ("torch", "jax") if find_spec(name)), None)
    needs = {"keras": backend, "skorch": find_spec("torch")}
    peers = [peer for peer, needed in needs.items() if find_spec(peer) and needed]
    home = tmp_path_factory.mktemp("keras")
    env = {**os.environ, "KERAS_BACKEND": str(backend), "KERAS_HOME": str(home)}
    command = [sys.executable, peers_of_training.__file__, *peers]
    done = subprocess.run(command, capture_output=True, env=env, timeout=600, check=False)
    assert done.returncode == 0, done.stderr.decode()
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return results


def result_of(peer_results: dict[str, Any], scenario: str) -> Any:
    peer = scenario.partition("_")[0]
    if scenario not in peer_results:
        pytest.skip(f"{peer} is not installed")
    return peer_results[scenario]


def train(*callbacks: Callback, epochs: int = EPOCHS, resume: Path | None = None) -> Trainer:
    model = Linear(3)
    trainer = Trainer(
        model,
        optimizer=po.Adam(model.params, lr=0.05),
        epochs=epochs,
        batch_size=BATCH,
        callbacks=callbacks,
        progress=False,
    )
    if resume is not None:
        trainer.resume(resume)
    trainer.fit(X, Y)
    return trainer


def script(values: list[float]) -> Callback:
    """Return a callback that sets the metric of each epoch."""
    return Lambda(on_epoch_end=lambda t: t.history.rows[-1].update(score=values[t.epochs_done - 1]))


def test_a_metric_that_is_nan_in_the_first_epoch(peer_results: dict[str, Any]) -> None:
    """Keras keeps NaN as the best value, stops an improving run, and restores its worst epoch."""
    stopping = EarlyStopping("score", patience=3, mode="min")
    trainer = train(script([math.nan, 5, 4, 3, 2, 1]), stopping, epochs=6)
    assert (trainer.epochs_done, trainer.history.best_epoch, stopping.best) == (6, 6, 1.0)
    result = result_of(peer_results, "keras_nan_first")
    assert result == {"epochs": 4, "best": "nan", "best_epoch": 0}


def test_patience_after_a_resume(peer_results: dict[str, Any], tmp_path: Path) -> None:
    """After two epochs without improvement and a resume, one more stops. Keras starts again."""
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]

    def callbacks() -> list[Callback]:
        return [script(values), EarlyStopping("score", patience=3, mode="min")]

    train(*callbacks(), Checkpoint(tmp_path), epochs=3)
    trainer = train(*callbacks(), epochs=7, resume=tmp_path)
    assert trainer.stop_reason is StopReason.EARLY_STOP
    assert (trainer.epochs_done, trainer.history.best_epoch) == (4, 1)
    result = result_of(peer_results, "keras_patience_on_resume")
    assert result == {"waited": 2, "epochs": 7, "best": 4.0}


def test_a_crash_within_an_epoch(peer_results: dict[str, Any], tmp_path: Path) -> None:
    """Keras saves the number of the batch, but does not use it, and makes 4 steps twice."""
    whole, seen = train(), []

    def count() -> Callback:
        return Lambda(on_step_end=lambda t: seen.append(t.rows_of_step.tolist()))

    with pytest.raises(Crash):
        train(count(), Checkpoint(tmp_path, every_steps=SAVE_EVERY), crash_at(CRASH))
    trainer = train(count(), resume=tmp_path)
    saved = CRASH // SAVE_EVERY * SAVE_EVERY
    assert (trainer.step, len(seen)) == (STEPS, CRASH + STEPS - saved)
    assert np.array_equal(trainer.model.params.flat, whole.model.params.flat)
    for epoch in range(EPOCHS):  # each row once in every epoch, also in the interrupted one
        steps = [*seen[:saved], *seen[CRASH:]][epoch * STEPS // EPOCHS :][: STEPS // EPOCHS]
        assert sorted(np.concatenate(steps)) == list(range(len(X)))
    result = result_of(peer_results, "keras_crash")
    assert result["steps"] == 37
    assert result["iterations"] == 36  # the whole run makes 32
    assert result["metadata"] == ["batch", "epoch"]
    assert result["drift"] > 1e-3


def test_a_crash_between_epochs(peer_results: dict[str, Any], tmp_path: Path) -> None:
    """Checkpoints of Keras and skorch have no random state, so the order of rows differs."""
    whole = train()
    with pytest.raises(Crash):
        train(Checkpoint(tmp_path), crash_at(STEPS // 2 + 1))
    trainer = train(resume=tmp_path)
    assert np.array_equal(trainer.model.params.flat, whole.model.params.flat)
    result = result_of(peer_results, "keras_resume_after_an_epoch")
    assert result["in order"] == 0
    assert result["shuffled"] > 1e-3


def test_a_resume_with_skorch(peer_results: dict[str, Any]) -> None:
    result = result_of(peer_results, "skorch_resume")
    assert result["files"] == ["criterion.pt", "history.json", "optimizer.pt", "params.pt"]
    assert result["drift"] > 1e-5


def test_the_best_weights_without_an_early_stop(peer_results: dict[str, Any]) -> None:
    """This release of Keras restores them after the last epoch, but not after an interrupt."""
    best: list[Any] = []

    def watch(trainer: Trainer) -> None:
        if trainer.epochs_done == 1:
            best.append(trainer.model.params.flat.copy())

    def interrupt(trainer: Trainer) -> None:
        if trainer.epochs_done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    for more in ([], [Lambda(on_epoch_end=interrupt)]):
        stopping = EarlyStopping("score", patience=3, mode="min")
        trainer = train(script([1.0, 2.0, 3.0, 4.0]), stopping, Lambda(on_epoch_end=watch), *more)
        assert trainer.stop_reason is (StopReason.INTERRUPTED if more else StopReason.EARLY_STOP)
        assert np.array_equal(trainer.model.params.flat, best[-1])
    result = result_of(peer_results, "keras_best_weights")
    assert result["finished"] == {"restored": True, "raised": False}
    assert result["interrupted"] == {"restored": False, "raised": True}


def test_progress_into_a_file(peer_results: dict[str, Any]) -> None:
    stream = io.StringIO()
    train(Progress(stream))
    assert stream.getvalue().count("\n") == EPOCHS
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()
    assert result_of(peer_results, "keras_progress")["escapes"] > 0


def test_the_last_window_of_accumulated_gradients(peer_results: dict[str, Any]) -> None:
    """8 batches, the last one with 3 rows, and 3 batches a step. Keras drops the last 2 batches."""
    x, y = X[:38].astype(np.float64), Y[:38].astype(np.float64)

    def windows(*ends: int) -> np.ndarray:
        rows, p, start = np.c_[x, np.ones(38)], np.zeros(4), 0
        for end in ends:
            part = rows[start:end]
            p -= 0.1 * 2 * part.T @ (part @ p - y[start:end]) / len(part)
            start = end
        return p

    model = Linear(3, dtype="float64")
    Trainer(
        model,
        optimizer=po.wrappers.GradientAccumulation(po.SGD(model.params, lr=0.1), every=3),
        epochs=1,
        batch_size=BATCH,
        shuffle=False,
        progress=False,
    ).fit(x, y)
    np.testing.assert_allclose(model.params.flat, windows(15, 30, 38), rtol=1e-12)
    result = result_of(peer_results, "keras_accumulation")["weights"]
    np.testing.assert_allclose(result, windows(15, 30), rtol=1e-5)
    assert abs(result - windows(15, 30, 38)).max() > 1e-2


def test_a_threshold_for_metrics_below_zero(peer_results: dict[str, Any]) -> None:
    """The metric is always -1, min_delta is 0.1, and skorch sees an improvement every time."""
    stopping = EarlyStopping("score", patience=2, min_delta=0.1, mode="min")
    trainer = train(script([-1.0] * 6), stopping, epochs=6)
    assert (trainer.epochs_done, trainer.history.best_epoch) == (3, 1)
    result = result_of(peer_results, "skorch_relative_threshold")
    assert result == {"epochs": 6, "best_epoch": 6}


def test_an_interrupt_is_reported(peer_results: dict[str, Any], tmp_path: Path) -> None:
    """After an interrupt, fit of skorch returns normally, and reports the interrupt nowhere."""

    def interrupt(trainer: Trainer) -> None:
        if trainer.epochs_done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    trainer = train(Lambda(on_epoch_begin=interrupt), Checkpoint(tmp_path), epochs=6)
    assert trainer.history.stop_reason is StopReason.INTERRUPTED
    assert (trainer.epochs_done, trainer.batch) == (1, 1)
    again = train(epochs=6, resume=tmp_path)
    assert np.array_equal(again.model.params.flat, train(epochs=6).model.params.flat)
    result = result_of(peer_results, "skorch_interrupt")
    assert result == {"returned": True, "epochs": 2, "reported": []}
