"""C++ beside the Python of a benchmark, compiled when it is needed."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

_COMPILER = shlex.split(os.environ.get("CXX", "c++"))
_COMMAND = (*_COMPILER, "-std=c++20", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")


def has_compiler() -> bool:
    """Whether there is a C++ compiler."""
    return shutil.which(_COMPILER[0]) is not None


@cache
def compiled(source: str, *arguments: str) -> ctypes.CDLL:
    """Return a file of this folder as a library."""
    with tempfile.TemporaryDirectory() as folder:
        library = str(Path(folder) / "compiled.so")
        path = str(Path(__file__).with_name(source))
        subprocess.run([*_COMMAND, path, *arguments, "-o", library], check=True)
        return ctypes.CDLL(library)
