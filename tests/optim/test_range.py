"""Gradients and settings at the ends of what float32 can hold: steps are as in float64, or say so.

How far gradients may go stands on the rule, `Rule.gradient_range`.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from cases import over
from reference import Array, Case, all_variants

import pyoptim as po
from pyoptim.optim.matrix import RULES

SHAPE = (4, 18)
SQUARE = (5, 5)  # of full rank: eigenvectors of the null space are those of rounding
POWERS = range(-30, 31, 3)
MOST = float(np.finfo(np.float32).max)

ALL = [*po.rules(), *(rule.entry() for rule in RULES)]
all_rules = pytest.mark.parametrize("rule", ALL, ids=[rule.name for rule in ALL])


def directions(t: int, shape: tuple[int, ...] = SHAPE) -> Array:
    """Numbers of both signs and magnitudes between 0.5 and 1."""
    random = np.random.default_rng([t, 8])
    signs = random.choice([-1.0, 1.0], shape)
    return np.asarray(signs * random.uniform(0.5, 1, shape))


def make(rule: po.Rule, params: Any, **settings: Any) -> po.Optimizer:
    made: po.Optimizer = getattr(po, rule.name)(params, **settings)
    return made


def trained(optimizer: po.Optimizer, param: Array, scale: float, steps: int = 4) -> Array:
    for t in range(steps):
        grad = (scale * directions(t, param.shape)).astype(np.float32)
        optimizer.step([grad.astype(param.dtype)])
    return param.astype(np.float64)


def both(make_one: Any, scale: float, shape: tuple[int, int] = SHAPE) -> tuple[Array, Array]:
    """Where float32 and float64 get with the same gradients."""
    params = np.zeros(shape, np.float32), np.zeros(shape, np.float64)
    narrow, wide = (trained(make_one([param]), param, scale) for param in params)
    return narrow, wide


@all_variants
def test_float32_follows_float64(case: Case) -> None:
    """From 1e-30 to 1e30, as far as the rule says."""
    low, high = case.rule.gradient_range
    for scale in (10.0**power for power in POWERS):
        if low <= scale <= high / 2:
            narrow, wide = both(case.make, scale)
            error = np.abs(narrow - wide).max()
            assert error <= 2e-3 * np.abs(wide).max() + 1e-36, f"{scale:g}: {narrow} for {wide}"


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_matrix_rules_follow_float64(rule: Any) -> None:
    low, high = rule.gradient_range
    for scale in (10.0**power for power in POWERS):
        if low <= scale <= high / 2:
            narrow, wide = both(lambda params: make(rule, params), scale, SQUARE)
            error = np.abs(narrow - wide).max()
            assert error <= 2e-2 * np.abs(wide).max() + 1e-36, f"{scale:g}"


@all_variants
def test_smaller_gradients_make_finite_steps(case: Case) -> None:
    for scale in (0.0, 1e-45, *(10.0**power for power in POWERS)):
        if scale < case.rule.gradient_range[0]:
            assert np.isfinite(both(case.make, scale)[0]).all(), scale


@all_variants
def test_larger_gradients_are_skipped_as_those_not_finite(case: Case) -> None:
    _, high = case.rule.gradient_range
    for dtype in (np.float32, ml_dtypes.bfloat16):
        param = np.ones(SHAPE, dtype)
        optimizer = case.make([param], skip_nonfinite=True)
        large = np.full(SHAPE, min(MOST, 4 * high) * 0.9, np.float64).astype(dtype)
        assert optimizer.step([large]).skipped == (high < MOST)
        if high < MOST:
            assert (param == 1).all()
            assert not optimizer.step([large], grad_scale=1e-3).skipped
    wide = np.ones(SHAPE)
    optimizer = case.make([wide], skip_nonfinite=True)
    assert not optimizer.step([np.full(SHAPE, 1e30)]).skipped


def largest(rule: po.Rule, dtype: Any, grads: Array, settings: dict[str, Any]) -> float:
    """The largest magnitude of parameters after some steps; NaN where there is one."""
    param = np.full(SHAPE, 0.5, dtype)
    optimizer = make(rule, [param], **settings)
    for _ in range(3):
        optimizer.step([grads.astype(dtype)])
    return float(np.abs(param.astype(np.float64)).max())


def numbers(rule: po.Rule) -> list[str]:
    own = [field.name for field in rule.fields if field.is_number]
    return ["lr", "weight_decay", *own]


@over("value", [1e-30, 1e-37, 1e-39, 1e-45, 1e-60])
@all_rules
def test_small_settings_make_no_nan(rule: po.Rule, value: float) -> None:
    """On gradients of 0, too: wherever float64 gives a number, float32 does."""
    for name in numbers(rule):
        for grads in (np.zeros(SHAPE), directions(0), 1e5 * directions(0)):
            try:
                wide = largest(rule, np.float64, grads, {name: value})
            except ValueError:  # out of its range
                continue
            if wide < MOST:
                narrow = largest(rule, np.float32, grads, {name: value})
                assert np.isfinite(narrow), (name, grads[0, 0])


@over("value", [3e38, 1e39, 1e60, 1e300])
@all_rules
def test_large_settings_make_no_nan(rule: po.Rule, value: float) -> None:
    """Or are refused by their name, in float32."""
    for name in numbers(rule):
        try:
            wide = largest(rule, np.float64, np.zeros(SHAPE), {name: value})
        except ValueError:  # out of its range
            continue
        if value > MOST:
            with contextlib.suppress(ValueError):  # those that are never cast
                assert largest(rule, np.float32, np.zeros(SHAPE), {name: value}) < MOST
                continue
            with pytest.raises(ValueError, match=f"{rule.name}: {name}: too large"):
                largest(rule, np.float32, np.zeros(SHAPE), {name: value})
        elif wide < MOST / 1e3 and name != "weight_decay":  # which makes gradients too large
            assert np.isfinite(largest(rule, np.float32, np.zeros(SHAPE), {name: value})), name


@all_rules
def test_a_rate_that_float32_cannot_hold_is_refused(rule: po.Rule) -> None:
    for dtype in (np.float32, ml_dtypes.bfloat16):
        param = np.ones(SHAPE, dtype)
        with pytest.raises(ValueError, match=rf"{rule.name}: lr: too large .* got 1e\+39; use"):
            make(rule, [param], lr=1e39)
        optimizer = make(rule, [param])
        with pytest.raises(ValueError, match="lr: too large"):
            optimizer.param_groups[0]["lr"] = 1e39
        optimizer.param_groups[0]["lr"] = lambda step: 1e39 if step else 0.0
        optimizer.step([np.zeros(SHAPE, dtype)])
        before = param.copy()
        with pytest.raises(ValueError, match="lr: too large"):
            optimizer.step([np.zeros(SHAPE, dtype)])
        assert (param == before).all()
    make(rule, [np.ones(SHAPE)], lr=1e39)


def test_adam_stays_where_gradients_are_0() -> None:
    param = np.ones(4, np.float32)
    optimizer = po.Adam([param], eps=1e-37)
    optimizer.step([np.zeros(4, np.float32)])
    assert param.tolist() == [1, 1, 1, 1]


def test_adadelta_moves_with_a_small_eps() -> None:
    """The ratio of 1e-30 to 1e9 is none of float32, its root is."""
    params = np.zeros(4, np.float32), np.zeros(4)
    for param in params:
        optimizer = po.Adadelta([param], eps=1e-30)
        for _ in range(3):
            optimizer.step([np.full(4, 1e5, param.dtype)])
    assert params[1][0] < 0
    assert np.allclose(*params, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("scale", "value"), [(1e-39, 1e38), (1e38, 1e-37), (1e39, 1e-37), (1e45, 1e-37)]
)
def test_scales_that_float32_cannot_hold(scale: float, value: float) -> None:
    """Their products with gradients may be numbers of float32."""
    param = np.zeros(2, np.float32)
    grad = np.array([0, value], np.float32)
    po.SGD([param], lr=1.0).step([grad], grad_scale=scale)
    assert np.allclose(param, -(grad.astype(np.float64) * scale), rtol=1e-6, atol=0)


@over("shape", [(4, 18), (18, 4), (6, 6)])
@over("scale", [1e-3, 1.0, 1e3, 1e7, 1e12, 1e16])
def test_the_first_step_of_shampoo_has_the_length_of_an_orthogonal_one(
    shape: tuple[int, int], scale: float
) -> None:
    """Directions that the gradient has not are no part of it, whatever rounding leaves of them."""
    lengths = []
    for dtype in (np.float32, np.float64):
        for seed in range(5):
            grad = np.random.default_rng(seed).normal(size=shape) * scale
            param = np.zeros(shape, dtype)
            po.Shampoo([param], lr=1.0).step([grad.astype(np.float32).astype(dtype)])
            lengths.append(np.linalg.norm(param))
    assert np.allclose(lengths[:5], lengths[5:], rtol=1e-2, atol=0)


def test_matrix_rules_refuse_what_float32_cannot_square() -> None:
    for rule in RULES:
        _, most = rule.gradient_range
        param = np.ones(SHAPE, np.float32)
        optimizer = make(rule.entry(), [param])
        grad = np.full(SHAPE, 1e20, np.float32)
        if most < MOST:
            with pytest.raises(ValueError, match=r"gradient of params.* squares it"):
                optimizer.step([grad])
            assert optimizer.steps == 0
            assert (param == 1).all()
            optimizer.step([grad], grad_scale=1e-10)
        else:
            optimizer.step([grad])
        assert optimizer.steps == 1
        assert np.isfinite(param).all()


def test_no_rule_casts_a_scalar_itself() -> None:
    """Scalars of a step become F by `narrow`, which is neither 0 nor infinite by rounding."""
    rules = Path(__file__).parents[2] / "csrc" / "rules"
    cast = re.compile(r"(?<![\w<])F\((?![)01])|static_cast<F>")
    shared = {rules / "rule.hpp", rules / "kernel_table.hpp"}
    found = [
        f"{path.name}: {line.strip()}"
        for path in sorted({*rules.glob("*.hpp")} - shared)
        for line in path.read_text().splitlines()
        if cast.search(line)
    ]
    assert not found
