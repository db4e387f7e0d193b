"""Threads that share an optimizer: each action is whole, and none waits for ever."""

import copy
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim import wrappers

ANY = [po.SGD, po.Adam, po.ScheduleFreeSGD, po.Muon]
AROUND: list[Callable[[Any], Any]] = [
    lambda opt: opt,
    wrappers.Wrapper,
    lambda opt: wrappers.EMA(opt, decay=0.5),
    lambda opt: wrappers.Lookahead(opt, k=2, alpha=1.0),
    lambda opt: wrappers.GradientAccumulation(opt, every=1),
    lambda opt: wrappers.EMA(wrappers.Wrapper(opt)),
]


def at_once(work: Callable[[int], None], threads: int = 4) -> None:
    """Do work(number) on threads that start together."""
    barrier = threading.Barrier(threads)

    def start(number: int) -> None:
        barrier.wait(timeout=60)
        work(number)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(start, range(threads)))


@pytest.mark.parametrize("wrap", AROUND)
def test_a_step_uses_what_its_own_schedule_gave(wrap: Callable[[Any], Any]) -> None:
    # Rates 1, 2 ... 400: each is used once, whatever the order of threads.
    w = np.zeros(1)
    opt = wrap(po.SGD([w], lr=lambda step: float(step + 1)))

    def work(_: int) -> None:
        for _ in range(100):
            opt.step([np.full(1, -1.0)])

    at_once(work)
    assert opt.steps == 400
    assert w[0] == 400 * 401 / 2


def test_a_step_uses_what_its_own_schedule_gave_in_every_group() -> None:
    first, second = np.zeros(1), np.zeros(1)
    rates: list[Callable[[int], float]] = [lambda step: step + 1.0, lambda step: 2.0 * step]
    opt = po.SGD([{"params": [p], "lr": lr} for p, lr in zip((first, second), rates, strict=True)])

    def work(_: int) -> None:
        for _ in range(100):
            opt.step([np.full(1, -1.0), np.full(1, -1.0)])

    at_once(work)
    assert first[0] == 400 * 401 / 2
    assert second[0] == 2 * 399 * 400 / 2


@pytest.mark.parametrize("make", ANY)
@pytest.mark.parametrize("wrap", AROUND)
def test_a_state_is_of_one_moment(make: Any, wrap: Callable[[Any], Any]) -> None:
    # Settings that follow the step tell of which step a state is.
    w = np.zeros((2, 2))
    opt = wrap(make([w], lr=lambda step: 1.0 + step))
    gradient = [np.ones((2, 2))]
    opt.step(gradient)
    first = opt.state_dict()
    rate = next(key for key in first if key.endswith("groups.0.lr"))
    step = next(key for key in first if key.endswith("step") and "params" not in key)
    states = [first]

    def work(number: int) -> None:
        for _ in range(50):
            match number % 3:
                case 0:
                    opt.step(gradient)
                case 1:
                    states.append(opt.state_dict())
                case 2:
                    opt.load_state_dict(first)

    at_once(work, threads=6)
    assert all(state[rate] == state[step] for state in states)
    assert all(
        value == state[step]
        for state in states
        for key, value in state.items()
        if key.startswith(("params", "optimizer.params")) and key.endswith("step")
    )


def test_settings_are_set_between_steps() -> None:
    w = np.zeros(1)
    opt = po.SGD([w], lr=1.0, momentum=0.5)

    def work(number: int) -> None:
        for _ in range(100):
            if number:
                opt.step([np.zeros(1)])
            else:
                opt.param_groups[0]["lr"] = po.schedules.constant(2.0)
                assert opt.param_groups[0]["lr"](0) == 2
                opt.param_groups[0]["lr"] = 3.0
                assert opt.param_groups[0]["lr"] == 3

    at_once(work)
    assert opt.steps == 300


CHANGES: list[tuple[str, Callable[[Any], Any]]] = [
    ("step", lambda opt: opt.step([np.ones(2)])),
    ("load_state_dict", lambda opt: opt.load_state_dict(opt.state_dict())),
    ("eval", lambda opt: opt.eval()),
    ("train", lambda opt: opt.train()),
    ("__setitem__", lambda opt: opt.param_groups[0].__setitem__("lr", 1.0)),
]


@pytest.mark.parametrize("wrap", AROUND)
@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_a_schedule_cannot_change_its_optimizer(
    name: str, change: Callable[[Any], Any], wrap: Callable[[Any], Any]
) -> None:
    asked: list[Any] = []

    def schedule(step: int) -> float:
        if asked:
            assert asked[0].steps == step
            assert asked[0].state_dict()
            change(asked[0])
        return 1.0

    w = np.zeros(2)
    opt = wrap(po.SGD([w], lr=schedule))
    asked.append(opt)
    with pytest.raises(RuntimeError, match="called by a schedule of the same optimizer") as error:
        opt.step([np.ones(2)])
    assert str(error.value).startswith(f"{name}():")
    assert opt.steps == 0
    assert (w == 0).all()
    asked.clear()
    opt.step([np.ones(2)])
    assert (w == -1).all()


def test_schedules_that_fail_leave_all_settings() -> None:
    def fails(step: int) -> float:
        if step:
            raise KeyError("no rate")
        return 0.5

    params = [np.zeros(1), np.zeros(1)]
    groups = [{"params": [params[0]], "lr": lambda step: step + 1.0}, {"params": [params[1]]}]
    opt = po.SGD(groups, lr=fails)
    gradients = [np.ones(1), np.ones(1)]
    opt.step(gradients)
    for second, error in ((fails, KeyError), (lambda _: -1.0, ValueError)):
        opt.param_groups[1].schedules["lr"] = second
        before = opt.state_dict()
        with pytest.raises(error):
            opt.step(gradients)
        assert str(opt.state_dict()) == str(before)


def test_copies_have_locks_of_their_own() -> None:
    opt = wrappers.EMA(po.Adam([np.zeros(2)]))
    for twin in (copy.copy(opt), copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))):
        assert twin._guard is twin.unwrapped._guard
        assert twin._guard is not opt._guard


def test_a_subclass_that_has_a_step_of_its_own_takes_turns_too() -> None:
    class Slow(wrappers.Wrapper):
        inside = 0

        def step(self, grads: Any = None, *, grad_scale: float = 1.0, **keywords: Any) -> Any:
            self.inside += 1
            assert self.inside == 1
            info = super().step(grads, grad_scale=grad_scale, **keywords)
            self.inside -= 1
            return info

    opt = Slow(po.SGD([np.zeros(50_000)], lr=1.0))

    def work(_: int) -> None:
        for _ in range(20):
            opt.step([np.ones(50_000)])

    at_once(work)
    assert opt.steps == 80


def test_threads_share_an_optimizer_of_torch() -> None:
    torch = pytest.importorskip("torch")
    from pyoptim import torch as optim

    w = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    opt = optim.SGD([w], lr=1.0)
    w.grad = -torch.ones_like(w)
    states = []

    def work(number: int) -> None:
        for _ in range(50):
            if number:
                opt.step()
            else:
                states.append(opt.state_dict())

    at_once(work)
    assert (w == 150).all()
