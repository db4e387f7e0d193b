"""Measurements of pyoptim beside its peers: ``python -m benchmarks.step`` in the repository's root.

``python -m`` puts that root first on the path, where the source folder ``pyoptim`` would hide an
installed pyoptim, although only the installed one has a compiled core.
"""

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_root = Path(__file__).resolve().parent.parent
if not any((_root / "pyoptim" / f"_core{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != _root]
