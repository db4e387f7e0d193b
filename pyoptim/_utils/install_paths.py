"""Where the files for C, C++ and CMake are: ``python -m pyoptim --cmake-dir`` prints one."""

from __future__ import annotations

from pathlib import Path

from pyoptim import _core

_INSTALLED = Path(_core.__file__).parent  # beside the library, also where the sources are elsewhere


def get_include() -> str:
    """Return the folder of the headers: ``#include <pyoptim/pyoptim.h>``, or ``.hpp`` for C++.

    >>> import os, pyoptim as po
    >>> os.path.exists(os.path.join(po.get_include(), "pyoptim", "pyoptim.h"))
    True
    """
    return str(_INSTALLED / "include")


def get_library_dir() -> str:
    """Return the folder of the library, ``libpyoptim.so.0``; linkers find it as ``-lpyoptim``."""
    return str(_INSTALLED)


def get_cmake_dir() -> str:
    """Return the folder that CMake's ``find_package(pyoptim)`` takes as ``pyoptim_DIR``."""
    return str(_INSTALLED / "cmake")
