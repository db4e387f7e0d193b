"""What a step costs without an engine: a bare call of the rule's kernel for each array."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

import pyoptim as po
from benchmarks.compare import Competitor, Step
from benchmarks.competitors import LR
from benchmarks.native import compiled
from benchmarks.workloads import Array, Workload, normal_arrays
from pyoptim import _core

NAME = "bare kernels"


def bare_kernels(rule: str, steps: int) -> Competitor:
    """Return so many steps of an elementwise rule over arrays of one size."""
    package, source = Path(_core.__file__).parent, Path(__file__).parent.parent / "csrc"
    linked = (f"-I{source}", str(package / "libpyoptim.so.0"), f"-Wl,-rpath,{package}")

    def make(shapes: Workload) -> Step:
        (size,) = {shape[0] for shape in shapes.shapes}
        states = len(next(entry for entry in po.rules() if entry.name == rule).variants[0])
        params = normal_arrays(shapes.shapes, seed=0)
        grads = normal_arrays(shapes.shapes, seed=1)
        kept = [np.zeros(size, np.float32) for _ in range(states * len(params))]
        bare_steps = compiled("kernels.cpp", *linked).bare_steps
        bare_steps.argtypes = (
            [ctypes.c_char_p, ctypes.c_double, ctypes.c_size_t, ctypes.c_size_t]
            + [ctypes.POINTER(ctypes.c_void_p)] * 3
            + [ctypes.c_size_t]
        )
        addresses = [_addresses(arrays) for arrays in (params, grads, kept)]

        def step() -> None:
            if bare_steps(rule.encode(), LR, len(params), size, *addresses, steps):
                raise ValueError(f"the library has no rule {rule}")
            params[0][0] += kept[0][0] * 0  # which keeps the memory alive

        return step

    return Competitor(NAME, make)


def _addresses(arrays: list[Array]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
