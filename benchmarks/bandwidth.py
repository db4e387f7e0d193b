"""A loop that only moves what an update must move, compiled when needed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

import pyoptim as po
from benchmarks.compare import Competitor, Step
from benchmarks.native import compiled
from benchmarks.workloads import Array, Workload, fill_normal
from pyoptim import _core

_FLOAT32 = 0


@cache
def _bandwidth_pass() -> Callable[..., int]:
    bandwidth_pass = compiled("bandwidth.cpp").bandwidth_pass
    bandwidth_pass.argtypes = [
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.c_ssize_t,
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_float),
    ]
    return bandwidth_pass


def _buffers(size: int, count: int) -> list[Array]:
    """Return float32 arrays in one allocation of the library, which is on huge pages if large.

    They are evenly apart modulo 4096, and 64 KiB further each: buffers that are alike modulo
    64 KiB, as arrays of a power of two are, made this loop 5 to 20 % slower.
    """
    skew = (1 << 16) + (4096 // count) // 64 * 64
    stride = (4 * size + 63) // 64 * 64 + skew
    (memory,) = _core.allocate([count * stride])
    return [memory[k * stride :][: 4 * size].view(np.float32) for k in range(count)]


def bandwidth_loop(passes: Sequence[tuple[int, int]]) -> Competitor:
    """Return the bandwidth loop of a rule, given the reads and writes of its passes."""

    def make(shapes: Workload) -> Step:
        arrays = _buffers(shapes.elements, max(reads for reads, _ in passes))
        for array in arrays:
            fill_normal(array, seed=0)
        pointers = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
        total = ctypes.c_float()
        threads = po.get_num_threads()

        def step() -> None:
            for reads, writes in passes:
                arguments = (_FLOAT32, reads, writes, pointers, shapes.elements, threads, total)
                if _bandwidth_pass()(*arguments):
                    raise ValueError(
                        f"bandwidth.cpp has no loop for {reads} reads, {writes} writes"
                    )
                total.value += float(arrays[0][0])  # which keeps the memory alive

        step()
        return step

    return Competitor("bandwidth", make)
