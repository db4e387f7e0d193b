"""``batch_size="auto"``: the choice depends on measured times only, and changes no state."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.data import Rows
from pyoptim.models import MLP, Linear
from pyoptim.train import Checkpoint, Lambda, Progress, Trainer
from pyoptim.train._batch_size import (
    BatchSizeReport,
    candidate_sizes,
    measure_batch_sizes,
    preserved_state,
)
from pyoptim.train._step import Step

RNG = np.random.default_rng(4)
X = RNG.normal(size=(1000, 3))
Y = (X[:, 0] > 0).astype(int)


class Clock:
    """A clock, and a model whose steps take scripted times."""

    def __init__(self, seconds: Any) -> None:
        self.now = 0.0
        clock = self

        class Timed(Linear):
            def loss_and_grad(self, x: Any, *rest: Any, **keywords: Any) -> float:
                clock.now += seconds(len(x))
                return super().loss_and_grad(x, *rest, **keywords)

        self.model = Timed(3)

    def __call__(self) -> float:
        return self.now


def report(seconds: Any, rows: int = 1000, every: int = 1) -> BatchSizeReport:
    clock = Clock(seconds)
    optimizer: Any = po.SGD(clock.model.params, lr=0.1)
    if every > 1:
        optimizer = po.wrappers.GradientAccumulation(optimizer, every=every)
    step = Step(clock.model, clock.model.loss, optimizer, [])
    data = Rows(X[:rows].astype(np.float32), X[:rows, 0].astype(np.float32))
    return measure_batch_sizes(step, data, 12, 5000, clock)


@pytest.mark.parametrize("every", [1, 3])
def test_chooses_the_largest_size_that_still_speeds_up_an_epoch(every: int) -> None:
    for seconds, expected in (
        (lambda n: 1.0, 512),  # steps take the same time, so all rows in one batch are best
        (lambda n: 0.01 * n, 16),  # rows take the same time
        (lambda n: 1 + 0.01 * n, 512),  # 512 saves 6.4 % of 256
        (lambda n: 0.2 + 0.01 * n, 256),  # 128 saves 12 %, 256 6.8 %, 512 3.6 %
        (lambda n: 0.01 * max(n, 64) + (n > 64), 64),
        (lambda n: 0.01 * n * (1.2 if n == 64 else 32 / n), 512),  # one slow size in between
    ):
        result = report(seconds, every=every)
        times = result.seconds
        assert result.chosen == expected
        assert times[16] == pytest.approx(seconds(16) * 5000 / 16)
        assert list(times) == candidate_sizes(1000, 12)[: len(times)]


def test_candidate_sizes_are_limited_by_rows_and_memory() -> None:
    assert candidate_sizes(1000, 12) == [16, 32, 64, 128, 256, 512]
    assert candidate_sizes(3, 12) == [16]
    assert candidate_sizes(10**9, 2**20) == [16, 32, 64, 128, 256]
    assert report(lambda n: 1.0, rows=5).seconds.keys() == {16}


class Falling:
    """A schedule with a state: the number of its calls."""

    calls = 0

    def __call__(self, step: int) -> float:
        self.calls += 1
        return 0.1 / self.calls

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


OPTIMIZERS: dict[str, Any] = {
    "AdamW": lambda p: po.AdamW(p, lr=po.schedules.cosine(0.1, steps=10)),
    "Falling": lambda p: po.SGD(p, lr=Falling()),
    "ScheduleFree": lambda p: po.ScheduleFreeAdamW(p, lr=0.1),
    "master weights": lambda p: po.AdamW(p, lr=0.1, state_dtype="float8"),
    "EMA": lambda p: po.wrappers.EMA(po.wrappers.Lookahead(po.Adam(p))),
    "SAM": lambda p: po.wrappers.SAM(po.Adam(p)),
    "accumulation": lambda p: po.wrappers.GradientAccumulation(po.Adam(p), every=3),
    "Muon": lambda p: po.Muon(p, lr=0.1),
    "Prodigy": lambda p: po.Prodigy(p),
}


class Counting(MLP):
    """A model with a state besides its parameters."""

    calls = 0

    def loss_and_grad(self, *rest: Any, **keywords: Any) -> float:
        self.calls += 1
        return super().loss_and_grad(*rest, **keywords)

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_measuring_changes_no_state(name: str) -> None:
    """Training afterwards is bit-identical to training with the chosen size from the start."""
    results = []
    for measured in (False, True):
        model = Counting([3, 4, 2], seed=1)
        optimizer = OPTIMIZERS[name](model.params)
        trainer = Trainer(model, optimizer=optimizer, epochs=1, batch_size=64, progress=False)
        if measured:
            step = Step(model, model.loss, optimizer, [])
            with preserved_state(model, optimizer):
                for _ in range(5):
                    step(Rows(X[:32].astype(np.float32), Y[:32]))
                assert model.calls >= 5
            assert model.calls == 0
        trainer.fit(X, Y)
        optimizer.train()
        state = {k: np.asarray(v).tolist() for k, v in optimizer.state_dict().items()}
        results.append((model.params.flat.tolist(), state, model.calls))
    assert results[0] == results[1]


def test_the_size_is_reported_and_kept_by_a_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    calls = []

    def choose(*arguments: Any) -> BatchSizeReport:
        calls.append(arguments)
        return BatchSizeReport(128, {16: 0.5, 128: 0.25})

    monkeypatch.setattr("pyoptim.train._trainer.choose_batch_size", choose)
    model = MLP([3, 2])
    stop = Lambda(on_step_end=lambda t: t.step == 3 and t.stop())
    trainer = Trainer(model, batch_size="auto", epochs=2, callbacks=[Progress(stream), stop,
                      Checkpoint(tmp_path)])  # fmt: skip
    trainer.fit(X, Y)
    assert trainer.batch_size == 128
    assert trainer.batch_size_report is not None
    assert trainer.batch_size_report.chosen == 128
    assert stream.getvalue() == "batch size 128, chosen by time per epoch: 16: 0.5 s, 128: 0.25 s\n"
    again = Trainer(MLP([3, 2]), batch_size="auto", epochs=2, progress=False).resume(tmp_path)
    again.fit(X, Y)
    assert (again.batch_size, again.batch_size_report, again.step) == (128, None, 16)
    assert len(calls) == 1
    trainer.fit(X, Y)
    assert len(calls) == 2  # a new run measures again


def test_real_times_choose_a_candidate_size() -> None:
    """Both for arrays and for chunks."""

    def chunks() -> Iterator[Any]:
        yield X[:0], Y[:0]
        yield X[:300], Y[:300]

    for rows in ((X, Y), (chunks,)):
        trainer = Trainer(MLP([3, 2]), batch_size="auto", epochs=1, progress=False)
        history = trainer.fit(*rows)
        assert trainer.batch_size in candidate_sizes(1000, 12)
        assert trainer.batch_size_report is not None
        assert trainer.batch_size_report.chosen == trainer.batch_size
        assert len(history) == 1
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        Trainer(MLP([3, 2]), batch_size="large")  # type: ignore[arg-type]
