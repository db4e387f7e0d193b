"""pyoptim.torch: what a step does besides, as pyoptim's own classes do it; checkpoints with it."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
from cases import over

torch = pytest.importorskip("torch")
from torch_classes import RULES, all_rules, set_grads, step  # noqa: E402

import pyoptim as po  # noqa: E402
import pyoptim.torch as ours  # noqa: E402 - after torch was found
from pyoptim.torch._layout import as_numpy  # noqa: E402

pytestmark = pytest.mark.peers

EVERY = [{"clip_norm": 0.5}, {"clip_value": 0.1}, {"skip_nonfinite": True}, {"num_threads": 1}]
ELEMENTWISE: list[dict[str, Any]] = [
    {"state_dtype": "bfloat16", "seed": 3},
    {"state_dtype": "bfloat16", "stochastic_rounding": False},
    {"ema_decay": 0.9},
    {"bfloat16_copy": True},
    {"modifier": "cautious"},
    {"modifier": "grams"},
]
OF_BFLOAT16: list[dict[str, Any]] = [{"master_weights": "float32"}, {"master_weights": "split"}]


def takes(cls: Any, options: dict[str, Any]) -> bool:
    return options.keys() <= inspect.signature(cls).parameters.keys()


def parameters(dtype: Any = torch.float32) -> list[Any]:
    generator = torch.Generator().manual_seed(0)
    shapes = (3, 4), (20, 15)
    return [torch.nn.Parameter(torch.randn(s, generator=generator).to(dtype)) for s in shapes]


def by_pyoptim(cls: Any, theirs: list[Any], options: dict[str, Any]) -> tuple[Any, list[Any]]:
    """Return the optimizer of pyoptim with the same settings, over copies."""
    arrays = [as_numpy(p).copy() for p in theirs]
    optimizer = cls(parameters(theirs[0].dtype))
    settings = dict(optimizer._settings()[0])
    return getattr(po, cls.__name__)(arrays, **settings, **options), arrays


@over("options", [*EVERY, *ELEMENTWISE, *OF_BFLOAT16], ids=str)
@all_rules
def test_steps_are_those_of_pyoptim(cls: Any, options: dict[str, Any]) -> None:
    if not takes(cls, options):
        assert options not in EVERY
        return
    given = parameters(torch.bfloat16 if options in OF_BFLOAT16 else torch.float32)
    try:
        peer, arrays = by_pyoptim(cls, given, options)
    except ValueError as error:  # rules with norms cannot be cautious
        with pytest.raises(ValueError, match=re.escape(str(error))):
            cls(given, **options)
        return
    optimizer = cls(given, **options)
    for t in range(3):
        step(optimizer, t)
        info = peer.step([as_numpy(p.grad) for p in given])
        assert optimizer.info.grad_norm == info.grad_norm
    for p, array in zip(given, arrays, strict=True):
        assert (as_numpy(p) == array).all()
        assert "ema_decay" not in options or "ema" in optimizer.state[p]


@all_rules
def test_skipped_steps_leave_everything(cls: Any) -> None:
    given = parameters()
    optimizer = cls(given, skip_nonfinite=True)
    step(optimizer, 0)
    before = copy.deepcopy([(p.detach(), dict(optimizer.state[p])) for p in given])
    set_grads(given, 1)
    given[0].grad[1, 1] = torch.nan
    optimizer.step()
    assert optimizer.info.skipped
    for p, (value, state) in zip(given, before, strict=True):
        assert torch.equal(p, value)
        assert all(torch.equal(optimizer.state[p][name], state[name]) for name in state)
    step(optimizer, 2)
    assert not optimizer.info.skipped
    assert not torch.equal(given[0], before[0][0])


def test_a_first_step_may_be_skipped() -> None:
    given = parameters()
    optimizer = ours.Adam(given, skip_nonfinite=True)
    set_grads(given, 0)
    given[1].grad[7, 2] = torch.inf
    optimizer.step()
    assert optimizer.info.skipped
    assert all("exp_avg" not in optimizer.state[p] for p in given)


@pytest.mark.parametrize(
    "again",
    [
        copy.deepcopy,
        lambda optimizer: pickle.loads(pickle.dumps(optimizer)),
        lambda optimizer: None,
    ],
    ids=["copied", "pickled", "loaded"],
)
@pytest.mark.parametrize("options", [*ELEMENTWISE, *OF_BFLOAT16], ids=str)
def test_interrupted_is_uninterrupted(options: dict[str, Any], again: Callable[[Any], Any]) -> None:
    given = parameters(torch.bfloat16 if options in OF_BFLOAT16 else torch.float32)
    first = ours.AdamW(given, lr=0.1, **options)
    for t in range(3):
        step(first, t)
    second = again(first)
    if second is None:
        second = ours.AdamW(copy.deepcopy(given), lr=0.1, **options)
        second.load_state_dict(first.state_dict())
    for t in range(3, 6):
        step(first, t)
        step(second, t)
    others = second.param_groups[0]["params"]
    for p, q in zip(given, others, strict=True):
        assert torch.equal(p, q)
        for name, value in first.state[p].items():
            assert torch.equal(value, second.state[q][name]), name


@pytest.mark.parametrize("options", [{}, *OF_BFLOAT16], ids=str)
def test_means_start_anew_where_a_checkpoint_has_none(options: dict[str, Any]) -> None:
    """With the parameters after the next step, whatever they were when it was loaded."""
    dtype = torch.bfloat16 if options else torch.float32
    given, others = parameters(dtype), parameters(dtype)
    plain = ours.AdamW(given, lr=0.1, **options)
    for t in range(3):
        step(plain, t)
    optimizer = ours.AdamW(others, lr=0.1, ema_decay=0.75, **options)
    optimizer.load_state_dict(plain.state_dict())
    with torch.no_grad():
        for p, q in zip(others, given, strict=True):
            p.copy_(q)
    expected = []
    for t in range(3, 6):
        step(optimizer, t)
        step(plain, t)
        values = [plain.state[p].get("master", p).detach().float().clone() for p in given]
        expected = [e.lerp(v, 0.25) for e, v in zip(expected or values, values, strict=True)]
        for p, mean in zip(others, expected, strict=True):
            assert not optimizer.state[p]["ema"].requires_grad
            assert torch.allclose(optimizer.state[p]["ema"], mean, rtol=2e-2 if options else 1e-6)


def test_bfloat16_states_go_to_torch_and_back() -> None:
    given = parameters()
    optimizer = ours.AdamW(given, state_dtype="bfloat16")
    peer = torch.optim.AdamW(given)
    step(optimizer, 0)
    peer.load_state_dict(optimizer.state_dict())
    for p in given:
        assert peer.state[p]["exp_avg"].dtype is torch.float32
        assert optimizer.state[p]["exp_avg"].dtype is torch.bfloat16
        assert torch.equal(peer.state[p]["exp_avg"], optimizer.state[p]["exp_avg"].float())
    step(peer, 1)
    optimizer.load_state_dict(peer.state_dict())
    for p in given:
        assert torch.equal(optimizer.state[p]["exp_avg"], peer.state[p]["exp_avg"].bfloat16())
        assert optimizer.state[p]["step"] == 2
    step(optimizer, 2)


def test_states_that_torch_cannot_have_are_refused() -> None:
    for cls in (c for c in RULES if takes(c, {"state_dtype": None})):
        with pytest.raises(ValueError, match="'float8' is not supported for torch"):
            cls(parameters(), state_dtype="float8")
    given = parameters(torch.bfloat16)
    optimizer = ours.AdamW(given, master_weights="split")
    step(optimizer, 0)
    peer = torch.optim.AdamW(given)
    peer.load_state_dict(optimizer.state_dict())  # as numbers of the parameters' type
    before = {name: value.clone() for name, value in optimizer.state[given[0]].items()}
    with pytest.raises(ValueError, match=r"'low_half' of params\[0\]: expected torch.int16"):
        optimizer.load_state_dict(peer.state_dict())
    assert all(torch.equal(optimizer.state[given[0]][k], v) for k, v in before.items())


@over(
    ("options", "dtype"),
    [
        ({"master_weights": "float32"}, torch.float32),
        ({"master_weights": "split"}, torch.float64),
        ({"state_dtype": "bfloat16"}, torch.float64),
        ({"bfloat16_copy": True}, torch.bfloat16),
    ],
)
@all_rules
def test_options_of_other_types_of_parameters(
    cls: Any, options: dict[str, Any], dtype: Any
) -> None:
    if not takes(cls, options):
        return
    (name,) = options
    with pytest.raises(ValueError, match=f"{name} (is|are) for parameters of"):
        cls(parameters(dtype), **options)
    frozen = [p.requires_grad_(False) for p in parameters(dtype)]
    cls(frozen, **options)


@all_rules
def test_options_out_of_range(cls: Any) -> None:
    for wrong in ({"clip_norm": -1.0}, {"clip_value": 0.0}, {"num_threads": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            cls(parameters(), **wrong)
    with pytest.raises(TypeError, match="clip_nrom"):
        cls(parameters(), clip_nrom=1.0)
