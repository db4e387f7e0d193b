"""Properties that every rule has, over the list of rules and all their variants."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from cases import over
from option_mixes import MIXES, RATES
from reference import (
    DTYPES,
    FORMULAS,
    MOVED,
    VARIANTS,
    Array,
    Case,
    all_dtypes,
    all_variants,
    assert_same_state,
    clip_factor,
    each_rule,
    gradients,
    norm,
    references,
    same_bits,
    some_numbers,
    step_together,
)

import pyoptim as po
from pyoptim import _core


def assert_same_updates(before: Array, after: Array, expected: Array) -> None:
    """Assert that the updates are the same element by element, to the bit, and not nothing."""
    assert after.dtype == expected.dtype == before.dtype
    wide = [array.astype(np.float64).ravel() for array in (before, after, expected)]
    update, wanted = wide[1] - wide[0], wide[2] - wide[0]
    assert np.isfinite(wanted).all()
    assert np.count_nonzero(wanted) > wanted.size / 4, "too few elements move to compare them"
    wrong = np.flatnonzero(update != wanted)
    if wrong.size:
        i = wrong[0]
        pytest.fail(
            f"{wrong.size} of {wanted.size} updates differ, the first at {i}: "
            f"{update[i]!r} instead of {wanted[i]!r}"
        )
    assert same_bits(after, expected)


def check_against_reference(case: Case, dtype: str, options: dict[str, Any], scale: float) -> None:
    sizes = (131, 64)
    params = [some_numbers(1, size, dtype).copy() for size in sizes]
    optimizer = case.make(params, lr=RATES[0], **options)
    expected = references(optimizer)
    before, after, right = [], [], []
    for t, (lr, grads) in enumerate(zip(RATES, gradients(10, sizes, dtype), strict=True)):
        optimizer.param_groups[0]["lr"] = lr
        before += [param.copy() for param in params]
        info = optimizer.step(grads, grad_scale=scale)
        after += [param.copy() for param in params]
        assert (info.step, info.skipped) == (t + 1, False)

        factor = scale
        if "clip_norm" in options:
            assert info.grad_norm == norm(grads) * scale
            factor = scale * clip_factor(info.grad_norm, options["clip_norm"])
        bound = options.get("clip_value", np.inf)
        step_together(expected, grads, lr=lr, scale=factor, bound=bound)
        for i, wanted in enumerate(expected):
            assert_same_state(optimizer, str(i), wanted)
            right.append(wanted.param)
    assert_same_updates(*map(np.concatenate, (before, after, right)))


@cache
def trained(case: Case, dtype: str = "float64") -> bytes:
    """Parameters and states after ten steps."""
    params = [some_numbers(1, 32, dtype).copy()]
    optimizer = case.make(params, lr=0.5)
    for grads in gradients(10, (32,), dtype):
        if case.rule.takes_hessian:
            optimizer.update_hessian([grad * grad for grad in grads])
        optimizer.step(grads)
    states = (value for name, value in optimizer.state["0"].items() if name != "step")
    return b"".join(np.asarray(array).tobytes() for array in (*params, *states))


def test_lists_are_complete() -> None:
    assert FORMULAS.keys() == {rule.name for rule in po.rules()}
    for rule in po.rules():
        made = [case.make([np.zeros((1, 1))]) for case in VARIANTS if case.rule is rule]
        reached = [set(optimizer.state["0"]) for optimizer in made]
        for states in rule.variants:
            assert any({"step", *states} <= names for names in reached), (rule.name, states)


@over("mix", MIXES)
@all_dtypes
@all_variants
def test_equals_reference(case: Case, dtype: str, mix: str) -> None:
    check_against_reference(case, dtype, *MIXES[mix])


@all_dtypes
@each_rule(MOVED)
def test_equals_reference_with_other_settings(case: Case, dtype: str) -> None:
    check_against_reference(case, dtype, *MIXES["plain"])


def test_every_setting_matters() -> None:
    for rule in po.rules():
        cases = [case for case in VARIANTS + MOVED if case.rule is rule]
        for field in rule.fields:
            others = {case: dict(case.settings) for case in cases}
            for settings in others.values():
                settings.pop(field.name, None)
            assert any(
                trained(a) != trained(b)
                for a in cases
                for b in cases
                if field.name in dict(a.settings)
                and field.name not in dict(b.settings)
                and others[a] == others[b]
            ), f"{rule.name}: {field.name} changes nothing"


@all_dtypes
@all_variants
def test_comparison_finds_wrong_kernels(case: Case, dtype: str) -> None:
    before = some_numbers(1, 67, dtype).copy()
    before[-1] = 2**-8
    right = before.copy()
    optimizer = case.make([right], lr=0.5)
    for seed in (2, 3):  # there are rules whose first step moves nothing
        optimizer.step([some_numbers(seed, 67, dtype)])
    assert_same_updates(before, right.copy(), right)

    wrong_sign = (2 * before.astype(np.float64) - right.astype(np.float64)).astype(before.dtype)
    lacks_last = right.copy()
    lacks_last[-1] = before[-1]
    for wrong in (before.copy(), wrong_sign, lacks_last):
        with pytest.raises(pytest.fail.Exception, match="updates differ"):
            assert_same_updates(before, wrong, right)


@all_dtypes
@all_variants
def test_tails_and_offsets(case: Case, dtype: str) -> None:
    """All lengths to 67, at all offsets to 15, with gradients at others; nothing outside moves."""
    places = [(size, size % 16) for size in range(68)] + [(67, offset) for offset in range(16)]
    start, steps = some_numbers(1, 67, dtype), [some_numbers(t, 67, dtype) for t in (2, 3, 4)]
    frames = [np.full(100, 7, DTYPES[dtype]) for _ in places]
    grad_frames = [np.full(100, np.nan, DTYPES[dtype]) for _ in places]
    params, grads = [], []
    for (size, offset), frame, grad_frame in zip(places, frames, grad_frames, strict=True):
        grad_offset = (7 * offset + size) % 16
        params.append(frame[offset : offset + size])
        grads.append(grad_frame[grad_offset : grad_offset + size])
        params[-1][:] = start[:size]
    optimizer = case.make(params, lr=0.5, weight_decay=0.1)
    expected = references(optimizer)
    for step in steps:
        for grad in grads:
            grad[:] = step[: grad.size]
        optimizer.step(grads)
        step_together(expected, grads)
    for (size, offset), frame, state, right in zip(
        places, frames, optimizer.state.values(), expected, strict=True
    ):
        assert same_bits(frame[offset : offset + size], right.param), (size, offset)
        outside = np.r_[frame[:offset], frame[offset + size :]]
        assert (outside == 7).all(), (size, offset)
        for name, wanted in right.state.items():
            if isinstance(wanted, np.ndarray):
                assert same_bits(state[name], wanted), (size, offset, name)


def run(
    case: Case,
    dtype: str,
    split: Callable[[Array], Any],
    *,
    size: int,
    steps: int = 2,
    **options: Any,
) -> list[Array]:
    """Update `size` elements as split() gives them, and return parameters and states whole."""
    flat = some_numbers(1, size, dtype).copy()
    params = split(flat)
    optimizer = case.make(params, lr=0.5, **{"weight_decay": 0.1, **options})
    for t in range(steps):
        grads = split(some_numbers(2 + t, size, dtype, zeros=True))
        optimizer.step(list(grads.values()) if isinstance(grads, po.Parameters) else grads)
    arrays = [np.concatenate([param.ravel() for param in optimizer.param_groups[0]["params"]])]
    states = list(optimizer.state.values())
    for name, value in states[0].items():
        if isinstance(value, np.ndarray):
            arrays.append(np.concatenate([state[name].ravel() for state in states]))
    return arrays


def assert_equal_runs(runs: Sequence[list[Array]]) -> None:
    for other in runs[1:]:
        assert all(same_bits(a, b) for a, b in zip(runs[0], other, strict=True))


def whole(flat: Array) -> list[Array]:
    return [flat]


def in_three(flat: Array) -> list[Array]:
    return np.split(flat, [1001, flat.size // 2 + 3])


def in_odd_sizes(flat: Array) -> list[Array]:
    sizes = [1, 2, 3, 5, 0, 31, 1023, 1025, 7] * (1 + flat.size // 2097)
    cuts = np.cumsum(sizes)
    return np.split(flat, cuts[cuts < flat.size])


def in_odd_sizes_apart(flat: Array) -> list[Array]:
    return [part.copy() for part in in_odd_sizes(flat)]


def in_parameters(flat: Array) -> po.Parameters:
    parts = {str(i): part for i, part in enumerate(in_odd_sizes(flat))}
    return po.Parameters(parts, dtype=flat.dtype)


@all_dtypes
@each_rule(VARIANTS + MOVED)
def test_instruction_sets_agree(case: Case, dtype: str, instruction_sets: list[str]) -> None:
    runs = []
    for name in instruction_sets:
        _core.set_instruction_set(name)
        options = {"clip_norm": 0.7, "clip_value": 0.05}
        runs += [run(case, dtype, in_three, size=5003, steps=3, **options)]
        runs[-1] += run(case, dtype, whole, size=67, steps=10, maximize=True)
    assert_equal_runs(runs)


@pytest.mark.parametrize(
    ("dtype", "threads"),
    [("float32", range(1, 9)), ("float64", (1, 3)), ("bfloat16", (1, 3))],
)
@all_variants
def test_thread_counts_agree(case: Case, dtype: str, threads: Sequence[int]) -> None:
    size = 8 * _core.serial_below + 77
    assert_equal_runs(
        [
            run(case, dtype, in_three, size=size, clip_norm=0.7, num_threads=count)
            for count in threads
        ]
    )


@pytest.mark.parametrize(
    ("dtype", "size"), [*((dtype, 3000) for dtype in DTYPES), ("float32", _core.serial_below + 99)]
)
@each_rule([case for case in VARIANTS if not case.rule.norm_scope])
def test_splits_agree(case: Case, dtype: str, size: int) -> None:
    splits = (whole, in_three, in_odd_sizes, in_odd_sizes_apart, in_parameters)
    assert_equal_runs(
        [run(case, dtype, split, size=size, clip_value=0.3, num_threads=2) for split in splits]
    )


def assert_types(optimizer: po.Optimizer, dtype: str) -> None:
    kept = np.float64 if dtype == "float64" else np.float32
    for group in optimizer.param_groups:
        assert {param.dtype for param in group["params"]} == {np.dtype(DTYPES[dtype])}
    for state in optimizer.state.values():
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                assert value.dtype == kept, name
                assert not value.flags.writeable
            else:
                assert type(value) is (int if name == "step" else float), name


@all_dtypes
@all_variants
def test_small_and_empty_shapes(case: Case, dtype: str) -> None:
    start = some_numbers(1, 6, dtype)
    shapes: list[tuple[int, ...]] = [(), (0,), (1,), (0, 3), (1, 1, 1), (2, 1, 3)]
    params = [np.resize(start, shape) for shape in shapes]
    optimizer = case.make(params, lr=0.5)
    assert_types(optimizer, dtype)
    expected = references(optimizer)
    for grad in (some_numbers(t, 6, dtype) for t in (2, 3)):
        grads = [np.resize(grad, shape) for shape in shapes]
        optimizer.step(grads)
        step_together(expected, grads)
    assert_types(optimizer, dtype)
    for param, shape, wanted in zip(params, shapes, expected, strict=True):
        assert param.shape == shape
        assert same_bits(param, wanted.param)


@all_dtypes
@all_variants
def test_strided_gradients(case: Case, dtype: str) -> None:
    values = some_numbers(2, 120, dtype)
    block = values[:60].reshape(5, 3, 4)
    unaligned = np.zeros(60 * block.itemsize + 1, np.uint8)[1:].view(block.dtype).reshape(5, 3, 4)
    unaligned[...] = block
    forms = [
        np.asfortranarray(block),
        block.transpose(2, 0, 1),
        block[::-1, :, ::-1],
        values[::2].reshape(5, 3, 4),
        np.broadcast_to(block[:, :1], block.shape),
        unaligned,
    ]
    for strided in forms:
        assert not (strided.flags.c_contiguous and strided.flags.aligned)
        kept = strided.copy()
        results = []
        for grad in (strided, np.ascontiguousarray(kept)):
            param = np.resize(some_numbers(1, 60, dtype), strided.shape)
            optimizer = case.make(param, lr=0.5, clip_norm=1)
            optimizer.step([grad])
            optimizer.step([grad])
            results.append([param, *map(np.asarray, optimizer.state["0"].values())])
        assert_equal_runs(results)
        assert same_bits(strided.copy(), kept)


@all_dtypes
@all_variants
def test_nan_propagates(case: Case, dtype: str) -> None:
    param, grad = some_numbers(1, 70, dtype).copy(), some_numbers(2, 70, dtype).copy()
    grad[[0, 40, 69]] = np.nan
    case.make([param], clip_value=0.5).step([grad])
    reached = np.isnan(param.astype(np.float64)).nonzero()[0].tolist()
    if case.rule.norm_scope == "array":
        assert reached == [*range(70)]
    elif case.rule.norm_scope:
        assert {0, 40, 69} <= {*reached}
    else:
        assert reached == [0, 40, 69]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@all_variants
def test_converges(case: Case, dtype: str) -> None:
    """To within 1e-3 of the optimum of a quadratic, from a distance of 1, with one of the rates."""
    optimum, curvature = np.linspace(-1, 1, 20, dtype=dtype), np.geomspace(0.3, 3, 20, dtype=dtype)

    def distance(lr: float) -> float:
        x = np.zeros(20, dtype)
        falling = po.schedules.polynomial(lr, steps=500, power=2)
        optimizer = case.make([x], lr=lr if case.rule.has_eval_mode else falling, weight_decay=0)
        for _ in range(500):
            optimizer.step([curvature * (x - optimum)])
        optimizer.eval()
        return float(abs(x - optimum).max())

    with np.errstate(over="ignore", invalid="ignore"):  # some rates are too large
        assert any(distance(lr) < 1e-3 for lr in (0.3, 0.03, 1, 10))


@all_dtypes
@all_variants
def test_denormals_are_flushed(case: Case, dtype: str, instruction_sets: list[str]) -> None:
    kept = np.float64 if dtype == "float64" else np.float32
    tiny = np.finfo(kept).tiny
    runs = []
    for name in instruction_sets:
        _core.set_instruction_set(name)
        param = np.full(70, tiny / 4, DTYPES[dtype])
        optimizer = case.make([param])
        optimizer.step([np.ones_like(param)])
        param[:35] = tiny / 4
        state = optimizer.state_dict()
        for value in state.values():
            if isinstance(value, np.ndarray):
                value[...] = tiny / 4
        optimizer.load_state_dict(state)
        optimizer.step([np.full_like(param, tiny / 4)])
        arrays = [v for v in optimizer.state["0"].values() if isinstance(v, np.ndarray)]
        runs.append([param, *arrays])
        for array in runs[-1]:
            size = abs(array.astype(np.float64))
            # A state that a step does not change may stay what it was loaded as.
            as_loaded = (array is not param) & (size == tiny / 4)
            assert ((size == 0) | (size >= tiny) | as_loaded).all()
    assert_equal_runs(runs)


@pytest.mark.parametrize("threads", [1, 2])
def test_floating_point_environment(threads: int) -> None:
    """The caller's is left as it was, and does not change a result."""
    rounding_modes = {"x86_64": [0x400, 0x800, 0xC00], "aarch64": [0x400000, 0x800000, 0xC00000]}
    libm = ctypes.CDLL(None)
    size = _core.serial_below + 9
    results = []
    for mode in (0, *rounding_modes.get(platform.machine(), [])):
        param, grad = some_numbers(1, size, "float32").copy(), some_numbers(2, size, "float32")
        optimizer = po.Adam([param], clip_norm=0.3, num_threads=threads)
        libm.fesetround(mode)
        try:
            optimizer.step([grad])
            left = libm.fegetround()
        finally:
            libm.fesetround(0)
        assert left == mode
        results.append([param, *map(np.asarray, optimizer.state["0"].values())])
        half = np.full(64, np.finfo(np.float32).tiny) * np.float32(0.5)
        assert (half > 0).all(), "denormals are flushed after the step"
    assert_equal_runs(results)


@pytest.mark.parametrize("sizes", [(50_001,), (16_384, 16_385, 15), (40_000, 0, 1)])
@all_dtypes
def test_norm(dtype: str, sizes: tuple[int, ...], instruction_sets: list[str]) -> None:
    grads = [some_numbers(2, size, dtype) for size in sizes]
    for name in instruction_sets:
        _core.set_instruction_set(name)
        for threads in (1, 2, 5):
            params = [np.zeros_like(grad) for grad in grads]
            optimizer = po.SGD(params, clip_norm=1, num_threads=threads)
            assert optimizer.step(grads).grad_norm == norm(grads)


@pytest.mark.parametrize("magnitude", [1e-320, 1e-200, 1e-160, 1e-150, 1.0, 1e150, 1e200, 1e307])
def test_norm_neither_overflows_nor_vanishes(magnitude: float) -> None:
    optimizer = po.SGD([np.zeros(4)], clip_norm=1)
    wanted = 2 * magnitude if magnitude > np.finfo(np.float64).tiny else 0  # denormals are 0
    assert optimizer.step([np.full(4, magnitude)]).grad_norm == pytest.approx(
        wanted, rel=1e-14, abs=0
    )


@all_dtypes
@pytest.mark.parametrize("magnitude", [1e-30, 1.0, 1e30, 1e38])
def test_clipped_gradients_have_the_norm_asked_for(dtype: str, magnitude: float) -> None:
    param = np.zeros(4, DTYPES[dtype])
    po.SGD([param], lr=1, clip_norm=1e-3).step([np.full_like(param, magnitude)])
    assert norm([param]) == pytest.approx(min(1e-3, 2 * magnitude), rel=1e-2, abs=0)
