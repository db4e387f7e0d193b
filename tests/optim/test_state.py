"""What an optimizer remembers: what leaves it alone, saving, loading and copying it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import over
from reference import (
    VARIANTS,
    Array,
    Case,
    all_dtypes,
    all_variants,
    assert_same_state,
    references,
    same_bits,
    some_numbers,
    step_together,
)
from snapshots import contents, through_pickle

import pyoptim as po
from pyoptim.optim.matrix import RULES as MATRIX_RULES

SIZES = (70, 35, 40)


def some_params(dtype: str = "float32") -> list[Array]:
    return [some_numbers(1, size, dtype).copy() for size in SIZES]


def some_grads(t: int, dtype: str = "float32") -> list[Array | None]:
    """Gradients of step t; the second is missing now and then."""
    grads: list[Array | None] = [some_numbers(2 + t, size, dtype) for size in SIZES]
    if t % 3 == 1:
        grads[1] = None
    return grads


def two_groups(case: Case, params: list[Array], **options: Any) -> po.Optimizer:
    groups = [{"params": params[:2], "weight_decay": 0.1}, {"params": params[2:], "lr": 0.05}]
    return case.make(groups, **{"lr": 0.5, "clip_norm": 0.7, **options})


def train(optimizer: po.Optimizer, start: int, stop: int, dtype: str = "float32") -> None:
    for t in range(start, stop):
        optimizer.param_groups[1]["lr"] = 0.3 / (1 + t)
        optimizer.step(some_grads(t, dtype))


@all_dtypes
@all_variants
def test_none_leaves_its_tensor_alone(case: Case, dtype: str) -> None:
    params = some_params(dtype)
    optimizer = case.make(params, lr=0.5, weight_decay=0.1)
    expected = references(optimizer)
    for t, present in enumerate([(0, 2), (0, 1, 2), (1,), (), (0, 1, 2), (2,)]):
        grads = [some_numbers(2 + t, size, dtype) for size in SIZES]
        given = [grads[i] if i in present else None for i in range(3)]
        info = optimizer.step(given)
        assert info.step == t + 1
        step_together(expected, given)
        for i, wanted in enumerate(expected):
            assert same_bits(params[i], wanted.param)
            assert optimizer.state[str(i)]["step"] == wanted.t
            if wanted.t:
                assert_same_state(optimizer, str(i), wanted)


@over("bad", [np.nan, np.inf, -np.inf])
@all_dtypes
@all_variants
def test_skipped_step_changes_nothing(case: Case, dtype: str, bad: float) -> None:
    params = some_params(dtype)
    optimizer = case.make(params, lr=0.5, skip_nonfinite=True)
    good = [some_numbers(2, size, dtype) for size in SIZES]
    wrong = [grad.copy() for grad in good]
    wrong[1][34] = bad
    for step in (0, 1):
        before = contents(optimizer)
        info = optimizer.step(wrong)
        assert (info.step, info.skipped) == (step, True)
        assert contents(optimizer) == before
        info = optimizer.step(good)
        assert (info.step, info.skipped) == (step + 1, False)
        assert contents(optimizer) != before


@all_dtypes
@all_variants
def test_resumes_to_the_bit(case: Case, dtype: str) -> None:
    optimizer = two_groups(case, some_params(dtype))
    train(optimizer, 0, 4, dtype)
    saved = optimizer.state_dict()
    params = [p.copy() for group in optimizer.param_groups for p in group["params"]]
    at_4 = contents(optimizer)
    train(optimizer, 4, 8, dtype)

    resumed = two_groups(case, params, lr=0.1, weight_decay=0.7)
    resumed.load_state_dict(saved)
    assert contents(resumed) == at_4
    train(resumed, 4, 8, dtype)
    assert contents(resumed) == contents(optimizer)


@all_variants
def test_rewinds_to_the_start(case: Case) -> None:
    params = some_params()
    optimizer = two_groups(case, params)
    start = optimizer.state_dict()
    train(optimizer, 0, 4)
    first = contents(optimizer)
    optimizer.load_state_dict(start)
    for param, value in zip(params, some_params(), strict=True):
        param[:] = value
    train(optimizer, 0, 4)
    assert contents(optimizer) == first


@all_dtypes
@all_variants
def test_state_dict_is_plain_and_a_copy(case: Case, dtype: str) -> None:
    optimizer = two_groups(case, some_params(dtype))
    train(optimizer, 0, 2, dtype)
    saved = optimizer.state_dict()
    assert {type(key) for key in saved} == {str}
    assert {type(value) for value in saved.values()} <= {str, int, float, bool, np.ndarray}
    before = contents(optimizer)
    kept = copy.deepcopy(saved)
    for value in saved.values():
        if isinstance(value, np.ndarray):
            assert value.flags.owndata
            value[...] = 7
    assert contents(optimizer) == before
    optimizer.load_state_dict(kept)
    train(optimizer, 2, 4, dtype)
    for name, value in optimizer.state_dict().items():
        if isinstance(value, np.ndarray):
            assert not np.shares_memory(value, kept[name])


@over("cloned", [through_pickle, copy.deepcopy])
@all_variants
def test_pickle_and_deepcopy(case: Case, cloned: Callable[[Any], Any]) -> None:
    """The copy goes on as the original does, with options and schedule, and apart from it."""
    lr = po.schedules.cosine(0.5, steps=10)
    params = some_params()
    options = {"skip_nonfinite": True, "clip_value": 0.2}
    optimizer = two_groups(case, params, lr=lr, **options)
    train(optimizer, 0, 3)
    params_copy, twin = cloned((params, optimizer))
    assert type(twin) is type(optimizer)
    assert repr(twin) == repr(optimizer)
    assert twin.param_groups[0]["lr"] == lr
    at_3 = contents(twin)
    train(optimizer, 3, 6)
    assert contents(twin) == at_3
    train(twin, 3, 6)
    assert contents(twin) == contents(optimizer)
    for param, mine in zip(params, params_copy, strict=True):
        assert not np.shares_memory(param, mine)
        assert same_bits(param, mine), "the copied optimizer updates other arrays than the copies"
    assert twin.step([np.full_like(param, np.nan) for param in params]).skipped


@pytest.mark.parametrize("cloned", [through_pickle, copy.deepcopy, copy.copy])
def test_copies_save_the_rate_of_a_schedule(cloned: Callable[[Any], Any]) -> None:
    optimizer = po.SGD(some_params(), lr=po.schedules.linear(1.0, steps=10))
    assert contents(cloned(optimizer)) == contents(optimizer)
    for _ in range(3):
        optimizer.step(some_grads(0))
    assert contents(cloned(optimizer)) == contents(optimizer)


@over("cloned", [through_pickle, copy.deepcopy])
@all_variants
def test_pickle_and_deepcopy_of_parameters(case: Case, cloned: Callable[[Any], Any]) -> None:
    params = po.Parameters({"w": some_numbers(1, 6, "float32").reshape(2, 3), "b": np.float32(1)})
    optimizer = case.make(params)
    params.flat_grad[:] = 0.5
    optimizer.step()
    params_copy, twin = cloned((params, optimizer))
    optimizer.step()
    twin.step()
    assert same_bits(params_copy.flat, params.flat)
    assert contents(twin) == contents(optimizer)
    params_copy.flat_grad[:] = -1
    twin.step()
    optimizer.step()
    assert not same_bits(params_copy.flat, params.flat)


@all_variants
def test_shallow_copy_shares_parameters_only(case: Case) -> None:
    params = some_params()
    optimizer = two_groups(case, params)
    train(optimizer, 0, 3)
    twin = copy.copy(optimizer)
    assert contents(twin) == contents(optimizer)
    state = optimizer.state_dict()
    train(twin, 3, 5)
    assert [p is q for p, q in zip(params[:2], twin.param_groups[0]["params"], strict=True)]
    assert (optimizer.steps, twin.steps) == (3, 5)
    for name, value in optimizer.state_dict().items():
        assert np.array_equal(value, state[name]), name


Saved = dict[str, Any]
Mismatch = Callable[[Saved], str | None]
"""Spoils a saved state and returns what the message must say; None where there is no such state."""


def last_state(saved: Saved, kind: type) -> str | None:
    """Return the name of a state of this type: of the last parameter, which is loaded last."""
    names = (name for name in saved if re.match(r"params\..*(?<!\.step)$", name))
    return max((name for name in names if isinstance(saved[name], kind)), default=None)


def put(name: str, value: Any, message: str) -> Mismatch:
    def spoil(saved: Saved) -> str:
        saved[name] = value
        return message

    return spoil


def drop(name: str) -> Mismatch:
    def spoil(saved: Saved) -> str:
        del saved[name]
        return f"missing keys: {re.escape(name)}"

    return spoil


def change(kind: type, to: Callable[[Any], Any], message: str) -> Mismatch:
    """Change the last state of this type; the message must name it, too."""

    def spoil(saved: Saved) -> str | None:
        name = last_state(saved, kind)
        if name is None:
            return None
        saved[name] = to(saved[name])
        return re.escape(name) + message

    return spoil


NAN = float("nan")
MISMATCHES: dict[str, Mismatch] = {
    "rule": put("rule", "Another", "saved by Another, but this optimizer is [A-Z]"),
    "missing setting": drop("groups.1.weight_decay"),
    "missing step": drop("params.1.step"),
    "unknown parameter": put("params.w.step", 1, r"unexpected keys: params\.w\.step"),
    "unknown group": put("groups.2.lr", 0.1, r"unexpected keys: groups\.2\.lr"),
    "unknown state": put("params.2.rest", np.zeros(40), r"unexpected keys: params\.2\.rest"),
    "shape": change(np.ndarray, lambda x: x[:-1], r": .* \(39,\), this optimizer \(40,\)"),
    "axes": change(np.ndarray, lambda x: x[None], r": .* \(1, 40\), this optimizer \(40,\)"),
    "dtype": change(
        np.ndarray, lambda x: x.astype(np.float32), ": .* float32, this optimizer float64"
    ),
    "byte order": change(
        np.ndarray, lambda x: x.astype(">f8"), ": .* big-endian float64, this optimizer float64"
    ),
    "number for array": change(np.ndarray, lambda _: 1.5, r": .* \(\), this optimizer \(40,\)"),
    "text for array": change(np.ndarray, lambda _: "x", ""),
    "none for scalar": change(float, lambda _: None, ".* None"),
    "text for scalar": change(float, lambda _: "x", ".* 'x'"),
    "nan for scalar": change(float, lambda _: NAN, ".* nan"),
    "lr nan": put("groups.1.lr", NAN, "lr must be at least 0 and finite, got nan"),
    "lr negative": put("groups.1.lr", -1.5, "lr must be at least 0 and finite, got -1.5"),
    "lr text": put("groups.1.lr", "fast", "lr must be a number, got 'fast'"),
    "flag": put("groups.1.maximize", 0.5, "maximize must be True or False, got 0.5"),
    "steps negative": put("step", -1, "step must be a whole number of at least 0, got -1"),
    "steps fraction": put("step", 1.5, "step must be a whole number of at least 0, got 1.5"),
    "steps none": put("step", None, "step must be a whole number of at least 0, got None"),
    "step text": put("params.2.step", "two", r"params\.2\.step must be a whole number .*'two'"),
    "step nan": put("params.2.step", NAN, r"params\.2\.step must be a whole number .*nan"),
    "step huge": put("params.2.step", 2**70, r"params\.2\.step"),
}


@pytest.mark.parametrize("mismatch", MISMATCHES)
def test_mismatch_changes_nothing(mismatch: str) -> None:
    tried = 0
    for case in VARIANTS:
        optimizer = two_groups(case, some_params("float64"))
        train(optimizer, 0, 2, "float64")
        saved = optimizer.state_dict()
        train(optimizer, 2, 4, "float64")
        message = MISMATCHES[mismatch](saved)
        if message is None:
            continue
        tried += 1
        before = contents(optimizer)
        with pytest.raises((ValueError, TypeError), match=message):
            optimizer.load_state_dict(saved)
        assert contents(optimizer) == before, f"{case}: a refused state was partly loaded"
    assert tried


@pytest.mark.parametrize("number", [np.array, np.float64])
def test_numbers_may_be_of_other_types(number: Callable[[Any], Any]) -> None:
    """Files keep numbers as arrays without axes, or do not tell 3 from 3.0."""
    for case in VARIANTS:
        optimizer = two_groups(case, some_params())
        train(optimizer, 0, 3)
        before = contents(optimizer)
        saved = {
            name: number(value) if type(value) in (int, float) else value
            for name, value in optimizer.state_dict().items()
        }
        optimizer.load_state_dict(saved)
        assert contents(optimizer) == before, str(case)


def test_lists_of_states_are_arrays_or_refused() -> None:
    """Nothing in between: what does not load leaves everything as it was."""
    for case in VARIANTS:
        optimizer = two_groups(case, some_params("float64"))
        train(optimizer, 0, 2, "float64")
        saved = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in optimizer.state_dict().items()
        }
        expected = contents(optimizer)
        train(optimizer, 2, 4, "float64")
        before = contents(optimizer)
        try:
            optimizer.load_state_dict(saved)
        except (TypeError, ValueError):
            expected = before
        params = {name: value for name, value in before.items() if name.startswith("param ")}
        assert contents(optimizer) == {**expected, **params}, str(case)


def pairs_of_variants() -> list[tuple[Case, Case]]:
    return [(a, b) for a in VARIANTS for b in VARIANTS if a.rule is b.rule and a is not b]


def test_other_variant_loads_or_is_refused() -> None:
    """A state loads where the same states are kept, else the message names what is too much."""
    for a, b in pairs_of_variants():
        mine, other = two_groups(a, some_params()), two_groups(b, some_params())
        train(other, 0, 2)
        saved, before = other.state_dict(), contents(mine)
        only = mine.state["0"].keys() ^ other.state["0"].keys()
        if not only:
            mine.load_state_dict(saved)
            assert mine.state_dict().keys() == saved.keys()
            assert repr(mine) == repr(other)
            continue
        with pytest.raises(ValueError, match="|".join(only)):
            mine.load_state_dict(saved)
        settings = {name: value for name, value in saved.items() if name.startswith("groups.")}
        with pytest.raises(ValueError, match="|".join(only)):
            mine.load_state_dict({**mine.state_dict(), **settings})
        assert contents(mine) == before


@pytest.mark.parametrize("name", [*(r.name for r in po.rules()), *(r.name for r in MATRIX_RULES)])
def test_no_step_counts_past_the_largest_count(name: str) -> None:
    def made() -> tuple[Any, list[Any]]:
        arrays = [np.full((3, 2), value, np.float32) for value in (1.0, 2.0)]
        return getattr(po, name)(arrays), arrays

    grads = [np.full((3, 2), 0.5, np.float32)] * 2
    optimizer, arrays = made()
    optimizer.step(grads)
    state = optimizer.state_dict()
    counts = [key for key in state if key == "step" or key.endswith(".step")]
    assert len(counts) == 3
    for largest in (counts, counts[:1], counts[1:2], counts[2:]):
        optimizer.load_state_dict({**state, **dict.fromkeys(largest, 2**53 - 1)})
        assert optimizer.step(grads).step in (2**53, 2)
        before = [array.copy() for array in arrays], optimizer.state_dict()
        with pytest.raises(RuntimeError, match=r"expected a count below 2\^53"):
            optimizer.step(grads)
        assert all(map(np.array_equal, arrays, before[0]))
        after = optimizer.state_dict()
        assert all(np.array_equal(after[key], value) for key, value in before[1].items())
    other, _ = made()
    other.load_state_dict({**state, **dict.fromkeys(counts, 2**53)})
    with pytest.raises(RuntimeError, match=r"expected a count below 2\^53"):
        other.step(grads)
