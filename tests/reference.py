"""Every rule in plain NumPy: what the compiled kernels must equal, bit for bit.

A rule is a function of one array. The scalars of a step are Python floats, rounded once to the
type F of the arithmetic; arrays are added, multiplied and divided in the order written here.
`Reference` does around a rule what the engine does: scale, clip, decay, and rounding to bfloat16.
At the end of the file stand the cases that tests run over, made from the list of rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

import pyoptim as po

Array = npt.NDArray[Any]
State = dict[str, Any]

DTYPES: dict[str, Any] = {
    "float32": np.float32,
    "float64": np.float64,
    "bfloat16": ml_dtypes.bfloat16,
}


@dataclass(frozen=True)
class Step:
    """The moment of an update: step t, counted from 1, its rate, and the type of arithmetic."""

    t: int
    lr: float
    F: type[Any]


def larger(a: Any, b: Any) -> Array:
    return np.where(a > b, a, b)


def smaller(a: Any, b: Any) -> Array:
    return np.where(a < b, a, b)


def sign(x: Array) -> Array:
    return np.where(x > 0, 1, np.where(x < 0, -1, x))


def mean(at: Step, decay: float, old: Array, new: Array) -> Array:
    """The exponential moving average."""
    return at.F(decay) * old + at.F(1 - decay) * new


def mean_square(at: Step, decay: float, old: Array, new: Array) -> Array:
    return at.F(decay) * old + at.F(1 - decay) * new * new


def sgd(
    at: Step, p: Array, g: Array, s: State, momentum: float, dampening: float, nesterov: bool
) -> Array:
    if momentum == 0:
        return p - at.F(at.lr) * g
    share = 1 if at.t == 1 else 1 - dampening
    buffer = s["momentum_buffer"] = at.F(momentum) * s["momentum_buffer"] + at.F(share) * g
    return p - at.F(at.lr) * (g + at.F(momentum) * buffer if nesterov else buffer)


def sign_sgd(at: Step, p: Array, g: Array, s: State) -> Array:
    return p - at.F(at.lr) * sign(g)


def signum(at: Step, p: Array, g: Array, s: State, momentum: float) -> Array:
    m = s["exp_avg"] = mean(at, momentum, s["exp_avg"], g)
    return p - at.F(at.lr) * sign(m)


def lion(at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float) -> Array:
    direction = sign(mean(at, beta1, s["exp_avg"], g))
    s["exp_avg"] = mean(at, beta2, s["exp_avg"], g)
    return p - at.F(at.lr) * direction


def adagrad(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    lr_decay: float,
    initial_accumulator_value: float,
    eps: float,
) -> Array:
    if at.t == 1:
        s["sum"] = np.full_like(s["sum"], initial_accumulator_value)
    s["sum"] = s["sum"] + g * g
    return p - at.F(at.lr / (1 + (at.t - 1) * lr_decay)) * g / (np.sqrt(s["sum"]) + at.F(eps))


def rmsprop(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    alpha: float,
    eps: float,
    momentum: float,
    centered: bool,
) -> Array:
    v = s["square_avg"] = mean_square(at, alpha, s["square_avg"], g)
    if centered:
        a = s["grad_avg"] = mean(at, alpha, s["grad_avg"], g)
        v = larger(at.F(0), v - a * a)  # rounding may make it negative; torch then gives NaN
    d = g / (np.sqrt(v) + at.F(eps))
    if momentum != 0:
        d = s["momentum_buffer"] = at.F(momentum) * s["momentum_buffer"] + d
    return p - at.F(at.lr) * d


def adadelta(at: Step, p: Array, g: Array, s: State, rho: float, eps: float) -> Array:
    v = s["square_avg"] = mean_square(at, rho, s["square_avg"], g)
    d = np.sqrt((s["acc_delta"] + at.F(eps)) / (v + at.F(eps))) * g
    s["acc_delta"] = mean_square(at, rho, s["acc_delta"], d)
    return p - at.F(at.lr) * d


def corrected(at: Step, m: Array, v: Array, beta1: float, beta2: float, eps: float) -> Array:
    """lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps), the corrections as scalars."""
    root = math.sqrt(1 - beta2**at.t)
    return at.F(at.lr * root / (1 - beta1**at.t)) * m / (np.sqrt(v) + at.F(eps * root))


def adam(
    at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float, amsgrad: bool
) -> Array:
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    if amsgrad:
        v = s["max_exp_avg_sq"] = larger(s["max_exp_avg_sq"], v)
    return p - corrected(at, m, v, beta1, beta2, eps)


def amsgrad(
    at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float
) -> Array:
    return adam(at, p, g, s, beta1, beta2, eps, amsgrad=True)


def adamax(at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float) -> Array:
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    u = s["exp_inf"] = larger(at.F(beta2) * s["exp_inf"], np.abs(g) + at.F(eps))
    return p - at.F(at.lr / (1 - beta1**at.t)) * m / u


def nadam(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta1: float,
    beta2: float,
    eps: float,
    momentum_decay: float,
) -> Array:
    mu = beta1 * (1 - 0.5 * 0.96 ** (at.t * momentum_decay))
    mu_next = beta1 * (1 - 0.5 * 0.96 ** ((at.t + 1) * momentum_decay))
    product = s["mu_product"] = mu * (s["mu_product"] if at.t > 1 else 1)
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    root = math.sqrt(1 - beta2**at.t)
    rate_g = at.F(at.lr * root * (1 - mu) / (1 - product))
    rate_m = at.F(at.lr * root * mu_next / (1 - product * mu_next))
    return p - (rate_g * g + rate_m * m) / (np.sqrt(v) + at.F(eps * root))


def radam(at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float) -> Array:
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    c1, c2 = 1 - beta1**at.t, 1 - beta2**at.t
    r_inf = 2 / (1 - beta2) - 1
    r = r_inf - 2 * at.t * beta2**at.t / c2
    if r <= 5:
        return p - at.F(at.lr / c1) * m
    square = (r - 4) * (r - 2) * r_inf / ((r_inf - 4) * (r_inf - 2) * r) * c2
    return p - at.F(at.lr * math.sqrt(square) / c1) * m / (np.sqrt(v) + at.F(eps))


def rprop(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    eta_minus: float,
    eta_plus: float,
    step_size_min: float,
    step_size_max: float,
) -> Array:
    if at.t == 1:
        s["step_size"] = np.full_like(s["step_size"], at.lr)
    change = g * s["prev"]
    factor = np.where(change > 0, at.F(eta_plus), np.where(change < 0, at.F(eta_minus), at.F(1)))
    size = np.clip(s["step_size"] * factor, at.F(step_size_min), at.F(step_size_max))
    g = np.where(change < 0, at.F(0), g)
    s["step_size"], s["prev"] = size, g
    return p - size * sign(g)


def asgd(at: Step, p: Array, g: Array, s: State, lambd: float, alpha: float, t0: float) -> Array:
    if at.t == 1:
        s["eta"], s["mu"] = at.lr, 1.0
    eta, mu = s["eta"], s["mu"]
    p = p * at.F(1 - lambd * eta) - at.F(eta) * g
    s["ax"] = p if mu == 1 else s["ax"] + (p - s["ax"]) * at.F(mu)
    s["eta"] = at.lr / (1 + lambd * at.lr * at.t) ** alpha
    s["mu"] = 1 / max(1.0, at.t - t0)
    return p


def adabelief(
    at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float, eps_root: float
) -> Array:
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = mean_square(at, beta2, s["exp_avg_var"], g - m) + at.F(eps_root)
    s["exp_avg_var"] = v
    return p - corrected(at, m, v, beta1, beta2, eps)


def yogi(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta1: float,
    beta2: float,
    eps: float,
    initial_accumulator_value: float,
) -> Array:
    if at.t == 1:
        for name in ("exp_avg", "exp_avg_sq"):
            s[name] = np.full_like(s[name], initial_accumulator_value)
    v, square = s["exp_avg_sq"], g * g
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = s["exp_avg_sq"] = v - at.F(1 - beta2) * sign(v - square) * square
    return p - corrected(at, m, v, beta1, beta2, eps)


REFERENCES: dict[str, Callable[..., Array]] = {
    "SGD": sgd,
    "SignSGD": sign_sgd,
    "Signum": signum,
    "Lion": lion,
    "Adagrad": adagrad,
    "RMSprop": rmsprop,
    "Adadelta": adadelta,
    "Adam": adam,
    "AdamW": adam,
    "AMSGrad": amsgrad,
    "Adamax": adamax,
    "NAdam": nadam,
    "RAdam": radam,
    "Rprop": rprop,
    "ASGD": asgd,
    "AdaBelief": adabelief,
    "Yogi": yogi,
}


class Reference:
    """One array, updated by a rule with some settings: those of a param group."""

    def __init__(
        self, rule: str, settings: dict[str, Any], states: Sequence[str], param: Array
    ) -> None:
        self.F: type[Any] = np.float64 if param.dtype == np.float64 else np.float32
        self.rule = REFERENCES[rule]
        shared = ("lr", "weight_decay", "decoupled_weight_decay", "maximize")
        self.shared = {name: settings[name] for name in shared}
        self.hyper = {name: settings[name] for name in settings if name not in (*shared, "params")}
        self.param = param.copy()
        self.t = 0
        self.state: State = {name: np.zeros(param.shape, self.F) for name in states}

    def step(
        self, grad: Array, *, lr: float | None = None, scale: float = 1, bound: float = math.inf
    ) -> None:
        self.t += 1
        at = Step(self.t, self.shared["lr"] if lr is None else lr, self.F)
        decay, F = self.shared["weight_decay"], self.F
        scale = -scale if self.shared["maximize"] else scale
        p = self.param.astype(F)
        g = smaller(F(bound), larger(F(-bound), grad.astype(F) * F(scale)))
        if self.shared["decoupled_weight_decay"]:
            p = p * F(1 - at.lr * decay)
        elif decay != 0:
            g = g + F(decay) * p
        # astype to bfloat16 rounds to nearest, ties to even.
        self.param = self.rule(at, p, g, self.state, **self.hyper).astype(self.param.dtype)


def norm(grads: Sequence[Array]) -> float:
    """The Euclidean norm: blocks of 2^14 elements, each in 16 lanes, all added in order."""
    total = 0.0
    for grad in grads:
        values = grad.astype(np.float64).ravel()
        for start in range(0, values.size, 1 << 14):
            block = values[start : start + (1 << 14)]
            lanes = np.zeros((-(-block.size // 16), 16))
            lanes.flat[: block.size] = block * block
            total += np.add.accumulate(np.add.accumulate(lanes)[-1])[-1]
    return math.sqrt(total)


def clip_factor(norm: float, clip_norm: float) -> float:
    """As torch.nn.utils.clip_grad_norm_."""
    return min(1.0, clip_norm / (norm + 1e-6))


def same_bits(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def references(optimizer: po.Optimizer) -> list[Reference]:
    states = optimizer.state.values()
    params = [(group, p) for group in optimizer.param_groups for p in group["params"]]
    return [
        Reference(optimizer.rule, dict(group), [name for name in state if name != "step"], param)
        for (group, param), state in zip(params, states, strict=True)
    ]


def assert_same_state(optimizer: po.Optimizer, key: str, expected: Reference) -> None:
    state = dict(optimizer.state[key])
    assert state.pop("step") == expected.t
    assert state.keys() == expected.state.keys()
    for name, wanted in expected.state.items():
        if isinstance(wanted, float):
            assert state[name] == wanted, name
        else:
            assert same_bits(state[name], wanted), name


@dataclass(frozen=True)
class Case:
    """A rule with some of its own settings."""

    rule: po.Rule
    settings: tuple[tuple[str, float | bool], ...] = ()

    def make(self, params: Any, **more: Any) -> po.Optimizer:
        made: po.Optimizer = getattr(po, self.rule.name)(params, **{**dict(self.settings), **more})
        return made

    def accepted(self) -> bool:
        try:
            self.make([np.zeros(1)])
        except ValueError:
            return False
        return True

    def __str__(self) -> str:
        return "-".join([self.rule.name, *(f"{name}={value}" for name, value in self.settings)])


def _variants(rule: po.Rule) -> Iterator[Case]:
    """Yield the rule with every set of its switches on: flags, and numbers that are 0 if unset."""
    switches = [field for field in rule.fields if field.default == 0]
    for count in range(len(switches) + 1):
        for chosen in combinations(switches, count):
            on = ((field.name, True if field.is_flag else 0.5) for field in chosen)
            case = Case(rule, tuple(on))
            if case.accepted():
                yield case


def _moved(rule: po.Rule) -> Iterator[Case]:
    """Yield the rule with each of its other numbers moved away from the default."""
    for field in rule.fields:
        if field.default != 0:
            trials = (Case(rule, ((field.name, value),)) for value in (0.6, 2.0))
            yield next(case for case in trials if case.accepted())


VARIANTS = [case for rule in po.rules() for case in _variants(rule)]
MOVED = [case for rule in po.rules() for case in _moved(rule)]
all_variants = pytest.mark.parametrize("case", VARIANTS, ids=str)
all_dtypes = pytest.mark.parametrize("dtype", DTYPES)


@cache
def some_numbers(seed: int, size: int, dtype: str, *, zeros: bool = False) -> Array:
    """Return numbers of both signs and magnitudes from 1/256 to 1, read-only; some are 0."""
    random = np.random.default_rng([seed, size])
    values = random.choice([-1.0, 1.0], size) * 2 ** random.uniform(-8, 0, size)
    if zeros:
        values[random.random(size) < 0.05] = 0
    numbers = values.astype(DTYPES[dtype])
    numbers.flags.writeable = False
    return numbers


def gradients(steps: int, sizes: Sequence[int], dtype: str) -> list[list[Array]]:
    return [
        [some_numbers(10 * t + i, size, dtype, zeros=True) for i, size in enumerate(sizes)]
        for t in range(steps)
    ]
