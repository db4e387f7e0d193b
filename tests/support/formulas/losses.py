"""The formulas of losses, for numbers of mpmath with any number of digits, and in NumPy.

The derivatives are left to mpmath's differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def margin(z: Any, y: Any) -> Any:
    return (2 * y - 1) * z


def softplus(z: Any) -> Any:
    return mp.log1p(mp.exp(z))


def tweedie(z: Any, y: Any, power: Any) -> Any:
    a, b = 2 - power, 1 - power
    first = z if a == 0 else mp.exp(a * z) / a
    return first - y * (z if b == 0 else mp.exp(b * z) / b)


def focal(z: Any, y: Any, gamma: Any, alpha: Any) -> Any:
    first, second = (1, 1) if alpha < 0 else (1 - alpha, alpha)
    p, q = 1 / (1 + mp.exp(-z)), 1 / (1 + mp.exp(z))
    return y * second * q**gamma * softplus(-z) + (1 - y) * first * p**gamma * softplus(z)


OF_SCORES: dict[str, Callable[..., Any]] = {
    "squared": lambda z, y: (z - y) ** 2,
    "absolute": lambda z, y: abs(z - y),
    "huber": lambda z, y, delta: (
        (z - y) ** 2 / 2 if abs(z - y) <= delta else delta * (abs(z - y) - delta / 2)
    ),
    "quantile": lambda z, y, quantile: (1 - quantile) * (z - y) if z > y else quantile * (y - z),
    "epsilon_insensitive": lambda z, y, epsilon: max(mp.mpf(0), abs(z - y) - epsilon),
    "logistic": lambda z, y: y * softplus(-z) + (1 - y) * softplus(z),
    "focal": focal,
    "hinge": lambda z, y: max(mp.mpf(0), 1 - margin(z, y)),
    "squared_hinge": lambda z, y: max(mp.mpf(0), 1 - margin(z, y)) ** 2,
    "modified_huber": lambda z, y: (
        -4 * margin(z, y) if margin(z, y) < -1 else max(mp.mpf(0), 1 - margin(z, y)) ** 2
    ),
    "poisson": lambda z, y: mp.exp(z) - y * z,
    "gamma": lambda z, y: z + y * mp.exp(-z),
    "tweedie": tweedie,
}


def softmax(z: list[Any], y: list[Any], label_smoothing: Any) -> Any:
    """Of a row of scores and one of probabilities."""
    log_sum = mp.log(mp.fsum(map(mp.exp, z)))
    smooth = [(1 - label_smoothing) * each + label_smoothing / len(z) for each in y]
    return mp.fsum(each * (log_sum - score) for each, score in zip(smooth, z, strict=True))


def _huber(z: Array, y: Array, delta: float) -> tuple[Array, Array, Array]:
    F, r = z.dtype.type, z - y
    wide = r.astype(float)
    far = np.abs(r) > F(delta)
    value = np.where(far, delta * (np.abs(wide) - 0.5 * delta), 0.5 * wide * wide)
    return value, np.where(far, F(delta) * np.sign(r), r), np.where(far, F(0), F(1))


def _quantile(z: Array, y: Array, quantile: float) -> tuple[Array, Array, Array]:
    F, r = z.dtype.type, z - y
    above, below = F(1 - quantile), F(quantile)
    slope = np.where(r > 0, above, np.where(r < 0, -below, F(0)))
    return np.maximum(-below * r, above * r), slope, 0 * r


def _epsilon_insensitive(z: Array, y: Array, epsilon: float) -> tuple[Array, Array, Array]:
    F, r = z.dtype.type, z - y
    beyond = np.abs(r) - F(epsilon)
    return np.maximum(F(0), beyond), np.where(beyond > 0, np.sign(r), F(0)), 0 * r


def _hinge(z: Array, y: Array) -> tuple[Array, Array, Array]:
    t = 2 * y - 1
    lacking = 1 - t * z
    return np.maximum(lacking, 0), np.where(lacking > 0, -t, 0 * t), 0 * z


def _squared_hinge(z: Array, y: Array) -> tuple[Array, Array, Array]:
    t = 2 * y - 1
    lacking = np.maximum(1 - t * z, 0)
    curvature = np.where(lacking > 0, z.dtype.type(2), z.dtype.type(0))
    return lacking.astype(float) ** 2, -2 * t * lacking, curvature


def _modified_huber(z: Array, y: Array) -> tuple[Array, Array, Array]:
    t = 2 * y - 1
    value, slope, curvature = _squared_hinge(z, y)
    wrong = t * z < -1
    return (
        np.where(wrong, -4 * (t * z).astype(float), value),
        np.where(wrong, -4 * t, slope),
        np.where(wrong, z.dtype.type(0), curvature),
    )


# Value, slope and curvature by arithmetic that has one right answer, to the bit.
PLAIN: dict[str, Callable[..., tuple[Array, Array, Array]]] = {
    "squared": lambda z, y: ((z - y).astype(float) ** 2, 2 * (z - y), 0 * z + 2),
    "absolute": lambda z, y: (np.abs(z - y), np.sign(z - y), 0 * z),
    "huber": _huber,
    "quantile": _quantile,
    "epsilon_insensitive": _epsilon_insensitive,
    "hinge": _hinge,
    "squared_hinge": _squared_hinge,
    "modified_huber": _modified_huber,
}


def sum_in_blocks(values: Array, columns: int) -> float:
    """Add rows up as the library does: blocks of 8192 or one row, in 16 lanes, all in order."""
    rows = max(1, 8192 // columns)
    total = 0.0
    for start in range(0, values.size, rows * columns):
        block = values.ravel()[start : start + rows * columns]
        lanes = np.zeros((-(-block.size // 16), 16))
        lanes.flat[: block.size] = block
        total += float(np.add.accumulate(np.add.accumulate(lanes)[-1])[-1])
    return total
