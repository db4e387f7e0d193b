"""Paths of the installed headers, library and CMake files."""

from __future__ import annotations

from pathlib import Path

from pyoptim import _core

_INSTALLED = Path(_core.__file__).parent  # next to the library, also in an editable install


def get_include() -> str:
    """Return the directory of the C and C++ headers.

    Pass it to the compiler as ``-I`` to include ``pyoptim/pyoptim.h`` or ``pyoptim/pyoptim.hpp``.
    ``python -m pyoptim --include-dir`` prints it.

    >>> import os, pyoptim as po
    >>> os.path.exists(os.path.join(po.get_include(), "pyoptim", "pyoptim.h"))
    True
    """
    return str(_INSTALLED / "include")


def get_library_dir() -> str:
    """Return the directory of the shared library ``libpyoptim.so.0``.

    Pass it to the linker as ``-L`` to link with ``-lpyoptim``. ``python -m pyoptim --lib-dir``
    prints it.

    >>> import os
    >>> os.path.isdir(get_library_dir())
    True
    """
    return str(_INSTALLED)


def get_cmake_dir() -> str:
    """Return the directory to pass to CMake's ``find_package(pyoptim)`` as ``pyoptim_DIR``.

    ``python -m pyoptim --cmake-dir`` prints it.

    >>> import os
    >>> os.path.isdir(get_cmake_dir())
    True
    """
    return str(_INSTALLED / "cmake")
