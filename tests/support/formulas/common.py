"""What the formulas share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
State = dict[str, Any]
Formula: TypeAlias = Callable[..., Array]


def positive(values: Array) -> Array:
    """The values as they are."""
    return +values


@dataclass(frozen=True)
class Step:
    """The moment of an update: step t, counted from 1, its rate, and the type of arithmetic."""

    t: int
    lr: float
    F: type[Any]
    weight_decay: float = 0  # for rules that decay parameters themselves
    first: bool = False  # the first step of all parameters
    kept: Callable[[Array], Array] = positive  # what a state of fewer bits is of these values

    def begun(self, state: Array, value: float) -> Array:
        """A state that begins with this number."""
        return self.kept(np.full_like(state, value))


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


def corrected(at: Step, m: Array, v: Array, beta1: float, beta2: float, eps: float) -> Array:
    """lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps), the corrections as scalars."""
    root = math.sqrt(1 - beta2**at.t)
    return at.F(at.lr * root / (1 - beta1**at.t)) * m / (np.sqrt(v) + at.F(eps * root))


def exponential(x: Array) -> Array:
    """e^x, by the polynomials of the kernels."""
    F = x.dtype.type
    if F is np.float32:
        magic, least = F(12582912.0), F(-87.33654475)
        bounded = smaller(F(89.0), larger(least, x))
        shifted = bounded * F(1.44269504) + magic
        k = shifted - magic
        r = bounded - k * F(0.693359375) + k * F(2.12194440e-4)
        y = np.full_like(r, 1.9875691500e-4)
        for factor in (
            1.3981999507e-3,
            8.3334519073e-3,
            4.1665795894e-2,
            1.6666665459e-1,
            5.0000001201e-1,
        ):
            y = y * r + F(factor)
        y = y * (r * r) + r + F(1)
    else:
        magic, least = F(6755399441055744.0), F(-708.3964185322641)
        bounded = smaller(F(710.0), larger(least, x))
        shifted = bounded * F(1.4426950408889634) + magic
        k = shifted - magic
        r = bounded - k * F(6.93145751953125e-1) - k * F(1.42860682030941723212e-6)
        z = r * r
        p = r * ((F(1.26177193074810590878e-4) * z + F(3.02994407707441961300e-2)) * z + F(1))
        q = F(3.00198505138664455042e-6) * z + F(2.52448340349684104192e-3)
        q = (q * z + F(2.27265548208155028766e-1)) * z + F(2)
        y = F(1) + F(2) * (p / (q - p))
    return np.where(x < least, F(0), np.ldexp(y, k.astype(np.int32)))


def cube_root(x: Array) -> Array:
    """The cube root of x >= 0, by the iteration of the kernels."""
    F = x.dtype.type
    if F is np.float32:
        third = (x.view(np.int32).astype(F) * F(1 / 3)).astype(np.int32)
        y = (np.int32(0x54A21D2A) - third).view(F)
    else:
        whole = x.view(np.uint64)
        parts = (whole >> np.uint64(2)) + (whole >> np.uint64(4))
        for shift in (4, 8, 16):
            parts = parts + (parts >> np.uint64(shift))
        y = (np.uint64(0x553EF0FF289DD796) - parts).view(F)
    for _ in range(2 if F is np.float32 else 3):
        rest = F(1) - x * y * y * y
        y = y + y * rest * (F(1 / 3) + F(2 / 9) * rest)
    return x * y * y
