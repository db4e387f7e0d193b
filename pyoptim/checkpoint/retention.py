"""Which checkpoints stay when a new one has been saved."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Saved(NamedTuple):
    """A checkpoint in the eyes of a policy."""

    name: str
    saved: str
    score: float | None


@dataclass(frozen=True)
class Keep:
    """Keep the `newest` saved checkpoints, and the `best` by their scores.

    Newest are those saved last, whatever their steps. A checkpoint without a score, or with NaN, is
    never one of the best; of equal scores the older one is the better.

    Parameters
    ----------
    newest : int
        At least 1.
    best : int
        How many to keep by score, beside those.
    higher_is_better : bool
        By default a score is a loss.

    Raises
    ------
    ValueError
        If `newest` or `best` is out of range.

    Examples
    --------
    >>> Keep(newest=1, best=1).chosen(
    ...     [Saved("a", "10:00", 0.1), Saved("b", "11:00", 0.3), Saved("c", "12:00", 0.2)]
    ... ) == {"a", "c"}
    True
    """

    newest: int = 1
    best: int = 0
    higher_is_better: bool = False

    def __post_init__(self) -> None:
        for name, least in (("newest", 1), ("best", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(
                    f"{name} must be a whole number of at least {least}, got {value!r}"
                )

    def chosen(self, checkpoints: Iterable[Saved]) -> set[str]:
        """Return the names of those that stay."""
        by_age = sorted(checkpoints, key=lambda found: found.saved)
        sign = -1 if self.higher_is_better else 1
        scored = [c for c in by_age if c.score is not None and not math.isnan(c.score)]
        scored.sort(key=lambda found: sign * (found.score or 0.0))
        return {found.name for found in by_age[-self.newest :] + scored[: self.best]}
