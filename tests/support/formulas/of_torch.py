"""The rules that torch.optim has, too, and the first of those that optax has."""

from __future__ import annotations

import math

import numpy as np

from formulas.common import (
    Array,
    Formula,
    State,
    Step,
    corrected,
    larger,
    mean,
    mean_square,
    sign,
)


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
        s["sum"] = at.begun(s["sum"], initial_accumulator_value)
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
    d = np.sqrt(s["acc_delta"] + at.F(eps)) / np.sqrt(v + at.F(eps)) * g
    s["acc_delta"] = mean_square(at, rho, s["acc_delta"], d)
    return p - at.F(at.lr) * d


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
        s["step_size"] = at.begun(s["step_size"], at.lr)
    change = np.sign(g) * s["prev"]
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
            s[name] = at.begun(s[name], initial_accumulator_value)
    v, square = s["exp_avg_sq"], g * g
    m = s["exp_avg"] = mean(at, beta1, s["exp_avg"], g)
    v = s["exp_avg_sq"] = v - at.F(1 - beta2) * sign(v - square) * square
    return p - corrected(at, m, v, beta1, beta2, eps)


FORMULAS: dict[str, Formula] = {
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
