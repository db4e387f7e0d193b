"""What is done around an update: states in fewer bits, master weights, means, modifiers."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from cases import over
from reference import (
    DTYPES,
    Array,
    Case,
    each_rule,
    references,
    same_bits,
    some_numbers,
)
from reference import VARIANTS as ALL_VARIANTS
from storage import FORMATS, Bfloat16, Float8, rounding_key

import pyoptim as po
from pyoptim import _core

SIZE = 1500  # more than a block of updates, and no multiple of one of scales
VARIANTS = [case for case in ALL_VARIANTS if not case.rule.factored]  # those have no extras
all_variants = each_rule(VARIANTS)
ELEMENTWISE = [case for case in VARIANTS if not case.rule.norm_scope]
NARROW = ("float32", "bfloat16")

# Every way to do something around an update, by itself.
EXTRAS: dict[str, dict[str, Any]] = {
    "bfloat16 states": {"state_dtype": "bfloat16", "seed": 3},
    "float8 states": {"state_dtype": "float8", "seed": 3},
    "nearest bfloat16 states": {"state_dtype": "bfloat16", "stochastic_rounding": False},
    "nearest float8 states": {"state_dtype": "float8", "stochastic_rounding": False},
    "ema": {"ema_decay": 0.7},
    "copy": {"bfloat16_copy": True},
    "master": {"master_weights": "float32"},
    "split": {"master_weights": "split"},
    "cautious": {"modifier": "cautious"},
    "grams": {"modifier": "grams"},
    "many": {"state_dtype": "float8", "ema_decay": 0.7, "modifier": "grams", "clip_norm": 0.5},
}
all_extras = over("name", EXTRAS)


def dtype_for(name: str) -> str:
    return "bfloat16" if "master_weights" in EXTRAS[name] else "float32"


def fits(case: Case, name: str) -> bool:
    return not (case.rule.norm_scope and EXTRAS[name].get("modifier") == "cautious")


def grads_of(t: int, dtype: str, size: int = SIZE) -> Array:
    return some_numbers(10 + t, size, dtype, zeros=True)


@over("stochastic", [False, True])
@over("state_dtype", FORMATS)
@over("dtype", NARROW)
@each_rule(ELEMENTWISE)
def test_states_in_fewer_bits(case: Case, dtype: str, state_dtype: str, stochastic: bool) -> None:
    """Decoded before a step of the reference, and encoded after it."""
    params = [some_numbers(1, size, dtype).copy() for size in (SIZE, 40)]
    optimizer = case.make(
        params, lr=0.05, state_dtype=state_dtype, stochastic_rounding=stochastic, seed=7
    )
    whole = case.make([param.copy() for param in params], lr=0.05)
    expected = references(whole)
    for wanted in expected:
        wanted.kept = lambda values: FORMATS[state_dtype].encode(values, None).decode()
    order = [name for name in whole.state["0"] if isinstance(whole.state["0"][name], np.ndarray)]
    whole_states = {case.rule.copied_state, "hessian" if case.rule.takes_hessian else ""}
    coded = [name for name in order if name not in whole_states]
    held: list[dict[str, Bfloat16 | Float8]] = [{} for _ in params]
    for t in range(4):
        grads = [grads_of(t, dtype, param.size) for param in params]
        optimizer.step(grads)
        for i, (wanted, grad) in enumerate(zip(expected, grads, strict=True)):
            for name, kept in held[i].items():
                wanted.state[name] = kept.decode()
            wanted.step(grad)
            state = optimizer.state[str(i)]
            for name in coded:
                key = rounding_key(7, t, i, order.index(name)) if stochastic else None
                value = wanted.state[name].astype(np.float32)
                held[i][name] = FORMATS[state_dtype].encode(value, key)
                for array, right in held[i][name].arrays(name).items():
                    assert same_bits(state[array], right), (t, i, array)
            assert same_bits(params[i], wanted.param), (t, i)


def run(name: str, case: Case, steps: int = 3, size: int = SIZE, **more: Any) -> po.Optimizer:
    """An optimizer over an array and a smaller one, after some steps."""
    dtype = dtype_for(name)
    params = [some_numbers(1, n, dtype).copy() for n in (size, 40)]
    optimizer = case.make(params, lr=0.05, weight_decay=0.1, **{**EXTRAS[name], **more})
    advance(optimizer, dtype, 0, steps)
    return optimizer


def advance(optimizer: po.Optimizer, dtype: str, start: int, stop: int) -> None:
    params = optimizer.param_groups[0]["params"]
    for t in range(start, stop):
        optimizer.step([grads_of(t, dtype, param.size) for param in params])


def contents(optimizer: po.Optimizer) -> list[bytes]:
    held = [*optimizer.param_groups[0]["params"], *optimizer.state_dict().values()]
    return [np.asarray(value).tobytes() for value in held if not isinstance(value, str)]


@all_extras
@all_variants
def test_instruction_sets_agree(case: Case, name: str, instruction_sets: list[str]) -> None:
    if fits(case, name):
        results = []
        for isa in instruction_sets:
            _core.set_instruction_set(isa)
            results.append(contents(run(name, case)))
        assert results[1:] == results[:-1]


def test_nan_with_all_its_bits_stays_nan_in_bfloat16(instruction_sets: list[str]) -> None:
    """Rounding up such a one would make -0 of it."""
    grad = np.full(100, 0x7FFFFFFF, np.uint32).view(np.float32)
    for isa in instruction_sets:
        _core.set_instruction_set(isa)
        optimizer = po.SGD([np.ones(100, np.float32)], momentum=0.9, state_dtype="bfloat16")
        for _ in range(2):
            optimizer.step([grad])
            assert np.isnan(optimizer.state["0"]["momentum_buffer"].astype(float)).all(), isa


@all_extras
@over("rule", ["AdamW", "SGD", "LAMB"])
def test_thread_counts_agree(rule: str, name: str) -> None:
    case = next(case for case in VARIANTS if case.rule.name == rule)
    if fits(case, name):
        size = 8 * _core.serial_below + 77
        results = [contents(run(name, case, size=size, num_threads=n)) for n in (1, 2, 3, 8)]
        assert results[1:] == results[:-1]


@all_extras
@all_variants
def test_resumes_to_the_bit(case: Case, name: str) -> None:
    if not fits(case, name):
        return
    optimizer = run(name, case)
    params = [param.copy() for param in optimizer.param_groups[0]["params"]]
    twin = case.make(params, lr=0.05, weight_decay=0.1, **EXTRAS[name])
    twin.load_state_dict(optimizer.state_dict())
    for each in (optimizer, twin):
        advance(each, dtype_for(name), 3, 5)
    assert contents(twin) == contents(optimizer)


@all_extras
@all_variants
def test_skipped_step_changes_nothing(case: Case, name: str) -> None:
    if not fits(case, name):
        return
    optimizer = run(name, case, skip_nonfinite=True)
    before = contents(optimizer)
    grads = [np.full_like(p, np.nan) for p in optimizer.param_groups[0]["params"]]
    assert optimizer.step(grads).skipped
    assert contents(optimizer) == before


@pytest.mark.parametrize("dtype", DTYPES)
@all_variants
def test_ema(case: Case, dtype: str) -> None:
    """The parameters after the first step, then a mean of them and of what it was."""
    param = some_numbers(1, SIZE, dtype).copy()
    plain = param.copy()
    optimizer, other = case.make([param], lr=0.1, ema_decay=0.7), case.make([plain], lr=0.1)
    F = np.float64 if dtype == "float64" else np.float32
    mean = np.zeros(SIZE, F)
    for t in range(4):
        for each in (optimizer, other):
            each.step([grads_of(t, dtype)])
        now = param.astype(F)
        mean = F(0.7) * mean + F(1 - 0.7) * now if t else now
        assert same_bits(optimizer.state["0"]["ema"], mean)
        assert same_bits(param, plain)
    assert not optimizer.state["0"]["ema"].flags.writeable


@all_variants
def test_bfloat16_copy(case: Case) -> None:
    optimizer = run("copy", case)
    param = optimizer.param_groups[0]["params"][0]
    copied = optimizer.state["0"]["bfloat16_copy"]
    assert same_bits(copied, param.astype(ml_dtypes.bfloat16))


@over("name", ["master", "split"])
@all_variants
def test_master_weights(case: Case, name: str) -> None:
    """They are what float32 parameters with the same gradients become."""
    optimizer = run(name, case, steps=0)
    params = optimizer.param_groups[0]["params"]
    wide = [param.astype(np.float32) for param in params]
    other = case.make(wide, lr=0.05, weight_decay=0.1)
    for t in range(4):
        grads = [grads_of(t, "bfloat16", param.size) for param in params]
        optimizer.step(grads)
        other.step([grad.astype(np.float32) for grad in grads])
    for i, param in enumerate(params):
        state = optimizer.state[str(i)]
        if name == "master":
            assert same_bits(state["master"], wide[i])
            assert same_bits(param, wide[i].astype(ml_dtypes.bfloat16))
        else:
            high = param.view(np.uint16).astype(np.uint32) << 16
            assert same_bits((high | state["low_half"]).view(np.float32), wide[i])


@over("modifier", ["cautious", "grams"])
@over("maximize", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@all_variants
def test_modifiers(case: Case, dtype: str, maximize: bool, modifier: str) -> None:
    if case.rule.norm_scope and modifier == "cautious":
        return
    param = some_numbers(1, SIZE, dtype).copy()
    settings = {"lr": 0.1, "maximize": maximize, "weight_decay": 0.0}
    optimizer = case.make([param], modifier=modifier, **settings)
    F = np.float64 if dtype == "float64" else np.float32
    for t in range(3):
        start, state = param.copy(), optimizer.state_dict()
        wide = start.astype(F)
        plain = case.make([wide], **settings)
        plain.load_state_dict(state)
        grad = grads_of(t, dtype)
        plain.step([grad.astype(F)])
        optimizer.step([grad])
        old = start.astype(F)
        step, slope = wide - old, -grad.astype(F) if maximize else grad.astype(F)
        if modifier == "cautious":
            agrees = step * slope < 0
            factor = F(1 / max(agrees.mean(), 1e-3))
            wanted = np.where(agrees, old + factor * step, old)
        else:
            wanted = old - abs(step) * np.sign(slope)
        assert same_bits(param, wanted.astype(start.dtype)), t


@pytest.mark.parametrize("modifier", ["cautious", "grams", None])
def test_modified_updates_decay_as_others(modifier: str | None) -> None:
    """With a gradient of 0 there is no update but decay."""
    param = np.full(10, 2.0)
    settings: dict[str, Any] = {"weight_decay": 0.5, "decoupled_weight_decay": True}
    po.SGD([param], lr=0.1, modifier=modifier, **settings).step([np.zeros(10)])
    assert (param == 2.0 * (1 - 0.1 * 0.5)).all()


def test_gradients_are_zeroed_if_asked() -> None:
    params = po.Parameters({"w": (2000,), "b": (3,)})
    params.flat_grad[:] = 1
    optimizer = po.Adam(params, zero_grads=True, skip_nonfinite=True)
    optimizer.step()
    assert not params.flat_grad.any()
    assert params.flat.all()
    params.flat_grad[:] = np.nan
    assert optimizer.step().skipped
    assert not params.flat_grad.any(), "after a skipped step, too: they would stay NaN for good"
    frozen = np.ones(3)
    frozen.flags.writeable = False
    for grad in (frozen, np.ones(6)[::2]):
        with pytest.raises(ValueError, match="zero_grads needs C-contiguous, aligned, writable"):
            po.Adam([np.ones(3)], zero_grads=True).step([grad])


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("state_dtype", FORMATS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_does_not_become_a_number(
    state_dtype: Any, stochastic: bool, bad: float
) -> None:
    param, grad = np.ones(600, np.float32), np.ones(600, np.float32)
    grad[300] = bad
    optimizer = po.AdamW([param], state_dtype=state_dtype, stochastic_rounding=stochastic)
    for _ in range(2):
        optimizer.step([grad])
    assert np.isnan(param[300])
    assert np.isfinite(param[:256]).all()


def test_random_rounding_keeps_the_mean() -> None:
    """A mean of squares that falls by 1 in 1000 a step stays where it is if rounded to nearest."""
    kept = {}
    for stochastic in (False, True):
        param = np.ones(256 * 64, np.float32)
        optimizer = po.Adam([param], state_dtype="bfloat16", stochastic_rounding=stochastic)
        optimizer.step([np.ones_like(param)])
        for _ in range(400):
            optimizer.step([np.zeros_like(param)])
        kept[stochastic] = optimizer.state["0"]["exp_avg_sq"].astype(np.float64).mean()
    right = 0.001 * 0.999**400
    assert kept[True] == pytest.approx(right, rel=0.01)
    assert kept[False] > 1.3 * right


def test_bytes_of_states() -> None:
    kept = {}
    for state_dtype in ("float32", "bfloat16", "float8"):
        optimizer = po.AdamW([np.zeros(100_000, np.float32)], state_dtype=state_dtype)
        arrays = [v for v in optimizer.state["0"].values() if isinstance(v, np.ndarray)]
        kept[state_dtype] = sum(array.nbytes for array in arrays) / 100_000
    assert kept["float32"] == 8
    assert kept["bfloat16"] == 4
    assert kept["float8"] < 2.04


@pytest.mark.parametrize("master", ["float32", "split"])
def test_masters_are_of_bfloat16_among_others(master: str) -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(2, 300))
    grads = rng.normal(size=(5, 2, 300))
    dtypes = [np.dtype(ml_dtypes.bfloat16), np.dtype(np.float32)]
    mixed, alone = ([s.astype(t) for s, t in zip(start, dtypes, strict=True)] for _ in range(2))
    opt = po.AdamW(mixed, lr=0.1, master_weights=master)
    others = [po.AdamW([alone[0]], lr=0.1, master_weights=master), po.AdamW([alone[1]], lr=0.1)]
    for each in grads:
        given = [g.astype(t) for g, t in zip(each, dtypes, strict=True)]
        opt.step(given)
        for other, grad in zip(others, given, strict=True):
            other.step([grad])
    assert all(np.array_equal(a, b) for a, b in zip(mixed, alone, strict=True))
    assert len(opt.state["0"]) == len(opt.state["1"]) + 1  # the masters


@pytest.mark.parametrize(
    ("dtype", "settings", "message"),
    [
        ("float32", {"state_dtype": "int4"}, "state_dtype must be one of 'float32', 'bfloat16', "),
        ("float32", {"modifier": "bold"}, "modifier must be one of 'cautious', 'grams', or None"),
        ("float64", {"state_dtype": "float8"}, "Adam: state_dtype is for parameters of float32"),
        ("float32", {"master_weights": "split"}, "Adam: master_weights are for parameters of bf"),
        ("float64", {"bfloat16_copy": True}, "Adam: bfloat16_copy is for parameters of float32"),
        ("float32", {"ema_decay": 1.0}, "ema_decay must be in [0, 1), got 1"),
        ("float32", {"seed": -1}, "seed must be a whole number from 0 to"),
        ("float32", {"seed": 2**64}, "seed must be a whole number from 0 to 18446744073709551615"),
        *(
            ("float32", {name: wrong}, f"{name} must be True or False, got {wrong!r}")
            for name in ("skip_nonfinite", "stochastic_rounding", "bfloat16_copy", "zero_grads")
            for wrong in ("no", 2, None)
        ),
    ],
)
def test_wrong_settings(dtype: str, settings: dict[str, Any], message: str) -> None:
    message = message.replace("of bf", "of bfloat16")
    with pytest.raises(ValueError, match=re.escape(message)):
        po.Adam([np.zeros(3, DTYPES[dtype])], **settings)


def test_every_seed_of_64_bits_rounds_in_its_own_way() -> None:
    grad, states = np.random.default_rng(0).normal(size=300).astype(np.float32), set()
    for seed in (2**53, 2**53 + 1, 2**63, 2**64 - 1):
        opt = po.Adam([np.zeros_like(grad)], state_dtype="bfloat16", seed=seed)
        opt.step([grad])
        states.add(opt.state["0"]["exp_avg"].tobytes())
    assert len(states) == 4


def test_wrong_types_and_rules() -> None:
    wrong: Any = 8
    with pytest.raises(TypeError, match="state_dtype must be a word or None, got 8"):
        po.Adam([np.zeros(3)], state_dtype=wrong)
    with pytest.raises(ValueError, match="LAMB: cautious updates are for rules without norms"):
        po.LAMB([np.zeros(3)], modifier="cautious")


def test_states_of_another_format_are_refused() -> None:
    params = [np.zeros(3, np.float32)]
    state = po.Adam(params, state_dtype="bfloat16").state_dict()
    with pytest.raises(TypeError, match="exp_avg: the state has dtype bfloat16, this optimizer"):
        po.Adam(params).load_state_dict(state)
    with pytest.raises(ValueError, match="exp_avg_scale"):
        po.Adam(params, state_dtype="float8").load_state_dict(state)


@pytest.mark.parametrize("state_dtype", FORMATS)
@pytest.mark.parametrize(
    "rule", [rule for rule in po.rules() if rule.has_eval_mode], ids=lambda rule: rule.name
)
def test_evaluation_leaves_states_in_fewer_bits_alone(rule: po.Rule, state_dtype: Any) -> None:
    case = next(case for case in VARIANTS if case.rule is rule)
    param = some_numbers(1, SIZE, "float32").copy()
    optimizer = case.make([param], lr=0.1, state_dtype=state_dtype)
    optimizer.step([grads_of(0, "float32")])
    before, start = contents(optimizer), param.copy()
    wanted = param + np.float32(1 / 0.9 - 1) * (param - optimizer.state["0"]["z"])
    optimizer.eval()
    assert same_bits(param, wanted)
    optimizer.train()
    assert same_bits(param, start)
    assert contents(optimizer) == before


@pytest.mark.parametrize("state_dtype", FORMATS)
def test_estimates_of_the_hessian_are_kept_whole(state_dtype: Any) -> None:
    optimizer = po.Sophia([np.ones(SIZE, np.float32)], state_dtype=state_dtype)
    estimate = grads_of(0, "float32")
    optimizer.update_hessian([estimate])
    state = optimizer.state["0"]
    assert same_bits(state["hessian"], np.float32(1 - 0.99) * estimate + np.float32(0))
    assert not np.asarray(state["exp_avg"]).astype(np.float32).any()


@pytest.mark.parametrize("scale", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rule", [po.SGD, po.Muon])
def test_a_scale_of_gradients_is_finite(rule: Any, scale: float) -> None:
    param, grad = np.ones((3, 2)), np.ones((3, 2))
    optimizer = rule([param])
    with pytest.raises(ValueError, match=f"grad_scale must be finite, got {scale}"):
        optimizer.step([grad], grad_scale=scale)
    assert (param == 1).all()
    assert optimizer.steps == 0


def test_gradients_to_be_zeroed_do_not_overlap() -> None:
    grad = np.ones(5)
    optimizer = po.Adam([np.ones(3), np.ones(3)], zero_grads=True)
    with pytest.raises(ValueError, match="zero_grads: two gradients overlap in memory"):
        optimizer.step([grad[:3], grad[2:]])
    assert (grad == 1).all()


@pytest.mark.parametrize("master", ["float32", "split"])
def test_parameters_that_are_written_between_steps(master: str) -> None:
    """Master weights follow them, as wrappers do that move parameters."""
    param = np.ones(700, ml_dtypes.bfloat16)
    optimizer = po.SGD([param], lr=0.001, master_weights=master)
    gradient = np.ones_like(param)
    for _ in range(3):
        optimizer.step([gradient])
    kept = param.copy()
    param[100:] = 5
    optimizer.step([0 * gradient])
    assert (param[100:] == 5).all()
    assert same_bits(param[:100], kept[:100])
    for _ in range(4):  # what was not written goes on where it was: 7 steps of 0.001
        optimizer.step([gradient])
    assert same_bits(param[:100], np.full(100, 1 - 0.007).astype(param.dtype))


def test_lookahead_over_master_weights() -> None:
    moved = []
    for dtype, master in ((np.float32, None), (ml_dtypes.bfloat16, "float32")):
        param = np.full(40, 3.0, dtype)
        optimizer = po.wrappers.Lookahead(
            po.SGD([param], lr=0.125, master_weights=master), k=2, alpha=0.5
        )
        for _ in range(20):
            optimizer.step([np.ones_like(param)])
        moved.append(float(param[0]))
    assert moved[0] == moved[1] < 3


def test_copies_and_means_before_the_first_step() -> None:
    params = [np.full(3, 2.0, np.float32), np.full(300, 1.7, np.float32)]
    optimizer = po.AdamW(params, ema_decay=0.5, bfloat16_copy=True)
    grads = [np.ones(3, np.float32), None]
    for _ in range(2):
        for name, param in zip("01", params, strict=True):
            rounded = param.astype(ml_dtypes.bfloat16)
            assert same_bits(optimizer.state[name]["bfloat16_copy"], rounded)
        assert same_bits(optimizer.state["1"]["ema"], params[1])
        optimizer.step(grads)


def test_copies_follow_the_points_of_evaluation() -> None:
    param = np.full(300, 2.0, np.float32)
    optimizer = po.ScheduleFreeSGD([param], lr=0.1, bfloat16_copy=True)
    for _ in range(3):
        optimizer.step([np.ones_like(param)])
    for change in (optimizer.eval, optimizer.train):
        change()
        rounded = param.astype(ml_dtypes.bfloat16)
        assert same_bits(optimizer.state["0"]["bfloat16_copy"], rounded)


@pytest.mark.parametrize(
    "wrapper", [po.wrappers.AGC, partial(po.wrappers.GradientAccumulation, every=2)]
)
def test_wrappers_with_gradients_of_their_own_refuse_zero_grads(wrapper: Any) -> None:
    with pytest.raises(ValueError, match="zero_grads"):
        wrapper(po.SGD([np.ones(3)], zero_grads=True))
