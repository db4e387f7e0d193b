"""The command line ``pyoptim``: demo, train, predict, info, verify, inspect."""

from __future__ import annotations

import sys

from pyoptim.dependencies import requires
from pyoptim.errors import MissingPackageError

__all__ = ["main"]


def main() -> None:
    """Run the command line; say which extra to install where one of its packages is missing."""
    try:
        with requires("the command line", "cli"):
            from pyoptim.cli.commands import pyoptim
            from pyoptim.cli.output import abandon_broken_streams

            try:
                pyoptim(prog_name="pyoptim")
            finally:
                abandon_broken_streams()
    except MissingPackageError as error:
        print(f"pyoptim: {error}", file=sys.stderr)
        sys.exit(1)
