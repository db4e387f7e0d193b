"""Wrappers compared with torch and pytorch_optimizer in float64, within 1e-12."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from naive_wrappers import params_of
from reference import Array, some_numbers

import pyoptim as po

torch = pytest.importorskip("torch")
W = po.wrappers
pytestmark = [
    pytest.mark.peers,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
]
SHAPES = ((6, 7), (9,), (2, 3, 4, 5))
Pair = tuple[Callable[[Any], po.Optimizer], Callable[[Any], Any]]
BASES: dict[str, Pair] = {
    "SGD": (
        lambda p: po.SGD(p, lr=0.05, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    ),
    "AdamW": (lambda p: po.AdamW(p, lr=0.03), lambda p: torch.optim.AdamW(p, lr=0.03)),
}
all_bases = pytest.mark.parametrize("base", BASES)


@pytest.fixture(name="peers")
def pytorch_optimizer() -> Any:
    return pytest.importorskip("pytorch_optimizer")


def both() -> tuple[list[Array], list[Any]]:
    params = params_of("float64", SHAPES)
    return params, [torch.nn.Parameter(torch.tensor(p)) for p in params]


def grads_at(params: list[Array], t: int) -> list[Array]:
    """Return gradients of a quadratic function whose minimum moves."""
    return [
        p - some_numbers(7 * t + i, p.size, "float64").reshape(p.shape)
        for i, p in enumerate(params)
    ]


def give(theirs: list[Any], t: int) -> None:
    for p, grad in zip(theirs, grads_at([p.detach().numpy() for p in theirs], t), strict=True):
        p.grad = torch.tensor(grad)


def assert_close(mine: list[Array], theirs: Any, near: float = 1e-12) -> None:
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=near, atol=near)


@all_bases
@pytest.mark.parametrize(("k", "alpha"), [(5, 0.5), (2, 0.8), (1, 0.1), (3, 0.99)])
def test_lookahead(base: str, k: int, alpha: float, peers: Any) -> None:
    mine, theirs = both()
    wrapper = W.Lookahead(BASES[base][0](mine), k, alpha)
    peer = peers.Lookahead(BASES[base][1](theirs), k=k, alpha=alpha)
    for t in range(12):
        wrapper.step(grads_at(mine, t))
        give(theirs, t)
        peer.step()
        assert_close(mine, theirs)
    peer.backup_and_load_cache()
    with wrapper.evaluation():
        assert_close(mine, theirs)
    peer.clear_and_load_backup()
    assert_close(mine, theirs)


@all_bases
@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("rho", [0.05, 0.5, 2.0])
def test_sam(
    base: str, adaptive: bool, rho: float, peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def square_of_norm(groups: list[dict[str, Any]], **_: Any) -> Any:
        """Return the peer's result without rounding to float32."""
        parts = [p.grad * p.abs() if adaptive else p.grad for g in groups for p in g["params"]]
        return sum((part.detach() ** 2).sum() for part in parts).reshape(1)

    module = sys.modules[peers.SAM.__module__]
    theirs_own = module.get_global_gradient_norm
    monkeypatch.setattr(module, "get_global_gradient_norm", square_of_norm)
    mine, theirs = both()
    wrapper = W.SAM(BASES[base][0](mine), rho, adaptive=adaptive)
    makers: dict[str, Any] = {
        "SGD": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
        "AdamW": (torch.optim.AdamW, {"lr": 0.03}),
    }
    cls, settings = makers[base]
    peer = peers.SAM(theirs, cls, rho=rho, adaptive=adaptive, **settings)
    for t in range(12):
        wrapper.step(lambda t=t: grads_at(mine, t))
        give(theirs, t)
        square = square_of_norm(peer.param_groups).item()
        rounded = theirs_own(peer.param_groups, weight_adaptive=True)
        assert rounded.item() == pytest.approx(square, rel=1e-6)
        peer.step(lambda t=t: give(theirs, t))
        assert_close(mine, theirs)


@pytest.mark.parametrize("clip", [0.01, 0.3, 5.0])
def test_agc(clip: float, peers: Any) -> None:
    from pytorch_optimizer.optimizer import agc as module

    agc = module.agc if hasattr(module, "agc") else module
    for scale in (1e-4, 0.1, 10.0):
        params = params_of("float64", SHAPES)
        params[0][2] = 0
        before = [p.copy() for p in params]
        grads = [scale * g for g in grads_at(params, 1)]
        grads[0][3] = 0
        W.AGC(po.SGD(params, lr=1.0), clip).step(grads)
        for p, then, grad in zip(params, before, grads, strict=True):
            expected = agc(torch.tensor(then), torch.tensor(grad), 1e-3, clip).numpy()
            np.testing.assert_allclose(p, then - expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(5,), (4, 6), (3, 4, 5), (2, 3, 4, 5)])
def test_agc_matches_timm(shape: tuple[int, ...]) -> None:
    """The formula of timm has norms over all axes but the first; vectors have one norm."""
    x = torch.tensor(some_numbers(1, int(np.prod(shape)), "float64").reshape(shape))
    grad = torch.tensor(some_numbers(2, x.numel(), "float64").reshape(shape))

    def unitwise_norm(x: Any) -> Any:
        dim = None if x.ndim <= 1 else tuple(range(1, x.ndim))
        return torch.linalg.vector_norm(x, dim=dim, keepdim=x.ndim > 1)

    max_norm = unitwise_norm(x).clamp(min=1e-3).mul(0.5)
    grad_norm = unitwise_norm(grad)
    clipped = grad * (max_norm / grad_norm.clamp(min=1e-6))
    expected = x - torch.where(grad_norm < max_norm, grad, clipped)
    mine = x.numpy().copy()
    W.AGC(po.SGD([mine], lr=1.0), 0.5).step([grad.numpy()])
    np.testing.assert_allclose(mine, expected.numpy(), rtol=1e-12, atol=1e-14)
    mine = np.moveaxis(x.numpy(), 0, -1).copy()  # the same, with units along the last axis
    W.AGC(po.SGD([mine], lr=1.0), 0.5, unit_axis=-1).step([np.moveaxis(grad.numpy(), 0, -1)])
    np.testing.assert_allclose(np.moveaxis(mine, -1, 0), expected.numpy(), rtol=1e-12, atol=1e-14)


@all_bases
@pytest.mark.parametrize("decay", [None, 0.9, 0.5])
def test_averages(base: str, decay: float | None) -> None:
    from torch.optim import swa_utils

    mine, theirs = both()
    optimizer = BASES[base][0](mine)
    wrapper: Any = (
        W.SWA(optimizer) if decay is None else W.EMA(optimizer, decay, bias_correction=False)
    )
    model = torch.nn.ParameterList(theirs)
    average = (
        swa_utils.AveragedModel(model)
        if decay is None
        else swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(decay))
    )
    peer = BASES[base][1](theirs)
    for t in range(12):
        wrapper.step(grads_at(mine, t))
        give(theirs, t)
        peer.step()
        average.update_parameters(model)
        assert_close(mine, theirs)
        assert_close(list(wrapper.weights.values()), average.module)


def test_ema_with_bias_correction_matches_its_definition() -> None:
    mine, _ = both()
    wrapper = W.EMA(BASES["AdamW"][0](mine), 0.9)
    sums = [np.zeros_like(p) for p in mine]
    for t in range(40):
        wrapper.step(grads_at(mine, t))
        sums = [0.9 * s + 0.1 * p for s, p in zip(sums, mine, strict=True)]
        for average, total in zip(wrapper.weights.values(), sums, strict=True):
            np.testing.assert_allclose(average, total / (1 - 0.9 ** (t + 1)), rtol=1e-12)


@all_bases
@pytest.mark.parametrize(("growth", "backoff", "interval"), [(2.0, 0.5, 3), (1.7, 0.3, 2)])
def test_loss_scale(base: str, growth: float, backoff: float, interval: int) -> None:
    mine, theirs = both()
    settings = (2.0**16, growth, backoff, interval)
    inner = BASES[base][0](mine)
    wrapper = W.DynamicLossScale(type(inner)(
        mine, **{k: v for k, v in inner.param_groups[0].items() if k != "params"},
        skip_nonfinite=True,
    ), *settings)  # fmt: skip
    scaler = torch.amp.GradScaler("cpu", *settings)
    scaler.scale(torch.zeros(1))
    peer = BASES[base][1](theirs)
    random = np.random.default_rng(1)
    for t in range(60):
        assert wrapper.scale == scaler.get_scale()
        assert wrapper.growth_tracker == scaler._get_growth_tracker()
        grads = [wrapper.scale * g for g in grads_at(mine, t)]
        if random.random() < 0.2:
            grads[1][2] = random.choice([np.nan, np.inf, -np.inf])
        wrapper.step(grads)
        for p, grad in zip(theirs, grads, strict=True):
            p.grad = torch.tensor(grad)
        scaler.step(peer)
        scaler.update()
        # The peer multiplies by 1 / scale in float32, which is exact for powers of 2.
        assert_close(mine, theirs, 1e-12 if growth == 2 else 1e-6)
    assert 20 < wrapper.steps < 60


def test_accumulation_matches_the_gradient_of_the_whole_batch() -> None:
    """In torch, the gradients of weighted micro-losses are summed."""
    mine, theirs = both()
    wrapper = W.GradientAccumulation(BASES["AdamW"][0](mine), every=3)
    peer = BASES["AdamW"][1](theirs)
    for window in range(4):
        weights = [1.0, 5.0, 2.0][: 3 if window < 3 else 2]
        total: list[Any] = [torch.zeros_like(p) for p in theirs]
        for i, weight in enumerate(weights):
            grads = grads_at(mine, 3 * window + i)
            total = [s + weight * torch.tensor(g) for s, g in zip(total, grads, strict=True)]
            wrapper.step(grads, weight=weight)
        wrapper.flush()
        for p, s in zip(theirs, total, strict=True):
            p.grad = s / sum(weights)
        peer.step()
        assert_close(mine, theirs)
    assert wrapper.steps == 4


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_torch_tensors_can_be_parameters_and_gradients(dtype: str) -> None:
    """Tensors give results bit-identical to arrays, also with requires_grad."""
    arrays = params_of(dtype)
    tensors = [
        torch.nn.Parameter(torch.tensor(p.astype(np.float64), dtype=getattr(torch, dtype)))
        for p in arrays
    ]
    makers: list[Any] = [W.Lookahead, W.EMA, W.AGC, W.SAM, lambda o: W.GradientAccumulation(o, 2)]
    for make in makers:
        mine, theirs = make(po.AdamW(arrays)), make(po.AdamW(tensors))
        for t in range(6):
            grads = [some_numbers(t, p.size, dtype).reshape(p.shape) for p in arrays]
            for p, grad in zip(tensors, grads, strict=True):
                p.grad = torch.tensor(grad.astype(np.float64), dtype=p.dtype)
            if mine.takes_closure:
                mine.step(lambda grads=grads: grads)
                theirs.step(lambda: [p.grad for p in tensors])
            else:
                mine.step(grads)
                theirs.step([p.grad for p in tensors])
        for array, tensor in zip(arrays, tensors, strict=True):
            assert (array.astype(np.float64) == tensor.detach().double().numpy()).all()
