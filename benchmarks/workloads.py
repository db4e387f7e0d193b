"""Workloads: named lists of shapes, and random values for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Workload:
    """The shapes of all parameters of a model."""

    name: str
    shapes: tuple[Shape, ...]

    @property
    def elements(self) -> int:
        """The number of parameters, all arrays together."""
        return sum(map(math.prod, self.shapes))


@dataclass(frozen=True)
class Workloads:
    """The workloads of one run."""

    large: Workload
    large_matrix: Workload
    medium: Workload
    gpt2: Workload
    resnet18: Workload
    mlp: Workload
    squares: Workload
    tiny: Workload
    table: Workload


def make_workloads(*, quick: bool) -> Workloads:
    """Return the workloads, or small ones to try the program if `quick`."""
    gpt2 = _gpt2(192, 2, 5000) if quick else _gpt2(768, 12, 50257)
    return Workloads(
        large=_one_array(20 if quick else 26),
        large_matrix=_one_matrix(20 if quick else 26),
        medium=_one_array(18 if quick else 24),
        gpt2=Workload("GPT-2 small" + " (shrunk)" * quick, tuple(gpt2)),
        resnet18=Workload("ResNet-18", tuple(_resnet18())),
        mlp=Workload("MLP 784-100-10", ((784, 100), (100,), (100, 10), (10,))),
        squares=Workload("100 arrays of 64 x 64", ((64, 64),) * 100),
        tiny=Workload("4 arrays of 100", ((100,),) * 4),
        table=_table(10**4 if quick else 10**6),
    )


def _one_array(exponent: int) -> Workload:
    return Workload(f"one array of 2^{exponent}", ((2**exponent,),))


def _one_matrix(exponent: int) -> Workload:
    side = 2 ** (exponent // 2)
    return Workload(f"one matrix of 2^{exponent}", ((side, side),))


def _table(rows: int) -> Workload:
    return Workload(f"4,096 rows of a table of {rows:,} x 64", ((rows, 64),))


def _gpt2(width: int, blocks: int, vocabulary: int) -> Iterator[Shape]:
    """Yield 148 shapes, 124 M parameters in all, for 768, 12, 50257: those of GPT-2 small."""
    norm = [(width,), (width,)]
    yield from [(vocabulary, width), (1024, width)]
    for _ in range(blocks):
        yield from norm
        yield from [(width, 3 * width), (3 * width,), (width, width), (width,)]
        yield from norm
        yield from [(width, 4 * width), (4 * width,), (4 * width, width), (width,)]
    yield from norm


def _resnet18() -> Iterator[Shape]:
    """Yield 62 shapes, 11.69 M parameters in all."""

    def convolution(inputs: int, outputs: int, size: int) -> list[Shape]:
        return [(outputs, inputs, size, size), (outputs,), (outputs,)]  # and its batch norm

    yield from convolution(3, 64, 7)
    inputs = 64
    for width in (64, 128, 256, 512):
        yield from convolution(inputs, width, 3) + convolution(width, width, 3)
        if inputs != width:
            yield from convolution(inputs, width, 1)
        yield from convolution(width, width, 3) + convolution(width, width, 3)
        inputs = width
    yield from [(1000, 512), (1000,)]


@cache
def _normal_block(seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal(1 << 22, dtype=np.float32)


def fill_normal(to: Array, seed: int) -> None:
    """Fill a flat array with normal numbers; they repeat after 4 M, to be made quickly."""
    block = _normal_block(seed)
    for start in range(0, to.size, block.size):
        part = to[start : start + block.size]
        part[...] = block[: part.size]


def normal_arrays(shapes: tuple[Shape, ...], seed: int) -> list[Array]:
    """Return separate float32 arrays of normal numbers."""
    arrays = [np.empty(shape, np.float32) for shape in shapes]
    for array in arrays:
        fill_normal(array.reshape(-1), seed)
    return arrays
