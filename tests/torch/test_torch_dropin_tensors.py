"""pyoptim.torch: tensors of every layout and type, gradients that come and go, moving memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch_classes import RULES  # noqa: E402

import pyoptim as po  # noqa: E402
import pyoptim.torch as ours  # noqa: E402 - after torch was found

pytestmark = pytest.mark.peers

ELEMENTWISE = {rule.name for rule in po.rules() if not rule.factored}
LAID_OUT = [cls for cls in RULES if cls.__name__ in ELEMENTWISE]

LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "channels_last": lambda x: x.to(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(0, 3).contiguous().transpose(0, 3),
    "permuted": lambda x: x.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0),
}
all_layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def normal(*shape: int, seed: int = 0) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parameter(data: Any, grad: Any = None) -> Any:
    made = torch.nn.Parameter(data)
    made.grad = grad
    return made


@all_layouts
@pytest.mark.parametrize("grad_is_laid_out", [False, True])
@pytest.mark.parametrize("cls", LAID_OUT, ids=lambda cls: cls.__name__)
def test_layouts_of_parameters(cls: Any, layout: Any, grad_is_laid_out: bool) -> None:
    x = normal(3, 4, 5, 2)
    plain, other = parameter(x.clone()), parameter(layout(x.clone()))
    strides, pointer = other.stride(), other.data_ptr()
    first, second = cls([plain], lr=0.1), cls([other], lr=0.1)
    for t in (1, 2):
        grad = normal(3, 4, 5, 2, seed=t)
        plain.grad = grad
        other.grad = layout(grad) if grad_is_laid_out else grad
        first.step()
        second.step()
    assert torch.allclose(plain, other, rtol=1e-9, atol=1e-12)
    assert (other.stride(), other.data_ptr()) == (strides, pointer)
    for name, value in first.state[plain].items():
        assert torch.allclose(value, second.state[other][name], rtol=1e-9, atol=1e-12)
        assert value.dim() == 0 or second.state[other][name].stride() == strides


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g.t().contiguous().t(),
        lambda g: torch.stack([g, g], -1)[..., 0],
        lambda g: torch._neg_view(-g),
        lambda g: g.clone().requires_grad_(),
        lambda g: g[:1].expand(4, 4),
    ],
)
def test_gradients_that_lie_otherwise(change: Any) -> None:
    grad = change(normal(4, 4, seed=1))
    first = parameter(normal(4, 4), grad.detach().resolve_neg().contiguous().clone())
    second = parameter(normal(4, 4), grad)
    ours.Adam([first]).step()
    ours.Adam([second]).step()
    assert torch.equal(first, second)


def test_a_gradient_transposed_in_place_is_seen() -> None:
    p = parameter(torch.zeros(3, 3), torch.arange(9.0).reshape(3, 3))
    optimizer = ours.SGD([p], lr=1.0)
    optimizer.step()
    p.grad.t_()
    optimizer.step()
    expected = torch.arange(9.0).reshape(3, 3)
    assert torch.equal(p, -(expected + expected.t()))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2)])
@pytest.mark.parametrize("cls", [c for c in RULES if not c.rule.factored], ids=lambda c: c.__name__)
def test_numbers_and_empty_tensors(cls: Any, shape: tuple[int, ...]) -> None:
    if cls.__name__ == "Muon":
        with pytest.raises(ValueError, match="only supports 2D"):
            cls([parameter(torch.ones(shape))])
        return
    p = parameter(torch.ones(shape), torch.ones(shape))
    optimizer = cls([p, parameter(torch.ones(2))], lr=0.1)
    for _ in range(2):
        optimizer.step()
    assert (p != 1).all()
    assert all(value.shape in ((), shape) for value in optimizer.state[p].values())


@pytest.mark.parametrize(
    ("tensor", "error", "text"),
    [
        (torch.ones(2, device="meta"), TypeError, r"params\[1\]: expected a tensor on the CPU"),
        (torch.ones(2).half(), TypeError, r"params\[1\]: expected float32, float64 or bfloat16"),
        (torch.ones(2).cfloat(), RuntimeError, r"params\[1\]: complex"),
        (torch.ones(1).expand(3), ValueError, r"params\[1\]: .*strides \(0,\)"),
        (torch.ones(6)[::2], ValueError, r"params\[1\]: .*strides \(2,\)"),
        (torch.eye(2).to_sparse(), TypeError, r"params\[1\]: expected a dense tensor"),
    ],
)
def test_what_cannot_be_stepped_is_refused(tensor: Any, error: Any, text: str) -> None:
    good = torch.nn.Parameter(torch.ones(2))
    bad = tensor.detach().requires_grad_()
    with pytest.raises(error, match=text):
        ours.Adam([good, bad])
    optimizer = ours.Adam([good])
    with pytest.raises(error, match=text):
        optimizer.add_param_group({"params": [bad]})
    assert len(optimizer.param_groups) == 1
    good.grad = torch.ones(2)
    optimizer.step()


def test_rules_of_rows_and_matrices_need_rows() -> None:
    for cls in set(RULES) - set(LAID_OUT):
        p = parameter(normal(3, 4).t(), normal(4, 3))
        with pytest.raises(ValueError, match=r"params\[0\]: .*needs a contiguous"):
            cls([p]).step()


def test_names_of_parameters_stand_in_errors() -> None:
    with pytest.raises(TypeError, match=r"params\[0\] \(weight\)"):
        ours.Adam([("weight", torch.nn.Parameter(torch.ones(2).half()))])


def test_views_are_parameters_and_overlaps_are_refused() -> None:
    flat = torch.zeros(6)
    views = [flat[:2].requires_grad_(), flat[2:].requires_grad_()]
    for view in views:
        view.grad = torch.ones_like(view)
    ours.SGD(views, lr=1.0).step()
    assert torch.equal(flat, -torch.ones(6))
    overlapping = [flat[:4].requires_grad_(), flat[2:].requires_grad_()]
    overlapping[0].grad = torch.ones(4)
    with pytest.raises(ValueError, match=r"params\[1\].*params\[0\]|params\[0\].*params\[1\]"):
        ours.SGD(overlapping).step()
    p = parameter(flat.clone())
    p.grad = p.detach()
    with pytest.raises(ValueError, match="overlaps"):
        ours.SGD([p]).step()


def test_bfloat16_has_states_in_float32_and_takes_torchs() -> None:
    p = parameter(normal(50).bfloat16(), normal(50, seed=1).bfloat16())
    q = parameter(p.detach().clone(), p.grad)
    optimizer, peer = ours.Adam([p]), torch.optim.Adam([q])
    optimizer.step()
    peer.step()
    assert optimizer.state[p]["exp_avg"].dtype is torch.float32
    assert peer.state[q]["exp_avg"].dtype is torch.bfloat16
    optimizer.load_state_dict(peer.state_dict())
    optimizer.step()
    assert optimizer.state[p]["exp_avg"].dtype is torch.float32
    peer.load_state_dict(optimizer.state_dict())
    assert peer.state[q]["exp_avg"].dtype is torch.bfloat16


@pytest.mark.parametrize(
    "move",
    [
        lambda p: setattr(p, "data", p.data.clone()),
        lambda p: p.share_memory_(),
        lambda p: setattr(p, "data", p.data.t().contiguous().t()),
        lambda p: setattr(p, "data", p.data.t().clone().t()),
    ],
)
def test_memory_may_move(move: Any) -> None:
    moved, kept = parameter(normal(4, 4)), parameter(normal(4, 4))
    for p in (moved, kept):
        p.optimizer = ours.Adam([p], lr=0.1)
    for t in range(4):
        if t == 2:
            move(moved)
        for p in (moved, kept):
            p.grad = normal(4, 4, seed=t)
            p.optimizer.step()
    assert torch.equal(moved, kept)


@pytest.fixture(params=["with functions for C", "without"])
def versions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch as it is, and as older versions are."""
    if request.param == "without":
        monkeypatch.delattr(torch.Tensor, "__dlpack_c_exchange_api__", raising=False)


STATE_MOVES: dict[str, Callable[[Any], Any]] = {
    "shared": lambda value: value.share_memory_(),
    "data": lambda value: setattr(value, "data", value.data + 1),
    "set": lambda value: value.set_(torch.full_like(value, 3.0)),
    "swapped": lambda value: torch.utils.swap_tensors(value, torch.full_like(value, 3.0)),
}


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize("move", STATE_MOVES.values(), ids=STATE_MOVES)
@pytest.mark.parametrize("name", ["step", "exp_avg", "exp_avg_sq"])
def test_memory_of_states_may_move(name: str, move: Any) -> None:
    moved, peer = parameter(normal(4, 4)), parameter(normal(4, 4))
    optimizers = [ours.Adam([moved], lr=0.1), torch.optim.Adam([peer], lr=0.1)]
    for t in range(5):
        for p, optimizer in zip((moved, peer), optimizers, strict=True):
            if t == 2:
                move(optimizer.state[p][name])
            p.grad = normal(4, 4, seed=t)
            optimizer.step()
    for key, value in optimizers[1].state[peer].items():
        torch.testing.assert_close(optimizers[0].state[moved][key], value)
    torch.testing.assert_close(moved, peer)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "moved": lambda p: setattr(p, "data", p.data.clone()),
    "fewer elements": lambda p: setattr(p, "data", p.data[:3]),
    "other axes": lambda p: setattr(p, "data", p.data.view(8, 2)),
    "turned": lambda p: setattr(p, "data", p.data.t()),
    "resized": lambda p: p.data.resize_(2, 4),
    "another type": lambda p: setattr(p, "data", p.data.double()),
    "the same memory as another type": lambda p: setattr(p, "data", p.data.view(torch.float64)),
}


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_parameters_that_change_between_steps_are_seen(change: Any) -> None:
    p = parameter(torch.arange(16.0).reshape(4, 4), torch.ones(4, 4))
    others = [parameter(torch.ones(3), torch.ones(3)) for _ in range(2)]
    optimizer = ours.SGD([others[0], p, others[1]], lr=1.0)
    optimizer.step()
    p.grad = None
    change(p)
    grad = normal(*p.shape).to(p.dtype)
    expected = p.detach() - grad
    p.grad = grad
    optimizer.step()
    assert torch.equal(p, expected)
    assert all((q == -1).all() for q in others)


GRADIENTS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda g: g,
    "none": lambda g: None,
    "transposed": lambda g: g.t().contiguous().t(),
    "of every other element": lambda g: torch.stack([g, g], -1)[..., 0],
    "expanded": lambda g: g[:1].expand(4, 4),
    "negated": lambda g: torch._neg_view(g),
    "that requires grad": lambda g: g.clone().requires_grad_(),
    "a parameter": lambda g: torch.nn.Parameter(g.clone()),
    "zeros without memory": lambda g: torch._efficientzerotensor((4, 4)),
    "sparse": lambda g: g.to_sparse(1),
}


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize("kind", GRADIENTS)
def test_gradients_of_every_kind_between_plain_ones(kind: str) -> None:
    p, q = parameter(torch.zeros(4, 4)), parameter(torch.zeros(4, 4))
    optimizer = ours.SGD([p, q], lr=1.0)
    for t, change in enumerate((GRADIENTS["plain"], GRADIENTS[kind], GRADIENTS["plain"])):
        p.grad, q.grad = torch.ones(4, 4), change(normal(4, 4, seed=t).float())
        before = q.detach().clone()
        optimizer.step()
        expected = before if q.grad is None else before - q.grad.to_dense()
        assert torch.allclose(q, expected)
        assert (p == -t - 1).all()


def test_a_parameter_turned_in_its_place_is_seen() -> None:
    p = parameter(torch.arange(4.0).reshape(2, 2), torch.ones(2, 2))
    optimizer = ours.SGD([p], lr=1.0)
    optimizer.step()
    p.data = p.data.t()
    p.grad = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    optimizer.step()
    assert torch.equal(p, torch.tensor([[-1.0, 0.0], [0.0, 2.0]]))


def test_a_model_in_another_type_goes_on() -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = ours.Adam(model.parameters(), lr=0.1)
    for kind in (torch.float32, torch.float64, torch.bfloat16):
        model.to(kind)
        model(torch.ones(4, 3, dtype=kind)).sum().backward()
        before = model.weight.detach().clone()
        optimizer.step()
        optimizer.zero_grad()
        assert not torch.equal(before, model.weight)
    assert optimizer.state[model.weight]["step"] == 3


@pytest.mark.parametrize("cls", RULES, ids=lambda cls: cls.__name__)
def test_a_gradient_that_is_nan_is_seen_in_the_parameter(cls: Any) -> None:
    """torch's Rprop hides it; skipped steps leave everything."""
    for skip in (False, True):
        p = torch.nn.Parameter(torch.ones(4, 4))
        optimizer = cls([p], lr=0.1, skip_nonfinite=skip)
        for value in (0.3, float("nan"), 0.3):
            p.grad = torch.full((4, 4), 0.3)
            p.grad[0, 0] = value
            optimizer.step()
        assert bool(p[0, 0].isnan()) is not skip
        assert not skip or bool(p.isfinite().all())


def test_parameters_without_gradient_stay() -> None:
    p, q, frozen = (parameter(torch.full((3,), x), torch.ones(3)) for x in (1.0, 2.0, 3.0))
    frozen.grad = None
    frozen.requires_grad_(False)
    optimizer = ours.Adam([p, q, frozen])
    optimizer.step()
    before, q.grad = q.detach().clone(), None
    optimizer.step()
    assert torch.equal(q, before)
    assert (optimizer.state[p]["step"], optimizer.state[q]["step"]) == (2, 1)
    assert frozen not in optimizer.state
    frozen.requires_grad_()
    frozen.grad = torch.ones(3)
    optimizer.step()
    assert (optimizer.state[p]["step"], optimizer.state[frozen]["step"]) == (3, 1)
    assert frozen in optimizer.state


def test_autograd_sees_that_parameters_changed() -> None:
    p = parameter(torch.ones(3))
    loss = (p * p).sum()
    p.grad = torch.ones(3)
    ours.SGD([p]).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_gradients_are_freed_by_zero_grad() -> None:
    import weakref

    p = parameter(torch.ones(3))
    optimizer = ours.Adam([p])
    for _ in range(2):
        p.sum().backward()
        optimizer.step()
        grad = weakref.ref(p.grad.untyped_storage())
        optimizer.zero_grad()
        assert p.grad is None
        assert grad() is None


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize("cls", [ours.SGD, ours.Adafactor, ours.Muon])
def test_tensors_without_memory_are_refused(cls: Any) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    def resized(tensor: Any, size: int) -> Any:
        tensor.untyped_storage().resize_(size)
        return tensor

    with FakeTensorMode():
        fake = torch.ones(40, 25)
    freed = resized(torch.ones(40, 25), 0)
    for grad in (freed, fake, resized(torch.ones(25, 40).T, 3996)):
        param = torch.nn.Parameter(torch.ones(40, 25))
        opt = cls([param], lr=0.1)
        param.grad = grad
        with pytest.raises(
            ValueError, match=r"gradient of params\[0\]: expected a tensor with mem"
        ):
            opt.step()
        assert (param == 1).all()
    for data in (freed, fake, resized(torch.ones(40, 25), 3996)):
        with pytest.raises(ValueError, match=r"params\[0\]: expected a tensor with memory of its"):
            cls([torch.nn.Parameter(data)], lr=0.1)


def test_a_gradient_of_zeros_without_memory_is_zeros() -> None:
    param = torch.nn.Parameter(torch.ones(3))
    opt = ours.SGD([param], lr=0.1, weight_decay=0.5)
    param.grad = torch._efficientzerotensor(3)
    opt.step()
    assert param.tolist() == pytest.approx([0.95] * 3)


@pytest.mark.parametrize("cls", [ours.SGD, ours.Adafactor, ours.Muon])
def test_a_gradient_over_its_parameter_is_refused_or_read_first(cls: Any) -> None:
    def step_on(overlapping: bool) -> Any:
        param = torch.nn.Parameter(torch.arange(9.0).reshape(3, 3))
        opt = cls([param], lr=0.1)
        grad = param.detach().T
        param.grad = grad if overlapping else grad.clone()
        opt.step()
        return param.detach()

    assert (step_on(True) == step_on(False)).all()
    param = torch.nn.Parameter(torch.ones(3, 1))
    opt = cls([param], lr=0.1)
    param.grad = param.detach()
    with pytest.raises(ValueError, match=r"gradient of params\[0\] overlaps a parameter"):
        opt.step()
    assert (param == 1).all()


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize("cls", [ours.SGD, ours.Adam, ours.Adafactor, ours.Muon])
@pytest.mark.parametrize("offset", [0, 25])
def test_storage_that_shrinks_between_steps_is_refused(cls: Any, offset: int) -> None:
    def view() -> Any:
        return torch.ones(1000 + offset)[offset:].view(40, 25)

    params = [torch.nn.Parameter(view()) for _ in range(2)]
    opt = cls(params, lr=0.1)
    for sizes in ((0,), (96,), (0, 96), (0, 3996)):  # memory freed first may be had again
        for param in params:
            param.grad = view()
        opt.step()
        before = [param.detach().clone() for param in params]
        for grad in (view(), params[1].grad.clone().requires_grad_()):
            params[1].grad = grad.detach()
            for size in sizes:
                params[1].grad.untyped_storage().resize_(size)
            with pytest.raises(ValueError, match=r"^gradient of params\[1\]: expected a tensor wi"):
                opt.step()
            assert all(map(torch.equal, params, before))
    with pytest.raises(RuntimeError, match="not resizable"):
        params[0].data.untyped_storage().resize_(96)


def test_the_storage_of_states_cannot_shrink() -> None:
    param = parameter(torch.ones(40, 25), torch.ones(40, 25))
    opt = ours.Adam([param])
    opt.step()
    for name, value in opt.state[param].items():
        with pytest.raises(RuntimeError, match="not resizable"):
            value.untyped_storage().resize_(0)
        assert opt.state[param][name] is value
    small = opt.state[param]["exp_avg"] = torch.ones(40, 25)
    small.untyped_storage().resize_(100)
    with pytest.raises((ValueError, RuntimeError), match="exp_avg"):
        opt.step()


@pytest.mark.parametrize("part", ["_indices", "_values"])
def test_sparse_gradients_whose_storage_shrank_are_refused(part: str) -> None:
    param = torch.nn.Parameter(torch.ones(1000, 2))
    opt = ours.SGD([param])
    param.grad = torch.sparse_coo_tensor(
        torch.arange(500)[None],
        torch.ones(500, 2),
        (1000, 2),
        is_coalesced=True,
        check_invariants=True,
    )
    getattr(param.grad, part)().untyped_storage().resize_(100)
    with pytest.raises(
        ValueError, match=rf"gradient of params\[0\]: its {part[1:]}: expected a ten"
    ):
        opt.step()
    assert (param == 1).all()
