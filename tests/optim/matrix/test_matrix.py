"""Optimizers that update matrices as wholes: their updates, and what AdamW updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from formulas.matrices import MATRIX_FORMULAS
from matrices import (
    MIXED,
    all_dtypes,
    all_rules,
    make,
    numbers,
    some_grads,
    some_params,
    two_groups,
    well_conditioned,
)
from reference import DTYPES, Array, clip_factor, norm, same_bits
from snapshots import contents

import pyoptim as po
from pyoptim.optim.matrix import RULES
from pyoptim.optim.matrix._rule import MatrixRule

SHAPES = [(6, 6), (9, 4), (3, 8), (1, 5), (5, 1), (1, 1)]

# Everything away from its default, one row a test.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "Muon": [
        {},
        {"momentum": 0.7, "nesterov": False},
        {"ns_coefficients": (2.0, -1.5, 0.5), "ns_steps": 3},
        {"adjust_lr_fn": "match_rms_adamw", "eps": 10.0, "weight_decay": 0.3},
    ],
    "Shampoo": [
        {},
        {"momentum": 0.8, "eps": 0.1, "precondition_frequency": 3},
        {"beta2": 0.9, "grafting": True, "weight_decay": 0.3},
        {"max_precond_dim": 5, "momentum": 0.5},
        {"max_precond_dim": 2, "beta2": 0.8, "grafting": True},
    ],
    "SOAP": [
        {},
        {"beta1": 0.8, "beta2": 0.9, "shampoo_beta": 0.7, "eps": 1e-3, "precondition_frequency": 6},
        {"max_precond_dim": 5, "precondition_frequency": 5},
        {"max_precond_dim": 2, "weight_decay": 0.3},
    ],
}
CASES = [(rule, settings) for rule in RULES for settings in SETTINGS[rule.name]]
NAMES = [f"{r.name}-{'-'.join(f'{n}={x}' for n, x in s.items())}" for r, s in CASES]
all_cases = pytest.mark.parametrize(("rule", "settings"), CASES, ids=NAMES)
# How far an update may be off, relative to the largest one.
ROUNDING = {"float64": 1e-8, "float32": 2e-2, "bfloat16": 0.1}


@all_dtypes
@all_cases
def test_equals_reference(rule: MatrixRule, settings: dict[str, Any], dtype: str) -> None:
    for shape in SHAPES:
        param = numbers(1, shape, dtype)
        optimizer = make(rule, [param], **{"lr": 0.1, **settings})
        hyper = dict(optimizer.param_groups[0])
        expected, state = param.astype(np.float64), {}
        start = expected.copy()
        for t in range(1, 14):
            grad = well_conditioned(10 + t, shape, dtype)
            optimizer.step([grad])
            if not rule.fused_weight_decay:
                expected = expected * (1 - hyper["lr"] * hyper["weight_decay"])
            expected = MATRIX_FORMULAS[rule.name](
                expected, grad.astype(np.float64), state, t, hyper
            )
            if t == 1 and "Q" in state:
                share_bases(optimizer, state)
        ours, theirs = param.astype(np.float64) - start, expected - start
        assert abs(theirs).max() > 0.01, "the reference did not move"
        assert abs(ours - theirs).max() <= ROUNDING[dtype] * abs(theirs).max(), shape


def share_bases(optimizer: po.Optimizer, state: dict[str, Any]) -> None:
    """Give a reference our first eigenvectors: where eigenvalues are 0, any are right."""
    ours = optimizer.state["0"]
    for axis, side in enumerate("LR"):
        if f"Q_{side}" in ours:
            basis = ours[f"Q_{side}"].astype(np.float64)
            values = basis.T @ state["C"][axis] @ basis
            assert (np.diff(np.diag(values)) < 1e-6).all(), "not in falling order"
            np.testing.assert_allclose(values, np.diag(np.diag(values)), atol=1e-5)
            np.testing.assert_allclose(basis.T @ basis, np.eye(len(basis)), atol=1e-5)
            state["Q"][axis] = basis


def test_every_setting_is_tried() -> None:
    for rule in RULES:
        tried = {name for settings in SETTINGS[rule.name] for name in settings}
        assert tried >= {setting.name for setting in rule.settings}
    assert SETTINGS.keys() == MATRIX_FORMULAS.keys() == {rule.name for rule in RULES}


@all_rules
def test_converges(rule: MatrixRule) -> None:
    """|A (w - wanted) B|^2, whose curvatures are from 1 to 1e4, and a vector beside."""
    a, b = np.diag(np.geomspace(1, 10, 6)), np.diag(np.geomspace(1, 10, 4))
    wanted, w, v = numbers(1, (6, 4)), np.zeros((6, 4)), np.ones(3)
    schedule = po.schedules.linear(0.3, steps=600)
    more = {"beta2": 0.9} if rule.name == "Shampoo" else {}  # its sums slow it down more and more
    optimizer = make(rule, [w, v], lr=schedule, weight_decay=0, adamw_lr=schedule, **more)
    for _ in range(600):
        optimizer.step([2 * a @ a @ (w - wanted) @ b @ b, 2 * v])
    assert abs(w - wanted).max() < 0.02
    assert abs(v).max() < 0.02


@all_rules
def test_a_turned_problem_takes_turned_steps(
    rule: MatrixRule,
) -> None:
    """What no elementwise rule does."""
    turn, _ = np.linalg.qr(numbers(3, (4, 4)))
    plain, turned = np.zeros((4, 4)), np.zeros((4, 4))
    optimizers = [make(rule, [x], lr=0.1, weight_decay=0) for x in (plain, turned)]
    for t in range(5):
        grad = well_conditioned(t, (4, 4))
        optimizers[0].step([grad])
        optimizers[1].step([turn @ grad])
    assert abs(plain).max() > 0.01
    np.testing.assert_allclose(turned, turn @ plain, atol=1e-9)


ELEMENTWISE = [(4,), (2, 2, 2), (), (3, 5)]
MIXES: dict[str, dict[str, Any]] = {
    "plain": {},
    "clip_norm": {"clip_norm": 0.5},
    "clip_value": {"clip_value": 0.3, "maximize": True},
    "both": {"clip_norm": 1.0, "clip_value": 0.1, "skip_nonfinite": True},
}


@pytest.mark.parametrize("mix", MIXES)
@all_dtypes
@all_rules
def test_what_is_no_matrix_equals_adamw_to_the_bit(rule: MatrixRule, dtype: str, mix: str) -> None:
    ours, theirs = ([numbers(1, shape, dtype) for shape in ELEMENTWISE] for _ in range(2))
    matrix = numbers(2, (3, 4), dtype)
    adamw = {"lr": 0.02, "beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.2}
    optimizer = make(
        rule,
        [*ours, matrix],
        adamw_params=[3],
        **MIXES[mix],
        **{f"adamw_{name}": value for name, value in adamw.items()},
    )
    # Clipping by the norm counts the matrix, too: so another optimizer has it as a parameter.
    alone = po.AdamW([*theirs, matrix.copy()], **MIXES[mix], **adamw)
    for t in range(5):
        grads = [numbers(10 + t, shape, dtype) for shape in [*ELEMENTWISE, (3, 4)]]
        info = optimizer.step(grads, grad_scale=0.3)
        wanted = alone.step(grads, grad_scale=0.3)
        assert (info.step, info.grad_norm, info.skipped) == (t + 1, wanted.grad_norm, False)
    for i, (mine, his) in enumerate(zip(ours, theirs, strict=True)):
        assert same_bits(mine, his)
        for name, value in alone.state[str(i)].items():
            assert np.array_equal(optimizer.state[str(i)][name], value)


@all_rules
def test_who_is_updated_by_adamw(rule: MatrixRule) -> None:
    def adamw_alone(params: Any, **settings: Any) -> list[str]:
        optimizer = make(rule, params, **settings)
        own = rule.states((2, 2), dict(optimizer.param_groups[0])).keys() | {"step"}
        return [key for key, state in optimizer.state.items() if state.keys() != own]

    w, head, b = np.ones((2, 2)), np.ones((2, 2)), np.ones(2)
    named = {"w": w, "head": head, "b": b}
    assert adamw_alone(named) == ["b"]
    assert adamw_alone(named, adamw_params=["head"]) == ["head", "b"]
    assert adamw_alone(named, adamw_params="head") == ["head", "b"]
    assert adamw_alone([w, head], adamw_params=[1]) == ["1"]
    assert adamw_alone([{"params": [w]}, {"params": [head], "adamw": True}]) == ["1"]
    assert adamw_alone(named, adamw=True) == ["w", "head", "b"]
    assert adamw_alone(po.Parameters({"w": (2, 2), "b": (2,)}), adamw_params={"w"}) == ["w", "b"]
    assert adamw_alone(w) == []
    with pytest.raises(ValueError, match=r"adamw_params: no parameter hed; .*w, head, b"):
        make(rule, named, adamw_params=["hed"])


@pytest.mark.parametrize("option", [{"clip_norm": 0.7}, {"clip_value": 0.2}, {"maximize": True}])
@all_rules
def test_shaped_gradients(rule: MatrixRule, option: dict[str, Any]) -> None:
    """Clipping, scale and sign are as if the gradients had been shaped before."""
    mine, theirs = numbers(1, (4, 3)), numbers(1, (4, 3))
    vectors = [np.ones(2), np.ones(2)]
    ours = make(rule, [mine, vectors[0]], lr=0.1, **option)
    plain = make(rule, [theirs, vectors[1]], lr=0.1)
    for t in range(4):
        grads = [numbers(10 + t, (4, 3)), numbers(20 + t, (2,))]
        info = ours.step(grads, grad_scale=0.5)
        shaped = [0.5 * grad for grad in grads]
        if "clip_norm" in option:
            assert info.grad_norm == pytest.approx(norm(shaped), rel=1e-12)
            shaped = [grad * clip_factor(norm(shaped), 0.7) for grad in shaped]
        if "clip_value" in option:
            shaped = [grad.clip(-0.2, 0.2) for grad in shaped]
        if "maximize" in option:
            shaped = [-grad for grad in shaped]
        plain.step(shaped)
    np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=1e-9)


@all_rules
def test_weight_decay_through_the_gradient(rule: MatrixRule) -> None:
    mine, theirs = numbers(1, (4, 3)), numbers(1, (4, 3))
    ours = make(rule, [mine], lr=0.1, weight_decay=0.3, decoupled_weight_decay=False)
    plain = make(rule, [theirs], lr=0.1, weight_decay=0)
    for t in range(4):
        grad = numbers(10 + t, (4, 3))
        ours.step([grad])
        plain.step([grad + 0.3 * theirs])
    np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    assert not np.allclose(mine, numbers(1, (4, 3)))


@all_dtypes
@all_rules
def test_strided_gradients(rule: MatrixRule, dtype: str) -> None:
    mine, theirs = numbers(1, (4, 6), dtype), numbers(1, (4, 6), dtype)
    strided, plain = make(rule, [mine], lr=0.1), make(rule, [theirs], lr=0.1)
    layouts: list[Callable[[Array], Array]] = [
        lambda grad: np.asfortranarray(grad),
        lambda grad: np.repeat(np.repeat(grad, 2, 0), 3, 1)[::2, ::3],
        lambda grad: grad[::-1, ::-1].copy()[::-1, ::-1],
    ]
    for t, layout in enumerate(layouts * 2):
        grad = numbers(10 + t, (4, 6), dtype)
        assert not layout(grad).flags.c_contiguous
        kept = grad.copy()
        strided.step([layout(grad)])
        plain.step([grad])
        assert same_bits(grad, kept), "a step wrote into a gradient"
    assert same_bits(mine, theirs)


@all_rules
def test_forms_of_parameters_and_gradients(rule: MatrixRule) -> None:
    grads = {"w": numbers(5, (3, 2), "float32"), "b": numbers(6, (2,), "float32")}
    results = []
    start = {"w": numbers(1, (3, 2), "float32"), "b": numbers(2, (2,), "float32")}
    for form in ("list", "mapping", "groups", "parameters"):
        named = {name: value.copy() for name, value in start.items()}
        if form == "list":
            optimizer = make(rule, list(named.values()))
        elif form == "groups":
            optimizer = make(rule, [{"params": {"w": named["w"]}}, {"params": [named["b"]]}])
        else:
            params: Any = po.Parameters(named) if form == "parameters" else named
            optimizer = make(rule, params)
            named = params
        for _ in range(3):
            if form == "mapping":
                optimizer.step(dict(reversed(grads.items())))
            elif form == "parameters":
                for name, grad in grads.items():
                    named.grads[name][...] = grad  # type: ignore[attr-defined]
                optimizer.step()
            else:
                optimizer.step(iter(grads.values()))  # type: ignore[arg-type]
        assert [p.shape for g in optimizer.param_groups for p in g["params"]] == [(3, 2), (2,)]
        results.append([named["w"].copy(), named["b"].copy()])
    for w, b in results[1:]:
        assert same_bits(w, results[0][0])
        assert same_bits(b, results[0][1])
    alone = start["w"].copy()
    optimizer = make(rule, alone)
    for _ in range(3):
        optimizer.step(grads["w"])
    assert same_bits(alone, results[0][0])


@all_rules
def test_none_leaves_its_parameter_alone(rule: MatrixRule) -> None:
    params, alone = some_params(), some_params()[0]
    optimizer, other = make(rule, params), make(rule, [alone])
    for t, with_matrix in enumerate([False, True, True, False, True]):
        before = contents(optimizer)
        grads = some_grads(0)
        if with_matrix:
            other.step([grads[0]])
        else:
            grads[0] = None
        assert optimizer.step(grads).step == t + 1
        after = contents(optimizer)
        same = [name for name in before if before[name] == after[name]]
        assert all(name in same for name in before if name.startswith("params.0.")) != with_matrix
        assert ("param 0" in same) != with_matrix or (rule.name == "SOAP" and t == 1)
        assert "param 1" not in same
    assert optimizer.state["0"]["step"] == 3
    assert same_bits(params[0], alone)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", range(len(MIXED)))
@all_rules
def test_skipped_step_changes_nothing(rule: MatrixRule, where: int, bad: float) -> None:
    optimizer = two_groups(rule, some_params(), skip_nonfinite=True)
    wrong = some_grads(0)
    broken = wrong[where] = np.array(wrong[where])
    broken[(0,) * broken.ndim] = bad
    for step in (0, 1):
        before = contents(optimizer)
        info = optimizer.step(wrong)
        assert (info.step, info.skipped) == (step, True)
        assert info.grad_norm is not None
        assert contents(optimizer) == before
        info = optimizer.step(some_grads(0))
        assert (info.step, info.skipped) == (step + 1, False)
        assert contents(optimizer) != before


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@all_rules
def test_nan_propagates(rule: MatrixRule, bad: float) -> None:
    """Without skip_nonfinite a bad gradient spoils its own parameter, and raises nothing."""
    params = [numbers(1, (4, 4)), numbers(2, (4, 4))]
    optimizer = make(rule, params, lr=0.1)
    wrong = numbers(3, (4, 4))
    wrong[1, 2] = bad
    for _ in range(25):
        optimizer.step([wrong, numbers(4, (4, 4))])
    assert np.isnan(params[0]).any()
    assert np.isfinite(params[1]).all()


@all_dtypes
@all_rules
def test_extreme_gradients(rule: MatrixRule, dtype: str) -> None:
    for size in (0.0, 1e-30, 1e18):
        w = np.ones((3, 4), DTYPES[dtype])
        optimizer = make(rule, [w], lr=0.1, weight_decay=0)
        for t in range(12):
            optimizer.step([numbers(t, (3, 4), dtype) * DTYPES[dtype](size)])
        assert np.isfinite(w.astype(np.float64)).all(), size


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@all_rules
def test_empty_matrices(rule: MatrixRule, shape: tuple[int, int]) -> None:
    empty, w = np.zeros(shape), np.ones((2, 2))
    optimizer = make(rule, [empty, w], clip_norm=1.0)
    for _ in range(12):
        optimizer.step([np.zeros(shape), np.ones((2, 2))])
    assert optimizer.state["0"]["step"] == optimizer.steps == 12
    optimizer.load_state_dict(optimizer.state_dict())
    assert w[0, 0] < 1
