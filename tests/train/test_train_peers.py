"""What goes wrong elsewhere while training, side by side with what happens here.

The peers' part is in peers_of_training.py, and runs in a process of its own; the tests tell what
the releases installed do, faults and all. Faults that users of other libraries have reported, which
are not installed here, are tests of their own:

==============================================  ==================================================
patience begins anew when resumed               below, and test_train_resume.py (callbacks)
best weights only if an early stop fired        below, and test_callbacks.py (after an error)
other batches after a resume                    below, and training_killed.py (log of batches)
another learning rate after a resume            test_train_resume.py (a rate by epochs, schedules)
last window of accumulation mis-scaled          below, and test_train_steps.py (22 rows)
the k best checkpoints forgotten by a resume    test_callbacks.py (over a restart)
Ctrl-C swallowed                                below, and test_train_resume.py (signals)
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
from peers_of_training import BATCH, CRASH, EPOCHS, SAVE_EVERY, Crash

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
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what happened, by scene, for the peers that are installed."""
    backend = next((name for name in ("torch", "jax") if find_spec(name)), None)
    needs = {"keras": backend, "skorch": find_spec("torch")}
    peers = [peer for peer, needed in needs.items() if find_spec(peer) and needed]
    home = tmp_path_factory.mktemp("keras")
    env = {**os.environ, "KERAS_BACKEND": str(backend), "KERAS_HOME": str(home)}
    command = [sys.executable, peers_of_training.__file__, *peers]
    done = subprocess.run(command, capture_output=True, env=env, timeout=600, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def of(theirs: dict[str, Any], scene: str) -> Any:
    peer = scene.partition("_")[0]
    if scene not in theirs:
        pytest.skip(f"{peer} is not installed")
    return theirs[scene]


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
    """Give each epoch its metric."""
    return Lambda(on_epoch_end=lambda t: t.history.rows[-1].update(score=values[t.epochs_done - 1]))


def crash_at(step: int) -> Callback:
    def crash(trainer: Trainer) -> None:
        if trainer.step == step:
            raise Crash

    return Lambda(on_step_end=crash)


def test_a_metric_that_begins_with_nan(theirs: dict[str, Any]) -> None:
    """Keras keeps NaN as the best for ever, stops an ever better run, and restores its worst."""
    stopping = EarlyStopping("score", patience=3, mode="min")
    trainer = train(script([math.nan, 5, 4, 3, 2, 1]), stopping, epochs=6)
    assert (trainer.epochs_done, trainer.history.best_epoch, stopping.best) == (6, 6, 1.0)
    found = of(theirs, "keras_nan_first")
    assert found == {"epochs": 4, "best": "nan", "best_epoch": 0}


def test_patience_after_a_resume(theirs: dict[str, Any], tmp_path: Path) -> None:
    """Two epochs without improvement, then a resume: one more is to end it. Keras begins anew."""
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]

    def callbacks() -> list[Callback]:
        return [script(values), EarlyStopping("score", patience=3, mode="min")]

    train(*callbacks(), Checkpoint(tmp_path), epochs=3)
    trainer = train(*callbacks(), epochs=7, resume=tmp_path)
    assert trainer.stop_reason is StopReason.EARLY_STOP
    assert (trainer.epochs_done, trainer.history.best_epoch) == (4, 1)
    found = of(theirs, "keras_patience_on_resume")
    assert found == {"waited": 2, "epochs": 7, "best": 4.0}


def test_a_crash_within_an_epoch(theirs: dict[str, Any], tmp_path: Path) -> None:
    """Keras saves the batch's number and does not use it: 4 steps are made twice."""
    whole, seen = train(), []

    def count() -> Callback:
        return Lambda(on_step_end=lambda t: seen.append(t.rows_of_step.tolist()))

    with pytest.raises(Crash):
        train(count(), Checkpoint(tmp_path, every_steps=SAVE_EVERY), crash_at(CRASH))
    trainer = train(count(), resume=tmp_path)
    saved = CRASH // SAVE_EVERY * SAVE_EVERY
    assert (trainer.step, len(seen)) == (STEPS, CRASH + STEPS - saved)
    assert np.array_equal(trainer.model.params.flat, whole.model.params.flat)
    for epoch in range(EPOCHS):  # each row once an epoch, though one of them was interrupted
        steps = [*seen[:saved], *seen[CRASH:]][epoch * STEPS // EPOCHS :][: STEPS // EPOCHS]
        assert sorted(np.concatenate(steps)) == list(range(len(X)))
    found = of(theirs, "keras_crash")
    assert found["steps"] == 37
    assert found["iterations"] == 36  # the whole run makes 32
    assert found["metadata"] == ["batch", "epoch"]
    assert found["drift"] > 1e-3


def test_a_crash_between_epochs(theirs: dict[str, Any], tmp_path: Path) -> None:
    """Checkpoints of Keras and skorch have no random numbers: what is shuffled goes on wrongly."""
    whole = train()
    with pytest.raises(Crash):
        train(Checkpoint(tmp_path), crash_at(STEPS // 2 + 1))
    trainer = train(resume=tmp_path)
    assert np.array_equal(trainer.model.params.flat, whole.model.params.flat)
    found = of(theirs, "keras_resume_after_an_epoch")
    assert found["in order"] == 0
    assert found["shuffled"] > 1e-3


def test_a_resume_with_skorch(theirs: dict[str, Any]) -> None:
    found = of(theirs, "skorch_resume")
    assert found["files"] == ["criterion.pt", "history.json", "optimizer.pt", "params.pt"]
    assert found["drift"] > 1e-5


def test_the_best_weights_without_an_early_stop(theirs: dict[str, Any]) -> None:
    """This release of Keras restores them at the end of all epochs; not when it is interrupted."""
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
    found = of(theirs, "keras_best_weights")
    assert found["finished"] == {"restored": True, "raised": False}
    assert found["interrupted"] == {"restored": False, "raised": True}


def test_progress_into_a_file(theirs: dict[str, Any]) -> None:
    stream = io.StringIO()
    train(Progress(stream))
    assert stream.getvalue().count("\n") == EPOCHS
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()
    assert of(theirs, "keras_progress")["escapes"] > 0


def test_the_last_window_of_accumulated_gradients(theirs: dict[str, Any]) -> None:
    """8 batches, the last one of 3 rows, 3 to a step. Keras leaves the last two batches out."""
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
        optimizer=po.SGD(model.params, lr=0.1),
        epochs=1,
        batch_size=BATCH,
        accumulate=3,
        shuffle=False,
        progress=False,
    ).fit(x, y)
    np.testing.assert_allclose(model.params.flat, windows(15, 30, 38), rtol=1e-12)
    found = of(theirs, "keras_accumulation")["weights"]
    np.testing.assert_allclose(found, windows(15, 30), rtol=1e-5)
    assert abs(found - windows(15, 30, 38)).max() > 1e-2


def test_a_threshold_for_metrics_below_zero(theirs: dict[str, Any]) -> None:
    """-1 in each epoch, and 0.1 to be gained: skorch sees an improvement each time."""
    stopping = EarlyStopping("score", patience=2, min_delta=0.1, mode="min")
    trainer = train(script([-1.0] * 6), stopping, epochs=6)
    assert (trainer.epochs_done, trainer.history.best_epoch) == (3, 1)
    found = of(theirs, "skorch_relative_threshold")
    assert found == {"epochs": 6, "best_epoch": 6}


def test_an_interrupt_is_told(theirs: dict[str, Any], tmp_path: Path) -> None:
    """skorch's fit returns as if nothing had been: neither raised, nor written down."""

    def interrupt(trainer: Trainer) -> None:
        if trainer.epochs_done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    trainer = train(Lambda(on_epoch_begin=interrupt), Checkpoint(tmp_path), epochs=6)
    assert trainer.history.stop_reason is StopReason.INTERRUPTED
    assert (trainer.epochs_done, trainer.batch) == (1, 1)
    again = train(epochs=6, resume=tmp_path)
    assert np.array_equal(again.model.params.flat, train(epochs=6).model.params.flat)
    found = of(theirs, "skorch_interrupt")
    assert found == {"returned": True, "epochs": 2, "said": []}
