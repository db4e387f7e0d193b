"""State of wrappers: saving, loading and copying; and invalid arguments."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from naive_wrappers import CASES, Case, W, drive, grads_of, params_of
from reference import Array, all_dtypes
from snapshots import contents, through_pickle

import pyoptim as po
from pyoptim import _core

all_cases = pytest.mark.parametrize("case", CASES, ids=str)
RULES = ("SGD", "AdamW", "NAdam", "ScheduleFreeSGD", "Rprop")


def made(case: Case, params: Any, rule: str = "AdamW", **settings: Any) -> Any:
    return case.make(getattr(po, rule)(params, lr=0.1, skip_nonfinite=True, **settings))


def train(wrapper: Any, start: int, stop: int, dtype: str = "float32") -> None:
    for t in range(start, stop):
        drive(wrapper, t, dtype)


@all_dtypes
@all_cases
def test_resuming_is_bit_identical(case: Case, dtype: str) -> None:
    """States are saved after any number of steps, also within windows and cycles."""
    for rule in RULES:
        for at in range(5):
            params = params_of(dtype)
            wrapper = made(case, params, rule)
            train(wrapper, 0, at, dtype)
            saved, params_then = wrapper.state_dict(), [p.copy() for p in params]
            train(wrapper, at, at + 6, dtype)
            resumed = made(case, [np.ones_like(p) for p in params], rule, weight_decay=0.3)
            train(resumed, 20, 22, dtype)
            resumed.load_state_dict(saved)
            for mine, then in zip(resumed._params, params_then, strict=True):
                mine[...] = then
            train(resumed, at, at + 6, dtype)
            assert contents(resumed) == contents(wrapper), (rule, at)


@all_cases
def test_state_dict_is_plain_and_a_copy(case: Case) -> None:
    wrapper = W.Lookahead(made(case, params_of("float32")))
    train(wrapper, 0, 2)
    before = contents(wrapper)
    saved = wrapper.state_dict()
    assert {type(key) for key in saved} == {str}
    assert {type(value) for value in saved.values()} <= {str, int, float, bool, np.ndarray}
    assert (saved["wrapper"], saved["optimizer.wrapper"]) == ("Lookahead", case.wrapper.__name__)
    for value in saved.values():
        if isinstance(value, np.ndarray):
            value[...] = 7
    assert contents(wrapper) == before


@pytest.mark.parametrize("cloned", [through_pickle, copy.deepcopy])
@all_cases
def test_pickle_and_deepcopy(case: Case, cloned: Callable[[Any], Any]) -> None:
    params = params_of("float32")
    wrapper = made(case, params)
    wrapper.param_groups[0]["lr"] = po.schedules.cosine(0.5, steps=10)
    train(wrapper, 0, 4)
    params_copy, twin = cloned((params, wrapper))
    assert repr(twin) == repr(wrapper)
    assert type(twin) is type(wrapper)
    at_4 = contents(twin)
    train(wrapper, 4, 8)
    assert contents(twin) == at_4
    train(twin, 4, 8)
    assert contents(twin) == contents(wrapper)
    for param, mine in zip(params, params_copy, strict=True):
        assert not np.shares_memory(param, mine)
        assert np.array_equal(param, mine)


@all_cases
def test_shallow_copy_shares_only_parameters(case: Case) -> None:
    params = params_of("float32")
    wrapper = made(case, params)
    train(wrapper, 0, 4)
    twin = copy.copy(wrapper)
    assert contents(twin) == contents(wrapper)
    state = wrapper.state_dict()
    train(twin, 4, 10)
    assert twin._params[0] is wrapper._params[0]
    assert twin.steps > wrapper.steps
    for name, value in wrapper.state_dict().items():
        assert np.array_equal(value, state[name]), name


@pytest.mark.parametrize("rule", ["AdamW", "ScheduleFreeSGD"])
@pytest.mark.parametrize("cloned", [through_pickle, copy.deepcopy, copy.copy])
@all_cases
def test_copies_made_in_eval_mode(case: Case, cloned: Callable[[Any], Any], rule: str) -> None:
    params = params_of("float32")
    wrapper = made(case, params, rule)
    train(wrapper, 0, 4)
    wrapper.eval()
    there = copy.deepcopy(params)
    if cloned is copy.copy:
        params_copy, twin = params, cloned(wrapper)
    else:
        params_copy, twin = cloned((params, wrapper))
    assert twin.evaluating == wrapper.evaluating
    for param, mine, before in zip(params, params_copy, there, strict=True):
        assert np.array_equal(param, before)
        assert np.array_equal(mine, before)
    if not wrapper.evaluating and cloned is copy.copy:
        return  # it has the parameters that the other one trains
    ends = []
    for each in (twin, wrapper):
        each.train()
        train(each, 4, 8)
        ends.append(contents(each))
    assert ends[0] == ends[1]


Saved = dict[str, Any]


def put(name: str, value: Any) -> Callable[[Saved], None]:
    return lambda saved: saved.update({name: value})


LOOKAHEAD_MISMATCHES: dict[str, tuple[Callable[[Saved], Any], str]] = {
    "wrapper": (put("wrapper", "SWA"), "saved by SWA, but this optimizer is Lookahead"),
    "rule": (put("optimizer.rule", "Adam"), "saved by Adam, but this optimizer is AdamW"),
    "missing": (lambda saved: saved.pop("slow.1"), "this Lookahead; missing keys: slow.1"),
    "unknown": (put("slow.w", 1), "unexpected keys: slow.w"),
    "missing inside": (
        lambda saved: saved.pop("optimizer.params.2.step"),
        "missing keys: params.2.step",
    ),
    "shape": (put("slow.2", np.zeros(3)), r"slow.2: the state has shape \(3,\), .*\(2, 4, 5\)"),
    "dtype": (put("slow.1", np.zeros(35)), "slow.1: the state has dtype float64, .* float32"),
    "count": (put("count", 1.5), "count must be a whole number of at least 0, got 1.5"),
    "negative": (put("count", -1), "count must be a whole number of at least 0, got -1"),
    "lr": (put("optimizer.groups.0.lr", -1.0), "lr must be at least 0 and finite, got -1"),
}


@pytest.mark.parametrize("mismatch", LOOKAHEAD_MISMATCHES)
def test_mismatch_changes_nothing(mismatch: str) -> None:
    spoil, message = LOOKAHEAD_MISMATCHES[mismatch]
    wrapper = W.Lookahead(po.AdamW(params_of("float32")))
    train(wrapper, 0, 3)
    saved = wrapper.state_dict()
    train(wrapper, 3, 6)
    spoil(saved)
    before = contents(wrapper)
    with pytest.raises((ValueError, TypeError), match=message):
        wrapper.load_state_dict(saved)
    assert contents(wrapper) == before


def test_loss_scale_follows_the_steps() -> None:
    w = np.zeros(2, np.float32)
    wrapper = W.DynamicLossScale(po.SGD([w], skip_nonfinite=True), growth_interval=2)
    good, bad = np.ones(2, np.float32), np.array([1, np.nan], np.float32)
    scales = []
    for grad in (good, good, good, bad, good, good, bad, bad):
        wrapper.step([grad])
        scales.append(wrapper.scale / 2**16)
    assert scales == [1, 2, 2, 1, 1, 2, 1, 0.5]


def test_loss_scale_stays_within_float32() -> None:
    w = np.zeros(1, np.float32)
    sgd = po.SGD([w], skip_nonfinite=True)
    wrapper = W.DynamicLossScale(sgd, init_scale=2.0**126, growth_interval=1)
    for _ in range(3):
        wrapper.step([np.zeros(1, np.float32)])
    assert wrapper.scale == 2.0**127
    wrapper = W.DynamicLossScale(sgd, init_scale=2.0**-124)
    for _ in range(5):
        wrapper.step([np.full(1, np.inf, np.float32)])
    assert wrapper.scale == 2.0**-126


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf, 1e-40, 1e40])
def test_loss_scale_out_of_range_is_rejected(scale: float) -> None:
    wrapper = W.DynamicLossScale(po.SGD(params_of("float32"), skip_nonfinite=True))
    before = contents(wrapper)
    with pytest.raises(ValueError, match=r"^scale"):
        wrapper.load_state_dict({**wrapper.state_dict(), "scale": scale})
    assert contents(wrapper) == before


def sgd(**settings: Any) -> po.Optimizer:
    return po.SGD([np.ones(2)], **settings)


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: W.Lookahead([np.ones(2)]), TypeError, "optimizer: expected an Optimizer or a Wrapper"),
    (lambda: W.Lookahead(po.SGD), TypeError, "optimizer: expected an Optimizer or a Wrapper"),
    (lambda: W.Lookahead(sgd(), k=0), ValueError, "k must be a whole number of at least 1, got 0"),
    (lambda: W.Lookahead(sgd(), k=2.5), ValueError, "k must be a whole number .*, got 2.5"),
    (lambda: W.Lookahead(sgd(), alpha=1.5), ValueError, r"alpha must be in \[0, 1\], got 1.5"),
    (lambda: W.Lookahead(sgd(), alpha="half"), TypeError, "alpha must be a number, got 'half'"),
    (lambda: W.Lookahead(sgd(), alpha=np.nan), ValueError, r"alpha must be in \[0, 1\], got nan"),
    (lambda: W.SWA(sgd(), start=-1), ValueError, "start must be a whole number of at least 0"),
    (lambda: W.SWA(sgd(), every=0), ValueError, "every must be a whole number of at least 1"),
    (lambda: W.EMA(sgd(), decay=-0.1), ValueError, r"decay must be in \[0, 1\], got -0.1"),
    (lambda: W.EMA(sgd(), decay=1), ValueError, "decay: expected a number below 1 with bias"),
    (lambda: W.GradientAccumulation(sgd(), 0), ValueError, "every must be a whole number"),
    (lambda: W.GradientAccumulation(W.SAM(sgd()), 2), TypeError,
     "GradientAccumulation passes gradients .* but SAM takes a closure; swap the two wrappers"),
    (lambda: W.AGC(W.SWA(W.ASAM(sgd()))), TypeError, "AGC passes gradients .* SWA takes a closure"),
    (lambda: W.SAM(W.SAM(sgd())), TypeError, "SAM passes gradients to the optimizer .* but SAM"),
    (lambda: W.GradientAccumulation(sgd(), 2).step([np.ones(2)], weight=0), ValueError,
     "weight must be above 0 and finite, got 0"),
    (lambda: W.GradientAccumulation(sgd(), 2).step([np.ones(2)], grad_scale=np.inf), ValueError,
     r"weight \* abs\(grad_scale\) must be at least 0 and finite"),
    (lambda: W.GradientAccumulation(sgd(), 2).step(lambda: 1), TypeError,
     "grads: GradientAccumulation expected gradients, got a function"),
    (lambda: W.GradientAccumulation(sgd(), 2).step([np.ones(3)]), ValueError,
     r"gradient of params\[0\]: expected shape \(2,\), got \(3,\)"),
    (lambda: W.AGC(sgd()).step([np.ones(2, np.float32)]), TypeError,
     r"gradient of params\[0\]: expected dtype float64 as the parameter's, got float32"),
    (lambda: W.AGC(sgd()).step(), ValueError, "gradients are needed"),
    (lambda: W.AGC(sgd()).step({"w": np.ones(2)}), ValueError, "missing 0; unknown w"),
    (lambda: W.AGC(sgd()).step([np.ones(2)], weight=2), TypeError, "unexpected keyword .*'weight'"),
    (lambda: W.AGC(sgd(), clip_factor=0), ValueError, "clip_factor must be above 0 and finite"),
    (lambda: W.AGC(sgd(), eps=-1), ValueError, "eps must be above 0 and finite, got -1"),
    (lambda: W.AGC(sgd(), unit_axis=1), ValueError, "unit_axis: expected 0 or -1, got 1"),
    (lambda: W.AGC(sgd(), exclude="w"), ValueError,
     r"exclude: expected names of parameters \(0\), got 'w'"),
    (lambda: W.SAM(sgd(), rho=-1), ValueError, "rho must be at least 0 and finite, got -1"),
    (lambda: W.ASAM(sgd(), eta=-1), ValueError, "eta must be at least 0 and finite, got -1"),
    (lambda: W.SAM(sgd()).step([np.ones(2)]), TypeError,
     "grads: SAM.step expected a function .* got list; call first_step and second_step"),
    (lambda: W.SAM(sgd()).second_step([np.ones(2)]), RuntimeError, "before second_step"),
    (lambda: W.DynamicLossScale(sgd()), ValueError,
     "make the optimizer with skip_nonfinite=True"),
    (lambda: W.DynamicLossScale(sgd(), 0), ValueError, "init_scale must be above 0"),
    (lambda: W.DynamicLossScale(sgd(), 1e39), ValueError,
     "init_scale: expected a number within the range"),
    (lambda: W.DynamicLossScale(sgd(), growth_factor=1), ValueError,
     "growth_factor: expected a number above 1"),
    (lambda: W.DynamicLossScale(sgd(), backoff_factor=1), ValueError,
     r"backoff_factor: expected a number in \(0, 1\)"),
    (lambda: W.DynamicLossScale(sgd(), growth_interval=0), ValueError, "growth_interval must be a"),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(REFUSED)))
def test_errors_name_the_argument(index: int) -> None:
    action, kind, message = REFUSED[index]
    with pytest.raises(kind, match=message):
        action()


def test_gradient_that_overlaps_a_parameter_is_rejected() -> None:
    for case in CASES:
        params = [np.ones(4), np.ones(4), np.ones(4)]
        wrapper = made(case, params)
        grads = [params[0], np.ones(4), np.ones(4)]
        with pytest.raises(ValueError, match=r"gradient of params\[0\] overlaps a parameter"):
            wrapper.step((lambda grads=grads: grads) if wrapper.takes_closure else grads)
        assert [p.tolist() for p in params] == [[1.0] * 4] * 3


def test_only_second_step_or_restore_follow_first_step() -> None:
    params = params_of("float32")
    wrapper = W.SAM(po.SGD(params))
    outer = W.Lookahead(wrapper)
    grads = grads_of(0, "float32")
    wrapper.first_step(grads)
    actions: list[Callable[[], Any]] = [
        lambda: wrapper.first_step(grads),
        lambda: wrapper.step(lambda: grads),
        lambda: wrapper.state_dict(),
        lambda: wrapper.load_state_dict({}),
        lambda: copy.deepcopy(wrapper),
        lambda: wrapper.eval(),
        lambda: wrapper.train(),
        lambda: outer.eval(),
        lambda: outer.step(lambda: grads),
    ]
    for action in actions:
        with pytest.raises(RuntimeError, match=r"call second_step\(\) or restore\(\) before"):
            action()
    wrapper.second_step(grads)
    assert wrapper.steps == 1


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda a, b: _core.set_scaled([a], [a, a], 1, 0), ValueError, "sums: expected 2 arrays"),
        (
            lambda a, b: _core.set_scaled([a[:2]], [a], 1, 0),
            ValueError,
            r"sums\[0\]: expected shape",
        ),
        (
            lambda a, b: _core.set_scaled([b], [a], 1, 0),
            TypeError,
            r"sums\[0\]: expected dtype float32",
        ),
        (lambda a, b: _core.set_scaled([a], [a.tolist()], 1, 0), TypeError, "incompatible"),
        (
            lambda a, b: _core.load_params([b], [a], 0),
            TypeError,
            r"means\[0\]: expected dtype float32",
        ),
        (
            lambda a, b: _core.load_params([a[::2]], [a[::2]], 0),
            ValueError,
            r"params\[0\]: .*contiguous",
        ),
        (
            lambda a, b: _core.set_scaled([a[::2].copy()], [a[::2]], 1, 0),
            ValueError,
            r"grads\[0\]: .*C-",
        ),
        (lambda a, b: _core.load_params([a > 0], [a > 0], 0), TypeError, "dtype must be float32"),
        (
            lambda a, b: _core.store_params([a], [frozen(a)], 0),
            ValueError,
            r"params\[0\]: .*read-only",
        ),
        (
            lambda a, b: _core.round_scaled([a], [b], 1, 0),
            TypeError,
            r"sums\[0\]: expected dtype float64",
        ),
        (lambda a, b: _core.perturb([a], [b], [a], 1, False, 0, 0), TypeError, r"grads\[0\]"),
        (
            lambda a, b: _core.perturb([a], [a], [], 1, False, 0, 0),
            ValueError,
            "copies: expected 1",
        ),
        (lambda a, b: _core.gradient_norm([a], [], False, 0, 0), ValueError, "grads: expected 1"),
        (lambda a, b: _core.clip_units([a], [a], [b], False, 1, 1, 1, 0), TypeError, r"out\[0\]"),
    ],
)
def test_kernels_reject_invalid_arguments(
    call: Callable[[Array, Array], Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        call(np.ones(4, np.float32), np.ones(4))


def frozen(array: Array) -> Array:
    array = array.copy()
    array.flags.writeable = False
    return array
