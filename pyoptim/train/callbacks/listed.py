"""All callbacks of a trainer, called together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pyoptim.train.callbacks.base import Callback
from pyoptim.train.callbacks.early_stopping import EarlyStopping
from pyoptim.train.callbacks.progress import Progress
from pyoptim.train.callbacks.timer import Timer

if TYPE_CHECKING:
    from pyoptim.train.trainer import Trainer


def all_callbacks(
    callbacks: Sequence[Callback],
    early_stopping: EarlyStopping | None,
    max_time: float | timedelta | None,
    progress: bool | None,
) -> list[Callback]:
    """Return the callbacks that a trainer's arguments mean, in the order in which they are called.

    Raises
    ------
    TypeError
        If one is no callback.
    """
    if isinstance(callbacks, Callback):
        raise TypeError(f"callbacks must be a list, got {callbacks!r}; write [...] around it")
    found = list(callbacks)
    if early_stopping is not None:
        found.append(early_stopping)
    if max_time is not None:
        found.append(Timer(max_time))
    there = any(isinstance(each, Progress) for each in found)
    if progress is True or (progress is None and not there):
        found.append(Progress())
    for callback in found:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks must be of pyoptim.train.Callback, got {callback!r}")
    return sorted(found, key=lambda callback: callback.last)


def named(callbacks: Sequence[Callback]) -> Iterator[tuple[str, Callback]]:
    """Yield callbacks with names: their classes, numbered if there are several of one."""
    counts: dict[str, int] = {}
    for callback in callbacks:
        kind = type(callback).__name__
        count = counts[kind] = counts.get(kind, 0) + 1
        yield (kind if count == 1 else f"{kind}.{count}"), callback


def call(callbacks: Sequence[Callback], hook: str, trainer: Trainer) -> None:
    """Call a method of all callbacks."""
    for callback in callbacks:
        method: Any = getattr(callback, hook)
        method(trainer)
