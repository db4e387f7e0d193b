"""The floor: a loop that only moves what an update must move, compiled when it is needed."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np

import pyoptim as po
from benchmarks.compare import Contender, Step
from benchmarks.sets import Array, ShapeSet, fill_normal
from pyoptim import _core

_COMPILER = shlex.split(os.environ.get("CXX", "c++"))
_COMMAND = (*_COMPILER, "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")


def is_available() -> bool:
    """Whether there is a C++ compiler."""
    return shutil.which(_COMPILER[0]) is not None


@cache
def _floor_step() -> Callable[..., int]:
    source = Path(__file__).with_name("floor.cpp")
    with tempfile.TemporaryDirectory() as folder:
        library = str(Path(folder) / "floor.so")
        subprocess.run([*_COMMAND, str(source), "-o", library], check=True)
        step = ctypes.CDLL(library).floor_step
    step.argtypes = [
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.c_void_p,
        ctypes.c_ssize_t,
        ctypes.c_int,
    ]
    return step


def _buffers(size: int, count: int) -> list[Array]:
    """Return float32 arrays in one allocation of the library, which is on huge pages if large.

    They are evenly apart modulo 4096, and 64 KiB further each: buffers that are alike modulo
    64 KiB, as arrays of a power of two are, made this loop 5 to 20 % slower.
    """
    skew = (1 << 16) + (4096 // count) // 64 * 64
    stride = (4 * size + 63) // 64 * 64 + skew
    (memory,) = _core.allocate([count * stride])
    return [memory[k * stride :][: 4 * size].view(np.float32) for k in range(count)]


def floor(states: int) -> Contender:
    """Return the floor of rules that keep this many states.

    It reads p, g and the states and writes p and the states, adding g to each.
    """

    def make(shapes: ShapeSet) -> Step:
        param, grad, *kept = _buffers(shapes.elements, 2 + states)
        fill_normal(param, seed=0)
        fill_normal(grad, seed=1)
        addresses = [buffer.ctypes.data for buffer in (param, *kept)]
        step = partial(
            _floor_step(),
            states,
            (ctypes.c_void_p * len(addresses))(*addresses),
            grad.ctypes.data_as(ctypes.c_void_p),  # which keeps the one allocation alive
            shapes.elements,
            po.get_num_threads(),
        )
        if step() != 0:
            raise ValueError(f"floor.cpp has no loop for {states} states")
        return step

    return Contender("floor", make)
