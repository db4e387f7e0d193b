"""Warnings instead of errors for files that cannot be written during training."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pyoptim._utils.text import shown
from pyoptim.errors import CheckpointError


class Outage:
    """A reporter of failed writes that warns once for each series of failures.

    Parameters
    ----------
    message : str
        Beginning of the warning, such as "cannot write log.csv".

    Attributes
    ----------
    error : OSError, CheckpointError or None
        Error of the last write, None if it succeeded.
    """

    def __init__(self, message: str) -> None:
        self.message = message
        self.error: OSError | CheckpointError | None = None

    @contextmanager
    def as_warning(self, consequence: str = "training continues") -> Iterator[None]:
        """Warn about the first OSError or CheckpointError in a row, and suppress the others."""
        try:
            yield
        except (OSError, CheckpointError) as error:
            first = self.error is None
            self.error = error
            if first:
                reason = getattr(error, "strerror", None) or error
                warnings.warn(shown(f"{self.message} ({reason}); {consequence}"), stacklevel=3)
        else:
            self.error = None
