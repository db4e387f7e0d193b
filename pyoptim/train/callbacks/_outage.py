"""Files that cannot be written while training: a warning in the place of an error."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pyoptim._utils.text import shown
from pyoptim.errors import CheckpointError


class Outage:
    """Warns once when writing begins to fail, and again only after it has succeeded.

    Attributes
    ----------
    error : OSError, CheckpointError or None
        Of the last try, if it failed.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.error: OSError | CheckpointError | None = None

    @contextmanager
    def warned(self, consequence: str = "training continues") -> Iterator[None]:
        """Turn the first error about files inside into a warning, and pass over the next ones."""
        try:
            yield
        except (OSError, CheckpointError) as error:
            first = self.error is None
            self.error = error
            if first:
                reason = getattr(error, "strerror", None) or error
                warnings.warn(shown(f"{self.what} ({reason}); {consequence}"), stacklevel=3)
        else:
            self.error = None
