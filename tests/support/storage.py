"""How states are kept in fewer bits, in plain NumPy: bit for bit what the kernels do."""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
from formulas.common import Array

BLOCK = 256
MASK = 2**64 - 1


def rounding_key(seed: int, step: int, tensor: int, state: int) -> int:
    """The key of one state's rounding in a step, counted from 0."""
    bits = seed
    for value in (step, tensor):
        bits = ((bits ^ value) + 0x9E3779B97F4A7C15) & MASK
        bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
        bits ^= bits >> 31
    return ((bits >> 32) + state * 0x85EBCA77) & 0xFFFFFFFF


def thresholds(size: int, key: int) -> Array:
    return np.arange(size, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(key)


@dataclass
class Bfloat16:
    """A state in bfloat16."""

    codes: Array

    @classmethod
    def encode(cls, values: Array, key: int | None) -> Bfloat16:
        if key is None:
            return cls(values.astype(ml_dtypes.bfloat16))
        bits = values.view(np.uint32) + (thresholds(values.size, key) >> np.uint32(16))
        return cls((bits >> np.uint32(16)).astype(np.uint16).view(ml_dtypes.bfloat16))

    def decode(self) -> Array:
        return self.codes.astype(np.float32)

    def arrays(self, name: str) -> dict[str, Array]:
        return {name: self.codes}


@dataclass
class Float8:
    """A state in 8 bits, with a scale for each block: a float of 3 bits of mantissa."""

    codes: Array
    scales: Array

    @classmethod
    def encode(cls, values: Array, key: int | None) -> Float8:
        codes = np.zeros(values.size, np.uint8)
        scales = np.zeros(-(-values.size // BLOCK), np.float32)
        for block in range(scales.size):
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            x, most = values[part], np.abs(values[part]).max()
            if most < 2.0**-124:
                continue
            signed = bool(np.signbit(x).any())
            below = np.float32(1.875) * np.float32(1 - 2.0**-20)
            bits = (x * (4 * below / most)).view(np.int32)
            half = np.uint32(1 << 19)
            added = half if key is None else thresholds(values.size, key)[part] >> np.uint32(12)
            rounded = ((bits & 0x7FFFFFFF) + added.astype(np.int32)) >> 20
            least = 0 if signed else (x > 0).astype(np.int32)
            code = np.maximum(rounded - ((114 if signed else 98) << 3), least)
            codes[part] = (code | np.where(signed & (bits < 0), 128, 0)).astype(np.uint8)
            scales[block] = most if signed else -most
        return cls(codes, scales)

    def decode(self) -> Array:
        scale = np.repeat(self.scales, BLOCK)[: self.codes.size]
        codes, values = self.codes.astype(np.int32), []
        for exponent, size in ((4, scale), (5, -scale)):
            code = codes & ((8 << exponent) - 1)
            least = 128 - (1 << exponent)
            value = ((code + (least << 3)) << 20).view(np.float32) * (size / np.float32(1.875))
            values.append(np.where(code == 0, np.float32(0), value))
        signed = np.where(codes > 127, -values[0], values[0])
        return np.where(scale < 0, values[1], signed)

    def arrays(self, name: str) -> dict[str, Array]:
        return {name: self.codes, f"{name}_scale": self.scales}


FORMATS: dict[str, type[Bfloat16] | type[Float8]] = {"bfloat16": Bfloat16, "float8": Float8}
