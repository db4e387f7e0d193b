"""pyoptim.torch and torch.optim: the same constructors, trajectories and checkpoints."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import io
import pickle
import re
import sys
import types
import unittest
import warnings
from functools import cache
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch_classes import RULES, all_rules, step  # noqa: E402

import pyoptim.torch as ours  # noqa: E402 - after torch was found

# Torch keeps numbers besides states, like the product of NAdam, in its default dtype.
pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("default_float64")]

SHARED = [cls for cls in RULES if issubclass(cls, getattr(torch.optim, cls.__name__, ()))]
# torch multiplies Muon's matrices in bfloat16, we do not: its steps are compared by hand.
EXACT = [cls for cls in SHARED if "momentum_buffer" not in cls.rule.states]

shared_rules = pytest.mark.parametrize("cls", SHARED, ids=lambda cls: cls.__name__)
exact_rules = pytest.mark.parametrize("cls", EXACT, ids=lambda cls: cls.__name__)


def theirs(cls: Any) -> Any:
    return getattr(torch.optim, cls.__name__)


def params(dtype: Any = None, shapes: Any = ((4, 5), (3, 2), (1, 7))) -> list[Any]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype))
        for s in shapes
    ]


def assert_alike(mine: list[Any], other: list[Any], dtype: Any = torch.float64) -> None:
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 2e-2}[dtype]
    for p, q in zip(mine, other, strict=True):
        assert torch.allclose(p.double(), q.double(), rtol=tolerance, atol=tolerance), (p, q)


@cache
def db() -> dict[str, Any]:
    """Return what torch tests its optimizers with, by their names.

    The module imports one that torch does not install, for tests that are not of optimizers.
    """
    if importlib.util.find_spec("expecttest") is None:
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
        sys.modules["expecttest"] = stand_in
    from torch.testing._internal.common_optimizers import optim_db

    return {info.optim_cls.__name__: info for info in optim_db}


def test_every_optimizer_of_torch_with_a_rule_is_covered() -> None:
    names = {cls.__name__ for cls in RULES}
    assert names & set(db()) == {cls.__name__ for cls in SHARED}
    assert len(SHARED) >= 13


@exact_rules
def test_inputs_of_torchs_own_tests(cls: Any) -> None:
    inputs = db()[cls.__name__].optim_inputs_func(device="cpu", dtype=torch.float64)
    assert inputs
    for given in inputs:
        mine, other = params(), params()
        settings = copy.deepcopy(given.kwargs)
        optimizer = cls(mine, **settings)
        torch_settings = {**copy.deepcopy(given.kwargs), "foreach": False}
        if "fused" in torch_settings:
            torch_settings["fused"] = False
        torch_settings.pop("capturable", None)  # of other devices
        peer = theirs(cls)(other, **torch_settings)
        for t in range(1, 6):
            step(optimizer, t)
            step(peer, t)
            assert_alike(mine, other)
        own, its = optimizer.state_dict(), peer.state_dict()
        assert own["param_groups"][0].keys() == its["param_groups"][0].keys()
        assert own["state"].keys() == its["state"].keys()
        for number, state in its["state"].items():
            assert own["state"][number].keys() == state.keys()
            for name, value in state.items():
                assert own["state"][number][name].shape == value.shape
                assert_alike([own["state"][number][name]], [value])


def make_and_step(cls: Any, given: Any) -> None:
    step(cls(given.params or params(), **given.kwargs), 1)


@shared_rules
def test_error_inputs_of_torchs_own_tests(cls: Any) -> None:
    for error in db()[cls.__name__].optim_error_inputs_func(device="cpu", dtype=torch.float64):
        given = error.optimizer_error_input
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = (error.error_type, ValueError)
            with pytest.raises(expected) as raised:
                make_and_step(cls, given)
            with pytest.raises(expected) as raised_by_torch:
                make_and_step(theirs(cls), given)
        assert type(raised.value) is type(raised_by_torch.value)


@shared_rules
def test_the_constructor_is_torchs_with_options_after_it(cls: Any) -> None:
    own, its = (inspect.signature(c).parameters for c in (cls, theirs(cls)))
    assert list(own.values())[: len(its)] == list(its.values())
    assert all(own[name].kind is inspect.Parameter.KEYWORD_ONLY for name in own.keys() - its.keys())
    assert "clip_norm" in own.keys() - its.keys()
    for name in {"foreach", "fused", "capturable"} & its.keys():
        assert re.search(f"`{name}`.* have no effect", cls.__doc__)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@exact_rules
def test_checkpoints_go_on_both_ways(cls: Any, dtype: Any) -> None:
    """torch, ours, torch, ours: as torch alone."""
    straight, changing = params(dtype), params(dtype)
    peer = theirs(cls)(straight)
    current: Any = theirs(cls)(changing)
    for t in range(1, 9):
        step(peer, t)
        step(current, t)
        if t % 2 == 0:
            file = io.BytesIO()
            torch.save(current.state_dict(), file)
            kind = theirs(cls) if isinstance(current, ours.Optimizer) else cls
            file.seek(0)
            current = kind(changing)
            current.load_state_dict(torch.load(file, weights_only=True))
        assert_alike(changing, straight, dtype)


def test_muons_states_are_torchs() -> None:
    mine, other = params(), params()
    optimizer, peer = ours.Muon(mine), torch.optim.Muon(other)
    for t in range(1, 4):
        step(optimizer, t)
        step(peer, t)
    peer.load_state_dict(optimizer.state_dict())
    optimizer.load_state_dict(peer.state_dict())
    for p, q in zip(mine, other, strict=True):
        assert optimizer.state[p].keys() == peer.state[q].keys()
        assert torch.allclose(
            optimizer.state[p]["momentum_buffer"], peer.state[q]["momentum_buffer"]
        )
        assert (p - q).norm() < 0.02 * q.norm()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@all_rules
def test_copies_and_loaded_states_go_on_to_the_bit(cls: Any, dtype: Any, copied: Any) -> None:
    first = params(dtype)
    optimizer = cls(first)
    for t in (1, 2):
        step(optimizer, t)
    again = copied(optimizer)
    second = again.param_groups[0]["params"]
    third = [torch.nn.Parameter(p.detach().clone()) for p in first]
    loaded = cls(third)
    loaded.load_state_dict(optimizer.state_dict())
    for t in (3, 4):
        for each in (optimizer, again, loaded):
            step(each, t)
    for p, q, r in zip(first, second, third, strict=True):
        assert torch.equal(p, q)
        assert torch.equal(p, r)
        assert p.data_ptr() != q.data_ptr()
        for name, value in optimizer.state[p].items():
            assert torch.equal(value, again.state[q][name])
            assert value.data_ptr() != again.state[q][name].data_ptr()


@all_rules
def test_states_are_the_engines_memory(cls: Any) -> None:
    """What is written into them takes effect, and so does what is put in their place."""
    results = []
    for change in ("written", "replaced"):
        given = params()
        optimizer = cls(given)
        step(optimizer, 1)
        for state in optimizer.state.values():
            for name, value in state.items():
                if change == "written":
                    value.copy_(2 * value)
                else:
                    state[name] = 2 * value
        step(optimizer, 2)
        results.append(given)
    for written, replaced in zip(*results, strict=True):
        assert torch.equal(written, replaced)


@all_rules
def test_cleared_states_start_anew(cls: Any) -> None:
    given, fresh = params(), params()
    optimizer = cls(given)
    step(optimizer, 1)
    with torch.no_grad():
        for p, q in zip(given, fresh, strict=True):
            p.copy_(q)
    optimizer.state.clear()
    step(optimizer, 2)
    step(cls(fresh), 2)
    for p, q in zip(given, fresh, strict=True):
        assert torch.equal(p, q)


def changed(state: dict[str, Any], name: str, change: Any) -> dict[str, Any]:
    """Return a copy of a checkpoint with another state of the first parameter; None: without."""
    made = copy.deepcopy(state)
    value = None if change is None else change(made["state"][0][name])
    made["state"][0][name] = value
    if value is None:
        del made["state"][0][name]
    return made


@all_rules
def test_checkpoints_that_lack_a_state_are_refused(cls: Any) -> None:
    given = params()
    optimizer = cls(given)
    for t in range(3):
        step(optimizer, t)
    state = optimizer.state_dict()
    names = state["state"].get(0, {}).keys()
    for name in names if len(names) > 1 else ():
        with pytest.raises(ValueError, match=rf"^state '{name}' of params\[0\] is missing$"):
            optimizer.load_state_dict(changed(state, name, None))
    assert optimizer.state_dict()["state"].keys() == state["state"].keys()
    optimizer.load_state_dict(state)
    step(optimizer, 3)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("exp_avg", lambda x: x.to(torch.complex128), "float64, got torch.complex128"),
        ("exp_avg", lambda x: x.to(torch.int64), "float64, got torch.int64"),
        ("exp_avg", lambda x: x > 0, "float64, got torch.bool"),
        ("exp_avg", lambda x: "many", "a tensor, got str"),
        ("step", lambda x: x + 0.5, "a count of steps, got 1.5"),
        ("step", lambda x: -x, "a count of steps, got -1"),
        ("step", lambda x: x * torch.nan, "a count of steps, got nan"),
        ("step", lambda x: x * torch.inf, "a count of steps, got inf"),
        ("step", lambda x: x * 1j, "a count of steps, got 1j"),
    ],
)
def test_states_of_other_types_are_refused(name: str, change: Any, message: str) -> None:
    optimizer = ours.AdamW(params())
    step(optimizer, 1)
    before = copy.deepcopy(optimizer.state_dict())
    expected = re.escape(f"state '{name}' of params[0]: expected ") + f"(torch.)?{message}"
    with pytest.raises(ValueError, match=expected):
        optimizer.load_state_dict(changed(before, name, change))
    assert torch.equal(optimizer.state_dict()["state"][0][name], before["state"][0][name])
    optimizer.load_state_dict(changed(before, "step", int))  # as old checkpoints have it
    assert optimizer.state_dict()["state"][0]["step"] == 1


def test_checkpoints_of_other_rules_are_refused() -> None:
    optimizer, other = ours.AdamW(params()), ours.SGD(params(), momentum=0.9)
    step(other, 1)
    with pytest.raises(
        ValueError, match=r"group 0 lacks 'betas', 'eps'; expected the state of AdamW"
    ):
        optimizer.load_state_dict(other.state_dict())
    step(optimizer, 1)
    with pytest.raises(ValueError, match="expected the state of SGD"):
        other.load_state_dict(optimizer.state_dict())
    adagrad = ours.Adagrad(params())
    with pytest.raises(ValueError, match="expected the state of Adagrad"):
        adagrad.load_state_dict(other.state_dict())
    step(adagrad, 1)
