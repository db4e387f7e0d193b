"""Agreement of matrix rules with torch and pytorch_optimizer, and torch's tensors."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from matrices import (
    all_rules,
    make,
    numbers,
)
from reference import Array, same_bits

import pyoptim as po
from pyoptim.optim.matrix._rule import MatrixRule

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

PEER_SHAPES = [(6, 6), (8, 3), (3, 7), (1, 4), (5, 1)]


def against(optimizer: po.Optimizer, params: list[Array], peer: Any, tensors: list[Any]) -> float:
    """Make 50 steps of both, and return the largest difference of parameters."""
    for t in range(50):
        grads = [numbers(100 + t, param.shape, str(param.dtype)) for param in params]
        for tensor, grad in zip(tensors, grads, strict=True):
            tensor.grad = tensor.new_tensor(grad.tolist())
        optimizer.step(grads)
        peer.step()
    pairs = zip(params, tensors, strict=True)
    return max(float(abs(p - tensor.detach().numpy()).max()) for p, tensor in pairs)


MUON_SETTINGS: list[dict[str, Any]] = [
    {},
    {"momentum": 0.5, "nesterov": False, "weight_decay": 0.3},
    {"ns_coefficients": (2.0, -1.5, 0.5), "ns_steps": 3, "eps": 1e-2},
    {"adjust_lr_fn": "match_rms_adamw"},
]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("settings", MUON_SETTINGS)
def test_muon_of_torch(
    settings: dict[str, Any], exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal in float64, where torch is kept from rounding to bfloat16; else to its accuracy."""
    if exact:
        monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())
    params = [numbers(1, shape) for shape in PEER_SHAPES]
    tensors = [torch.tensor(param.tolist(), dtype=torch.float64) for param in params]
    ours, theirs = po.Muon(params, lr=0.02, **settings), torch.optim.Muon(tensors, 0.02, **settings)
    difference = against(ours, params, theirs, tensors)
    assert difference < 1e-12 if exact else 1e-12 < difference < 0.05


def test_muon_has_the_defaults_of_torch() -> None:
    ours, theirs = (inspect.signature(cls).parameters for cls in (po.Muon, torch.optim.Muon))
    for name in theirs.keys() - {"params", "adjust_lr_fn"}:
        assert ours[name].default == theirs[name].default, name


@pytest.fixture(name="peers")
def float64_peers(default_float64: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return pytorch_optimizer, which computes everything in float64."""
    monkeypatch.setattr(torch, "float32", torch.float64)  # SOAP's QR rounds to it
    return pytest.importorskip("pytorch_optimizer")


SOAP_SETTINGS: list[dict[str, Any]] = [
    {},
    {"betas": (0.8, 0.9), "shampoo_beta": 0.7, "eps": 1e-3, "weight_decay": 0.3},
    {"precondition_frequency": 1},
    {"max_precond_dim": 5, "precondition_frequency": 3},
]
# One row or column more at the most: eigenvectors of several eigenvalues of 0 are any.
SOAP_SHAPES = [(6, 6), (6, 5), (3, 4), (1, 2), (2, 1)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("settings", SOAP_SETTINGS)
def test_soap_of_pytorch_optimizer(settings: dict[str, Any], peers: Any) -> None:
    params = [numbers(1, shape) for shape in SOAP_SHAPES]
    tensors = [torch.tensor(param.tolist(), requires_grad=True) for param in params]
    theirs = {**settings}
    theirs["max_precondition_dim"] = theirs.pop("max_precond_dim", 10000)
    ours = dict(settings)
    ours["beta1"], ours["beta2"] = ours.pop("betas", (0.95, 0.95))
    difference = against(po.SOAP(params, **ours), params, peers.SOAP(tensors, **theirs), tensors)
    assert difference < 1e-10


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.3, "matrix_eps": 0.1}])
def test_shampoo_of_pytorch_optimizer(settings: dict[str, Any], peers: Any) -> None:
    """Equal without momentum: theirs is one of the steps made, mixed into the next gradient.

    It makes new roots at the steps that are multiples of the interval, and none before: only 1 is
    the same. Its eps is in L and R from the start, which for sums is the same as at the root.
    """
    params = [numbers(1, shape) for shape in PEER_SHAPES]
    tensors = [torch.tensor(param.tolist(), requires_grad=True) for param in params]
    eps, decay = settings.get("matrix_eps", 1e-6), settings.get("weight_decay", 0.0)
    ours = po.Shampoo(params, lr=0.05, eps=eps, weight_decay=decay, precondition_frequency=1)
    theirs = peers.Shampoo(tensors, lr=0.05, weight_decouple=True, **settings)
    assert against(ours, params, theirs, tensors) < 1e-9


@all_rules
def test_tensors_of_torch(rule: MatrixRule) -> None:
    w, grad = numbers(1, (3, 4), "float32"), numbers(2, (4, 3), "float32").T
    tensor = torch.from_numpy(w.copy())
    ours, theirs = make(rule, [w], lr=0.1), make(rule, [tensor], lr=0.1)
    for _ in range(3):
        ours.step([grad])
        theirs.step([torch.from_numpy(grad)])
    assert same_bits(w, tensor.numpy())
    tensor.data = tensor.clone()
    with pytest.raises(ValueError, match="memory is no longer the one it had"):
        theirs.step([torch.from_numpy(grad)])
