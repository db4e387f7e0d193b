"""Which checkpoints stay when a new one has been saved."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, SupportsIndex

from pyoptim._utils.validation import as_count


class Saved(NamedTuple):
    """A checkpoint in the eyes of a policy; those saved later have a larger `age`."""

    name: str
    age: tuple[int, ...]
    score: float | None


@dataclass(frozen=True)
class Keep:
    """Keep the `newest` saved checkpoints, and the `best` by their scores.

    Newest are those saved last, whatever their steps and the clock. A checkpoint without a score,
    or with NaN, is never one of the best; of equal scores the older one is the better.

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
    ...     [Saved("a", (1,), 0.1), Saved("b", (2,), 0.3), Saved("c", (3,), 0.2)]
    ... ) == {"a", "c"}
    True
    """

    newest: int = 1
    best: int = 0
    higher_is_better: bool = False

    def __post_init__(self) -> None:
        for name, least in (("newest", 1), ("best", 0)):
            object.__setattr__(self, name, as_count(name, getattr(self, name), least=least))

    def chosen(self, checkpoints: Iterable[Saved]) -> set[str]:
        """Return the names of those that stay."""
        by_age = sorted(checkpoints, key=lambda found: found.age)
        sign = -1 if self.higher_is_better else 1
        scored = [c for c in by_age if c.score is not None and not math.isnan(c.score)]
        scored.sort(key=lambda found: sign * (found.score or 0.0))
        return {found.name for found in by_age[-self.newest :] + scored[: self.best]}


def as_policy(keep: SupportsIndex | Keep) -> Keep:
    """Return a policy; a number is that of the newest checkpoints to keep.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> as_policy(3), as_policy(Keep(1, 2))
    (Keep(newest=3, best=0, higher_is_better=False), Keep(newest=1, best=2, higher_is_better=False))
    """
    return keep if isinstance(keep, Keep) else Keep(newest=keep)  # type: ignore[arg-type]
