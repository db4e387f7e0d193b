"""Callbacks of the trainer, with scripted metrics."""

import json
import math
import os
import pty
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.checkpoint import Keep
from pyoptim.models import Linear
from pyoptim.train import (
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    EMAEvaluation,
    History,
    Lambda,
    LRSchedule,
    Progress,
    ReduceLROnPlateau,
    StopOnNaN,
    StopReason,
    TensorBoard,
    Timer,
    Trainer,
)
from pyoptim.train.callbacks.function import HOOKS

NAN = math.nan


class Counting(Linear):
    """A model whose weight is the number of steps, with scripted metrics."""

    def __init__(self, values: list[float], name: str = "score") -> None:
        super().__init__(1)
        self.left = list(values)
        self.name = name

    def loss_and_grad(self, x: Any, y: Any, loss: Any = None) -> float:  # type: ignore[override]
        self.params.grads["layers.0.weight"][...] = -1
        return 0.0

    def evaluate(self, x: Any, y: Any, loss: Any = None) -> dict[str, float]:  # type: ignore[override]
        return {"loss": 0.0, self.name: self.left.pop(0)}


def run(values: list[float], *callbacks: Callback, name: str = "score", lr: float = 1.0) -> Trainer:
    """Train for one epoch of one step for each value."""
    model = Counting(values, name)
    x = np.zeros((2, 1))
    trainer = Trainer(
        model,
        optimizer=po.SGD(model.params, lr=lr),
        epochs=len(values),
        validation=(x, x),
        callbacks=callbacks,
        progress=False,
        restore_best=False,
    )
    trainer.fit(x, x)
    return trainer


def weight(trainer: Trainer) -> float:
    return float(trainer.model.params["layers.0.weight"][0, 0])


@pytest.mark.parametrize(
    ("values", "mode", "settings", "epochs", "best"),
    [
        ([5, 4, 3, 3.5, 3.2, 9], "min", {"patience": 2}, 5, 3),
        ([5, 4, 3, 3.5, 6, 9], "max", {"patience": 4}, 6, 6),
        ([NAN, 4, NAN, 5, 6], "min", {"patience": 3}, 5, 2),
        ([NAN, -4, NAN, -5, -6, 0], "max", {"patience": 3}, 5, 2),
        ([NAN] * 4, "min", {"patience": 2}, 2, None),
        ([NAN] * 4, "max", {"patience": 2}, 2, None),
        ([math.inf, 3, 4], "min", {"patience": 1}, 3, 2),
        # Below 0, a better value has a larger magnitude for "min", and a smaller one for "max".
        ([-1, -1.2, -1.4, -1.9], "min", {"patience": 2, "min_delta": 0.5}, 3, 1),
        ([-1, -1.2, -1.6, -1.9], "min", {"patience": 2, "min_delta": 0.5}, 4, 3),
        ([-2, -1.8, -1.4, -1], "max", {"patience": 2, "min_delta": 0.5}, 4, 3),
        ([-2, -1.8, -1.6, -1], "max", {"patience": 2, "min_delta": 0.5}, 3, 1),
        ([1, 2, 3], "min", {"patience": 9}, 3, 1),
    ],
)
def test_early_stopping(
    values: list[float], mode: Any, settings: Any, epochs: int, best: int | None
) -> None:
    trainer = run(values, EarlyStopping("val_score", mode=mode, **settings))
    assert (trainer.epochs_done, trainer.history.best_epoch) == (epochs, best)
    assert weight(trainer) == (epochs if best is None else best)
    stopped = epochs < len(values) or settings["patience"] == epochs - (best or 0)
    assert trainer.stop_reason is (StopReason.EARLY_STOP if stopped else StopReason.FINISHED)


def test_the_best_weights_are_restored_after_an_error() -> None:
    def fail(trainer: Trainer) -> None:
        if trainer.step == 4:
            raise RuntimeError("power")

    model = Counting([3, 1, 2, 0])
    x = np.zeros((2, 1))
    trainer = Trainer(
        model,
        optimizer=po.SGD(model.params, lr=1),
        epochs=4,
        validation=(x, x),
        callbacks=[Lambda(on_step_end=fail), EarlyStopping("val_score", mode="min")],
        progress=False,
    )
    with pytest.raises(RuntimeError, match="power"):
        trainer.fit(x, x)
    assert (weight(trainer), trainer.history.best_epoch) == (2, 2)


def test_the_mode_depends_on_the_name_or_must_be_given() -> None:
    assert run([0.5, 0.7, 0.6], EarlyStopping("val_accuracy"), name="accuracy").history.best_epoch == 2  # noqa: E501  # fmt: skip
    assert run([0.5, 0.7], EarlyStopping("val_loss")).history.best_epoch == 1
    for callback in (EarlyStopping("val_score"), ReduceLROnPlateau("val_score")):
        with pytest.raises(ValueError, match="expected a mode for 'val_score', got None; pass"):
            run([1, 2], callback)


@pytest.mark.parametrize(
    "callback",
    [EarlyStopping("val_lose"), ReduceLROnPlateau("val_lose"), Checkpoint("x", monitor="val_lose")],
)
def test_an_unknown_metric_is_an_error(
    callback: Callback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = "got 'val_lose'; choose one of epoch, loss, val_loss, val_score, lr, seconds"
    with pytest.raises(ValueError, match=message):
        run([1, 2], callback)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [EarlyStopping, ReduceLROnPlateau])
def test_monitor_must_be_a_string(make: Any) -> None:
    with pytest.raises(TypeError, match=r"monitor: expected the name of a column .* got 3"):
        make(3)


def test_the_learning_rate_is_reduced_on_a_plateau() -> None:
    values = [3, 2, 2, 2, 1, 1, 1, NAN, NAN]
    reduce = ReduceLROnPlateau("val_score", 0.5, patience=1, mode="min")
    rates = run(values, reduce).history["lr"]
    assert rates == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]  # of each epoch's last step
    for sign in (1, -1):
        reduce = ReduceLROnPlateau("val_accuracy", 0.5, patience=0, threshold=0.05)
        values = [sign * 10 + x for x in (0, 1, 1.2, 2)]
        rates = run(values, reduce, name="accuracy").history["lr"]
        assert rates == [1, 1, 1, 0.5], sign
    with pytest.raises(ValueError, match="factor must be below 1"):
        ReduceLROnPlateau(factor=1.5)


@pytest.mark.parametrize("mode", [None, "max"])
def test_a_relative_threshold_is_above_the_best_value_for_max(mode: Any) -> None:
    values = [0.8, 0.803, 0.81, 0.809, 0.5]  # only the third value exceeds the best one by 1 %
    reduce = ReduceLROnPlateau(
        "val_accuracy", 0.5, patience=0, mode=mode, threshold=0.01, threshold_mode="rel"
    )
    assert run(values, reduce, name="accuracy").history["lr"] == [1, 1, 0.5, 0.5, 0.25]


def test_a_callback_rejects_an_optimizer_with_a_schedule() -> None:
    x = np.zeros((2, 1))
    for callback in (LRSchedule(lambda epoch: 0.1), ReduceLROnPlateau("loss")):
        model = Linear(1)
        optimizer = po.SGD(model.params, lr=po.schedules.constant(0.1))
        trainer = Trainer(model, optimizer=optimizer, callbacks=[callback], progress=False)
        with pytest.raises(ValueError, match=r"got the schedule constant.*; use either"):
            trainer.fit(x, x)


@pytest.mark.parametrize("higher_is_better", [False, True])
def test_the_best_checkpoints_are_kept_over_a_restart(
    higher_is_better: bool, tmp_path: Path
) -> None:
    mode: Any = "max" if higher_is_better else "min"
    keep = Keep(newest=1, best=2, higher_is_better=higher_is_better)
    saving = Checkpoint(tmp_path, keep=keep, monitor="val_score", mode=mode)
    values = [3.0, 1.0, NAN, 2.0, 5.0, 4.0]
    stop = Lambda(on_epoch_end=lambda t: t.epochs_done == 4 and t.stop())
    assert run(values, saving, stop).stop_reason is StopReason.CALLBACK
    model = Counting(values[4:])
    x = np.zeros((2, 1))
    again = Trainer(
        model,
        optimizer=po.SGD(model.params, lr=1),
        epochs=6,
        validation=(x, x),
        callbacks=[saving],
        progress=False,
    )
    again.resume(tmp_path).fit(x, x)
    scores = {json.loads(p.read_text())["score"] for p in tmp_path.glob("step-*/manifest.json")}
    assert scores == ({5.0, 4.0} if higher_is_better else {1.0, 2.0, 4.0})
    wrong = Keep(best=1, higher_is_better=not higher_is_better)
    saving = Checkpoint(tmp_path, keep=wrong, monitor="val_score", mode=mode)
    with pytest.raises(ValueError, match=f"expected higher_is_better={higher_is_better}"):
        run(values, saving)


def test_checkpoints_are_saved_after_epochs_and_steps(tmp_path: Path) -> None:
    saved = []

    class Watched(Checkpoint):
        def _save(self, trainer: Trainer, score: float | None) -> None:
            before = self._saved
            super()._save(trainer, score)
            if self._saved != before:
                saved.append((trainer.epochs_done, trainer.step))

    run([0] * 7, Watched(tmp_path / "a", every_epochs=3))
    assert saved == [(3, 3), (6, 6)]
    saved.clear()
    run([0] * 4, Watched(tmp_path / "b", every_epochs=None, every_steps=2))
    assert saved == [(1, 2), (3, 4)]
    for name in ("every_epochs", "every_steps"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, got 0"):
            Checkpoint(tmp_path, **{name: 0})  # type: ignore[arg-type]
    assert Checkpoint(tmp_path, keep=np.int64(2)).keep == Keep(newest=2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="newest must be a whole number of at least 1, got None"):
        Checkpoint(tmp_path, keep=None)  # type: ignore[arg-type]
    saved.clear()
    run([0] * 4, Watched(tmp_path / "c", every_epochs=None))
    assert saved == []
    with pytest.raises(ValueError, match="every_steps must be a whole number"):
        Checkpoint("x", every_steps=-1)
    with pytest.raises(ValueError, match=r"monitor: .* Keep\(best=1\), got None; pass"):
        Checkpoint("x", keep=Keep(best=1))


def test_a_nonfinite_loss_stops_training_and_is_not_saved(tmp_path: Path) -> None:
    for bad in (NAN, math.inf):

        class Diverging(Counting):
            def loss_and_grad(self, x: Any, y: Any, loss: Any = None) -> float:  # type: ignore[override]
                value = super().loss_and_grad(x, y, loss)
                return bad if weight_of(self) == 2 else value  # noqa: B023

        def weight_of(model: Linear) -> float:
            return float(model.params["layers.0.weight"][0, 0])

        model = Diverging([4, 5])
        x = np.zeros((2, 1))
        trainer = Trainer(
            model,
            optimizer=po.SGD(model.params, lr=1),
            epochs=9,
            validation=(x, x),
            callbacks=[
                StopOnNaN(),
                EarlyStopping("val_score", mode="min"),
                Checkpoint(tmp_path / str(bad), every_steps=1),
            ],
            progress=False,
        )
        history = trainer.fit(x, x)
        assert (history.stop_reason, len(history), weight(trainer)) == (StopReason.NAN, 2, 1)
        assert po.checkpoint.load(tmp_path / str(bad)).step == 2


def test_the_timer_stops_after_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr("pyoptim.train.callbacks.timer.time.perf_counter", lambda: next(clock))
    x = np.zeros((10, 1))
    for limit in (50, 100):
        trainer = Trainer(
            Linear(1), epochs=10**6, batch_size=2, callbacks=[Timer(limit)], progress=False
        )
        assert trainer.fit(x, x).stop_reason is StopReason.MAX_TIME
        assert 0 < trainer.step < limit
    with pytest.raises(ValueError, match="max_time must be above 0"):
        Timer(0)
    assert time.perf_counter() > 0


def test_the_csv_file_has_each_epoch_once(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    saving = Checkpoint(tmp_path / "run", every_epochs=2)
    x = np.arange(4.0).reshape(-1, 1)

    def trainer(*callbacks: Callback) -> Trainer:
        return Trainer(Linear(1), epochs=5, callbacks=[CSVLogger(path), *callbacks], progress=False)

    class Crash(Exception):
        pass

    def crash(t: Trainer) -> None:
        if t.epochs_done == 3:
            raise Crash

    with pytest.raises(Crash):
        trainer(Lambda(on_epoch_end=crash), saving).fit(x, x)
    assert History.read_csv(path)["epoch"] == [1, 2, 3]
    history = trainer().resume(tmp_path / "run").fit(x, x)
    assert History.read_csv(path).rows == history.rows
    assert history["epoch"] == [1, 2, 3, 4, 5]


def test_the_path_of_the_csv_file_is_checked_before_training(tmp_path: Path) -> None:
    run([1, 2], CSVLogger(tmp_path / "a" / "b" / "log.csv"))
    assert len(History.read_csv(tmp_path / "a" / "b" / "log.csv")) == 2
    model = Linear(1)
    trainer = Trainer(model, callbacks=[CSVLogger(tmp_path)], progress=False)
    with pytest.raises(IsADirectoryError, match="path: expected a file for CSVLogger"):
        trainer.fit(np.ones((2, 1)), np.ones(2))
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(FileExistsError, match="is a named pipe"):
        run([1, 2], CSVLogger(tmp_path / "pipe.csv"))
    assert trainer.step == 0


def test_tensorboard_orders_runs_even_if_the_clock_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for seconds, score in ((2e9, 1), (1e9, 2), (1e9, 3)):
        with monkeypatch.context() as patch:
            patch.setattr("pyoptim.train.callbacks.tensorboard.time.time", lambda s=seconds: s)
            run([score], TensorBoard(tmp_path))
    board = EventAccumulator(str(tmp_path))
    board.Reload()
    assert [event.value for event in board.Scalars("val_score")] == [3]  # the others are void
    assert len(list(tmp_path.iterdir())) == 3


def test_tensorboard_has_every_column(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = run([3, 1, 2], TensorBoard(tmp_path)).history
    board = EventAccumulator(str(tmp_path))
    board.Reload()
    assert sorted(board.Tags()["scalars"]) == sorted(set(history.columns) - {"epoch"})
    events = board.Scalars("val_score")
    assert [(event.step, event.value) for event in events] == [(1, 3), (2, 1), (3, 2)]


def test_tensorboard_has_each_epoch_of_a_resumed_run_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    x = np.arange(4.0).reshape(-1, 1)

    def trainer(*callbacks: Callback) -> Trainer:
        board = TensorBoard(tmp_path / "board")
        return Trainer(Linear(1), epochs=5, callbacks=[board, *callbacks], progress=False)

    def crash(t: Trainer) -> None:
        if t.epochs_done == 3:
            raise KeyError("power")

    saving = Checkpoint(tmp_path / "run", every_epochs=2)
    with pytest.raises(KeyError, match="power"):
        trainer(Lambda(on_epoch_end=crash), saving).fit(x, x)
    first = [event.step for event in _scalars(EventAccumulator, tmp_path / "board")]
    assert first == [1, 2, 3]
    history = trainer().resume(tmp_path / "run").fit(x, x)
    events = _scalars(EventAccumulator, tmp_path / "board")
    assert [event.step for event in events] == history["epoch"] == [1, 2, 3, 4, 5]
    assert [event.value for event in events] == pytest.approx(history["loss"])


def _scalars(accumulator: Any, folder: Path) -> list[Any]:
    board = accumulator(str(folder))
    board.Reload()
    events: list[Any] = board.Scalars("loss")
    return events


def test_progress_of_a_process(tmp_path: Path) -> None:
    """A bar on a terminal, removed at the end, and lines without escape codes in a file."""
    code = """
import numpy as np, pyoptim as po
x = np.full((64, 1), 1e6)
model = po.models.Linear(1)
history = po.train.Trainer(
    model, optimizer=po.SGD(model.params, lr=lambda step: 0.0 if step < 8 else 1e3), epochs=9,
    callbacks=[po.train.StopOnNaN()],
).fit(x, x)
print(history.stop_reason, len(history))
"""
    command = [sys.executable, "-P", "-W", "ignore", "-c", code]
    log = tmp_path / "log"
    with log.open("w") as file:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=file, text=True, timeout=600)
    lines = log.read_text()
    reason, _, epochs = done.stdout.strip().partition(" ")
    assert reason == "nan"
    assert lines.splitlines()[:4] == [f"epoch {i}/9  loss 1e+12" for i in range(1, 5)]
    assert len(lines.splitlines()) == int(epochs) < 9
    assert "\r" not in lines
    assert "\x1b" not in lines

    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 80))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=end, text=True, timeout=600)
    os.set_blocking(terminal, False)
    shown = os.read(terminal, 2**16)
    os.close(terminal)
    os.close(end)
    assert done.stdout.startswith("nan")
    assert b"/18" in shown
    assert b"epoch 1/9" not in shown
    assert shown.rpartition(b"\r")[2].strip() == b""  # the bar is removed


def test_averaged_weights_are_evaluated_and_returned() -> None:
    trainer = run([0] * 4, EMAEvaluation(0.5))
    # Mean of the weights 1, 2, 3, 4, weighted by 1/8, 1/4, 1/2, 1.
    assert weight(trainer) == pytest.approx((1 / 8 + 2 / 4 + 3 / 2 + 4) / (15 / 8))
    trainer.optimizer.train()
    assert weight(trainer) == 4


def test_methods_are_called_in_order() -> None:
    seen: list[str] = []
    hooks: dict[str, Any] = {name: lambda t, name=name: seen.append(name) for name in HOOKS}
    run([0] * 2, Lambda(**hooks))
    epoch = ["on_epoch_begin", "on_step_begin", "on_step_end", "on_epoch_end"]
    assert seen == ["on_attach", "on_fit_begin", *epoch, *epoch, "on_fit_end"]
    seen.clear()
    run([0] * 2, Lambda(**hooks), Lambda(on_step_end=lambda t: t.stop()))
    assert seen == ["on_attach", "on_fit_begin", *epoch[:3], "on_stop", "on_fit_end"]
    with pytest.raises(TypeError, match="got 'on_end'; choose one of on_attach"):
        Lambda(on_end=print)
    with pytest.raises(TypeError, match="callbacks: expected instances of"):
        Trainer(Linear(1), callbacks=[print])  # type: ignore[list-item]


@pytest.mark.parametrize("callback", [EarlyStopping(), Timer(1), Progress(), StopOnNaN()])
def test_a_state_round_trips_and_unknown_keys_are_errors(callback: Callback) -> None:
    state = callback.state_dict()
    assert set(state) == set(callback.state)
    callback.load_state_dict(state)
    with pytest.raises(ValueError, match=f"state_dict: {type(callback).__name__} expected "):
        callback.load_state_dict({**state, "other": 1})
