"""Wrappers match NumPy code around an optimizer, for all rules, threads and ISAs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from naive_wrappers import (
    CASES,
    SHAPES,
    Case,
    Naive,
    NaiveAccumulation,
    NaiveLossScale,
    NaiveSAM,
    W,
    drive,
    drive_naive,
    grads_of,
    params_of,
)
from reference import DTYPES, Array, all_dtypes, same_bits

import pyoptim as po
from pyoptim import _core
from pyoptim.optim.matrix import RULES as MATRIX_RULES

all_cases = pytest.mark.parametrize("case", CASES, ids=str)
RULES = [*(rule.name for rule in po.rules()), *(rule.name for rule in MATRIX_RULES)]
KEPT = [case for case in CASES if issubclass(case.wrapper, W.SWA | W.EMA | W.Lookahead)]
kept_cases = pytest.mark.parametrize("case", KEPT, ids=str)


def optimizer(params: Any, rule: str = "AdamW", **settings: Any) -> po.Optimizer:
    made: po.Optimizer = getattr(po, rule)(params, lr=0.1, skip_nonfinite=True, **settings)
    return made


def made(case: Case, params: Any, rule: str = "AdamW", **settings: Any) -> Any:
    return case.make(optimizer(params, rule, **settings))


def copies(params: list[Array]) -> list[Array]:
    return [param.copy() for param in params]


def all_same(a: list[Array], b: list[Array]) -> bool:
    return all(map(same_bits, a, b))


def kept(wrapper: Any) -> list[Array]:
    return list(wrapper.weights.values()) if hasattr(wrapper, "weights") else []


def test_every_wrapper_has_cases() -> None:
    classes = {getattr(W, name) for name in W.__all__}
    assert classes == {case.wrapper for case in CASES}


@all_dtypes
@all_cases
def test_equals_numpy_around_every_rule(case: Case, dtype: str) -> None:
    moved = 0
    for rule in RULES:
        params, expected = params_of(dtype), params_of(dtype)
        wrapper = made(case, params, rule)
        naive = case.make_naive(optimizer(expected, rule))
        for t in range(8):
            drive(wrapper, t, dtype)
            drive_naive(naive, t, dtype)
            assert all_same(params, expected), (rule, t)
        wrapper.flush()
        if isinstance(naive, NaiveAccumulation):
            if naive.window:
                naive.flush()
            assert wrapper.steps == math.ceil(8 / naive.every)
        assert all_same(params, expected), rule
        assert all_same(kept(wrapper), getattr(naive, "kept", [])), rule
        moved += not any(map(same_bits, params, params_of(dtype)))
        if isinstance(naive, NaiveLossScale):
            assert wrapper.scale == naive.scale == 32
        if not isinstance(naive, NaiveAccumulation):
            assert wrapper.steps == naive.optimizer.steps == 8
    assert moved > 0.8 * len(RULES)  # the first steps of some rules are lost in bfloat16


@all_dtypes
def test_sam_computes_the_second_gradient_at_the_perturbed_weights(dtype: str) -> None:
    for case in CASES:
        if not issubclass(case.wrapper, W.SAM):
            continue
        params = params_of(dtype)
        wrapper = made(case, params)
        naive = case.make_naive(optimizer(copies(params)))
        assert isinstance(naive, NaiveSAM)
        for t in range(3):
            before = copies(params)
            expected = naive.perturbed(grads_of(t, dtype))
            wrapper.first_step(grads_of(t, dtype))
            assert all_same(params, expected)
            assert not same_bits(params[0], before[0])
            wrapper.restore()
            assert all_same(params, before)
            wrapper.first_step(grads_of(t, dtype))
            wrapper.second_step(grads_of(t + 50, dtype))
            drive_naive(naive, t, dtype)
            assert all_same(params, naive.params)


@all_dtypes
@all_cases
def test_same_bits_for_all_threads_and_instruction_sets(
    case: Case, dtype: str, instruction_sets: list[str]
) -> None:
    shapes = ((257, 301), (70_001,), (3, 5))
    found = []
    for isa in instruction_sets:
        _core.set_instruction_set(isa)
        for threads in (1, 2, 3, 8):
            params = params_of(dtype, shapes)
            wrapper = made(case, params, num_threads=threads)
            for t in range(3):
                drive(wrapper, t, dtype, shapes=shapes)
            found.append([*params, *kept(wrapper)])
    assert len(found) == 4 * len(_core.instruction_sets())
    assert all(all_same(found[0], other) for other in found)


@all_cases
def test_gradients_of_all_forms(case: Case) -> None:
    """Gradients can be lists, mappings, strided, of other libraries, or in Parameters."""
    names = ("0", "1", "2")
    found = []
    for form in ("list", "mapping", "strided", "buffer", "own", "given"):
        params = po.Parameters(dict(zip(names, params_of("float64"), strict=True)))
        wrapper = made(case, params if form == "own" else dict(params))

        def gradients(t: int, form: str = form, params: po.Parameters = params) -> Any:
            grads = [g.copy() for g in grads_of(3 * t, "float64") if g is not None]
            if form == "mapping":
                return dict(zip(reversed(names), reversed(grads), strict=True))
            if form == "strided":
                return [np.repeat(g, 2, axis=-1)[..., ::2] for g in grads]
            if form == "buffer":
                return [memoryview(g) for g in grads]
            if form == "own":
                for grad, own in zip(grads, params.grads.values(), strict=True):
                    own[...] = grad
                return None
            return tuple(grads) if form == "given" else grads

        for t in range(4):
            if wrapper.takes_closure:
                calls = iter((t, t + 20))
                wrapper.step(lambda calls=calls, gradients=gradients: gradients(next(calls)))
            else:
                wrapper.step(gradients(t))
        found.append([*params.values(), *kept(wrapper)])
    assert all(all_same(found[0], other) for other in found)


@pytest.mark.parametrize("case", [c for c in CASES if "exclude" not in dict(c.settings)], ids=str)
def test_one_array_needs_no_list(case: Case) -> None:
    found = []
    for form in (np.asarray, lambda x: [x]):
        w = np.array([1.0, -2.0, 3.0])
        wrapper = made(case, form(w))
        for _ in range(3):
            grads = form(np.array([0.5, 0.1, -2.0]))
            wrapper.step((lambda grads=grads: grads) if wrapper.takes_closure else grads)
        found.append(w)
    assert same_bits(*found)


@all_cases
def test_empty_arrays_and_numbers_are_parameters(case: Case) -> None:
    params = [np.zeros((0, 3)), np.ones(()), np.zeros(0), np.ones((1, 1, 1, 2))]
    wrapper = made(case, params)
    grads = [np.ones_like(p) for p in params]
    for _ in range(6):
        wrapper.step((lambda: grads) if wrapper.takes_closure else grads)
    assert params[1] < 1
    assert all(same_bits(g, np.ones_like(g)) for g in grads)
    wrapper.load_state_dict(wrapper.state_dict())
    with wrapper.evaluation():
        pass


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@all_dtypes
@all_cases
def test_a_skipped_step_changes_nothing(case: Case, dtype: str, bad: float) -> None:
    params = params_of(dtype)
    wrapper = made(case, params)
    for t in range(3):
        drive(wrapper, t, dtype)
    if isinstance(wrapper, W.GradientAccumulation):
        while wrapper.count + 1 < wrapper.every:
            drive(wrapper, 3, dtype)
    before, state = copies(params), wrapper.unwrapped.state_dict()
    others, steps = [a.copy() for a in kept(wrapper)], wrapper.steps
    count = 0 if case.wrapper is W.GradientAccumulation else getattr(wrapper, "count", None)
    wrong = [g.copy() for g in grads_of(0, dtype) if g is not None]
    wrong[1][3] = bad
    info = wrapper.step((lambda: wrong) if wrapper.takes_closure else wrong)
    assert info.skipped
    assert wrapper.steps == steps
    assert all_same(params, before)
    assert all_same(kept(wrapper), others)
    after = wrapper.unwrapped.state_dict()
    assert all(np.array_equal(state[key], after[key]) for key in state)
    assert getattr(wrapper, "count", None) == (
        0 if case.wrapper is W.GradientAccumulation else count
    )
    assert not drive(wrapper, 3, dtype) or wrapper.steps == steps + 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_sam_does_not_perturb_for_a_nonfinite_first_gradient(bad: float) -> None:
    params = params_of("float32")
    wrapper = W.SAM(optimizer(params))
    before = copies(params)
    wrong = [np.full_like(p, bad) for p in params]
    wrapper.first_step(wrong)
    assert all_same(params, before)
    info = wrapper.second_step(grads_of(0, "float32"))
    assert info is not None
    assert not info.skipped
    assert not same_bits(params[0], before[0])


def test_sam_does_not_perturb_for_a_gradient_of_0() -> None:
    w = np.array([1.0, -2.0])
    for eps in (1e-12, 0.0):
        wrapper = W.SAM(po.SGD([w]), eps=eps)
        wrapper.first_step([np.zeros(2)])
        assert w.tolist() == [1, -2]
        wrapper.second_step([np.zeros(2)])


def test_sam_perturbs_downwards_if_groups_maximize() -> None:
    up, down = np.ones(2), np.ones(2)
    groups = [{"params": [up], "maximize": True}, {"params": [down]}]
    wrapper = W.SAM(po.SGD(groups), rho=1.0, eps=0.0)
    wrapper.first_step([np.ones(2), np.ones(2)])
    assert up.tolist() == [0.5, 0.5]
    assert down.tolist() == [1.5, 1.5]


def test_sam_uses_the_scale_of_gradients() -> None:
    """The scale has an effect only together with eps."""
    found = []
    for scale in (1.0, 2.0**-8, -1.0):
        w = np.array([1.0, -2.0])
        wrapper = W.SAM(po.SGD([w], lr=0.5), rho=0.1, eps=1.0)
        wrapper.step(lambda w=w, scale=scale: [w * w / scale], grad_scale=scale)
        found.append(w)
    assert same_bits(found[0], found[1])
    assert same_bits(found[0], found[2])


def test_sam_restores_parameters_if_the_closure_fails() -> None:
    params = params_of("float32")
    wrapper = W.SAM(optimizer(params))
    before = copies(params)
    calls = iter([grads_of(0, "float32")])
    with pytest.raises(StopIteration):
        wrapper.step(lambda: next(calls))
    assert all_same(params, before)
    with pytest.raises(ValueError, match="expected 3 gradients"):
        wrapper.step(lambda: [np.ones(3)])
    bad = iter([grads_of(0, "float32"), []])
    with pytest.raises(ValueError, match="expected 3 gradients"):
        wrapper.step(lambda: next(bad))
    assert all_same(params, before)
    assert wrapper.steps == 0
    drive(wrapper, 0)
    assert wrapper.steps == 1


@all_dtypes
def test_accumulated_batches_equal_the_whole_batch(dtype: str) -> None:
    """Windows of micro-batches of different sizes match the mean of all samples."""
    random = np.random.default_rng(0)
    samples = random.integers(-8, 8, (2, 10, 6)).astype(DTYPES[dtype])  # sums of them are exact
    w, expected = np.ones(6, DTYPES[dtype]), np.ones(6, DTYPES[dtype])
    wrapper = W.GradientAccumulation(po.SGD([w], lr=0.5), every=4)
    whole = po.SGD([expected], lr=0.5)
    for epoch in samples:
        for begin, end in ((0, 2), (2, 3), (3, 7)):
            mean = epoch[begin:end].astype(np.float64).mean(axis=0).astype(DTYPES[dtype])
            assert wrapper.step([mean], weight=end - begin) is None
        wrapper.step([epoch[7:].astype(np.float64).mean(axis=0).astype(DTYPES[dtype])], weight=3)
        whole.step([epoch.astype(np.float64).mean(axis=0).astype(DTYPES[dtype])])
    assert wrapper.flush() is None
    near = {"float32": 1e-5, "float64": 1e-14, "bfloat16": 0.05}[dtype]
    np.testing.assert_allclose(w.astype(np.float64), expected.astype(np.float64), atol=near)
    assert wrapper.steps == 2


def test_failed_accumulated_step_can_be_repeated() -> None:
    w = np.zeros(2)
    rates: Iterator[Any] = iter([1.0, "no number", 1.0])
    wrapper = W.GradientAccumulation(po.SGD([w], lr=1.0), every=2)
    wrapper.step([np.array([1.0, 2.0])])
    wrapper.param_groups[0]["lr"] = lambda _: next(rates)
    with pytest.raises(TypeError, match="lr at step 0 must be a number"):
        wrapper.step([np.array([3.0, 4.0])])
    assert wrapper.count == 2
    wrapper.flush()
    assert w.tolist() == [-2, -3]


def test_flush_reaches_through_wrappers() -> None:
    w = np.zeros(2)
    inner = W.GradientAccumulation(po.SGD([w], lr=1.0), every=3)
    wrapper = W.SWA(W.Lookahead(W.DynamicLossScale(
        W.GradientAccumulation(po.SGD([w], lr=1.0, skip_nonfinite=True), every=3), 4.0, 2.0, 0.5, 1
    ), k=1, alpha=0.5))  # fmt: skip
    assert inner.flush() is None
    for weight in (1, 3):
        assert wrapper.step([np.full(2, 4.0)], weight=weight) is None
    loss_scale = wrapper.optimizer.optimizer  # type: ignore[union-attr]
    assert loss_scale.scale == 4
    info = wrapper.flush()
    assert info is not None
    assert info.step == wrapper.steps == 1
    assert w.tolist() == [-0.5, -0.5]
    assert wrapper.weights["0"].tolist() == [-0.5, -0.5]
    assert loss_scale.scale == 8
    assert wrapper.flush() is None


def test_wrappers_compose() -> None:
    """The order of wrappers determines the order of operations."""
    params, expected = params_of("float32"), params_of("float32")
    wrapper = W.EMA(W.Lookahead(W.AGC(optimizer(params)), k=2), decay=0.5)
    looks = CASES[[c.wrapper for c in CASES].index(W.Lookahead)]
    clips = CASES[[c.wrapper for c in CASES].index(W.AGC)]
    inner = clips.make_naive(optimizer(expected))
    outer = looks.naive(inner.optimizer, k=2, alpha=0.5)
    for t in range(6):
        drive(wrapper, t)
        drive_naive(inner, t, "float32")
        outer.moved()  # type: ignore[attr-defined]
        assert all_same(params, expected), t
    closure = W.Lookahead(W.SAM(W.AGC(optimizer(params)), rho=0.1))
    assert closure.takes_closure
    drive(closure, 0)
    assert closure.steps == 1


@kept_cases
@all_dtypes
def test_eval_writes_averaged_weights_and_train_restores(case: Case, dtype: str) -> None:
    for rule in RULES:
        params = params_of(dtype)
        wrapper = made(case, params, rule)
        for t in range(7):
            drive(wrapper, t, dtype)
        before = copies(params)
        expected = [a.astype(p.dtype) for a, p in zip(kept(wrapper), params, strict=True)]
        with wrapper.evaluation() as entered:
            assert entered is wrapper
            assert wrapper.evaluating
            assert all_same(params, expected)
            wrapper.eval()  # a second call changes nothing
            assert all_same(params, expected)
            step = partial(drive, wrapper, 7, dtype)
            for action in (step, wrapper.state_dict, wrapper.flush):
                with pytest.raises(RuntimeError, match=r"eval mode; call train\(\) before"):
                    action()
            params[0][...] = 3  # changes in eval mode are lost
        assert not wrapper.evaluating
        assert all_same(params, before)
        wrapper.train()
        assert all_same(params, before)
        drive(wrapper, 7, dtype)


@all_cases
def test_other_wrappers_evaluate_as_the_optimizer_does(case: Case) -> None:
    if case in KEPT:
        return
    params, expected = params_of("float64"), params_of("float64")
    wrapper = made(case, params, "ScheduleFreeAdamW")
    naive = case.make_naive(optimizer(expected, "ScheduleFreeAdamW"))
    for t in range(6):
        drive(wrapper, t, "float64")
        drive_naive(naive, t, "float64")
    before = copies(params)
    naive.optimizer.eval()

    def evaluate_and_fail() -> None:
        with wrapper.evaluation():
            assert not same_bits(params[0], before[0])
            assert all_same(params, expected)
            drive(wrapper, 6, "float64")

    with pytest.raises(RuntimeError, match="eval mode"):
        evaluate_and_fail()
    assert all_same(params, before)


def test_eval_before_the_average_starts_changes_nothing() -> None:
    for wrapper_class in (W.SWA, W.EMA):
        w = np.ones(3)
        wrapper = wrapper_class(po.SGD([w], lr=0.1), start=5)
        wrapper.step([np.ones(3)])
        before = w.copy()
        with wrapper.evaluation():
            assert same_bits(w, before)
        assert wrapper.count == 0


def test_averaged_weights_are_read_only() -> None:
    wrapper = W.Lookahead(po.SGD({"w": np.ones(3)}))
    assert list(wrapper.weights) == ["w"]
    with pytest.raises(ValueError, match="read-only"):
        wrapper.weights["w"][0] = 1
    with pytest.raises(TypeError):
        wrapper.weights["w"] = np.ones(3)  # type: ignore[index]


def test_agc_clips_scaled_gradients() -> None:
    found = []
    for scale in (1.0, 2.0**-10, -(2.0**5)):
        params = params_of("float64")
        wrapper = W.AGC(po.SGD(params, lr=0.5), 0.1)
        for t in range(3):
            grads = [None if g is None else g / scale for g in grads_of(t, "float64")]
            wrapper.step(grads, grad_scale=scale)
        found.append(params)
    assert all(all_same(found[0], other) for other in found)


def test_naive_wrappers_change_the_result() -> None:
    """The naive wrappers change the result of the plain optimizer."""
    plain = Naive(optimizer(params_of("float32")))
    for t in range(8):
        drive_naive(plain, t, "float32")
    for case in CASES[1:]:
        naive = case.make_naive(optimizer(params_of("float32")))
        for t in range(8):
            drive_naive(naive, t, "float32")
        others = getattr(naive, "kept", naive.params)
        differs = not all_same(others, plain.params)
        assert differs or case.settings == (("every", 1),), str(case)
    assert len(SHAPES) == len(plain.params)


@pytest.mark.parametrize("rule", ["SGD", "ScheduleFreeSGD"])
def test_train_restores_all_wrapped_weights(rule: str) -> None:
    params = params_of("float32")
    wrapper = W.SWA(W.Lookahead(optimizer(params, rule), k=3))
    for t in range(4):
        drive(wrapper, t)
    before = copies(params)
    for evaluate in (wrapper.unwrapped.eval, wrapper.optimizer.eval, wrapper.eval):
        evaluate()
        wrapper.train()
        assert all_same(params, before)
        assert not wrapper.evaluating
    # The inner wrapper returns to train mode before the outer wrapper writes its average.
    wrapper.optimizer.eval()
    wrapper.eval()
    wrapper.train()
    assert all_same(params, before)
