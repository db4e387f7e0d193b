"""Errors of the user, printed as one line on stderr."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from pyoptim._utils.streams import QuietStream
from pyoptim._utils.text import shown
from pyoptim.errors import CheckpointError


class UserError(click.ClickException):
    """An error that the user can correct; the command exits with status 2."""

    exit_code = 2


@contextmanager
def settings_checked(prefix: str = "") -> Iterator[None]:
    """Turn the library's errors about arguments into UserError.

    `prefix` names the option of the arguments.
    """
    try:
        yield
    except (ValueError, MemoryError) as error:
        reason = str(error) or "not enough memory"
        raise UserError(f"{prefix}{reason}") from None


@contextmanager
def files_checked() -> Iterator[None]:
    """Turn errors about files and tables into UserError, and print each warning as one line."""
    from pyoptim.tabular import TableError

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    except (TableError, CheckpointError) as error:
        raise UserError(str(error)) from None
    except BrokenPipeError:
        raise  # click exits without a message
    except MemoryError as error:
        raise UserError(str(error) or "not enough memory") from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise UserError(f"{where}{error.strerror or error}") from None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    line = shown(f"Warning: {' '.join(str(message).split())}")
    QuietStream(sys.stderr).write(f"{line}\n")
