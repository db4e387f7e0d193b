"""The floor: a loop that only moves what an update must move, compiled when it is needed."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np

import pyoptim as po
from benchmarks.compare import Contender, Step
from benchmarks.sets import ShapeSet, fill_normal
from pyoptim import _core

_COMMAND = (os.environ.get("CXX", "c++"), "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")


def is_available() -> bool:
    """Whether there is a C++ compiler."""
    return shutil.which(_COMMAND[0]) is not None


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


def floor(states: int) -> Contender:
    """Return the floor of rules that keep this many states.

    It reads p, g and the states and writes p and the states, adding g to each; all in memory like
    the library's own: one allocation, huge pages, no two buffers alike modulo 4096.
    """

    def make(shapes: ShapeSet) -> Step:
        size = shapes.elements
        memory = _core.allocate([4 * size] * (2 + states))
        buffers = [buffer.view(np.float32) for buffer in memory]
        param, grad, *kept = buffers
        fill_normal(param, seed=0)
        fill_normal(grad, seed=1)
        addresses = [buffer.ctypes.data for buffer in (param, *kept)]
        step = partial(
            _floor_step(),
            states,
            (ctypes.c_void_p * len(addresses))(*addresses),
            grad.ctypes.data_as(ctypes.c_void_p),  # which keeps the one allocation alive
            size,
            po.get_num_threads(),
        )
        if step() != 0:
            raise ValueError(f"floor.cpp has no loop for {states} states")
        return step

    return Contender("floor", make)
