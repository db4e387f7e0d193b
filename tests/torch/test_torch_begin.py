"""pyoptim.torch: states of step 0, and step counts beyond what float32 counts."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch_classes import all_rules  # noqa: E402

import pyoptim as po  # noqa: E402
import pyoptim.torch as ours  # noqa: E402 - after torch was found

pytestmark = pytest.mark.peers

LIMIT = 2**24


def params(*values: float) -> list[Any]:
    made = [torch.nn.Parameter(torch.full((3, 2), value)) for value in values]
    for param in made:
        param.grad = torch.full_like(param, 0.5)
    return made


def counted(optimizer: Any) -> list[Any]:
    return [state["step"] for state in optimizer.state.values() if "step" in state]


def test_a_sum_written_before_the_first_step_is_kept() -> None:
    for module in (torch.optim, ours):
        (param,) = params(0.0)
        param.grad.fill_(1)
        optimizer = module.Adagrad([param], initial_accumulator_value=0.1)
        state = torch.optim.Adagrad([param], initial_accumulator_value=0.1).state_dict()
        state["state"][0]["sum"].fill_(8)
        optimizer.load_state_dict(state)
        optimizer.state[param]["sum"].add_(1)
        optimizer.step()
        assert (optimizer.state[param]["sum"] == 10).all()


@pytest.mark.parametrize("name", ["Rprop", "NAdam", "ASGD", "Adam", "RAdam", "Adadelta", "Adagrad"])
def test_states_of_step_0_are_torchs(name: str) -> None:
    """All of them written, with the count left at 0."""
    results = []
    for module in (torch.optim, ours):
        made = params(1.0)
        donor = getattr(torch.optim, name)(copy.deepcopy(made))
        donor.param_groups[0]["params"][0].grad = torch.full((3, 2), 0.25)
        donor.step()
        state = donor.state_dict()
        state["state"][0]["step"] = torch.zeros(())
        optimizer = getattr(module, name)(made)
        optimizer.load_state_dict(copy.deepcopy(state))
        for _ in range(2):
            optimizer.step()
        results.append(made[0].detach())
    assert torch.allclose(*results, rtol=1e-6, atol=0)
    assert not (results[0] == 1).all()


def at(cls: Any, steps: int) -> tuple[list[Any], Any]:
    """An optimizer that has made so many steps."""
    made = params(1.0, 2.0)
    optimizer = cls(made)
    optimizer.step()
    for step in counted(optimizer):
        step.fill_(steps)
    return made, optimizer


@all_rules
def test_counts_go_on_beyond_those_of_float32(cls: Any) -> None:
    """So that a copy is what it is of."""
    made, optimizer = at(cls, LIMIT - 1)
    if not counted(optimizer):
        return
    for _ in range(4):
        optimizer.step()
    assert [int(step) for step in counted(optimizer)] == [LIMIT + 3] * 2
    others = copy.deepcopy(made)
    for param, other in zip(made, others, strict=True):
        other.grad = param.grad
    loaded = cls(others)
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert [int(step) for step in counted(loaded)] == [LIMIT + 3] * 2
    for _ in range(2):
        optimizer.step()
        loaded.step()
    assert [int(step) for step in counted(loaded)] == [LIMIT + 5] * 2
    for param, other in zip(made, others, strict=True):
        assert torch.equal(param, other)


def test_counts_are_torchs_up_to_those_of_float32() -> None:
    _, optimizer = at(ours.Adam, LIMIT - 2)
    optimizer.step()
    assert {step.dtype for step in counted(optimizer)} == {torch.float32}
    assert [int(step) for step in counted(optimizer)] == [LIMIT - 1] * 2


@pytest.mark.parametrize("foreach", [False, True])
def test_torch_goes_on_from_counts_beyond_those_of_float32(foreach: bool) -> None:
    made, optimizer = at(ours.Adam, LIMIT)
    optimizer.step()
    theirs = torch.optim.Adam(made, foreach=foreach)
    theirs.load_state_dict(optimizer.state_dict())
    theirs.step()
    assert [int(step) for step in counted(theirs)] == [LIMIT + 2] * 2


def test_adabounds_base_is_the_rate_at_construction() -> None:
    """Not that of the first step, which a warm-up makes small."""
    (param,) = params(1.0)
    optimizer = ours.AdaBound([param], lr=1e-3)
    assert optimizer.param_groups[0]["base_lr"] == 1e-3
    plain = torch.zeros(6, dtype=torch.float32).numpy() + 1
    other = po.AdaBound([plain], lr=1e-3)
    warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: min(1, (t + 1) / 100))
    for t in range(200):
        other.param_groups[0]["lr"] = 1e-3 * min(1, (t + 1) / 100)
        param.grad = param.detach().clone()
        other.step([plain.copy()])
        optimizer.step()
        warm_up.step()
    assert torch.equal(param.detach().flatten(), torch.from_numpy(plain))
    assert abs(plain).max() < 0.9
    with pytest.raises(ValueError, match="base_lr"):
        ours.AdaBound([param], base_lr=-1.0)


@all_rules
def test_no_step_counts_past_the_largest_count(cls: Any) -> None:
    made = params(1.0, 2.0)
    optimizer = cls(made)
    optimizer.step()
    if not counted(optimizer):
        pytest.skip("keeps no step counts")
    state = optimizer.state_dict()
    for of_param in state["state"].values():
        of_param["step"] = torch.tensor(2.0**53 - 1, dtype=torch.float64)
    optimizer.load_state_dict(state)
    optimizer.step()
    assert [float(step) for step in counted(optimizer)] == [2.0**53] * 2
    before = copy.deepcopy((made, optimizer.state_dict()["state"]))
    with pytest.raises(RuntimeError, match=r"expected a count below 2\^53"):
        optimizer.step()
    for a, b in zip(before[0], made, strict=True):
        assert torch.equal(a, b)
    for index, of_param in optimizer.state_dict()["state"].items():
        for name, value in of_param.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(before[1][index][name]))
    again = cls(made)
    again.load_state_dict(optimizer.state_dict())
    with pytest.raises(RuntimeError, match=r"expected a count below 2\^53"):
        again.step()


@pytest.mark.parametrize("count", [-1.0, 0.5, 2.0**54, float("nan"), float("inf")])
def test_counts_that_are_none_are_refused_wherever_they_are_written(count: float) -> None:
    made = params(1.0, 2.0)
    optimizer = ours.Adam(made)
    optimizer.step()
    before = copy.deepcopy(made)
    optimizer.state[made[1]]["step"].fill_(count)
    with pytest.raises(ValueError, match=r"state 'step' of params\[1\]: expected a count"):
        optimizer.step()
    assert all(map(torch.equal, made, before))
