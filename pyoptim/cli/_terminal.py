"""Output of commands to the terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from pyoptim._utils.streams import QuietStream
from pyoptim._utils.text import shown, shown_lines
from pyoptim.cli._user_error import UserError


def say(text: str, *, err: bool = False) -> None:
    """Write a message, and ignore errors of a closed, broken or full stream."""
    stream = QuietStream(sys.stderr if err else sys.stdout)
    stream.write(shown_lines(text) + "\n")
    stream.flush()


def show(text: str) -> None:
    """Write the result of a command to stdout, and raise UserError if that fails."""
    with stdout_checked():
        click.echo(shown_lines(text))


@contextmanager
def stdout_checked() -> Iterator[Any]:
    """Yield stdout as a stream, and raise UserError if it cannot be written."""
    stream: Any = sys.stdout
    if stream is None:
        raise UserError("stdout: closed; give --out, or run the command with stdout open")
    try:
        yield _Shown(stream) if stream.isatty() else stream
        stream.flush()
    except BrokenPipeError:
        raise  # click exits without a message
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"stdout: cannot be written ({reason})") from None


class _Shown:
    """A terminal stream that escapes control characters in the data."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text with control characters escaped."""
        self._stream.write(shown_lines(text))
        return len(text)


@contextmanager
def escaped_errors() -> Iterator[None]:
    """Escape control characters in errors of the command line."""
    try:
        yield
    except click.ClickException as error:
        one_line = isinstance(error, UserError)
        message = shown(error.message) if one_line else shown_lines(error.message)
        vars(error)["message"] = message
        vars(error)["show"] = partial(_show_error, error)
        raise


def _show_error(error: click.ClickException, _: object = None) -> None:
    """Write an error to stderr, and ignore errors of a closed, broken or full stream.

    An invalid value of an option is reported on one line, without usage information.
    """
    text = io.StringIO()
    is_value = isinstance(error, click.BadParameter)
    is_value = is_value and not isinstance(error, click.MissingParameter)
    (click.ClickException if is_value else type(error)).show(error, text)
    say(text.getvalue().removesuffix("\n"), err=True)
