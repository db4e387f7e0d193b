"""Resumed runs are bit-identical to uninterrupted runs."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_killed
from training import Crash, crash_at

import pyoptim as po
from pyoptim.models import MLP, Linear
from pyoptim.train import (
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    History,
    Lambda,
    LRSchedule,
    ReduceLROnPlateau,
    StopReason,
    Timer,
    Trainer,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(23, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.3 * RNG.normal(size=23)
BATCH = 5  # 5 steps an epoch
wrap = po.wrappers

OPTIMIZERS: dict[str, Any] = {
    "AdamW": lambda p: po.AdamW(p, lr=0.05),
    "schedule": lambda p: po.SGD(p, lr=po.schedules.cosine(0.1, steps=20), momentum=0.9),
    "plateau": lambda p: po.SGD(p, lr=po.schedules.reduce_on_plateau(0.1, patience=0)),
    "ScheduleFree": lambda p: po.ScheduleFreeAdamW(p, lr=0.05),
    "EMA": lambda p: wrap.EMA(po.Adam(p, lr=0.05), decay=0.8),
    "SWA": lambda p: wrap.SWA(po.Adam(p, lr=0.05), start=3),
    "Lookahead": lambda p: wrap.Lookahead(po.Adam(p, lr=0.05), k=3),
    "SAM": lambda p: wrap.SAM(po.Adam(p, lr=0.05)),
    "SAM inside": lambda p: wrap.EMA(wrap.SAM(po.Adam(p, lr=0.05)), decay=0.5),
    "accumulation": lambda p: wrap.GradientAccumulation(po.Adam(p, lr=0.05), every=3),
    "loss scale": lambda p: wrap.DynamicLossScale(
        po.Adam(p, lr=0.05, skip_nonfinite=True), growth_interval=3
    ),
    "quantized state": lambda p: po.AdamW(p, lr=0.05, state_dtype="bfloat16"),
    "Muon": lambda p: po.Muon(p, lr=0.05),
}


def stop_at(step: int) -> Callback:
    return Lambda(on_step_end=lambda t: t.step == step and t.stop(StopReason.INTERRUPTED))


def trainer(make: Any, *callbacks: Callback, epochs: int = 4, **keywords: Any) -> Trainer:
    model = Linear(3)
    optimizer = make(model.params)

    def update(t: Trainer) -> None:
        schedule = optimizer.param_groups[0]["lr"]
        if hasattr(schedule, "update"):  # reduces the rate after every second epoch
            schedule.update(t.epochs_done // 2)

    return Trainer(
        model,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=BATCH,
        validation=(X[:6], Y[:6]),
        callbacks=[Lambda(on_epoch_end=update), *callbacks],
        progress=False,
        **keywords,
    )


def outcome(trained: Trainer) -> Any:
    """Return all results of a run except durations."""
    eval_params = trained.model.params.flat.tolist()
    trained.optimizer.train()
    state = {k: np.asarray(v).tolist() for k, v in trained.optimizer.state_dict().items()}
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in trained.history.rows]
    return eval_params, trained.model.params.flat.tolist(), state, rows, trained.stop_reason


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_stopped_at_any_step_resumes(name: str, tmp_path: Path) -> None:
    whole = trainer(OPTIMIZERS[name])
    whole.fit(X, Y)
    expected = outcome(whole)
    for step in range(1, 11):
        folder = tmp_path / str(step)
        first = trainer(OPTIMIZERS[name], Checkpoint(folder, every_epochs=None), stop_at(step))
        history = first.fit(X, Y)
        assert history.stop_reason is StopReason.INTERRUPTED
        assert (first.step, len(history)) == (step, (step - 1) // 5)
        again = trainer(OPTIMIZERS[name]).resume(folder)
        again.fit(X, Y)
        assert outcome(again) == expected, step


def test_a_killed_run_resumes() -> None:
    """Kill at the first, an epoch's last, and the last step. `nox -s kill` tests every step."""
    whole = training_killed.train(None)
    for step in (1, 14, training_killed.STEPS):
        assert training_killed.killed_and_resumed(step) == whole, step


def adam(params: Any) -> Any:
    return po.Adam(params, lr=0.05)


def test_callbacks_keep_their_state(tmp_path: Path) -> None:
    """The losses rise from the third epoch, and patience must not start again."""
    losses = [3.0, 2.0, 5.0, 4.0, 6.0, 7.0]

    def script(t: Trainer) -> None:
        t.history.rows[-1]["val_loss"] = losses[t.epochs_done - 1]

    def callbacks() -> list[Callback]:
        return [
            Lambda(on_epoch_end=script),
            EarlyStopping(patience=4),
            ReduceLROnPlateau(patience=1, factor=0.5),
        ]

    whole = trainer(adam, *callbacks(), epochs=9)
    whole.fit(X, Y)
    assert (whole.epochs_done, whole.history.best_epoch) == (6, 2)
    assert whole.history["lr"] == [0.05] * 4 + [0.025] * 2
    for step in range(6, 29, 3):
        folder = tmp_path / str(step)
        with pytest.raises(Crash):  # the last checkpoint is of the last complete epoch
            trainer(adam, Checkpoint(folder), *callbacks(), crash_at(step), epochs=9).fit(X, Y)
        again = trainer(adam, *callbacks(), epochs=9).resume(folder)
        again.fit(X, Y)
        assert outcome(again) == outcome(whole)
        assert again.history.best_epoch == 2


def test_a_run_that_stopped_early_stays_stopped(tmp_path: Path) -> None:
    def make() -> Trainer:
        return trainer(adam, EarlyStopping(patience=1, min_delta=1e9), Checkpoint(tmp_path))

    done = make()
    done.fit(X, Y)
    again = make().resume(tmp_path)
    again.fit(X, Y)
    assert again.history.stop_reason is StopReason.EARLY_STOP
    assert again.history.best_epoch == 1
    assert outcome(again) == outcome(done)


def test_a_resumed_run_may_have_more_epochs(tmp_path: Path) -> None:
    trainer(adam, Checkpoint(tmp_path), epochs=2).fit(X, Y)
    again = trainer(adam, epochs=5).resume(tmp_path)
    again.fit(X, Y)
    whole = trainer(adam, epochs=5)
    whole.fit(X, Y)
    assert outcome(again) == outcome(whole)


def test_a_resumed_run_may_have_other_metrics(tmp_path: Path) -> None:
    def run(epochs: int, validation: Any, *callbacks: Callback) -> Trainer:
        saving = [Checkpoint(tmp_path / "run"), CSVLogger(tmp_path / "log.csv"), *callbacks]
        resumed = Trainer(
            Linear(3), epochs=epochs, validation=validation, callbacks=saving, progress=False
        )
        resumed.resume(tmp_path / "run", missing_ok=True)
        return resumed

    run(1, None).fit(X, Y)
    history = run(2, (X, Y)).fit(X, Y)
    assert history.columns == ["epoch", "loss", "lr", "seconds", "val_loss"]
    assert np.isnan(history["val_loss"]).tolist() == [True, False]
    again = History.read_csv(tmp_path / "log.csv")
    assert all(np.array_equal(again[c], history[c], equal_nan=True) for c in history.columns)
    with pytest.raises(ValueError, match="got 'val_loss'; choose one of epoch, loss, test_loss"):
        run(3, {"test": (X, Y)}, EarlyStopping("val_loss")).fit(X, Y)


def test_a_rate_by_epochs_continues(tmp_path: Path) -> None:
    def rate(by: Any) -> LRSchedule:
        return LRSchedule(lambda number: 0.1 / (1 + number), by)

    for by in ("epoch", "step"):
        trainer(adam, rate(by), Checkpoint(tmp_path / by), stop_at(7)).fit(X, Y)
        again = trainer(adam, rate(by)).resume(tmp_path / by).fit(X, Y)
        last = [1, 2, 3, 4] if by == "epoch" else [5, 10, 15, 20]
        assert again["lr"] == [0.1 / number for number in last]


def test_the_time_limit_covers_all_parts_of_a_run(tmp_path: Path) -> None:
    timer = Timer(1e6)
    trainer(adam, timer, Checkpoint(tmp_path), stop_at(3)).fit(X, Y)
    timer.elapsed = 1e7
    first = trainer(adam, timer, Checkpoint(tmp_path))
    assert timer.state_dict()["elapsed"] == 1e7
    saved = po.checkpoint.load(tmp_path).metadata["trainer"]["callbacks"]["Timer"]["elapsed"]
    assert 0 < saved < 1e6
    stopped = trainer(adam, Timer(saved / 2)).resume(tmp_path)
    assert stopped.fit(X, Y).stop_reason is StopReason.MAX_TIME
    assert stopped.step == 4
    assert first.fit(X, Y).stop_reason is StopReason.FINISHED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_stops_after_the_step_and_saves(number: int, tmp_path: Path) -> None:
    previous = signal.getsignal(number)

    def interrupt(t: Trainer) -> None:
        if t.step == 6:
            os.kill(os.getpid(), number)
            assert t.stop_reason is StopReason.INTERRUPTED

    first = trainer(adam, Checkpoint(tmp_path, every_epochs=None), Lambda(on_step_begin=interrupt))
    history = first.fit(X, Y)
    assert (first.step, history.stop_reason) == (7, StopReason.INTERRUPTED)
    assert str(history.stop_reason) == "interrupted"
    assert signal.getsignal(number) is previous
    again = trainer(adam).resume(tmp_path)
    again.fit(X, Y)
    whole = trainer(adam)
    whole.fit(X, Y)
    assert outcome(again) == outcome(whole)


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_signal_raises(tmp_path: Path) -> None:
    previous = signal.getsignal(signal.SIGINT)

    def interrupt(t: Trainer) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    best = EarlyStopping(patience=9)
    trained = trainer(adam, best, Lambda(on_step_end=lambda t: t.step == 8 and interrupt(t)))
    with pytest.raises(KeyboardInterrupt):
        trained.fit(X, Y)
    assert signal.getsignal(signal.SIGINT) is previous
    assert trained.history.best_epoch == 1  # restored nevertheless
    epoch = trainer(adam, epochs=1)
    epoch.fit(X, Y)
    assert np.array_equal(trained.model.params.flat, epoch.model.params.flat)


def test_a_checkpoint_of_another_run_is_rejected(tmp_path: Path) -> None:
    trainer(adam, Checkpoint(tmp_path), EarlyStopping(), epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="states of the callbacks EarlyStopping, but this trainer"):
        trainer(adam).resume(tmp_path)
    with pytest.raises(ValueError, match="saved by Adam, but this optimizer is SGD"):
        trainer(lambda p: po.SGD(p, lr=0.1), EarlyStopping()).resume(tmp_path)
    other = Trainer(Linear(2), callbacks=[EarlyStopping()])
    with pytest.raises(ValueError, match=r"cannot resume: .* is float32 .* in the checkpoint"):
        other.resume(tmp_path)
    for keywords, message in (
        ({"seed": 5}, "seed is 5, but the saved run used 0"),
        ({"shuffle": False}, "shuffle is False, but the saved run used True"),
    ):
        with pytest.raises(ValueError, match=message):
            trainer(adam, EarlyStopping(), **keywords).resume(tmp_path).fit(X, Y)
    with pytest.raises(ValueError, match="cannot resume: rows is 22, but the saved run used 23"):
        trainer(adam, EarlyStopping()).resume(tmp_path).fit(X[:22], Y[:22])
    with pytest.raises(FileNotFoundError):
        trainer(adam).resume(tmp_path / "nowhere")
    assert trainer(adam).resume(tmp_path / "nowhere", missing_ok=True).fit(X, Y).rows
    po.checkpoint.save(tmp_path / "other", {"w": X}, step=1)
    with pytest.raises(po.CheckpointError, match="was not saved by a Trainer"):
        trainer(adam).resume(tmp_path / "other")
    for metadata in ({"trainer": "Bob"}, {"trainer": {"position": 1}}, ["trainer"], None):
        po.checkpoint.save(tmp_path / "other", {"w": X}, step=1, metadata=metadata)
        with pytest.raises(po.CheckpointError, match="was not saved by a Trainer"):
            trainer(adam).resume(tmp_path / "other")


def test_a_schedule_with_a_state_may_replace_a_rate(tmp_path: Path) -> None:
    trainer(lambda p: po.SGD(p, lr=0.1), Checkpoint(tmp_path), epochs=1).fit(X, Y)
    plateau = trainer(OPTIMIZERS["plateau"], epochs=3).resume(tmp_path)
    assert plateau.fit(X, Y)["lr"] == [0.1, 0.1, 0.1]
    plateau.save(tmp_path)
    with pytest.raises(ValueError, match=r"states of the schedules 0\.lr, but this trainer has no"):
        trainer(lambda p: po.SGD(p, lr=0.1), epochs=1).resume(tmp_path)


NETWORKS: dict[str, Any] = {
    "batch norm": lambda: MLP([3, 4, 1], norm="batch", loss="squared"),
    "layer norm": lambda: MLP([3, 4, 1], norm="layer", loss="squared"),
    "dropout": lambda: MLP([3, 4, 1], dropout=0.5, loss="squared"),
    "wider": lambda: MLP([3, 5, 1], dropout=0.5, loss="squared"),
}
RULES: dict[str, Any] = {
    "Adam": adam,
    "EMA": lambda p: wrap.EMA(adam(p), decay=0.5),
    "momentum": lambda p: po.SGD(p, lr=0.01, momentum=0.9),
}


@pytest.mark.parametrize("saved", [(n, r) for n in NETWORKS for r in RULES], ids=str)
def test_a_checkpoint_that_does_not_fit_changes_nothing(
    saved: tuple[str, str], tmp_path: Path
) -> None:
    def trained(network: str, rule: str) -> Trainer:
        model = NETWORKS[network]()
        result = Trainer(model, optimizer=RULES[rule](model.params), epochs=2, progress=False)
        result.fit(X, Y)
        return result

    def everything(of: Trainer) -> Any:
        model: Any = of.model
        params = model.params.flat.tolist()
        buffers = {name: array.tolist() for name, array in model.buffers.items()}
        return outcome(of), params, buffers, model.draws, of.epochs_done, of.step

    path = trained(*saved).save(tmp_path)
    for current in [(n, r) for n in NETWORKS for r in RULES if (n, r) != saved]:
        if {current[0], saved[0]} == {"dropout"} and current[1] == saved[1]:
            continue
        one, two = trained(*current), trained(*current)
        with pytest.raises((ValueError, TypeError)):
            one.resume(path)
        assert everything(one) == everything(two), current
