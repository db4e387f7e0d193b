"""The command line ``pyoptim``: demo, train, predict, info, verify, inspect."""

from __future__ import annotations

import sys

_EXTRA = ("click", "matplotlib", "pyarrow", "sklearn")

__all__ = ["main"]


def main() -> None:
    """Run the command line; say which extra to install where one of its packages is missing."""
    try:
        from pyoptim.cli.commands import pyoptim

        pyoptim(prog_name="pyoptim")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        print(
            f"pyoptim: the command line needs {package}: pip install 'pyoptim-native[cli]'",
            file=sys.stderr,
        )
        sys.exit(1)
