"""pyoptim.torch: settings that are refused, and what errors say."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch_classes import RULES  # noqa: E402

import pyoptim.torch as ours  # noqa: E402 - after torch was found

pytestmark = pytest.mark.peers


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        ("AdamW", "clip_norm", r"pass it to AdamW\(\)"),
        ("Muon", "num_threads", r"pass it to Muon\(\)"),
        ("Adafactor", "ema_decay", r"pass it to Adafactor\(\)"),
        ("Lion", "betas", "use beta1 and beta2"),
        ("AdamW", "beta1", "use betas"),
    ],
)
def test_keys_of_groups_that_would_do_nothing(name: str, key: str, message: str) -> None:
    cls, p = getattr(ours, name), torch.nn.Parameter(torch.ones(2, 2))
    with pytest.raises(ValueError, match=f"^{key}: .*{message}"):
        cls([{"params": [p], key: 0.5}])
    optimizer = cls([{"params": [p], "mine": 1}])
    with pytest.raises(ValueError, match=f"^{key}: .*{message}"):
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
    with pytest.raises(TypeError, match="Optimizer is a base class; create one of its subclasses"):
        ours.Optimizer([p], {})
    with pytest.raises(TypeError, match=r"^Lion\(\) has no argument 'betas'.* params, lr, beta1,"):
        ours.Lion([p], betas=(0.9, 0.9))


def stepped(cls: Any, **settings: Any) -> tuple[Any, Any]:
    param = torch.nn.Parameter(torch.ones(3))
    opt = cls([param], lr=0.1, **settings)
    param.grad = torch.ones(3)
    opt.step()
    return param, opt


REMOVALS: dict[str, Any] = {
    "one": lambda opt, param, key: opt.state[param].pop(key),
    "all of one parameter": lambda opt, param, key: opt.state[param].clear(),
    "one parameter": lambda opt, param, key: opt.state.pop(param),
    "all": lambda opt, param, key: opt.state.clear(),
    "a plain dict": lambda opt, param, key: setattr(opt, "state", {}),
    "an empty state": lambda opt, param, key: opt.state.update({param: {}}),
}


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
@pytest.mark.parametrize(
    "name", ["Adam", "SGD", "Adagrad", "RMSprop", "Rprop", "NAdam", "Adadelta"]
)
def test_states_that_are_removed_are_missed_as_by_torch(name: str, remove: Any) -> None:
    settings = {"momentum": 0.9} if name == "SGD" else {}
    for key in stepped(getattr(torch.optim, name), **settings)[1].state_dict()["state"][0]:
        found = []
        for module in (torch.optim, ours):
            param, opt = stepped(getattr(module, name), **settings)
            before = param.detach().clone()
            remove(opt, param, key)
            try:
                opt.step()
            except KeyError:
                assert (param == before).all()
                found.append([-1.0])  # as no step would give
            else:
                found.append(param.tolist())
        assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_a_state_that_an_option_of_torch_would_need_is_missed() -> None:
    param, opt = stepped(ours.Adam)
    opt.param_groups[0]["amsgrad"] = True
    with pytest.raises(KeyError, match=r"state 'max_exp_avg_sq' of params\[0\] is missing"):
        opt.step()
    opt.param_groups[0]["amsgrad"] = False
    opt.step()
    assert opt.state[param]["step"] == 2


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_parameters_of_a_group_may_be_exchanged_and_added(clone: Any) -> None:
    found = []
    for module in (torch.optim, ours):
        first, opt = stepped(module.Adam)
        second, third = (torch.nn.Parameter(torch.full((3,), x)) for x in (2.0, 3.0))
        second.grad = third.grad = torch.ones(3)
        opt.param_groups[0]["params"][0] = second
        opt.param_groups[0]["params"].append(third)
        opt.step()
        again = clone({"opt": opt, "params": [first, second, third]})
        for param in again["params"]:
            param.grad = torch.ones(3)
        again["opt"].step()
        values = torch.cat([param.detach() for param in again["params"]])
        steps = [opt.state[param]["step"].item() for param in (first, second, third)]
        found.append([*values.tolist(), *steps])
    assert found[0] == pytest.approx(found[1], rel=1e-5)
