"""Learning rates as functions of the step."""

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from cases import over

import pyoptim as po
from pyoptim import schedules as s


def half(step: int) -> float:
    return 0.5


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
    (s.one_cycle(1.0, 11, pct_start=6 / 11, anneal_strategy="linear", div_factor=2.0,
                 final_div_factor=5.0), {0: 0.5, 2: 0.7, 5: 1, 10: 0.1, 11: 0.1, 99: 0.1},
     "one_cycle(max_lr=1.0, steps=11, pct_start=0.5454545454545454, anneal_strategy='linear', "
     "div_factor=2.0, final_div_factor=5.0, three_phase=False)"),
    (s.one_cycle(1.0, 24, pct_start=0.25, div_factor=2.0, final_div_factor=5.0, three_phase=True),
     {0: 0.5, 5: 1, 10: 0.5, 23: 0.1, 24: 0.1},
     "one_cycle(max_lr=1.0, steps=24, pct_start=0.25, anneal_strategy='cosine', div_factor=2.0, "
     "final_div_factor=5.0, three_phase=True)"),
    (s.one_cycle(1.0, 20, pct_start=0.3).momentum(0.8, 1.0), {0: 1, 5: 0.8, 19: 1, 20: 1},
     "one_cycle(max_lr=1.0, steps=20, pct_start=0.3, anneal_strategy='cosine', div_factor=25.0, "
     "final_div_factor=10000.0, three_phase=False).momentum(base_momentum=0.8, max_momentum=1.0)"),
    (s.cyclic(1.0, 3.0, 4, 2), {0: 1, 2: 2, 4: 3, 5: 2, 6: 1, 8: 2, 10**6: 3},
     "cyclic(base_lr=1.0, max_lr=3.0, step_size_up=4, step_size_down=2, mode='triangular', "
     "gamma=1.0)"),
    (s.cyclic(1.0, 3.0, 2, mode="triangular2"), {2: 3, 4: 1, 6: 2, 10: 1.5, 10**6 + 2: 1},
     "cyclic(base_lr=1.0, max_lr=3.0, step_size_up=2, step_size_down=None, mode='triangular2', "
     "gamma=1.0)"),
    (s.cyclic(1.0, 3.0, 2, mode="exp_range", gamma=0.5), {0: 1, 1: 1.5, 2: 1.5, 6: 1 + 2**-5},
     "cyclic(base_lr=1.0, max_lr=3.0, step_size_up=2, step_size_down=None, mode='exp_range', "
     "gamma=0.5)"),
    (s.cyclic(1.0, 3.0, 4).momentum(0.8, 0.9), {0: 0.9, 2: 0.85, 4: 0.8, 8: 0.9},
     "cyclic(base_lr=1.0, max_lr=3.0, step_size_up=4, step_size_down=None, mode='triangular', "
     "gamma=1.0).momentum(base_momentum=0.8, max_momentum=0.9)"),
    (s.warmup(4, s.exponential(1.0, 0.5)), {0: 0, 1: 0.25, 4: 1, 5: 0.5},
     "warmup(steps=4, then=exponential(lr=1.0, factor=0.5), start=0.0)"),
    (s.warmup_stable_decay(1.0, 10, 20, 100, start=0.5, end=0.2),
     {0: 0.5, 5: 0.75, 10: 1, 30: 1, 55: 0.6, 130: 0.2, 999: 0.2},
     "warmup_stable_decay(lr=1.0, warmup_steps=10, stable_steps=20, decay_steps=100, "
     "shape='1-sqrt', end=0.2, start=0.5)"),
    (s.warmup_stable_decay(1.0, 0, 0, 4, shape="linear"), {0: 1, 1: 0.75, 4: 0},
     "warmup_stable_decay(lr=1.0, warmup_steps=0, stable_steps=0, decay_steps=4, "
     "shape='linear', end=0.0, start=0.0)"),
    (s.sequence([s.constant(1.0), s.linear(2.0, 2), s.constant(0.5)], [3, 5]),
     {0: 1, 2: 1, 3: 2, 4: 1, 5: 0.5, 99: 0.5},
     "sequence(schedules=(constant(lr=1.0), linear(lr=2.0, steps=2, end=0.0), constant(lr=0.5)), "
     "boundaries=(3, 5))"),
    (s.chain([s.constant(0.5), s.linear(1.0, 4), s.step(2.0, 2)]), {0: 1, 1: 0.75, 2: 0.05, 4: 0},
     "chain(schedules=(constant(lr=0.5), linear(lr=1.0, steps=4, end=0.0), "
     "step(lr=2.0, every=2, factor=0.1)))"),
    (s.piecewise_constant(1.0, {5: 0.1, 2: 0.5}), {0: 1, 1: 1, 2: 0.5, 4: 0.5, 5: 0.05, 99: 0.05},
     "piecewise_constant(lr=1.0, boundaries_and_scales=((2, 0.5), (5, 0.1)))"),
    (s.piecewise_interpolate(1.0, {4: 0.5, 8: 2.0}), {0: 1, 2: 0.75, 4: 0.5, 6: 0.75, 8: 1, 9: 1},
     "piecewise_interpolate(lr=1.0, boundaries_and_scales=((4, 0.5), (8, 2.0)), "
     "interpolate_type='linear')"),
    (s.piecewise_interpolate(1.0, {3: 0.5}, "cosine"), {0: 1, 1: 0.875, 2: 0.625, 3: 0.5},
     "piecewise_interpolate(lr=1.0, boundaries_and_scales=((3, 0.5),), "
     "interpolate_type='cosine')"),
    (s.piecewise_constant(1.0, {}), {0: 1, 9: 1},
     "piecewise_constant(lr=1.0, boundaries_and_scales=())"),
    (s.piecewise_interpolate(1.0, {}), {0: 1, 9: 1},
     "piecewise_interpolate(lr=1.0, boundaries_and_scales=(), interpolate_type='linear')"),
    (s.lambda_(half, lr=0.1), {0: 0.05, 9: 0.05}, "lambda_(function=half, lr=0.1)"),
    (s.lambda_(s.constant(0.1)), {0: 0.1}, "lambda_(function=constant(lr=0.1), lr=1.0)"),
    (s.multiplicative(1.0, half), {3: 0.125, 0: 1, 1: 0.5, 9: 2**-9},
     "multiplicative(lr=1.0, function=half)"),
    (s.reduce_on_plateau(0.1, patience=3), {0: 0.1, 9: 0.1},
     "reduce_on_plateau(lr=0.1, mode='min', factor=0.1, patience=3, threshold=0.0001, "
     "threshold_mode='rel', cooldown=0, min_lr=0.0, eps=1e-08)"),
]  # fmt: skip
SCHEDULES = [case[0] for case in CASES]

all_schedules = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda value: str(value)[:30])


@pytest.mark.parametrize(("schedule", "rates", "text"), CASES, ids=lambda value: str(value)[:30])
def test_rates_and_repr(schedule: s.Schedule, rates: dict[int, float], text: str) -> None:
    assert {step: pytest.approx(schedule(step), rel=1e-12) for step in rates} == rates
    assert repr(schedule) == text
    assert eval(text, {**vars(s), "half": half}) == schedule


@all_schedules
def test_copies_are_equal(schedule: s.Schedule) -> None:
    for again in (pickle.loads(pickle.dumps(schedule)), copy.deepcopy(schedule)):
        assert again == schedule
        assert hash(again) == hash(schedule)
        assert repr(again) == repr(schedule)
        assert [again(step) for step in range(50)] == [schedule(step) for step in range(50)]


@all_schedules
def test_a_schedule_is_frozen_and_gives_floats(schedule: s.Schedule) -> None:
    for field in fields(schedule):  # type: ignore[arg-type]
        with pytest.raises(AttributeError):
            setattr(schedule, field.name, 2.0)
    assert isinstance(schedule, s.Schedule)
    assert {type(schedule(step)) for step in (0, 1, 7, 1000)} == {float}


def test_every_schedule_is_tested() -> None:
    tested = {type(schedule).__name__ for schedule in SCHEDULES}
    assert tested == (set(s.__all__) - {"Schedule"}) | {"CycleMomentum"}


def arguments(kind: type) -> list[Any]:
    """Every schedule with the name of each of its arguments of a type."""
    return [
        pytest.param(schedule, field.name, id=f"{type(schedule).__name__} {field.name}")
        for schedule in SCHEDULES
        for field in fields(schedule)  # type: ignore[arg-type]
        if field.init and type(getattr(schedule, field.name)) is kind
    ]


@pytest.mark.parametrize(("schedule", "name"), arguments(float))
def test_numbers_are_checked(schedule: Any, name: str) -> None:
    for bad in (math.nan, math.inf, -1.0):
        with pytest.raises(ValueError, match=rf"{name} must be .* and finite, got {bad}"):
            replace(schedule, **{name: bad})
    for text in ("0.1", None, [0.1]):
        with pytest.raises(TypeError, match=f"{name} must be a number, got "):
            replace(schedule, **{name: text})
    for bad in (True, np.True_, np.array([0.5]), np.array(True), 0.5 + 0j, np.complex64(1)):
        with pytest.raises(TypeError, match=f"{name} must be a number, got "):
            replace(schedule, **{name: bad})
    with pytest.raises(
        ValueError, match=f"{name} is too large for a float, got an integer of 1329"
    ):
        replace(schedule, **{name: 10**400})


@pytest.mark.parametrize(("schedule", "name"), arguments(int))
def test_counts_are_checked(schedule: Any, name: str) -> None:
    for bad in (-1, 2.5, "3", math.nan, math.inf, True, np.True_, np.float32(3), np.array([3])):
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least [01], "):
            replace(schedule, **{name: bad})
    for bad in (2**53 + 1, 10**400, np.uint64(2**64 - 1)):
        with pytest.raises(ValueError, match=f"{name} must be a whole number from [01] to 9007199"):
            replace(schedule, **{name: bad})


@over("kind", [np.float64, np.longdouble, np.array])
@pytest.mark.parametrize(("schedule", "name"), arguments(float))
def test_numbers_may_be_those_of_numpy(schedule: Any, name: str, kind: Any) -> None:
    again = replace(schedule, **{name: kind(getattr(schedule, name))})
    assert again == schedule
    assert type(getattr(again, name)) is float


@over("kind", [np.int64, np.int32, np.uint16, np.array])
@pytest.mark.parametrize(("schedule", "name"), arguments(int))
def test_counts_may_be_those_of_numpy(schedule: Any, name: str, kind: Any) -> None:
    again = replace(schedule, **{name: kind(getattr(schedule, name))})
    assert again == schedule
    assert type(getattr(again, name)) is int
    assert [again(step) for step in range(30)] == [schedule(step) for step in range(30)]


def test_numbers_of_32_bits_and_sequences_may_be_those_of_numpy() -> None:
    assert s.constant(np.float32(0.5)) == s.constant(0.5)
    assert s.multi_step(1.0, np.array([2, 5])) == s.multi_step(1.0, [2, 5])
    pairs = {np.int64(4): np.float32(0.5)}
    assert s.piecewise_constant(1.0, pairs) == s.piecewise_constant(1.0, {4: 0.5})
    parts = [s.constant(1.0), s.constant(0.5)]
    assert s.sequence(parts, np.array([3])) == s.sequence(parts, [3])


@all_schedules
@over("kind", [np.int64, np.int32, np.uint8, np.array])
def test_steps_may_be_numbers_of_numpy(schedule: Any, kind: Any) -> None:
    for step in (0, 1, 2, 7, 30, 255):
        value = schedule(kind(step))
        assert type(value) is float
        assert value == schedule(step)
        if hasattr(schedule, "height"):
            assert schedule.height(kind(step)) == schedule.height(step)


@all_schedules
def test_steps_are_checked(schedule: Any) -> None:
    for bad in (-1, 2**53 + 1, 10**400, 10**5000, True, np.True_, 2.0, np.float32(2), "2", None):
        with pytest.raises(ValueError, match=r"step must be a whole number .* got "):
            schedule(bad)
        if hasattr(schedule, "height"):
            with pytest.raises(ValueError, match=r"step must be a whole number .* got "):
                schedule.height(bad)


@all_schedules
def test_the_largest_steps_have_a_rate(schedule: s.Schedule) -> None:
    every_step = isinstance(schedule, s.multiplicative)  # asks its function for each of them
    for step in (10**4, 10**5) if every_step else (10**9, 2**53 - 1, 2**53):
        assert math.isfinite(schedule(step))


@pytest.mark.parametrize(
    "schedule",
    [
        s.exponential(1.0, 2.0),
        s.step(1.0, 1, factor=2.0),
        s.geometric_restarts(2.0, 1.0, 1),
        s.cyclic(0.0, 1.0, 3, mode="exp_range", gamma=2.0),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_a_rate_that_is_too_large_for_a_float(schedule: Any) -> None:
    name = type(schedule).__name__
    with pytest.raises(OverflowError, match=f"^{name}: the value at step 5000 is too large for a"):
        schedule(5000)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.array])
def test_functions_may_return_numbers_of_numpy(kind: Any) -> None:
    assert s.lambda_(lambda step: kind(2))(3) == 2
    assert s.multiplicative(1.0, lambda step: kind(2))(3) == 8
    assert s.warmup(2, lambda step: kind(2))(1) == 1
    w = np.zeros(1)
    po.SGD([w], lr=lambda step: kind(2)).step([np.ones(1)])
    assert w[0] == -2


@pytest.mark.parametrize(("schedule", "name"), arguments(str))
def test_choices_are_checked(schedule: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be '.*' or '.*', got 'cubic'"):
        replace(schedule, **{name: "cubic"})


@pytest.mark.parametrize(("schedule", "name"), arguments(float) + arguments(int))
def test_other_types_of_number_are_taken(schedule: Any, name: str) -> None:
    value = getattr(schedule, name)
    again = replace(schedule, **{name: np.asarray(value)[()]})
    assert (again, repr(again)) == (schedule, repr(schedule))


@pytest.mark.parametrize(("schedule", "name"), arguments(float) + arguments(int))
def test_other_arguments_are_not_equal(schedule: Any, name: str) -> None:
    value = getattr(schedule, name)
    other = replace(schedule, **{name: value + 1 if isinstance(value, int) else value * 0.5 + 0.01})
    assert other != schedule
    assert repr(other) != repr(schedule)


def test_other_kinds_are_not_equal() -> None:
    assert s.cosine(1.0, 10) != s.linear(1.0, 10)
    cycle = s.one_cycle(1.0, 10)
    assert cycle.momentum() != cycle
    assert cycle.momentum() == s.one_cycle(1.0, 10).momentum(0.85, 0.95)
    assert s.lambda_(half) != s.lambda_(lambda step: 0.5)


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: s.constant(-1), ValueError, "lr must be at least 0 and finite, got -1"),
    (lambda: s.cosine(1.0, 0), ValueError, "steps must be a whole number of at least 1, got 0"),
    (lambda: s.step(1.0, 10, factor=0), ValueError, "factor must be above 0"),
    (lambda: s.multi_step(1.0, [5, 2]), ValueError, r"do not decrease, got \(5, 2\)"),
    (lambda: s.multi_step(1.0, [0, 2]), ValueError, r"milestones\[0\] must be a whole .* got 0"),
    (lambda: s.one_cycle(1.0, 9, 1.5), ValueError, "pct_start must be at most 1, got 1.5"),
    (lambda: s.one_cycle(1.0, 9, 0.6, three_phase=True), ValueError,
     "pct_start must be at most 0.5 with three_phase, got 0.6"),
    (lambda: s.cyclic(0.1, 1.0, 4, 0), ValueError, "step_size_down must be a whole number"),
    (lambda: s.warmup(3, 0.1), TypeError, "then: expected a schedule, got float"),  # type: ignore[arg-type]
    (lambda: s.sequence([s.constant(1)], [3]), ValueError, "boundaries: expected 0 for 1 sch"),
    (lambda: s.sequence([s.constant(1)] * 3, [3, 3]), ValueError, "expected increasing steps"),
    (lambda: s.sequence([], []), ValueError, "schedules: expected at least one schedule"),
    (lambda: s.chain([]), ValueError, "schedules: expected at least one schedule"),
    (lambda: s.chain([1.0]), TypeError, r"schedules\[0\]: expected a schedule, got float"),  # type: ignore[list-item]
    (lambda: s.piecewise_constant(1, {0: 0.5}), ValueError, "boundaries_and_scales .* got 0"),
    (lambda: s.piecewise_constant(1, {3: -0.5}), ValueError, "boundaries_and_scales .* got -0.5"),
    (lambda: s.piecewise_constant(1, [(3, 0.5), (3, 0.1)]), ValueError, "distinct boundaries"),
    (lambda: s.multi_step(1.0, 5), TypeError, "milestones must be a sequence of whole numbers"),  # type: ignore[arg-type]
    (lambda: s.chain(0.5), TypeError, "schedules: expected a sequence of schedules, got 0.5"),  # type: ignore[arg-type]
    (lambda: s.piecewise_constant(1.0, [3]), TypeError, r"a mapping, or pairs .* got \[3\]"),  # type: ignore[list-item]
    (lambda: s.one_cycle(1.0, 9, three_phase="no"), ValueError, "three_phase must be True or"),  # type: ignore[arg-type]
    (lambda: s.lambda_(0.1), TypeError, "function: expected a schedule, got float"),  # type: ignore[arg-type]
    (lambda: s.lambda_(lambda step: None)(3), TypeError,  # type: ignore[arg-type,return-value]
     r"function\(3\) must be a number, got None"),
    (lambda: s.multiplicative(1, lambda step: "x")(3), TypeError,  # type: ignore[arg-type,return-value]
     r"function\(1\) must be a number, got 'x'"),
    (lambda: s.reduce_on_plateau(1.0, factor=1.0), ValueError, "factor must be below 1, got 1.0"),
    (lambda: s.reduce_on_plateau(1.0, threshold=1.0), ValueError, "threshold must be below 1"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "message"), BAD)
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_functions_without_a_name_show_where_they_stand() -> None:
    assert repr(s.lambda_(lambda step: 1.0)).startswith("lambda_(function=<lambda at test_sched")

    def local(step: int) -> float:
        return 1.0

    assert "<local at test_schedules.py:" in repr(s.multiplicative(1.0, local))
    assert repr(s.lambda_(math.exp)) == "lambda_(function=exp, lr=1.0)"


def test_multiplicative_calls_its_function_once_a_step() -> None:
    calls: list[int] = []
    schedule = s.multiplicative(1.0, lambda step: calls.append(step) or 0.5)  # type: ignore[func-returns-value]
    assert [schedule(step) for step in (0, 1, 2, 2, 4)] == [1, 0.5, 0.25, 0.25, 0.0625]
    assert calls == [1, 2, 3, 4]
    assert schedule(1) == 0.5


@over("three_phase", [False, True])
@over("pct_start", [0.0, 0.05, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 57])
def test_one_cycle_of_any_length(steps: int, pct_start: float, three_phase: bool) -> None:
    """Where a phase takes no step at all, too."""
    cycle = s.one_cycle(1.0, steps, pct_start, three_phase=three_phase)
    rates = [cycle(step) for step in range(steps + 3)]
    assert all(0 < rate <= 1 for rate in rates)
    if steps > 1:
        assert rates[steps - 1 :] == [1 / 25 / 1e4] * 4
    momentum = cycle.momentum(0.8, 0.9)
    assert all(0.8 <= momentum(step) <= 0.9 for step in range(steps + 3))


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_warmup_stable_decay_is_its_parts(shape: Any) -> None:
    decay = {"linear": s.linear, "cosine": s.cosine}[shape](0.3, 50, end=0.1)
    parts = s.warmup(20, s.sequence([s.constant(0.3), decay], [30]), start=0.05)
    whole = s.warmup_stable_decay(0.3, 20, 30, 50, shape, end=0.1, start=0.05)
    for step in range(120):
        assert whole(step) == pytest.approx(parts(step), rel=1e-12)


@pytest.mark.parametrize("best", [-5.0, 0.0, 5.0])
def test_a_relative_threshold_suits_metrics_of_any_sign(best: float) -> None:
    for mode, better in (("min", -1), ("max", 1)):
        schedule = s.reduce_on_plateau(1.0, mode, factor=0.5, patience=0, threshold=0.1)  # type: ignore[arg-type]
        rates = [schedule.update(best + better * gain) for gain in (0, 0, 0.49, 0.49, 0.51)]
        small = [1, 0.5, 0.25, 0.125, 0.125] if best else [1, 0.5, 0.5, 0.25, 0.125]
        assert rates == small


def test_nan_is_never_an_improvement() -> None:
    for mode in ("min", "max"):
        schedule = s.reduce_on_plateau(1.0, mode, factor=0.5, patience=1)  # type: ignore[arg-type]
        assert [schedule.update(math.nan) for _ in range(4)] == [1, 0.5, 0.5, 0.25]
        assert schedule.update(3.0) == 0.25
        assert schedule.update(math.nan) == 0.25
        assert schedule.state_dict()["best"] == 3.0
        assert schedule(0) == schedule(10**6) == 0.25
    with pytest.raises(TypeError, match="metric must be a number, got 'low'"):
        schedule.update("low")  # type: ignore[arg-type]


def test_a_plateau_is_resumed_from_its_state() -> None:
    metrics = np.random.default_rng(0).normal(size=60)
    schedule = s.reduce_on_plateau(1.0, factor=0.9, patience=2, cooldown=2)
    whole = [schedule.update(metric) for metric in metrics]
    first = s.reduce_on_plateau(1.0, factor=0.9, patience=2, cooldown=2)
    rates = [first.update(metric) for metric in metrics[:30]]
    for again in (replace(first), pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
        saved = first.state_dict()
        again.load_state_dict(saved)
        assert again == first
        assert rates + [again.update(metric) for metric in metrics[30:]] == whole
        assert first.state_dict() == saved
        assert again != first
        assert hash(again) == hash(first)


BAD_STATES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"lr": -1.0}, ValueError, "lr must be at least 0"),
    ({"best": math.nan}, ValueError, "best must not be NaN"),
    ({"best": None}, TypeError, "best must be a number, got None"),
    ({"num_bad_epochs": -1}, ValueError, "num_bad_epochs must be a whole number of at least 0"),
    ({"cooldown_counter": 0.5}, ValueError, "cooldown_counter must be a whole number"),
    ({"step": 3}, ValueError, "the state must have lr, best, num_bad_epochs, cooldown_counter"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD_STATES)
def test_a_state_that_does_not_fit(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    schedule = s.reduce_on_plateau(1.0)
    schedule.update(0.5)
    before = schedule.state_dict()
    with pytest.raises(error, match=message):
        schedule.load_state_dict({**before, "num_bad_epochs": 7, **change})
    assert schedule.state_dict() == before
