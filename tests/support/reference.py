"""What the compiled kernels must equal, bit for bit: the formulas, in what the engine does around.

`Reference` scales, clips, decays, and rounds to bfloat16. At the end of the file stand the cases
that tests run over, made from the list of rules.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, wraps
from itertools import combinations
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from cases import over
from formulas import FORMULAS, Measuring
from formulas.common import Array, State, Step, larger, positive, smaller

import pyoptim as po

DTYPES: dict[str, Any] = {
    "float32": np.float32,
    "float64": np.float64,
    "bfloat16": ml_dtypes.bfloat16,
}


class Reference:
    """One array, updated by a rule with some settings: those of a param group."""

    def __init__(
        self,
        rule: str,
        settings: dict[str, Any],
        states: dict[str, tuple[int, ...]],
        param: Array,
    ) -> None:
        self.F: type[Any] = np.float64 if param.dtype == np.float64 else np.float32
        self.formula = FORMULAS[rule]
        info = next(info for info in po.rules() if info.name == rule)
        self.fused_weight_decay, self.copied_state = info.fused_weight_decay, info.copied_state
        shared = ("lr", "weight_decay", "decoupled_weight_decay", "maximize")
        self.shared = {name: settings[name] for name in shared}
        self.hyper = {name: settings[name] for name in settings if name not in (*shared, "params")}
        self.param = param.copy()
        self.t = 0
        self.kept = positive  # what a state of fewer bits is of some values
        self.state: State = {name: np.zeros(shape, self.F) for name, shape in states.items()}

    def step(self, grad: Array, **options: Any) -> None:
        """Update the array alone."""
        step_together([self], [grad], **options)

    def shaped(
        self, grad: Array, *, lr: float | None = None, scale: float = 1, bound: float = math.inf
    ) -> tuple[Step, Array, Array]:
        """Return the step that begins, and parameter and gradient as the rule gets them."""
        self.t += 1
        decay, F = self.shared["weight_decay"], self.F
        at = Step(self.t, self.shared["lr"] if lr is None else lr, F, kept=self.kept)
        scale = -scale if self.shared["maximize"] else scale
        p = self.param.astype(F)
        if self.t == 1 and self.copied_state in self.state:
            self.state[self.copied_state] = p
        g = smaller(F(bound), larger(F(-bound), grad.astype(F) * F(scale)))
        if self.shared["decoupled_weight_decay"] and self.fused_weight_decay:
            at = replace(at, weight_decay=decay)
        elif self.shared["decoupled_weight_decay"]:
            p = p * F(1 - at.lr * decay)
        elif decay != 0:
            g = g + F(decay) * p
        return at, p, g

    def store(self, param: Array) -> None:
        # astype to bfloat16 rounds to nearest, ties to even.
        self.param = param.astype(self.param.dtype)


def step_together(
    references: Sequence[Reference], grads: Sequence[Array | None], **options: Any
) -> None:
    """Update the arrays of one optimizer; those without a gradient stay."""
    first = all(reference.t == 0 for reference in references)
    moved = [(r, grad) for r, grad in zip(references, grads, strict=True) if grad is not None]
    shaped = []
    for reference, grad in moved:
        at, p, g = reference.shaped(grad, **options)
        shaped.append((reference, replace(at, first=first), p, g))
    formula = references[0].formula
    if not isinstance(formula, Measuring):
        for r, at, p, g in shaped:
            r.store(formula(at, p, g, r.state, **r.hyper))
        return
    if not shaped:
        return
    terms = [formula.measure(at, p, g, r.state, **r.hyper) for r, at, p, g in shaped]
    sums = [[block_sum(0.0, term) for term in measured] for measured in terms]
    if formula.of_all:
        total = [0.0] * len(sums[0])
        for measured in terms:
            total = [block_sum(t, term) for t, term in zip(total, measured, strict=True)]
        sums = [total] * len(sums)
    for (r, at, p, g), found in zip(shaped, sums, strict=True):
        r.store(formula.update(at, p, g, r.state, found, **r.hyper))
    if formula.of_all:  # its numbers are those of all arrays, too
        state = shaped[0][0].state
        numbers = {k: v for k, v in state.items() if not isinstance(v, np.ndarray | np.generic)}
        for reference in references:
            reference.state.update(numbers)


def block_sum(total: float, values: Array) -> float:
    """Add to a total: blocks of 2^14 elements, each in 16 lanes, all in order."""
    values = values.ravel()
    for start in range(0, values.size, 1 << 14):
        block = values[start : start + (1 << 14)]
        lanes = np.zeros((-(-block.size // 16), 16))
        lanes.flat[: block.size] = block
        total += float(np.add.accumulate(np.add.accumulate(lanes)[-1])[-1])
    return total


def norm(grads: Sequence[Array]) -> float:
    """The Euclidean norm of all arrays together."""
    total = 0.0
    for grad in grads:
        wide = grad.astype(np.float64)
        total = block_sum(total, wide * wide)
    return math.sqrt(total)


def clip_factor(norm: float, clip_norm: float) -> float:
    """As torch.nn.utils.clip_grad_norm_."""
    return min(1.0, clip_norm / (norm + 1e-6))


def same_bits(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def references(optimizer: po.Optimizer) -> list[Reference]:
    kept = [
        {
            name: value.shape if isinstance(value, np.ndarray) else ()
            for name, value in state.items()
            if name != "step"
        }
        for state in optimizer.state.values()
    ]
    params = [(group, p) for group in optimizer.param_groups for p in group["params"]]
    return [
        Reference(optimizer.rule, dict(group), states, param)
        for (group, param), states in zip(params, kept, strict=True)
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
        # Rules that find their rate start so small that bfloat16 would not move.
        first = {"d0": 0.1, "reps_rel": 0.05}
        start = {field.name: first[field.name] for field in self.rule.fields if field.name in first}
        settings = {**start, **dict(self.settings), **more}
        made: po.Optimizer = getattr(po, self.rule.name)(params, **settings)
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


def _switched_on(rule: po.Rule, field: po.Field) -> float | bool:
    if _is_count(field):
        return 10_000.0
    if field.name == rule.first_lr:
        return 2.0  # it matters above the lr
    return True if field.is_flag else 0.05


def _variants(rule: po.Rule) -> Iterator[Case]:
    """Yield the rule with every set of its switches on: flags, and numbers that are 0 if unset."""
    switches = [field for field in rule.fields if field.default == 0]
    for count in range(len(switches) + 1):
        for chosen in combinations(switches, count):
            on = ((field.name, _switched_on(rule, field)) for field in chosen)
            case = Case(rule, tuple(on))
            if case.accepted():
                yield case


def _moved(rule: po.Rule) -> Iterator[Case]:
    """Yield the rule with each of its other numbers moved away from the default."""
    for field in rule.fields:
        if _is_count(field):
            yield Case(rule, ((field.name, 5.0),))
        elif field.default != 0:
            values = (value for value in (0.7, 2.0, 0.125, -0.5) if value != field.default)
            trials = (Case(rule, ((field.name, value),)) for value in values)
            yield next(case for case in trials if case.accepted())


VARIANTS = [case for rule in po.rules() for case in _variants(rule)]
MOVED = [case for rule in po.rules() for case in _moved(rule)]


def each_rule(cases: Sequence[Case]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make one item of a test for each rule, which runs all cases of the rule."""
    rules = dict.fromkeys(case.rule.name for case in cases)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize("rule_of_cases", rules)
        @wraps(test)
        def run(rule_of_cases: str, **arguments: Any) -> None:
            own = [case for case in cases if case.rule.name == rule_of_cases]
            over("case", own)(test)(**arguments)

        signature = inspect.signature(test)
        rest = [p for p in signature.parameters.values() if p.name != "case"]
        first = inspect.Parameter("rule_of_cases", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        run.__signature__ = signature.replace(parameters=[first, *rest])  # type: ignore[attr-defined]
        return run

    return decorate


all_variants = each_rule(VARIANTS)
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
