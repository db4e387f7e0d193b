"""Elementwise rules that torch.optim has not."""

from __future__ import annotations

import math

import numpy as np

from formulas.common import (
    Array,
    Formula,
    State,
    Step,
    cube_root,
    exponential,
    larger,
    mean,
    mean_square,
    smaller,
)
from formulas.of_torch import signum


def adan(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta1: float,
    beta2: float,
    beta3: float,
    eps: float,
) -> Array:
    difference = at.F(0 if at.t == 1 else 1) * (g - s["previous_grad"])
    ahead = g + at.F(beta2) * difference
    s["previous_grad"] = g
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = s["exp_avg_diff"] = mean(at, beta2, s["exp_avg_diff"], difference)
    n = s["exp_avg_sq"] = mean_square(at, beta3, s["exp_avg_sq"], ahead)
    root = math.sqrt(1 - beta3**at.t)
    rate_m = at.F(at.lr * root / (1 - beta1**at.t))
    rate_v = at.F(at.lr * root * beta2 / (1 - beta2**at.t))
    return p - (rate_m * m + rate_v * v) / (np.sqrt(n) + at.F(eps * root))


def ademamix(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta1: float,
    beta2: float,
    eps: float,
    beta3: float,
    alpha: float,
    warmup_steps: float,
) -> Array:
    if at.t < warmup_steps:
        done = at.t / warmup_steps
        fast, slow = math.log(beta1), math.log(beta3)
        beta3 = beta1 ** (slow / ((1 - done) * slow + done * fast))
        alpha = done * alpha
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    slow_m = s["exp_avg_slow"] = mean(at, beta3, s["exp_avg_slow"], g)
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    root = math.sqrt(1 - beta2**at.t)
    rate_m, rate_s = at.F(at.lr * root / (1 - beta1**at.t)), at.F(at.lr * root * alpha)
    return p - (rate_m * m + rate_s * slow_m) / (np.sqrt(v) + at.F(eps * root))


def adopt(at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float) -> Array:
    if at.t == 1:
        s["exp_avg_sq"] = g * g
        return p
    bound = at.F((at.t - 1) ** 0.25)
    divided = g / larger(at.F(eps), np.sqrt(s["exp_avg_sq"]))
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], np.clip(divided, -bound, bound))
    s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    return p - at.F(at.lr) * m


def laprop(at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float) -> Array:
    root = math.sqrt(1 - beta2**at.t)
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    divided = at.F((1 - beta1) * root) * g / (np.sqrt(v) + at.F(eps * root))
    m = s["exp_avg"] = at.F(beta1) * s["exp_avg"] + divided
    return p - at.F(at.lr / (1 - beta1**at.t)) * m


def qhadam(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta1: float,
    beta2: float,
    eps: float,
    nu1: float,
    nu2: float,
) -> Array:
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    direction = at.F(at.lr * (1 - nu1)) * g + at.F(at.lr * nu1 / (1 - beta1**at.t)) * m
    square = at.F(1 - nu2) * g * g + at.F(nu2 / (1 - beta2**at.t)) * v
    return p - direction / (np.sqrt(square) + at.F(eps))


def uncorrected(at: Step, beta1: float, beta2: float) -> float:
    """The rate of rules that add eps to the root of v as it is."""
    return at.lr * math.sqrt(1 - beta2**at.t) / (1 - beta1**at.t)


def adabound(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta1: float,
    beta2: float,
    eps: float,
    final_lr: float,
    gamma: float,
    base_lr: float,
    amsbound: bool,
) -> Array:
    s["largest_lr"] = max(float(s["largest_lr"]), at.lr)
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    if amsbound:
        v = s["max_exp_avg_sq"] = larger(s["max_exp_avg_sq"], v)
    last = final_lr * at.lr / max(base_lr, s["largest_lr"])
    least, most = last * (1 - 1 / (gamma * at.t + 1)), last * (1 + 1 / (gamma * at.t))
    rate = at.F(uncorrected(at, beta1, beta2)) / (np.sqrt(v) + at.F(eps))
    return p - m * np.clip(rate, at.F(least), at.F(most))


def diffgrad(
    at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float
) -> Array:
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    spread = at.F(1) + exponential(-np.abs(g - s["previous_grad"]))
    s["previous_grad"] = g
    return p - at.F(uncorrected(at, beta1, beta2)) * m / ((np.sqrt(v) + at.F(eps)) * spread)


def padam(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta1: float,
    beta2: float,
    eps: float,
    partial: float,
) -> Array:
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    divisor = np.sqrt(v) + at.F(eps)
    while partial < 0.5:
        divisor, partial = np.sqrt(divisor), 2 * partial
    return p - at.F(uncorrected(at, beta1, beta2)) * m / divisor


def ftml(at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float) -> Array:
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    c = (1 - beta1**at.t) / at.lr
    d = at.F(c / math.sqrt(1 - beta2**at.t)) * np.sqrt(v) + at.F(c * eps)
    s["z"] = mean(at, beta1, s["z"], g) - (d - at.F(beta1) * s["d"]) * p
    s["d"] = d
    return -s["z"] / d


def madgrad(at: Step, p: Array, g: Array, s: State, momentum: float, eps: float) -> Array:
    c, tiny = at.F((at.lr + eps) * math.sqrt(at.t)), at.F(eps)
    before = cube_root(s["grad_sum_sq"]) + tiny
    moved = np.where(before > 0, s["s"] / np.where(before > 0, before, at.F(1)), at.F(0))
    n = s["grad_sum_sq"] = s["grad_sum_sq"] + c * g * g
    s["s"] = s["s"] + c * g
    after = cube_root(n) + tiny
    if momentum:
        return p + at.F(1 - momentum) * (s["x0"] - s["s"] / after - p)
    return p + (moved - s["s"] / after)


def ftrl(at: Step, p: Array, g: Array, s: State, beta: float, l1: float, l2: float) -> Array:
    now = 1 / at.lr
    last = 1 / s["last_lr"] if at.t > 1 else now
    s["last_lr"] = at.lr
    n = s["n"] + g * g
    root = at.F(now) * np.sqrt(n)
    grown = root - at.F(last) * np.sqrt(s["n"]) + at.F(beta * (now - last))
    z = s["z"] + g - grown * p
    s["z"], s["n"] = z, n
    shrunk = np.where(z > 0, z - at.F(l1), z + at.F(l1))
    leader = -shrunk / (root + at.F(beta * now) + at.F(l2))
    return np.where(np.abs(z) <= at.F(l1), at.F(0), leader)


def schedule_free_share(at: Step, s: State, r: float, weight_lr_power: float) -> float:
    """The share of this step's point in the average."""
    s["lr_max"] = max(at.lr, s["lr_max"] if at.t > 1 else 0.0)
    weight = at.t**r * s["lr_max"] ** weight_lr_power
    s["weight_sum"] = (s["weight_sum"] if at.t > 1 else 0.0) + weight
    return weight / s["weight_sum"]


def schedule_free(at: Step, p: Array, s: State, d: Array, c: float, momentum: float) -> Array:
    z = s["z"]
    s["z"] = z - at.F(at.lr) * d
    return p + at.F(c) * (z - p) - at.F(at.lr * (1 - momentum * (1 - c))) * d


def schedule_free_sgd(
    at: Step, p: Array, g: Array, s: State, momentum: float, r: float, weight_lr_power: float
) -> Array:
    c = schedule_free_share(at, s, r, weight_lr_power)
    return schedule_free(at, p, s, g + at.F(at.weight_decay) * p, c, momentum)


def schedule_free_adamw(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta1: float,
    beta2: float,
    eps: float,
    r: float,
    weight_lr_power: float,
) -> Array:
    c = schedule_free_share(at, s, r, weight_lr_power)
    v = s["exp_avg_sq"] = mean_square(at, beta2, s["exp_avg_sq"], g)
    root = math.sqrt(1 - beta2**at.t)
    d = at.F(root) * g / (np.sqrt(v) + at.F(eps * root)) + at.F(at.weight_decay) * p
    return schedule_free(at, p, s, d, c, beta1)


def sophia(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta1: float,
    beta2: float,
    gamma: float,
    eps: float,
    clip_threshold: float,
) -> Array:
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    divisor = larger(at.F(eps), at.F(gamma) * s["hessian"])
    newton = at.F(1 / (1 - beta1**at.t)) * m / divisor
    bound = at.F(clip_threshold)
    return p - at.F(at.lr) * smaller(bound, larger(-bound, newton))


FORMULAS: dict[str, Formula] = {
    "Adan": adan,
    "AdEMAMix": ademamix,
    "ADOPT": adopt,
    "LaProp": laprop,
    "QHAdam": qhadam,
    "AdaBound": adabound,
    "DiffGrad": diffgrad,
    "PAdam": padam,
    "Tiger": signum,
    "FTML": ftml,
    "MADGRAD": madgrad,
    "FTRL": ftrl,
    "ScheduleFreeSGD": schedule_free_sgd,
    "ScheduleFreeAdamW": schedule_free_adamw,
    "Sophia": sophia,
}
