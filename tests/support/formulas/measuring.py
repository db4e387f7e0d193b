"""Rules that measure their arrays before they update them.

`measure` may change states and returns what is to be added up, in float64, element by element;
`update` gets the sums.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from formulas.common import Array, State, Step, larger, mean, mean_square


@dataclass(frozen=True)
class Measuring:
    """A rule of two passes, with sums over each array or over all together."""

    measure: Callable[..., tuple[Array, ...]]
    update: Callable[..., Array]
    of_all: bool = False


def square(x: Array) -> Array:
    wide = x.astype(np.float64)
    return wide * wide


def lamb_direction(at: Step, p: Array, s: State, beta1: float, beta2: float, eps: float) -> Array:
    root = math.sqrt(1 - beta2**at.t)
    scale, tiny = at.F(root / (1 - beta1**at.t)), at.F(eps * root)
    divided = scale * s["exp_avg"] / (np.sqrt(s["exp_avg_sq"]) + tiny)
    return divided + at.F(at.weight_decay) * p


def lamb_measure(
    at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float
) -> tuple[Array, ...]:
    s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    return square(p), square(lamb_direction(at, p, s, beta1, beta2, eps))


def lamb_update(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    sums: Sequence[float],
    beta1: float,
    beta2: float,
    eps: float,
) -> Array:
    ratio = math.sqrt(sums[0]) / math.sqrt(sums[1]) if min(sums) > 0 else 1
    return p - at.F(at.lr * ratio) * lamb_direction(at, p, s, beta1, beta2, eps)


def lars_measure(at: Step, p: Array, g: Array, s: State, **settings: float) -> tuple[Array, ...]:
    return square(p), square(g)


def lars_update(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    sums: Sequence[float],
    momentum: float,
    trust_coefficient: float,
    eps: float,
    nesterov: bool,
) -> Array:
    ratio = 1.0
    if min(sums) > 0:
        ratio = trust_coefficient * math.sqrt(sums[0]) / (math.sqrt(sums[1]) + eps)
    rate, mu = at.F(at.lr * ratio), at.F(momentum)
    b = s["momentum_buffer"] = mu * s["momentum_buffer"] + rate * g
    return p - (rate * g + mu * b if nesterov else b)


def novograd_measure(
    at: Step, p: Array, g: Array, s: State, **settings: float
) -> tuple[Array, ...]:
    return (square(g),)


def novograd_update(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    sums: Sequence[float],
    beta1: float,
    beta2: float,
    eps: float,
) -> Array:
    v = sums[0] if at.t == 1 else beta2 * s["exp_avg_sq"] + (1 - beta2) * sums[0]
    s["exp_avg_sq"] = v
    norm = math.sqrt(v) + eps
    d = at.F(1 / norm if norm > 0 else 0) * g + at.F(at.weight_decay) * p
    m = s["exp_avg"] = at.F(beta1) * s["exp_avg"] + d
    return p - at.F(at.lr) * m


def debiased(beta: float, t: int) -> float:
    return beta * (1 - beta ** (t - 1)) / (1 - beta**t)


def stable_adamw_measure(
    at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float
) -> tuple[Array, ...]:
    s["exp_avg"] = mean(at, debiased(beta1, at.t), s["exp_avg"], g)
    v = s["exp_avg_sq"] = mean_square(at, debiased(beta2, at.t), s["exp_avg_sq"], g)
    divisor = larger(at.F(eps * eps), v)
    ratio = np.divide(g * g, divisor, out=np.zeros_like(g), where=divisor != 0)
    return (ratio.astype(np.float64),)


def stable_adamw_update(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    sums: Sequence[float],
    beta1: float,
    beta2: float,
    eps: float,
) -> Array:
    lr = at.lr / max(1.0, math.sqrt(sums[0] / p.size)) if p.size else at.lr
    kept = at.F(1 - lr * at.weight_decay) * p
    return kept - at.F(lr) * s["exp_avg"] / (np.sqrt(s["exp_avg_sq"]) + at.F(eps))


def prodigy_measure(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta1: float,
    beta2: float,
    eps: float,
    d0: float,
    d_coef: float,
) -> tuple[Array, ...]:
    if at.first:
        s["d"] = s["d_max"] = d0
        s["d_numerator"] = 0.0
    d, beta3 = s["d"], math.sqrt(beta2)
    gain = g.astype(np.float64) * (s["p0"].astype(np.float64) - p.astype(np.float64))
    s["exp_avg"] = at.F(beta1) * s["exp_avg"] + at.F((1 - beta1) * d) * g
    s["exp_avg_sq"] = at.F(beta2) * s["exp_avg_sq"] + at.F((1 - beta2) * d * d) * g * g
    s["s"] = at.F(beta3) * s["s"] + at.F(d / d0 * d * at.lr) * g
    return gain, np.abs(s["s"]).astype(np.float64)


def prodigy_update(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    sums: Sequence[float],
    beta1: float,
    beta2: float,
    eps: float,
    d0: float,
    d_coef: float,
) -> Array:
    d, moves = s["d"], sums[1] != 0
    numerator = s["d_numerator"] * math.sqrt(beta2) + d / d0 * d * at.lr * sums[0]
    s["d_numerator"] = numerator
    if moves:
        estimate = d_coef * numerator / sums[1]
        if d == d0:
            s["d"] = max(d, estimate)
        s["d_max"] = max(s["d_max"], estimate)
        s["d"] = max(s["d_max"], s["d"])
    lr = d * at.lr if moves else 0
    divisor = np.sqrt(s["exp_avg_sq"]) + at.F(s["d"] * eps)
    return at.F(1 - lr * at.weight_decay) * p - at.F(lr) * s["exp_avg"] / divisor


def dadapt_adam_measure(
    at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float, d0: float
) -> tuple[Array, ...]:
    if at.first:
        s["d"], s["numerator_weighted"] = d0, 0.0
    rate, beta3 = s["d"] * at.lr, math.sqrt(beta2)
    divisor = np.sqrt(s["exp_avg_sq"]) + at.F(eps)
    gain = g.astype(np.float64) * (s["s"] / divisor).astype(np.float64)
    s["exp_avg"] = at.F(beta1) * s["exp_avg"] + at.F((1 - beta1) * rate) * g
    s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    s["s"] = at.F(beta3) * s["s"] + at.F((1 - beta3) * rate) * g
    return gain, np.abs(s["s"]).astype(np.float64)


def dadapt_adam_update(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    sums: Sequence[float],
    beta1: float,
    beta2: float,
    eps: float,
    d0: float,
) -> Array:
    d, beta3 = s["d"], math.sqrt(beta2)
    if sums[1] == 0:
        return p
    weighted = beta3 * s["numerator_weighted"] + (1 - beta3) * (d * at.lr * sums[0])
    s["numerator_weighted"] = weighted
    s["d"] = max(d, weighted / ((1 - beta3) * sums[1]))
    kept = at.F(1 - d * at.lr * at.weight_decay) * p
    return kept - s["exp_avg"] / (np.sqrt(s["exp_avg_sq"]) + at.F(eps))


def dog_measure(
    at: Step, p: Array, g: Array, s: State, eps: float, reps_rel: float
) -> tuple[Array, ...]:
    if at.first:
        s["r"] = s["G"] = 0.0
    start = 0 if at.first else s["p0"].astype(np.float64)
    return square(p.astype(np.float64) - start), square(g)


def dog_update(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    sums: Sequence[float],
    eps: float,
    reps_rel: float,
) -> Array:
    away = math.sqrt(sums[0])
    s["r"] = reps_rel * (1 + away) if at.first else max(s["r"], away)
    s["G"] = s["G"] + sums[1]
    return p - at.F(at.lr * s["r"] / math.sqrt(s["G"] + eps)) * g


FORMULAS: dict[str, Measuring] = {
    "LAMB": Measuring(lamb_measure, lamb_update),
    "LARS": Measuring(lars_measure, lars_update),
    "NovoGrad": Measuring(novograd_measure, novograd_update),
    "StableAdamW": Measuring(stable_adamw_measure, stable_adamw_update),
    "Prodigy": Measuring(prodigy_measure, prodigy_update, of_all=True),
    "DAdaptAdam": Measuring(dadapt_adam_measure, dadapt_adam_update, of_all=True),
    "DoG": Measuring(dog_measure, dog_update, of_all=True),
}
