"""Prefetching in a thread: the batches are the same, and the thread ends."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.data import prefetched
from pyoptim.models import Linear
from pyoptim.train import EarlyStopping, Lambda, StopReason, Trainer

X = np.random.default_rng(2).normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5]


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def names_of_threads() -> set[str]:
    return {thread.name.rpartition("_")[0] for thread in threading.enumerate()}


def make(*callbacks: Any, prefetch: bool | None = True, **keywords: Any) -> Trainer:
    settings = {"epochs": 3, "batch_size": 8, "progress": False, **keywords}
    model = Linear(3)
    return Trainer(
        model,
        optimizer=po.SGD(model.params, lr=0.1),
        callbacks=callbacks,
        prefetch=prefetch,
        **settings,
    )


def test_next_batch_is_prefetched_without_changing_the_current_one() -> None:
    """The generator runs one item ahead, in the prefetch thread."""
    log: list[Any] = []

    def items() -> Iterator[int]:
        for item in range(4):
            log.append((item, threading.current_thread() is threading.main_thread()))
            yield item

    ahead = prefetched(items())  # type: ignore[arg-type]
    assert next(ahead) == 0
    ahead.close()  # waits for the prefetch thread
    assert log == [(0, False), (1, False)]
    assert list(prefetched(i for i in range(50))) == list(range(50))


def test_batches_in_use_are_not_overwritten() -> None:
    """The batches are compared at the end of their steps."""

    class Slow(Linear):
        def loss_and_grad(self, x: Any, *rest: Any, **keywords: Any) -> float:
            value = super().loss_and_grad(x, *rest, **keywords)
            for _ in range(100):
                threading.Event().wait(1e-5)  # gives time to the prefetch thread
            seen.append(x.copy())
            return value

    found = []
    for prefetch in (False, True):
        seen: list[Any] = []
        Trainer(Slow(3), epochs=2, batch_size=8, prefetch=prefetch, progress=False).fit(X, Y)
        found.append(np.concatenate(seen))
    assert np.array_equal(*found)


def test_when_a_thread_is_used(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    large = np.zeros((600, 2000), np.float32)
    few = Lambda(on_step_end=lambda t: t.stop())
    for x, prefetch, batch_size, expected in (
        (X, None, 8, False),
        (X, True, 8, True),
        (mapped, None, 8, True),
        (mapped, False, 8, False),
        (large, None, 100, False),
        (large, None, 200, True),
    ):
        found: list[bool] = []
        look = Lambda(
            on_step_begin=lambda t: found.append("pyoptim-prefetch" in names_of_threads())  # noqa: B023
        )
        model = Linear(x.shape[1])
        Trainer(model, batch_size=batch_size, prefetch=prefetch, callbacks=[look, few],
                progress=False).fit(x, x[:, 0])  # fmt: skip
        assert found == [expected]


def test_errors_of_every_kind_end_the_thread() -> None:
    def fail(trainer: Trainer) -> None:
        if trainer.step == 2:
            raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        make(Lambda(on_step_end=fail)).fit(X, Y)

    def chunks() -> Iterator[Any]:
        yield X, Y
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        make().fit(chunks)
    history = make(EarlyStopping("loss", patience=1, min_delta=1e9)).fit(X, Y)
    assert history.stop_reason is StopReason.EARLY_STOP


@pytest.mark.usefixtures("ctrl_c")
def test_interrupts_end_the_thread() -> None:
    def once(trainer: Trainer) -> None:
        if trainer.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    trainer = make(Lambda(on_step_end=once))
    assert trainer.fit(X, Y).stop_reason is StopReason.INTERRUPTED
    assert trainer.step == 3

    def twice(trainer: Trainer) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make(Lambda(on_step_end=twice)).fit(X, Y)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of forking with threads
def test_forked_process_can_train_and_does_not_hang() -> None:
    """The forked process cannot resume the epoch, but the parent can."""
    results: list[int] = []

    def fork(trainer: Trainer) -> None:
        if trainer.step != 2:
            return
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # ends the child process in any case
            status = 1
            try:
                make().fit(X, Y)
                status = 0
                return
            finally:
                if status == 1:
                    os._exit(1)
        results.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    parent = os.getpid()
    trainer = make(Lambda(on_step_end=fork))
    try:
        trainer.fit(X, Y)
    except RuntimeError as error:
        assert os.getpid() != parent
        os._exit(42 if "prefetch=False" in str(error) else 43)
    assert results == [42]
    assert trainer.history.stop_reason is StopReason.FINISHED
