"""pyoptim.torch: points of training and of evaluation, whatever happens between them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch_classes import RULES  # noqa: E402

pytestmark = pytest.mark.peers


def test_points_of_evaluation() -> None:
    for cls in (cls for cls in RULES if cls.rule.has_eval_mode):
        p = torch.nn.Parameter(torch.ones(3))
        optimizer = cls([p], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()
        before = p.detach().clone()
        with optimizer.evaluation():
            assert not torch.equal(p, before)
            for call in (optimizer.step, optimizer.state_dict):
                with pytest.raises(RuntimeError, match=r"call train\(\)"):
                    call()
        assert torch.equal(p, before)


def to_and_back(model: Any, optimizer: Any) -> None:
    model.double()
    model.float()


def state_of_the_user(model: Any, optimizer: Any) -> None:
    optimizer.state[model.weight]["x"] = 1


def other_memory(model: Any, optimizer: Any) -> None:
    model.weight.data = model.weight.data.clone()


def other_strides(model: Any, optimizer: Any) -> None:
    model.weight.data = model.weight.data.t().contiguous().t()


def grad_of_frozen(model: Any, optimizer: Any) -> None:
    model.bias.grad = torch.ones_like(model.bias)


def group_refused(model: Any, optimizer: Any) -> None:
    with pytest.raises(RuntimeError, match=r"call train\(\) before add_param_group\(\)"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))]})
    assert len(optimizer.param_groups) == 1


AVERAGING = [cls for cls in RULES if cls.rule.has_eval_mode]
averaging = pytest.mark.parametrize("cls", AVERAGING, ids=lambda cls: cls.__name__)


def averaged(cls: Any) -> tuple[Any, Any]:
    """Return a model with a frozen bias after some steps, and its optimizer."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 4)
    model.bias.requires_grad_(False)
    optimizer = cls(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(2, 3)).square().sum().backward()
        optimizer.step()
    return model, optimizer


@pytest.mark.parametrize(
    "change",
    [to_and_back, state_of_the_user, other_memory, other_strides, grad_of_frozen, group_refused],
)
@averaging
def test_training_goes_on_whatever_happens_at_points_of_evaluation(cls: Any, change: Any) -> None:
    (model, optimizer), (plain, peer) = averaged(cls), averaged(cls)
    with optimizer.evaluation():
        change(model, optimizer)
    assert torch.equal(model.weight, plain.weight)
    plain.bias.grad = model.bias.grad
    for each in (optimizer, peer):
        each.step()
    assert torch.equal(model.weight, plain.weight)
    assert torch.equal(model.bias, plain.bias)


@averaging
def test_points_of_training_of_another_type(cls: Any) -> None:
    model, optimizer = averaged(cls)
    before = model.weight.detach().clone()
    optimizer.eval()
    model.double()
    optimizer.train()
    assert torch.equal(model.weight, before.double())


@averaging
def test_points_of_training_without_a_place(cls: Any) -> None:
    model, optimizer = averaged(cls)
    optimizer.eval()
    model.weight.data = torch.ones(2, 2)
    with pytest.raises(RuntimeError, match=r"^params\[0\]: shape or device changed since eval"):
        optimizer.train()
    assert not optimizer.evaluating
    assert torch.equal(model.weight, torch.ones(2, 2))
