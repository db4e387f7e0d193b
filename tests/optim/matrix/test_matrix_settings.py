"""Settings, arguments, and states of optimizers that update matrices as wholes."""

from __future__ import annotations

import inspect
import re
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matrices import (
    all_dtypes,
    all_rules,
    cloning,
    make,
    numbers,
    some_grads,
    some_params,
    train,
    two_groups,
)
from reference import same_bits
from snapshots import contents

import pyoptim as po
from pyoptim.optim.matrix import RULES
from pyoptim.optim.matrix._rule import MatrixRule


@all_rules
def test_groups_have_their_own_settings(rule: MatrixRule) -> None:
    params, alone = some_params("float64"), some_params("float64")
    groups = [{"params": params[:2], "lr": 0.2}, {"params": params[2:], "adamw_lr": 0.5}]
    optimizer = make(rule, groups, lr=0.1, adamw_lr=0.4)
    first = make(rule, alone[:2], lr=0.2, adamw_lr=0.4)
    second = make(rule, alone[2:], lr=0.1, adamw_lr=0.5)
    for t in (0, 1, 4):
        grads = some_grads(t, "float64")
        optimizer.step(grads)
        first.step(grads[:2])
        second.step(grads[2:])
        for changed in (optimizer.param_groups[0], first.param_groups[0]):
            changed["lr"] = 0.3
            changed["adamw_lr"] = 0.6
    for mine, his in zip(params, alone, strict=True):
        assert same_bits(mine, his)


def schedulable(rule: MatrixRule) -> list[str]:
    made = make(rule, [np.ones((2, 2))])
    return [field.name for field in made._rule.fields if field.is_number]


@pytest.mark.parametrize(
    ("rule", "name"), [(rule, name) for rule in RULES for name in ["lr", *schedulable(rule)]]
)
def test_every_number_may_be_a_schedule(rule: MatrixRule, name: str) -> None:
    params = [some_params(), some_params()]
    by_hand = make(rule, params[0])
    now = by_hand.param_groups[0][name]

    def schedule(step: int) -> float:
        if isinstance(now, int):
            return now + step // 2 if name != "max_precond_dim" else now + step
        return float(now * 0.9**step)

    scheduled = make(rule, params[1], **{name: schedule})
    assert scheduled.scheduled
    assert scheduled.param_groups[0][name] is schedule
    for t in range(4):
        scheduled.step(some_grads(t))
        by_hand.param_groups[0][name] = schedule(t)
        by_hand.step(some_grads(t))
        assert scheduled.state_dict()[f"groups.0.{name}"] == schedule(t)
    assert contents(by_hand) == contents(scheduled)


def bad_settings() -> list[tuple[MatrixRule, str, Any, str]]:
    wrong: list[tuple[str, Any, str]] = [
        ("at least 0 and finite", -1.0, "-1"),
        ("above 0 and finite", 0.0, "0"),
        ("in [0, 1)", 1.0, "1"),
        ("in (0, 1]", 0.0, "0"),
        ("a whole number of at least 1", 0, "0"),
        ("a whole number of at least 1", 2.5, "2.5"),
        ("three finite numbers", (1.0, 2.0), r"(1.0, 2.0)"),
        ("three finite numbers", (1.0, 2.0, np.nan), r"(1.0, 2.0, nan)"),
        ("three finite numbers", "abc", "'abc'"),
        ("'original' or 'match_rms_adamw'", "best", "'best'"),
        ("True or False", 0.5, "0.5"),
    ]
    found = []
    for rule in RULES:
        fields = {f.name: f.range for f in make(rule, [np.ones((2, 2))])._rule.fields}
        fields |= {"lr": "at least 0 and finite", "maximize": "True or False"}
        found += [
            (rule, name, value, f"{rule.name}: {name} must be {range_}, got {text}")
            for name, range_ in fields.items()
            for accepted, value, text in wrong
            if accepted == range_
        ]
    return found


@pytest.mark.parametrize(("rule", "name", "value", "message"), bad_settings())
def test_settings_out_of_range(rule: MatrixRule, name: str, value: Any, message: str) -> None:
    w = np.ones((2, 2))
    with pytest.raises(ValueError, match=re.escape(message)):
        make(rule, [w], **{name: value})
    optimizer = make(rule, [w])
    before = contents(optimizer)
    with pytest.raises(ValueError, match=re.escape(message)):
        optimizer.param_groups[0][name] = value
    with pytest.raises((ValueError, TypeError), match=name):
        optimizer.load_state_dict({**optimizer.state_dict(), f"groups.0.{name}": value})
    assert contents(optimizer) == before


def test_every_range_is_tried() -> None:
    tried = {(rule.name, name) for rule, name, _, _ in bad_settings()}
    for rule in RULES:
        for field in make(rule, [np.ones((2, 2))])._rule.fields:
            assert (rule.name, field.name) in tried


@all_rules
def test_settings_of_the_wrong_type(rule: MatrixRule) -> None:
    w = np.ones((2, 2))
    with pytest.raises(TypeError, match="lr must be a number, got 'fast'"):
        make(rule, [w], lr="fast")
    with pytest.raises(TypeError, match="adamw must be True or False, not a schedule"):
        make(rule, [w], adamw=lambda step: step)
    with pytest.raises(ValueError, match=f"{rule.name} has no setting 'rate'; it has lr, "):
        make(rule, [{"params": [w], "rate": 1}])
    with pytest.raises(TypeError, match=rf"{rule.name}\(\) has no argument 'lrr'; did you mean 'l"):
        make(rule, [w], lrr=1)
    with pytest.raises(ValueError, match=f"{rule.name}: changing adamw from False to True changes"):
        make(rule, [w]).param_groups[0]["adamw"] = True


def test_words_are_no_schedules() -> None:
    with pytest.raises(TypeError, match=r"adjust_lr_fn must be 'original' or .*, not a schedule"):
        po.Muon([np.ones((2, 2))], adjust_lr_fn=len)  # type: ignore[arg-type]


def test_what_needs_other_states_is_refused() -> None:
    optimizer = po.Shampoo([np.ones((2, 3))])
    with pytest.raises(ValueError, match=r"changing momentum from 0.0 to 0.5 changes which states"):
        optimizer.param_groups[0]["momentum"] = 0.5
    with pytest.raises(ValueError, match=r"changing max_precond_dim from 1024 to 2 changes which"):
        optimizer.param_groups[0]["max_precond_dim"] = 2
    optimizer.param_groups[0]["max_precond_dim"] = 3


@all_rules
def test_signature_and_documentation(rule: MatrixRule) -> None:
    cls = getattr(po, rule.name)
    parameters = inspect.signature(cls).parameters
    assert list(parameters)[:2] == ["params", "lr"]
    assert parameters["lr"].default == rule.lr
    for setting in rule.settings:
        assert parameters[setting.name].default == setting.default
    for name in parameters:
        assert f"    {name} : " in cls.__doc__
    assert "arXiv:" in cls.__doc__
    optimizer = make(rule, [np.ones((2, 2)), np.ones(2)])
    assert repr(optimizer).startswith(f"{rule.name}(ParamGroup(2 arrays, lr={rule.lr}, ")
    assert rule.name not in {native.name for native in po.rules()}


def test_defaults_are_those_of_the_papers() -> None:
    def defaults(cls: Any, *names: str) -> list[Any]:
        return [inspect.signature(cls).parameters[name].default for name in names]

    assert defaults(po.Muon, "lr", "weight_decay", "momentum", "ns_steps") == [1e-3, 0.1, 0.95, 5]
    assert defaults(po.SOAP, "lr", "beta1", "beta2", "precondition_frequency") == [
        3e-3,
        0.95,
        0.95,
        10,
    ]


@all_rules
def test_parameters_that_cannot_be_updated(rule: MatrixRule) -> None:
    w = np.ones((4, 4))
    read_only = np.ones((2, 2))
    read_only.flags.writeable = False
    for params, error, message in [
        ([w, w[:2]], ValueError, r"params\[0\] and params\[1\] overlap in memory"),
        ([w, w.reshape(-1)[3:]], ValueError, r"params\[0\] and params\[1\] overlap in memory"),
        ([w.T[:, 1:]], ValueError, r"params\[0\].*contiguous"),
        ([read_only], ValueError, r"params\[0\].*writ"),
        ([w.astype(np.int64)], TypeError, r"params\[0\].*int64"),
        ([[[1.0, 2.0]]], TypeError, r"params\[0\]"),
        ([], ValueError, "at least one parameter"),
        (3, TypeError, "params: expected an array"),
        ({"a": w, 0: np.ones(2), "0": np.ones(3)}, ValueError, "two parameters are called '0'"),
    ]:
        with pytest.raises(error, match=message):
            make(rule, params)


@all_rules
def test_gradients_that_do_not_fit(rule: MatrixRule) -> None:
    w, b = np.ones((3, 2)), np.ones(2)
    optimizer = make(rule, {"w": w, "b": b})
    before = contents(optimizer)
    good = np.ones((3, 2)), np.ones(2)
    moments = [x for x in optimizer.state["b"].values() if isinstance(x, np.ndarray)]
    for grads, error, message in [
        (None, ValueError, "only optimizers over Parameters have their own"),
        (3, TypeError, "grads: expected a list of arrays"),
        (good[0], TypeError, "expected a list of 2 arrays, got one array"),
        ([good[0]], ValueError, "grads: expected 2 gradients, one for each parameter, got 1"),
        ([good[0].T, good[1]], ValueError, r"gradient of params\['w'\].*\(3, 2\).*\(2, 3\)"),
        ([good[0], np.ones(3)], ValueError, r"gradient of params\['b'\]"),
        ([good[0].astype(np.float32), good[1]], TypeError, r"gradient of params\['w'\].*float64"),
        ([good[0], [1.0, 2.0]], TypeError, r"gradient of params\['b'\]"),
        ([w, good[1]], ValueError, r"gradient of params\['w'\] overlaps a parameter"),
        ([good[0], w[0]], ValueError, r"gradient of params\['b'\] overlaps a parameter"),
        ([good[0], moments[0]], ValueError, r"gradient of params\['b'\] overlaps .* a state"),
        ({"w": good[0]}, ValueError, "missing b"),
        ({"w": good[0], "b": good[1], "c": good[1]}, ValueError, "unknown c"),
    ]:
        with pytest.raises(error, match=message):
            optimizer.step(grads)
        assert contents(optimizer) == before
    with pytest.raises(TypeError, match="uses no estimates"):
        optimizer.update_hessian([w, b])


def test_compiled_steps_are_refused() -> None:
    cython_optim = pytest.importorskip("pyoptim.cython_optim")
    with pytest.raises(TypeError, match=r"Muon cannot be stepped by compiled code: call its step"):
        cython_optim.Stepper(po.Muon(po.Parameters({"w": (2, 2)})))


@all_dtypes
@all_rules
def test_resumes_to_the_bit(rule: MatrixRule, dtype: str) -> None:
    optimizer = two_groups(rule, some_params(dtype))
    train(optimizer, 0, 7, dtype)
    saved = optimizer.state_dict()
    params = [p.copy() for group in optimizer.param_groups for p in group["params"]]
    at_7 = contents(optimizer)
    train(optimizer, 7, 12, dtype)
    assert contents(optimizer) != at_7

    resumed = two_groups(rule, params, lr=0.1, adamw_lr=0.7)
    resumed.load_state_dict(saved)
    assert contents(resumed) == at_7
    train(resumed, 7, 12, dtype)
    assert contents(resumed) == contents(optimizer)


@all_rules
def test_runs_repeat_to_the_bit(rule: MatrixRule) -> None:
    runs = [two_groups(rule, some_params()) for _ in range(2)]
    for optimizer in runs:
        train(optimizer, 0, 12)
    assert contents(runs[0]) == contents(runs[1])


@all_rules
def test_state_dict_is_plain_and_a_copy(rule: MatrixRule) -> None:
    optimizer = two_groups(rule, some_params())
    train(optimizer, 0, 3)
    saved = optimizer.state_dict()
    assert saved["rule"] == rule.name
    assert {type(key) for key in saved} == {str}
    assert {type(value) for value in saved.values()} <= {str, int, float, bool, np.ndarray}
    before = contents(optimizer)
    for value in saved.values():
        if isinstance(value, np.ndarray):
            value[...] = 7
    assert contents(optimizer) == before
    for state in optimizer.state.values():
        for value in state.values():
            assert not isinstance(value, np.ndarray) or not value.flags.writeable


@cloning
@all_rules
def test_copies_go_on_and_apart(rule: MatrixRule, cloned: Callable[[Any], Any]) -> None:
    params = some_params()
    schedule = po.schedules.cosine(0.1, steps=20)
    options = {"adamw_params": [2], "skip_nonfinite": True, "adamw_lr": schedule}
    optimizer = make(rule, params, **options)
    for t in range(3):
        optimizer.step(some_grads(t))
    params_copy, twin = cloned((params, optimizer))
    assert type(twin) is type(optimizer)
    assert repr(twin) == repr(optimizer)
    assert contents(twin) == contents(optimizer)
    for t in range(3, 6):
        optimizer.step(some_grads(t))
    assert contents(twin) != contents(optimizer)
    for t in range(3, 6):
        twin.step(some_grads(t))
    assert contents(twin) == contents(optimizer)
    for param, mine in zip(params, params_copy, strict=True):
        assert same_bits(param, mine)
        assert not np.shares_memory(param, mine)
    assert twin.step([np.full_like(param, np.nan) for param in params]).skipped


def some_array(saved: dict[str, Any], key: str) -> str:
    return next(n for n in saved if n.startswith(key) and isinstance(saved[n], np.ndarray))


@all_rules
def test_states_that_do_not_fit(rule: MatrixRule) -> None:
    optimizer = two_groups(rule, some_params())
    train(optimizer, 0, 3)
    saved = {**optimizer.state_dict(), "groups.0.lr": 0.7}  # no group may be loaded alone
    train(optimizer, 3, 5)
    before = contents(optimizer)
    name = some_array(saved, "params.0.")
    for change, error, message in [
        ({"rule": "AdamW"}, ValueError, f"saved by AdamW, but this optimizer is {rule.name}"),
        ({name: saved[name][:-1]}, ValueError, rf"{name}: the state has shape .*this optimizer"),
        ({name: saved[name].astype("f8")}, TypeError, rf"{name}: .* float64, this .* float32"),
        ({"params.9.step": 1}, ValueError, r"unexpected keys: params\.9\.step"),
        ({"groups.1.lr": -1.5}, ValueError, r"lr must be at least 0 and finite, got -1.5"),
        ({"groups.1.adamw_beta1": 2}, ValueError, r"adamw_beta1 must be in \[0, 1\), got 2"),
        ({"groups.1.adamw": True}, ValueError, r"adamw from False to True changes which"),
        ({"params.2.step": -1}, ValueError, r"params\.2\.step must be a whole number"),
    ]:
        with pytest.raises(error, match=message):
            optimizer.load_state_dict({**saved, **change})
        assert contents(optimizer) == before
    del saved[name]
    with pytest.raises(ValueError, match=f"missing keys: {name}"):
        optimizer.load_state_dict(saved)
    others = [make(other, some_params()) for other in RULES if other is not rule]
    for other in others:
        with pytest.raises(ValueError, match=f"by {other.rule}, but this optimizer is {rule.name}"):
            optimizer.load_state_dict(other.state_dict())
    assert contents(optimizer) == before


@all_rules
def test_eval_and_train_change_nothing(rule: MatrixRule) -> None:
    optimizer = two_groups(rule, some_params())
    train(optimizer, 0, 2)
    before = contents(optimizer)
    optimizer.eval()
    assert contents(optimizer) == before
    optimizer.train()
    assert contents(optimizer) == before


@all_rules
def test_a_failing_schedule_changes_nothing(rule: MatrixRule) -> None:
    optimizer = make(rule, some_params(), adamw_lr=lambda step: 0.1 if step < 2 else -1.0)
    for t in range(2):
        optimizer.step(some_grads(t))
    before = contents(optimizer)
    with pytest.raises(ValueError, match="adamw_lr must be at least 0"):
        optimizer.step(some_grads(3))
    assert contents(optimizer) == before


@all_rules
def test_steps_take_no_new_memory(rule: MatrixRule) -> None:
    """But for NumPy's buffers, and new roots and bases, which take as much as LAPACK wants."""
    w, grad = numbers(1, (512, 400), "float32"), numbers(2, (512, 400), "float32")
    rare = {"precondition_frequency": 100} if rule.name != "Muon" else {}
    optimizer = make(rule, [w], **rare)
    for _ in range(2):
        optimizer.step([grad])
    tracemalloc.start()
    try:
        optimizer.step([grad])
        assert tracemalloc.get_traced_memory()[1] < w.nbytes / 6
    finally:
        tracemalloc.stop()


@all_rules
def test_trainer(rule: MatrixRule) -> None:
    x = numbers(1, (200, 4))
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    model = po.models.MLP([4, 16, 3])
    optimizer = make(rule, model.params, lr=0.02, adamw_lr=0.02)
    history = po.train.Trainer(model, optimizer=optimizer, epochs=5, progress=False).fit(x, y)
    losses = history["loss"]
    assert losses[-1] < 0.8 * losses[0]
