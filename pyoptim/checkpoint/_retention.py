"""Policies that select the checkpoints to keep after a save."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, SupportsIndex

from pyoptim._utils.validation import as_count


class Saved(NamedTuple):
    """Name, age and score of a checkpoint; a later save has a larger `age`."""

    name: str
    age: tuple[int, ...]
    score: float | None


@dataclass(frozen=True)
class Keep:
    """A retention policy: keep the newest checkpoints and those with the best scores.

    Pass it to `save` as `keep`. The newest checkpoints are those saved last, regardless of their
    steps and of the clock. A checkpoint without a score, or with NaN, is never among the best. Of
    equal scores, the older checkpoint is better.

    Parameters
    ----------
    newest : int
        Number of checkpoints to keep that were saved last, at least 1.
    best : int
        Number of checkpoints to keep by score, in addition to the newest.
    higher_is_better : bool
        Whether a higher score is better. By default, a score is a loss.

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
        for name, minimum in (("newest", 1), ("best", 0)):
            object.__setattr__(self, name, as_count(name, getattr(self, name), minimum=minimum))

    def chosen(self, checkpoints: Iterable[Saved]) -> set[str]:
        """Return the names of the checkpoints to keep."""
        by_age = sorted(checkpoints, key=lambda checkpoint: checkpoint.age)
        sign = -1 if self.higher_is_better else 1
        scored = [c for c in by_age if c.score is not None and not math.isnan(c.score)]
        scored.sort(key=lambda checkpoint: sign * (checkpoint.score or 0.0))
        return {c.name for c in by_age[-self.newest :] + scored[: self.best]}


def as_policy(keep: SupportsIndex | Keep) -> Keep:
    """Return `keep` as a policy. A number means the number of newest checkpoints to keep.

    Raises
    ------
    ValueError
        If `keep` is neither a `Keep` nor a whole number of at least 1.

    Examples
    --------
    >>> as_policy(3), as_policy(Keep(1, 2))
    (Keep(newest=3, best=0, higher_is_better=False), Keep(newest=1, best=2, higher_is_better=False))
    """
    return keep if isinstance(keep, Keep) else Keep(newest=keep)  # type: ignore[arg-type]
