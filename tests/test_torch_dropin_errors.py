"""pyoptim.torch: settings that are refused, and what errors say."""

from __future__ import annotations

import re
from typing import Any

import pytest

torch = pytest.importorskip("torch")
import pyoptim.torch as ours  # noqa: E402 - after torch was found

pytestmark = pytest.mark.peers

RULES = [getattr(ours, name) for name in ours.__all__ if name != "Optimizer"]


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        ("AdamW", "clip_norm", r"options of AdamW\(\)"),
        ("Muon", "num_threads", r"options of Muon\(\)"),
        ("Adafactor", "ema_decay", r"options of Adafactor\(\)"),
        ("Lion", "betas", "it takes beta1 and beta2"),
        ("AdamW", "beta1", "it takes betas"),
    ],
)
def test_keys_of_groups_that_would_do_nothing(name: str, key: str, message: str) -> None:
    cls, p = getattr(ours, name), torch.nn.Parameter(torch.ones(2, 2))
    with pytest.raises(ValueError, match=f"'{key}'.* {message}"):
        cls([{"params": [p], key: 0.5}])
    optimizer = cls([{"params": [p], "mine": 1}])
    with pytest.raises(ValueError, match=f"'{key}'.* {message}"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(2, 2))], key: 0.5})
    assert [group["mine"] for group in optimizer.param_groups] == [1]


@pytest.mark.parametrize("cls", RULES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("wrong", [None, "x", [0.1]])
def test_settings_that_are_no_numbers(cls: Any, wrong: Any) -> None:
    p = torch.nn.Parameter(torch.ones(2, 2))
    p.grad = torch.ones(2, 2)
    message = rf"^lr must be a number, got {re.escape(repr(wrong))}$"
    if not hasattr(torch.optim, cls.__name__):
        with pytest.raises(TypeError, match=message):
            cls([p], lr=wrong)
    optimizer = cls([p])
    optimizer.step()
    before = optimizer.param_groups[0]["lr"]
    optimizer.param_groups[0]["lr"] = wrong
    with pytest.raises(TypeError, match=message):
        optimizer.step()
    optimizer.param_groups[0]["lr"] = before
    optimizer.step()


@pytest.mark.parametrize(
    ("state_dict", "message"),
    [
        ({}, "'param_groups' of the state_dict is missing"),
        ({"state": {}}, "'param_groups' of the state_dict is missing"),
        ({"state": {}, "param_groups": [{}]}, "'params' of the state_dict, in a group, is missing"),
    ],
)
def test_parts_of_checkpoints_that_are_missing(state_dict: Any, message: str) -> None:
    optimizer = ours.AdamW([torch.nn.Parameter(torch.ones(2))])
    with pytest.raises(ValueError, match=re.escape(message)):
        optimizer.load_state_dict(state_dict)


def test_what_a_hook_raises_arrives_as_it_is() -> None:
    """A KeyError of a hook is no state that is missing; the state stays as it was."""
    p = torch.nn.Parameter(torch.ones(2))
    p.grad = torch.ones(2)
    optimizer = ours.AdamW([p])
    optimizer.step()
    before = optimizer.state[p]["exp_avg"].clone()
    loaded = {"state": {}, "param_groups": optimizer.state_dict()["param_groups"]}
    optimizer.register_load_state_dict_post_hook(lambda _: {}["mine"])
    with pytest.raises(KeyError, match="mine"):
        optimizer.load_state_dict(loaded)
    assert torch.equal(optimizer.state[p]["exp_avg"], before)


def test_messages_of_constructors() -> None:
    p = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(TypeError, match="Optimizer is the base class; make one of its subclasses"):
        ours.Optimizer([p], {})
    with pytest.raises(TypeError, match=r"^Lion\(\) has no argument 'betas'.* params, lr, beta1,"):
        ours.Lion([p], betas=(0.9, 0.9))
