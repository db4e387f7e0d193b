"""Running statistics of batch norm, for averaged weights and for skipped and repeated steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.data import Rows
from pyoptim.models import MLP, EmbeddingMLP
from pyoptim.train import Callback, Checkpoint, EarlyStopping, Trainer
from pyoptim.train._eval_mode import _first_inputs
from pyoptim.wrappers import ASAM, EMA, SAM, SWA, DynamicLossScale, GradientAccumulation, Lookahead

AVERAGES: dict[str, Callable[[Any], Any]] = {
    "EMA": lambda params: EMA(po.Adam(params, lr=0.02), decay=0.97),
    "SWA": lambda params: SWA(po.Adam(params, lr=0.02), start=10),
    "Lookahead": lambda params: Lookahead(po.Adam(params, lr=0.02)),
    "EMA of SAM": lambda params: EMA(SAM(po.Adam(params, lr=0.02)), decay=0.9),
    **{
        rule.name: lambda params, rule=rule: getattr(po, rule.name)(params, lr=0.05)
        for rule in po.rules()
        if rule.has_eval_mode
    },
}


def problem(rows: int = 200) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4)) * [1, 5, 0.2, 3] + [0, 10, 1, -4]
    return x, np.sin(x[:, 0]) + x[:, 1] / 5


def network(**options: Any) -> MLP:
    return MLP([4, 12, 12, 1], norm="batch", loss="squared", dtype="float64", **options)


def statistics_of(model: MLP, x: Any, batch_size: int, order: Any) -> dict[str, Any]:
    """Return the statistics for the current weights in NumPy, as means over batches."""
    sums: dict[str, Any] = {}
    for start in range(0, len(x), batch_size):
        a = x[order[start : start + batch_size]]
        rows = len(a)
        for i in range(len(model.sizes) - 2):
            z = a @ model.params[f"layers.{i}.weight"]
            mean, variance = z.mean(axis=0), z.var(axis=0, ddof=1)
            for name, values in (("running_mean", mean), ("running_var", variance)):
                key = f"layers.{i}.{name}"
                sums[key] = sums.get(key, 0) + rows / len(x) * values
            normal = (z - mean) / np.sqrt(z.var(axis=0) + 1e-5)
            a = np.maximum(
                normal * model.params[f"layers.{i}.gain"] + model.params[f"layers.{i}.bias"], 0
            )
    return sums


@pytest.mark.parametrize("name", AVERAGES)
def test_averaged_weights_are_evaluated_and_kept_with_their_own_statistics(name: str) -> None:
    x, y = problem()
    model = network()
    optimizer = AVERAGES[name](model.params)
    trainer = Trainer(
        model, None, optimizer, epochs=4, batch_size=50, shuffle=False, validation=(x, y),
        progress=False,
    )  # fmt: skip
    history = trainer.fit(x, y)
    expected = statistics_of(model, x, 50, np.arange(len(x)))
    for key, values in expected.items():
        np.testing.assert_allclose(model.buffers[key], values, rtol=1e-10, atol=1e-10)
    assert min(history["val_loss"]) == model.evaluate(x, y)["loss"]


def test_plain_training_keeps_the_statistics_it_made() -> None:
    x, y = problem()
    by_hand, trained = network(), network()
    opt = po.Adam(by_hand.params, lr=0.02)
    for _ in range(3):
        for start in range(0, 200, 50):
            by_hand.loss_and_grad(x[start : start + 50], y[start : start + 50])
            opt.step()
    other = po.Adam(trained.params, lr=0.02)
    Trainer(
        trained, None, other, epochs=3, batch_size=50, shuffle=False, progress=False
    ).fit(x, y)  # fmt: skip
    for key, values in by_hand.buffers.items():
        assert np.array_equal(trained.buffers[key], values)


@pytest.mark.parametrize("name", AVERAGES)
def test_evaluation_of_averages_does_not_change_training(name: str) -> None:
    x, y = problem()
    ends = []
    for epochs in (4, 1):  # the averages are evaluated four times, or once
        model = network(dropout=0.2)
        optimizer = AVERAGES[name](model.params)
        trainer = Trainer(
            model, None, optimizer, epochs=epochs, batch_size=50, shuffle=False, progress=False
        )  # fmt: skip
        rows = np.tile(np.arange(200), 4 // epochs)
        trainer.fit(x[rows], y[rows])
        trainer._mode.train(optimizer)
        ends.append((model.params.flat.copy(), dict(model.buffers)))
    assert np.array_equal(ends[0][0], ends[1][0])
    for key, values in ends[0][1].items():
        assert np.array_equal(ends[1][1][key], values)


@pytest.mark.parametrize("name", ["EMA", "SWA", "ScheduleFreeSGD"])
@pytest.mark.parametrize("stop_at", [2, 5])
def test_a_resumed_run_has_the_statistics_of_one_that_never_stopped(
    name: str, stop_at: int, tmp_path: Path
) -> None:
    x, y = problem()

    class Stop(Callback):
        def on_step_end(self, trainer: Trainer) -> None:
            if trainer.step == stop_at:
                trainer.stop()

    def trainer(*callbacks: Callback) -> Trainer:
        model = network(dropout=0.1)
        return Trainer(
            model, None, AVERAGES[name](model.params), epochs=4, batch_size=60,
            validation=(x[:50], y[:50]), callbacks=[*callbacks, EarlyStopping(patience=9)],
            progress=False,
        )  # fmt: skip

    whole = trainer()
    expected = whole.fit(x, y)
    trainer(Stop(), Checkpoint(tmp_path, every_steps=1)).fit(x, y)
    again = trainer().resume(tmp_path)
    history = again.fit(x, y)
    assert history["val_loss"] == expected["val_loss"]
    for key, values in whole.model.buffers.items():  # type: ignore[attr-defined]
        assert np.array_equal(again.model.buffers[key], values)  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_training_that_stops_within_an_epoch_keeps_statistics_of_the_averages(
    error: type[BaseException] | None,
) -> None:
    x, y = problem()

    class Stop(Callback):
        def on_step_end(self, trainer: Trainer) -> None:
            if trainer.step == 6:
                trainer.stop()
                if error is not None:
                    raise error("stop")

    model = network()
    trainer = Trainer(
        model, None, AVERAGES["EMA"](model.params), epochs=4, batch_size=50, shuffle=False,
        callbacks=[Stop()], progress=False,
    )  # fmt: skip
    with nullcontext() if error is None else pytest.raises(error):
        trainer.fit(x, y)
    for key, values in statistics_of(model, x, 50, np.arange(len(x))).items():
        np.testing.assert_allclose(model.buffers[key], values, rtol=1e-10, atol=1e-10)


def test_statistics_are_estimated_on_a_bounded_number_of_rows() -> None:
    batches = (Rows(np.full((100, 1), i), np.zeros(100), None) for i in range(10**9))
    taken: Any = list(_first_inputs(batches, 1000))
    assert [part[0, 0] for part in taken] == list(range(10))


def test_statistics_of_a_model_with_embeddings() -> None:
    rng = np.random.default_rng(0)
    x = {"kind": rng.integers(0, 5, 80), "n": rng.normal(size=80)}
    y = rng.normal(size=80)
    model = EmbeddingMLP({"kind": (5, 3)}, numeric=["n"], hidden=[6], norm="batch", loss="squared")
    optimizer = EMA(po.Adam(model.params, lr=0.02), decay=0.9)
    Trainer(model, None, optimizer, epochs=2, batch_size=20, shuffle=False, progress=False).fit(
        x, y
    )
    kept = {key: array.copy() for key, array in model.buffers.items()}
    parts = [{name: column[i : i + 20] for name, column in x.items()} for i in range(0, 80, 20)]
    model.estimate_buffers([model.columns(part) for part in parts])
    for key, values in kept.items():
        np.testing.assert_allclose(model.buffers[key], values, rtol=1e-5)


SKIPPING: dict[str, Callable[[Any], Any]] = {
    "plain": lambda opt: opt,
    "loss scale": lambda opt: DynamicLossScale(opt, init_scale=2.0),
    "SAM": SAM,
    "ASAM": ASAM,
    "EMA": EMA,
    "sums": lambda opt: GradientAccumulation(opt, every=2),
    "loss scale of sums": lambda opt: DynamicLossScale(GradientAccumulation(opt, every=2)),
}


class Snapshots(Callback):
    """A callback that records the step count and the statistics after each batch."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, dict[str, Any]]] = []

    def take(self, trainer: Any) -> None:
        buffers = {key: array.copy() for key, array in trainer.model.buffers.items()}
        self.taken.append((trainer.optimizer.steps, buffers))

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.take(trainer)

    def on_step_end(self, trainer: Trainer) -> None:
        self.take(trainer)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.array_equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 3e38])
@pytest.mark.parametrize("name", SKIPPING)
def test_a_skipped_step_changes_no_statistics(name: str, bad: float) -> None:
    x, y = problem(80)
    x = x.astype(np.float32)
    x[45, 1] = bad  # of the third batch
    model = MLP([4, 6, 1], norm="batch", loss="squared")
    optimizer = SKIPPING[name](po.SGD(model.params, lr=0.01, skip_nonfinite=True))
    snapshots = Snapshots()
    Trainer(
        model, None, optimizer, epochs=1, batch_size=20, shuffle=False, callbacks=[snapshots],
        allow_nonfinite=True, progress=False,
    ).fit(x, y)  # fmt: skip
    window = 2 if "sums" in name else 1
    ends = snapshots.taken[::window]
    skipped = [i for i in range(1, len(ends)) if ends[i][0] == ends[i - 1][0]]
    assert skipped == ([2] if window == 2 else [3])
    for i in range(1, len(ends)):
        assert same(ends[i][1], ends[i - 1][1]) == (i in skipped)
        assert all(np.isfinite(values).all() for values in ends[i][1].values())


def test_a_scale_that_overflows_changes_no_statistics() -> None:
    x, y = problem(40)
    model = MLP([4, 6, 1], norm="batch", loss="squared")
    optimizer = DynamicLossScale(
        po.SGD(model.params, lr=0.01, skip_nonfinite=True), init_scale=2.0**127
    )
    snapshots = Snapshots()
    Trainer(
        model, None, optimizer, epochs=1, batch_size=20, shuffle=False, callbacks=[snapshots],
        progress=False,
    ).fit(x, 1e4 * y)  # fmt: skip
    assert [steps for steps, _ in snapshots.taken] == [0, 0, 0]
    assert same(snapshots.taken[0][1], snapshots.taken[2][1])


@pytest.mark.parametrize("wrapper", [SAM, ASAM])
def test_statistics_take_in_the_first_pass_of_sam_alone(wrapper: Any) -> None:
    x, y = problem(40)
    plain, model = network(), network()
    plain.loss_and_grad(x, y)
    optimizer = wrapper(po.SGD(model.params, lr=0.01), rho=0.5)
    Trainer(model, None, optimizer, epochs=1, batch_size=40, shuffle=False, progress=False).fit(
        x, y
    )
    assert same(plain.buffers, model.buffers)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_batch_without_a_loss_counts_in_no_statistics(bad: float) -> None:
    x, y = problem(40)
    model = network()
    model.loss_and_grad(x, y)
    before = {key: array.copy() for key, array in model.buffers.items()}
    x[3, 2] = bad
    assert not np.isfinite(model.loss_and_grad(x, y))
    assert same(before, dict(model.buffers))
