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
from pyoptim.optim import _guard as guard

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
    accepted = True

    def fails(step: int) -> float:
        if step and not accepted:
            raise KeyError("no rate")
        return 0.5

    def negative(step: int) -> float:
        return 1.0 if accepted else -1.0

    params = [np.zeros(1), np.zeros(1)]
    groups = [{"params": [params[0]], "lr": lambda step: step + 1.0}, {"params": [params[1]]}]
    opt = po.SGD(groups, lr=fails)
    gradients = [np.ones(1), np.ones(1)]
    opt.step(gradients)
    for second, error in ((fails, KeyError), (negative, ValueError)):
        accepted = True
        opt.param_groups[1]["lr"] = second
        accepted = False
        before = opt.state_dict()
        with pytest.raises(error):
            opt.step(gradients)
        assert str(opt.state_dict()) == str(before)


MEETINGS: dict[str, Callable[[Any], Any]] = {
    "step": lambda opt: opt.step([np.ones(1)]),
    "item": lambda opt: opt.param_groups[0]["lr"],
    "set": lambda opt: opt.param_groups[0].__setitem__("lr", 1.0),
    "state": lambda opt: opt.state_dict(),
    "eval": lambda opt: opt.eval(),
    "copy": copy.copy,
}


def outcomes(works: list[Callable[[], Any]]) -> list[BaseException | None]:
    """Return what each work raised, all on threads of their own; fail if one never ends."""
    ends: list[BaseException | None] = [None] * len(works)

    def run(number: int) -> None:
        try:
            works[number]()
        except BaseException as error:
            ends[number] = error

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads), "the threads wait for each other"
    return ends


@pytest.mark.parametrize("wrap", AROUND)
@pytest.mark.parametrize("use", MEETINGS.values(), ids=MEETINGS)
@pytest.mark.parametrize("count", [2, 3])
def test_schedules_that_use_each_others_optimizer_do_not_wait_for_ever(
    count: int, use: Callable[[Any], Any], wrap: Callable[[Any], Any]
) -> None:
    barrier = threading.Barrier(count)
    optimizers: list[Any] = []
    met: set[int] = set()

    def schedule_of(number: int) -> Callable[[int], float]:
        def schedule(step: int) -> float:
            if len(optimizers) == count and number not in met:
                met.add(number)
                barrier.wait(timeout=60)  # all threads hold the lock of their own optimizer
                use(optimizers[(number + 1) % count])
            return 1.0

        return schedule

    arrays = [np.zeros(1) for _ in range(count)]
    optimizers += [wrap(po.SGD([w], lr=schedule_of(i))) for i, w in enumerate(arrays)]
    made = [lambda opt=opt: opt.step([np.ones(1)]) for opt in optimizers]
    errors = [error for error in outcomes(made) if error is not None]
    # One thread fails, and no other one: its lock is free then.
    assert [type(error) for error in errors] == [RuntimeError]
    assert "deadlock, because another thread uses this optimizer and waits" in str(errors[0])
    assert sum(opt.steps for opt in optimizers) >= count - 1
    assert not guard._waiting
    for opt in optimizers:
        opt.train()
        opt.param_groups[0]["lr"] = 1.0
        opt.step([np.ones(1)])


def test_closures_that_use_each_others_optimizer_do_not_wait_for_ever() -> None:
    barrier = threading.Barrier(2)
    met: set[int] = set()
    optimizers = [wrappers.SAM(po.SGD([np.zeros(1)])) for _ in range(2)]

    def closure_of(number: int) -> Callable[[], list[np.ndarray]]:
        def closure() -> list[np.ndarray]:
            if number not in met:
                met.add(number)
                barrier.wait(timeout=60)
                optimizers[1 - number].state_dict()
            return [np.ones(1)]

        return closure

    works = [lambda i=i: optimizers[i].step(closure_of(i)) for i in range(2)]
    errors = [error for error in outcomes(works) if error is not None]
    assert any("deadlock" in str(error) for error in errors)


def test_threads_that_wait_for_a_schedule_get_their_turn() -> None:
    entered, leave = threading.Event(), threading.Event()

    def schedule(step: int) -> float:
        if step == 0 and threading.current_thread() is not threading.main_thread():
            entered.set()
            assert leave.wait(timeout=60)
        return 1.0

    opt = po.SGD([np.zeros(1)], lr=schedule)

    def second() -> None:
        assert entered.wait(timeout=60)
        threading.Timer(0.01, leave.set).start()
        assert opt.state_dict()["step"] == 1  # it waited until the step was made

    assert outcomes([lambda: opt.step([np.ones(1)]), second]) == [None, None]


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
