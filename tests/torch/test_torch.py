"""Agreement with torch.optim, and torch's own tensors as parameters and gradients."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from reference import DTYPES, VARIANTS, Array, Case, each_rule, same_bits, some_numbers

import pyoptim as po

torch = pytest.importorskip("torch")
# Torch keeps numbers besides states, like the product of NAdam, in its default dtype.
pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("default_float64")]

# Rules that torch has under another name, and what makes it that rule.
OTHER_NAMES: dict[str, tuple[str, dict[str, Any]]] = {"AMSGrad": ("Adam", {"amsgrad": True})}

# torch's name of a setting, and the settings of ours that stand in it.
TUPLES = {
    "betas": ("beta1", "beta2"),
    "etas": ("eta_minus", "eta_plus"),
    "step_sizes": ("step_size_min", "step_size_max"),
}

# More settings than the variants: everything away from its default, one row an optimizer.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{"momentum": 0.9, "dampening": 0.3}, {"momentum": 0.7, "nesterov": True}],
    "Adagrad": [{"lr_decay": 0.01, "initial_accumulator_value": 0.2, "eps": 1e-4}],
    "RMSprop": [
        {"alpha": 0.9, "eps": 1e-4, "momentum": 0.9},
        {"alpha": 0.8, "eps": 1e-3, "momentum": 0.3, "centered": True},
    ],
    "Adadelta": [{"rho": 0.8, "eps": 1e-3}],
    "Adam": [
        {"beta1": 0.8, "beta2": 0.9, "eps": 1e-4},
        {"beta1": 0.0, "beta2": 0.99, "amsgrad": True},
        {"decoupled_weight_decay": True},
    ],
    "AdamW": [{"beta1": 0.7, "beta2": 0.95, "eps": 1e-3, "amsgrad": True}, {"beta2": 0.0}],
    "AMSGrad": [{"beta1": 0.8, "beta2": 0.6, "eps": 1e-6}],
    "Adamax": [{"beta1": 0.8, "beta2": 0.9, "eps": 1e-3}],
    "NAdam": [
        {"beta1": 0.8, "beta2": 0.99, "eps": 1e-5, "momentum_decay": 0.1},
        {"decoupled_weight_decay": True, "momentum_decay": 0.0},
    ],
    "RAdam": [
        {"beta1": 0.8, "beta2": 0.99, "eps": 1e-4},
        {"decoupled_weight_decay": True, "beta2": 0.9},
        {"beta2": 0.5},  # never rectified
    ],
    "Rprop": [{"eta_minus": 0.3, "eta_plus": 1.5, "step_size_min": 1e-3, "step_size_max": 0.02}],
    "Adafactor": [
        {"beta2_decay": -0.5, "eps1": 0.1, "eps2": 0.3, "d": 1.5},
        {"eps1": 1e-3, "eps2": 0.0, "d": 2.0},
    ],
    "ASGD": [{"lambd": 0.1, "alpha": 0.5, "t0": 5.0}, {"t0": 0.0}],
}


def peer_name(rule: str) -> str:
    return OTHER_NAMES[rule][0] if rule in OTHER_NAMES else rule


def has_peer(rule: po.Rule) -> bool:
    return hasattr(torch.optim, peer_name(rule.name))


CASES = [case for case in VARIANTS if has_peer(case.rule)] + [
    Case(rule, tuple(settings.items()))
    for rule in po.rules()
    for settings in SETTINGS.get(rule.name, [])
]
all_cases = each_rule(CASES)


def torch_settings(rule: po.Rule, settings: dict[str, Any]) -> dict[str, Any]:
    known = inspect.signature(getattr(torch.optim, peer_name(rule.name))).parameters
    own = {field.name: field.default for field in rule.fields} | settings
    given = {name: own.pop(name) for name in list(own) if name in known}
    for name, parts in TUPLES.items():
        if name in known:
            given[name] = tuple(own.pop(part) for part in parts)
    if "eps1" in own:  # 0 is torch's None: the machine epsilon
        given["eps"] = (own.pop("eps1") or None, own.pop("eps2"))
    own.pop("decoupled_weight_decay", None)  # where torch's class says it by its name
    assert not own, f"torch's {rule.name} has no {own}"
    return given


class Pair:
    """An optimizer of ours and torch's, over the same numbers in two groups."""

    shapes = ((4, 5), (7,), (3, 2, 2))

    def __init__(self, case: Case, **options: Any) -> None:
        self.ours = [
            some_numbers(i, int(np.prod(shape)), "float64").reshape(shape).copy()
            for i, shape in enumerate(self.shapes)
        ]
        self.theirs = [torch.tensor(p) for p in self.ours]
        self.size = [abs(p) for p in self.ours]
        peer = getattr(torch.optim, peer_name(case.rule.name))
        decays = "weight_decay" in inspect.signature(peer).parameters
        settings: list[dict[str, float]] = [{"lr": max(case.rule.lr, 0.05)}, {"lr": 0.02}]
        if decays:
            settings[0]["weight_decay"], settings[1]["weight_decay"] = 0.1, 0.02
        self.optimizer = case.make(self.groups(self.ours, settings), **options)
        self.peer = peer(
            self.groups(self.theirs, settings),
            maximize=options.get("maximize", False),
            **torch_settings(case.rule, dict(case.settings)),
            **OTHER_NAMES.get(case.rule.name, ("", {}))[1],
        )

    @staticmethod
    def groups(params: list[Any], settings: list[dict[str, float]]) -> list[dict[str, Any]]:
        return [{"params": params[:2], **settings[0]}, {"params": params[2:], **settings[1]}]

    def step(self, t: int, missing: tuple[int, ...] = ()) -> None:
        grads: list[Array | None] = []
        for i, p in enumerate(self.theirs):
            grad = 2 * some_numbers(100 * t + i, p.numel(), "float64", zeros=True)
            grads.append(None if i in missing else grad.reshape(p.shape))
            p.grad = None if i in missing else torch.tensor(grads[-1])
        self.optimizer.step(grads)
        self.before_peer_step()
        self.peer.step()

    def before_peer_step(self) -> None:
        """What a torch user does to gradients."""

    def change_rates(self, factor: float) -> None:
        for mine, theirs in zip(self.optimizer.param_groups, self.peer.param_groups, strict=True):
            mine["lr"] = theirs["lr"] = mine["lr"] * factor

    def check(self) -> None:
        """Assert equality to 1e-12 of the largest magnitude that an element has had."""
        for i, (mine, theirs) in enumerate(zip(self.ours, self.theirs, strict=True)):
            self.size[i] = np.maximum(self.size[i], abs(theirs.numpy()))
            assert (abs(mine - theirs.numpy()) <= 1e-12 * self.size[i]).all(), (mine, theirs)


def test_every_rule_of_torch_is_covered() -> None:
    names = {
        name
        for name, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer)
    }
    ours = {rule.name for rule in po.rules()}
    assert (names & ours) | OTHER_NAMES.keys() == SETTINGS.keys()
    assert {case.rule.name for case in CASES} == SETTINGS.keys()


@pytest.mark.parametrize("maximize", [False, True])
@all_cases
def test_agrees_over_50_steps(case: Case, maximize: bool) -> None:
    pair = Pair(case, maximize=maximize)
    start = [p.copy() for p in pair.ours]
    for t in range(50):
        if t % 10 == 9:
            pair.change_rates(0.7 if t < 30 else 1.3)
        pair.step(t, missing={3: (0,), 4: (0, 2), 17: (1,), 18: (0, 1, 2)}.get(t, ()))
        pair.check()
    for before, after in zip(start, pair.ours, strict=True):
        assert (before != after).all()


class Clipped(Pair):
    def before_peer_step(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.theirs, 1.5)


class ClippedByValue(Pair):
    def before_peer_step(self) -> None:
        torch.nn.utils.clip_grad_value_(self.theirs, 0.3)


@all_cases
def test_clipping_agrees(case: Case) -> None:
    for pair in (Clipped(case, clip_norm=1.5), ClippedByValue(case, clip_value=0.3)):
        for t in range(5):
            pair.step(t, missing=(1,) if t == 3 else ())
            pair.check()


def test_norm_agrees() -> None:
    grads = [torch.randn(40, 30), torch.randn(7)]
    params = [torch.zeros_like(grad) for grad in grads]
    for clip_norm, finite in ((1e3, True), (2.0, True), (2.0, False)):
        if not finite:
            grads[1][3] = float("nan")
        for param, grad in zip(params, grads, strict=True):
            param.grad = grad.clone()
        ours = po.SGD([param.clone() for param in params], lr=1.0, clip_norm=clip_norm)
        norm = ours.step(grads).grad_norm
        theirs = torch.nn.utils.clip_grad_norm_(params, clip_norm)
        np.testing.assert_allclose(norm, theirs.item(), rtol=1e-14)
        for mine, param in zip(ours.param_groups[0]["params"], params, strict=True):
            np.testing.assert_allclose(mine, -param.grad, rtol=1e-14, equal_nan=True)


def test_state_names_are_torchs() -> None:
    """So that a reader of one knows the other; torch's Rprop and ASGD keep scalars as tensors."""
    for case in CASES:
        pair = Pair(case)
        pair.step(0)
        theirs = pair.peer.state_dict()["state"].get(0, {})
        kept = {name for name, value in theirs.items() if value is not None}
        ours = set(pair.optimizer.state["0"])
        assert ours - {"step"} == kept - {"step"}, str(case)


def bits(tensor: Any) -> Array:
    """A torch tensor's own memory as a NumPy array."""
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return np.asarray(tensor.view(torch.int16)).view(ml_dtypes.bfloat16)
    return np.asarray(tensor)


@pytest.mark.parametrize("as_parameter", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@each_rule(VARIANTS)
def test_tensors_are_updated_in_place(case: Case, dtype: str, as_parameter: bool) -> None:
    shapes = [(5, 7), (), (3,)]
    arrays = [np.resize(some_numbers(1, 60, dtype), shape) for shape in shapes]
    kind = getattr(torch, dtype)
    tensors = [torch.tensor(a.astype(np.float64)).to(kind) for a in arrays]
    if as_parameter:
        tensors = [torch.nn.Parameter(tensor) for tensor in tensors]
    at = [tensor.data_ptr() for tensor in tensors]
    mine, theirs = case.make(arrays, lr=0.5), case.make(tensors, lr=0.5)
    for t in (2, 3):
        grads = [np.resize(some_numbers(t, 60, dtype), shape) for shape in shapes]
        mine.step(grads)
        for tensor, grad in zip(tensors, grads, strict=True):
            tensor.grad = torch.tensor(grad.astype(np.float64)).to(kind)
        theirs.step([tensor.grad for tensor in tensors])
    assert [tensor.data_ptr() for tensor in tensors] == at
    for array, tensor in zip(arrays, tensors, strict=True):
        assert same_bits(bits(tensor), array)
    assert theirs.state_dict().keys() == mine.state_dict().keys()


@pytest.mark.parametrize("dtype", DTYPES)
def test_transposed_gradients(dtype: str) -> None:
    """torch 2.13's fused optimizers get these wrong without a word."""
    kind = getattr(torch, dtype)
    transposed = torch.randn(33, 20).to(kind).t()
    results = []
    for grad in (transposed, transposed.contiguous()):
        param = torch.zeros(20, 33).to(kind)
        po.Adam([param], lr=0.1).step([grad])
        results.append(param)
    assert torch.equal(*results)
    assert (results[0] != 0).all()


def test_transposed_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match=r"params\[0\]: expected a C-contiguous array"):
        po.Adam([torch.zeros(3, 4).t()])


def test_flush_setting_of_the_caller_is_kept() -> None:
    """torch.set_flush_denormal(True) stays on, its being off stays off; results are the same."""
    denormal = torch.full((64,), 1e-310)
    results = []
    for flush in (True, False):
        param = torch.linspace(-1, 1, 100)
        optimizer = po.Adam([param])
        try:
            supported = torch.set_flush_denormal(flush)
            optimizer.step([torch.linspace(1, 2, 100)])
            kept = bool((denormal * 0.5 > 0).all())
        finally:
            torch.set_flush_denormal(False)
        assert kept != (flush and supported)
        results.append(param)
    assert torch.equal(*results)


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
@pytest.mark.parametrize("rule", [po.Adam, po.Muon])
def test_a_copy_steps_the_tensors_that_were_copied_with_it(clone: Any, rule: Any) -> None:
    param = torch.nn.Parameter(torch.ones(2, 2))
    opt = rule([param], lr=0.1)
    opt.step([torch.ones(2, 2)])
    before = param.detach().clone()
    again = clone({"param": param, "opt": opt})
    again["opt"].step([torch.ones(2, 2)])
    assert (again["param"] != before).all()
    assert (again["param"] is param) == (clone is copy.copy)
    if clone is not copy.copy:
        assert (param == before).all()


@pytest.mark.parametrize("rule", [po.Adam, po.Muon])
def test_a_copy_finds_memory_that_moved(rule: Any) -> None:
    tensor = torch.ones(2, 2)
    again = copy.copy(rule([tensor], lr=0.1))
    tensor.data = torch.zeros(2, 2)
    with pytest.raises(ValueError, match="the tensor's memory is no longer the one it had"):
        again.step([torch.ones(2, 2)])
