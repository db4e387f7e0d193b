"""Learning rates as functions of the step."""

import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from pyoptim import schedules as s

# Each schedule with its rates at some steps, worked out by hand or from torch's formula.
CASES: list[tuple[s.Schedule, dict[int, float], str]] = [
    (s.constant(0.1), {0: 0.1, 10**9: 0.1}, "constant(lr=0.1)"),
    (s.step(1.0, every=10), {0: 1, 9: 1, 10: 0.1, 25: 0.01}, "step(lr=1.0, every=10, factor=0.1)"),
    (s.multi_step(1.0, [2, 5], factor=0.5), {1: 1, 2: 0.5, 4: 0.5, 5: 0.25},
     "multi_step(lr=1.0, milestones=(2, 5), factor=0.5)"),
    (s.exponential(1.0, 0.5), {0: 1, 1: 0.5, 3: 0.125}, "exponential(lr=1.0, factor=0.5)"),
    (s.linear(1.0, 4, end=0.2), {0: 1, 1: 0.8, 4: 0.2, 9: 0.2},
     "linear(lr=1.0, steps=4, end=0.2)"),
    (s.polynomial(1.0, 4, power=2.0), {0: 1, 2: 0.25, 4: 0, 5: 0},
     "polynomial(lr=1.0, steps=4, power=2.0, end=0.0)"),
    (s.inverse_time(1.0, 0.5), {0: 1, 2: 0.5, 6: 0.25}, "inverse_time(lr=1.0, rate=0.5)"),
    (s.cosine(2.0, 100, end=1.0), {0: 2, 50: 1.5, 100: 1, 500: 1},
     "cosine(lr=2.0, steps=100, end=1.0)"),
    (s.cosine_restarts(1.0, T0=10), {0: 1, 5: 0.5, 10: 1, 25: 0.5},
     "cosine_restarts(lr=1.0, T0=10, T_mult=1, end=0.0)"),
    (s.cosine_restarts(1.0, T0=10, T_mult=2), {5: 0.5, 10: 1, 20: 0.5, 30: 1, 50: 0.5, 70: 1},
     "cosine_restarts(lr=1.0, T0=10, T_mult=2, end=0.0)"),
    (s.geometric_restarts(0.1, lr_max=0.2, T=3), {0: 0.1, 2: 0.1, 3: 0.05, 6: 0.025},
     "geometric_restarts(lr=0.1, lr_max=0.2, T=3)"),
    (s.warmup(4, s.exponential(1.0, 0.5)), {0: 0, 1: 0.25, 4: 1, 5: 0.5},
     "warmup(steps=4, then=exponential(lr=1.0, factor=0.5), start=0.0)"),
    (s.sequence([s.constant(1.0), s.linear(2.0, 2), s.constant(0.5)], [3, 5]),
     {0: 1, 2: 1, 3: 2, 4: 1, 5: 0.5, 99: 0.5},
     "sequence(schedules=(constant(lr=1.0), linear(lr=2.0, steps=2, end=0.0), constant(lr=0.5)), "
     "boundaries=(3, 5))"),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "rates", "text"), CASES, ids=lambda value: str(value)[:30])
def test_schedule(schedule: s.Schedule, rates: dict[int, float], text: str) -> None:
    assert {step: pytest.approx(schedule(step), rel=1e-12) for step in rates} == rates
    assert repr(schedule) == text
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert eval(text, vars(s)) == schedule
    with pytest.raises(AttributeError):
        schedule.lr = 2.0  # type: ignore[attr-defined]


def test_every_schedule_is_tested() -> None:
    tested = {type(case[0]).__name__ for case in CASES}
    assert tested == set(s.__all__) - {"Schedule"}


def test_different_arguments_are_not_equal() -> None:
    assert s.cosine(1.0, 10) != s.cosine(1.0, 11)
    assert s.cosine(1.0, 10) != s.linear(1.0, 10)


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: s.constant(-1), ValueError, "lr must be at least 0 and finite, got -1"),
    (lambda: s.constant(math.nan), ValueError, "lr must be at least 0"),
    (lambda: s.cosine(1.0, 0), ValueError, "steps must be a whole number of at least 1, got 0"),
    (lambda: s.cosine(1.0, 2.5), ValueError, "steps must be a whole number"),  # type: ignore[arg-type]
    (lambda: s.step(1.0, 10, factor=0), ValueError, "factor must be above 0"),
    (lambda: s.multi_step(1.0, [5, 2]), ValueError, r"milestones must not fall, got \(5, 2\)"),
    (lambda: s.warmup(3, 0.1), TypeError, "then must be a schedule, got float"),  # type: ignore[arg-type]
    (lambda: s.sequence([s.constant(1)], [3]), ValueError, "1 schedules need 0 boundaries, got 1"),
    (lambda: s.sequence([s.constant(1)] * 3, [3, 3]), ValueError, "boundaries must rise"),
]


@pytest.mark.parametrize(("make", "error", "message"), BAD)
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.peers
def test_torch_has_the_same_rates() -> None:
    torch = pytest.importorskip("torch")
    schedulers = torch.optim.lr_scheduler
    pairs = [
        (s.step(0.1, 7, 0.3), lambda o: schedulers.StepLR(o, 7, 0.3)),
        (s.multi_step(0.1, [3, 11], 0.3), lambda o: schedulers.MultiStepLR(o, [3, 11], 0.3)),
        (s.exponential(0.1, 0.9), lambda o: schedulers.ExponentialLR(o, 0.9)),
        (s.polynomial(0.1, 20, 2.0), lambda o: schedulers.PolynomialLR(o, 20, 2.0)),
        (s.cosine(0.1, 40, 0.01), lambda o: schedulers.CosineAnnealingLR(o, 40, 0.01)),
        (s.cosine_restarts(0.1, 5, 2, 0.01),
         lambda o: schedulers.CosineAnnealingWarmRestarts(o, 5, 2, 0.01)),
    ]  # fmt: skip
    for ours, make in pairs:
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        scheduler = make(optimizer)
        for step in range(40):
            rate = optimizer.param_groups[0]["lr"]
            assert rate == pytest.approx(ours(step), rel=1e-9, abs=1e-12), (ours, step)
            optimizer.step()
            scheduler.step()
