"""What commands write to the terminal."""

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
    """Write a message; where the stream is closed, broken or full, it is lost, and nothing else."""
    stream = QuietStream(sys.stderr if err else sys.stdout)
    stream.write(shown_lines(text) + "\n")
    stream.flush()


def show(text: str) -> None:
    """Write what a command is for to stdout."""
    with stdout_checked():
        click.echo(shown_lines(text))


@contextmanager
def stdout_checked() -> Iterator[Any]:
    """Give a stream that is stdout; UserError if it cannot be written."""
    stream: Any = sys.stdout
    if stream is None:
        raise UserError("stdout: there is none to write to; give --out, or do not close it")
    try:
        yield _Shown(stream) if stream.isatty() else stream
        stream.flush()
    except BrokenPipeError:
        raise  # click ends quietly then
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"stdout: cannot be written ({reason})") from None


class _Shown:
    """A terminal, which is shown data without what it would obey."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text."""
        self._stream.write(shown_lines(text))
        return len(text)


@contextmanager
def escaped_errors() -> Iterator[None]:
    """Show errors of the command line without what a terminal would obey."""
    try:
        yield
    except click.ClickException as error:
        one_line = isinstance(error, UserError)
        message = shown(error.message) if one_line else shown_lines(error.message)
        vars(error)["message"] = message
        vars(error)["show"] = partial(_show_error, error)
        raise


def _show_error(error: click.ClickException, _: object = None) -> None:
    """Write an error to stderr; where that is closed, broken or full, the status is left.

    A wrong value of an option is one line, without how the command is used.
    """
    text = io.StringIO()
    wrong = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
    (click.ClickException if wrong else type(error)).show(error, text)
    say(text.getvalue().removesuffix("\n"), err=True)
