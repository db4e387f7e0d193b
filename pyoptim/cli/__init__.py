"""The command line ``pyoptim``: demo, train, predict, info, verify, inspect."""

from __future__ import annotations

import sys

from pyoptim._utils.dependencies import requires
from pyoptim._utils.streams import QuietStream, abandon_broken_streams
from pyoptim.errors import MissingPackageError

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    If one of its packages is missing, print which extra to install, and exit with status 1.
    """
    try:
        with requires("the command line", "cli"):
            from pyoptim.cli._commands import pyoptim

            pyoptim(prog_name="pyoptim")
    except MissingPackageError as error:
        QuietStream(sys.stderr).write(f"pyoptim: {error}\n")
        sys.exit(1)
    finally:
        abandon_broken_streams()
