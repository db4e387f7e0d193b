"""What the compiled kernels must equal, bit for bit: the formulas, in what the engine does around.

`Reference` scales, clips, decays, and rounds to bfloat16. At the end of the file stand the cases
that tests run over, made from the list of rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from formulas import FORMULAS
from formulas.common import Array, State, Step, larger, smaller

import pyoptim as po

DTYPES: dict[str, Any] = {
    "float32": np.float32,
    "float64": np.float64,
    "bfloat16": ml_dtypes.bfloat16,
}


class Reference:
    """One array, updated by a rule with some settings: those of a param group."""

    def __init__(
        self, rule: str, settings: dict[str, Any], states: Sequence[str], param: Array
    ) -> None:
        self.F: type[Any] = np.float64 if param.dtype == np.float64 else np.float32
        self.formula = FORMULAS[rule]
        self.decays_itself = next(r.decays_itself for r in po.rules() if r.name == rule)
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
        decay, F = self.shared["weight_decay"], self.F
        at = Step(self.t, self.shared["lr"] if lr is None else lr, F)
        scale = -scale if self.shared["maximize"] else scale
        p = self.param.astype(F)
        g = smaller(F(bound), larger(F(-bound), grad.astype(F) * F(scale)))
        if self.shared["decoupled_weight_decay"] and self.decays_itself:
            at = replace(at, weight_decay=decay)
        elif self.shared["decoupled_weight_decay"]:
            p = p * F(1 - at.lr * decay)
        elif decay != 0:
            g = g + F(decay) * p
        # astype to bfloat16 rounds to nearest, ties to even.
        self.param = self.formula(at, p, g, self.state, **self.hyper).astype(self.param.dtype)


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


def _is_count(field: po.Field) -> bool:
    return field.name.endswith("_steps")


def _switched_on(field: po.Field) -> float | bool:
    if _is_count(field):
        return 10_000.0
    return True if field.is_flag else 0.05


def _variants(rule: po.Rule) -> Iterator[Case]:
    """Yield the rule with every set of its switches on: flags, and numbers that are 0 if unset."""
    switches = [field for field in rule.fields if field.default == 0]
    for count in range(len(switches) + 1):
        for chosen in combinations(switches, count):
            on = ((field.name, _switched_on(field)) for field in chosen)
            case = Case(rule, tuple(on))
            if case.accepted():
                yield case


def _moved(rule: po.Rule) -> Iterator[Case]:
    """Yield the rule with each of its other numbers moved away from the default."""
    for field in rule.fields:
        if _is_count(field):
            yield Case(rule, ((field.name, 5.0),))
        elif field.default != 0:
            values = (value for value in (0.7, 2.0, 0.125) if value != field.default)
            trials = (Case(rule, ((field.name, value),)) for value in values)
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
