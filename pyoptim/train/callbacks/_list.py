"""All callbacks of a trainer, called together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pyoptim.train.callbacks._base import Callback
from pyoptim.train.callbacks.early_stopping import EarlyStopping
from pyoptim.train.callbacks.keep_best import KeepBest
from pyoptim.train.callbacks.progress import Progress
from pyoptim.train.callbacks.stop_on_nan import StopOnNaN
from pyoptim.train.callbacks.timer import Timer

if TYPE_CHECKING:
    from pyoptim.data import Validation
    from pyoptim.train._trainer import Trainer


def all_callbacks(
    callbacks: Sequence[Callback],
    early_stopping: EarlyStopping | None,
    max_time: float | timedelta | None,
    progress: bool | None,
    *,
    stop_on_nan: bool,
    restore_best: bool | None,
    validation: Validation,
) -> list[Callback]:
    """Return the callbacks that a trainer's arguments mean, in the order in which they are called.

    Raises
    ------
    TypeError
        If one is no callback.
    ValueError
        If there is no validation set to find the best epoch by.
    """
    if isinstance(callbacks, Callback):
        raise TypeError(f"callbacks must be a list, got {callbacks!r}; write [...] around it")
    found = list(callbacks)
    if early_stopping is not None:
        found.append(early_stopping)
    if max_time is not None:
        found.append(Timer(max_time))
    if progress is True or (progress is None and not _has(found, Progress)):
        found.append(Progress())
    if stop_on_nan and not _has(found, StopOnNaN):
        found.insert(0, StopOnNaN())
    if restore_best and validation is None:
        raise ValueError("restore_best=True: expected a validation set; give validation=")
    if restore_best is None:
        restore_best = validation is not None
    if restore_best and not _has(found, KeepBest):
        first = next(iter(validation)) if isinstance(validation, Mapping) else "val"
        found.append(KeepBest(f"{first}_loss"))
    for callback in found:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks must be of pyoptim.train.Callback, got {callback!r}")
    return sorted(found, key=lambda callback: callback.last)


def _has(callbacks: Sequence[Any], kind: type[Callback]) -> bool:
    return any(isinstance(each, kind) for each in callbacks)


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


def hooks(callbacks: Sequence[Callback], hook: str) -> list[Callable[[Trainer], object]]:
    """Return a method of all callbacks that do something there."""
    default = getattr(Callback, hook)
    methods = [getattr(callback, hook) for callback in callbacks]
    return [method for method in methods if getattr(method, "__func__", None) is not default]
