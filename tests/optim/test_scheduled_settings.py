"""Settings of an optimizer that are schedules: the rate, the momentum, or any other number."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import over
from reference import VARIANTS, Case, each_rule, same_bits, some_numbers

import pyoptim as po
from pyoptim import schedules as s

through_pickle: Callable[[Any], Any] = lambda value: pickle.loads(pickle.dumps(value))  # noqa: E731


def numeric_settings(rule: po.Rule) -> list[str]:
    return ["lr", "weight_decay", *(field.name for field in rule.fields if not field.is_flag)]


def flags(rule: po.Rule) -> list[str]:
    named = (field.name for field in rule.fields if field.is_flag)
    return ["decoupled_weight_decay", "maximize", *named]


def grads(t: int) -> list[Any]:
    return [some_numbers(2 + t, 40, "float32")]


SETTINGS = [
    pytest.param(case, name, id=f"{case}-{name}")
    for case in VARIANTS
    for name in numeric_settings(case.rule)
    if Case(case.rule, (*case.settings, (name, 0.3))).accepted()  # not one of a few values
]


@pytest.mark.parametrize(("case", "name"), SETTINGS)
def test_every_number_may_be_a_schedule(case: Any, name: str) -> None:
    """A schedule does what setting the number before each step does."""
    ours, theirs = (some_numbers(1, 40, "float32").copy() for _ in range(2))
    by_hand = case.make([theirs])
    now = by_hand.param_groups[0][name]
    schedule = s.linear(now, 5, end=now * 0.9 if now else 0.0)
    scheduled = case.make([ours], **{name: schedule})
    assert scheduled.scheduled
    assert scheduled.param_groups[0][name] == schedule
    for t in range(4):
        scheduled.step(grads(t))
        by_hand.param_groups[0][name] = schedule(t)
        by_hand.step(grads(t))
        assert same_bits(ours, theirs)
    values, wanted = scheduled.state_dict(), by_hand.state_dict()
    assert values[f"groups.0.{name}"] == schedule(3)
    assert values.keys() == wanted.keys()
    assert all(np.array_equal(values[key], wanted[key]) for key in wanted)


def minimized(case: Case, lr: Callable[[int], float], steps: int = 500) -> float:
    """How far the sum of squares is from its minimum, from 1."""
    param = np.full(3, 1.0)
    optimizer = case.make([param], lr=lr)
    for _ in range(steps):
        optimizer.step([param.copy()])
    return float(np.abs(param).max())


@over("start", [0.0, 1e-12, 1e-6])
@each_rule(VARIANTS)
def test_a_warm_up_costs_its_steps_and_no_more(case: Case, start: float) -> None:
    """Nothing depends on the rate of the first step after that."""
    rate = case.rule.lr
    warm = minimized(case, lambda t: start + (rate - start) * min(1.0, t / 50))
    cold = minimized(case, lambda t: rate)
    assert warm <= cold + 0.2 * (1 - min(cold, 1.0)) + 0.05


def test_adabounds_base_is_a_setting() -> None:
    """final_lr is the rate at base_lr: that at construction, unless it is given."""
    base = 1e-3
    w, v = np.ones(2), np.ones(2)
    optimizer = po.AdaBound([w], lr=base)
    assert optimizer.param_groups[0]["base_lr"] == base
    assert optimizer.state_dict()["groups.0.base_lr"] == base
    other = po.AdaBound([v], lr=lambda t: base * min(1, (t + 1) / 100), base_lr=base)
    for t in range(300):
        optimizer.param_groups[0]["lr"] = base * min(1, (t + 1) / 100)
        optimizer.step([w.copy()])
        other.step([v.copy()])
    assert same_bits(w, v)
    assert abs(w).max() < 0.9


@pytest.mark.parametrize("rule", po.rules(), ids=lambda rule: rule.name)
def test_flags_may_not(rule: po.Rule) -> None:
    opt = getattr(po, rule.name)([np.zeros(3)])
    for name in flags(rule):
        message = f"{name} must be True or False, not a schedule"
        with pytest.raises(TypeError, match=message):
            getattr(po, rule.name)([np.zeros(3)], **{name: s.constant(1.0)})
        with pytest.raises(TypeError, match=message):
            opt.param_groups[0][name] = s.constant(1.0)
    for name in ("clip_norm", "clip_value"):
        with pytest.raises(TypeError, match=f"{name} must be a number"):
            getattr(po, rule.name)([np.zeros(3)], **{name: s.constant(1.0)})
    assert not opt.scheduled


def test_groups_have_schedules_of_their_own_that_can_change() -> None:
    groups = [{"params": [np.zeros(1)], "momentum": s.linear(0.8, 4, end=0.4)},
              {"params": [np.zeros(1)]}]  # fmt: skip
    opt = po.SGD(groups, lr=s.constant(0.1), momentum=0.9)
    first, second = opt.param_groups
    assert (first["momentum"], second["momentum"]) == (s.linear(0.8, 4, end=0.4), 0.9)
    one = [np.ones(1), np.ones(1)]
    opt.step(one)
    second["momentum"] = s.linear(0.5, 4, end=0.1)  # takes effect now: steps are counted on
    assert second.numbers()["momentum"] == pytest.approx(0.4)
    opt.step(one)
    assert first.numbers()["momentum"] == pytest.approx(0.7)
    assert set(first.schedules) == {"lr", "momentum"}
    first["momentum"], first["lr"] = 0.6, 0.2
    second["momentum"], second["lr"] = 0.6, 0.2
    assert not opt.scheduled
    opt.step(one)
    assert first.numbers()["momentum"] == second.numbers()["momentum"] == 0.6
    assert "momentum=0.6" in repr(opt)
    first["momentum"] = s.constant(0.3)
    assert "momentum=constant(lr=0.3)" in repr(opt)


def cycled(w: Any) -> po.Optimizer:
    cycle = s.one_cycle(0.1, steps=10)
    return po.SGD([w], lr=cycle, momentum=cycle.momentum(0.85, 0.95), weight_decay=s.cosine(0.1, 8))


def test_momentum_goes_against_the_cycle() -> None:
    w = np.zeros(1)
    opt = cycled(w)
    seen = []
    for _ in range(10):
        opt.step([np.ones(1)])
        values = opt.param_groups[0].numbers()
        seen.append((values["lr"], values["momentum"]))
    cycle = s.one_cycle(0.1, steps=10)
    assert seen == [(cycle(t), cycle.momentum()(t)) for t in range(10)]
    assert (seen[0], seen[2]) == ((0.004, 0.95), (0.1, 0.85))
    cyclic = s.cyclic(0.01, 0.1, step_size_up=2)
    adam = po.Adam([w], lr=cyclic, beta1=cyclic.momentum())
    betas = []
    for _ in range(5):
        adam.step([np.ones(1)])
        betas.append(adam.param_groups[0].numbers()["beta1"])
    assert betas == pytest.approx([0.9, 0.85, 0.8, 0.85, 0.9])


def test_a_loaded_state_goes_on_and_schedules_stay() -> None:
    w = some_numbers(1, 40, "float32").copy()
    whole = cycled(w)
    for t in range(4):
        whole.step(grads(t))
    saved, at_4 = whole.state_dict(), w.copy()
    assert not any(callable(value) for value in saved.values())
    assert saved["groups.0.momentum"] == s.one_cycle(0.1, 10).momentum()(3)
    for t in range(4, 8):
        whole.step(grads(t))

    resumed = cycled(at_4)
    resumed.load_state_dict(saved)
    assert resumed.state_dict()["groups.0.momentum"] == saved["groups.0.momentum"]
    assert resumed.param_groups[0]["momentum"] == s.one_cycle(0.1, 10).momentum()
    for t in range(4, 8):
        resumed.step(grads(t))
    assert same_bits(at_4, w)


@pytest.mark.parametrize("cloned", [through_pickle, copy.deepcopy])
def test_copies_go_on_as_the_original(cloned: Callable[[Any], Any]) -> None:
    w = some_numbers(1, 40, "float32").copy()
    opt = cycled(w)
    for t in range(3):
        opt.step(grads(t))
    copied, twin = cloned((w, opt))
    assert repr(twin) == repr(opt)
    assert twin.param_groups[0].numbers() == opt.param_groups[0].numbers()
    for t in range(3, 6):
        opt.step(grads(t))
        twin.step(grads(t))
    assert same_bits(w, copied)
    twin.param_groups[0]["momentum"] = 0.5
    assert callable(opt.param_groups[0]["momentum"])


def test_a_copy_does_not_ask_for_the_first_step_again() -> None:
    """A schedule that was set later may have no value there."""
    opt = po.SGD([np.zeros(1)], momentum=0.9)
    opt.step([np.ones(1)])
    opt.param_groups[0]["lr"] = late = s.lambda_(reciprocal)
    assert copy.deepcopy(opt).param_groups[0]["lr"] == late


def reciprocal(step: int) -> float:
    return 1 / step


def test_a_plateau_lowers_the_rate() -> None:
    w = np.zeros(1)
    plateau = s.reduce_on_plateau(1.0, factor=0.5, patience=0)
    opt = po.SGD([w], lr=plateau)
    for loss in (1.0, 1.0):
        opt.step([np.ones(1)])
        plateau.update(loss)
    opt.step([np.ones(1)])
    assert w[0] == -2.5
    resumed = po.SGD([w], lr=s.reduce_on_plateau(1.0, factor=0.5, patience=0))
    resumed.load_state_dict(opt.state_dict())
    resumed.param_groups[0]["lr"].load_state_dict(plateau.state_dict())
    resumed.step([np.ones(1)])
    assert w[0] == -3.0


BAD_VALUES: list[tuple[Any, type[Exception], str]] = [
    (-1.0, ValueError, "SGD: momentum must be at least 0 and finite, got -1"),
    (float("nan"), ValueError, "SGD: momentum must be at least 0 and finite, got nan"),
    (None, TypeError, "momentum at step 2 must be a number, got None"),
    ("0.5", TypeError, "momentum at step 2 must be a number, got '0.5'"),
    (0.0, ValueError, "momentum from 0.5 to 0.* changes which states are kept"),
]


@pytest.mark.parametrize(("value", "error", "message"), BAD_VALUES)
def test_a_bad_value_is_an_error_and_nothing_changes(
    value: Any, error: type[Exception], message: str
) -> None:
    w = np.zeros(1)
    lr = s.linear(1.0, 4)
    opt = po.SGD([w], lr=lr, momentum=lambda step: 0.5 if step < 2 else value)
    opt.step([np.ones(1)])
    opt.step([np.ones(1)])
    before, at_2 = opt.state_dict(), w.copy()
    with pytest.raises(error, match=message):
        opt.step([np.ones(1)])
    after = opt.state_dict()
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert same_bits(w, at_2)
    opt.param_groups[0]["momentum"] = 0.9
    if error is TypeError or value != 0:
        with pytest.raises(error):
            opt.param_groups[0]["momentum"] = lambda step: value
        assert opt.param_groups[0]["momentum"] == 0.9
    opt.step([np.ones(1)])
    assert opt.steps == 3


def test_a_bad_first_value_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"Adam: beta1 must be .*, got 1"):
        po.Adam([np.zeros(1)], beta1=s.constant(1.0))
    with pytest.raises(TypeError, match="beta1 at step 0 must be a number, got None"):
        po.Adam([np.zeros(1)], beta1=lambda step: None)
