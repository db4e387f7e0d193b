"""The list of a trainer's callbacks: construction, names and calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyoptim.train.callbacks._base import Callback
from pyoptim.train.callbacks.keep_best import KeepBest
from pyoptim.train.callbacks.progress import Progress
from pyoptim.train.callbacks.stop_on_nan import StopOnNaN

if TYPE_CHECKING:
    from pyoptim.data import Validation
    from pyoptim.train._trainer import Trainer


def build_callbacks(
    callbacks: Sequence[Callback],
    progress: bool | None,
    *,
    stop_on_nan: bool,
    restore_best: bool | None,
    validation: Validation,
) -> list[Callback]:
    """Return the callbacks for a trainer's arguments, in the order in which they are called.

    Raises
    ------
    TypeError
        If `callbacks` is a single callback, or an item is not a `Callback`.
    ValueError
        If `restore_best` is True without a validation set.
    """
    if isinstance(callbacks, Callback):
        raise TypeError(f"callbacks: expected a list, got {callbacks!r}; write [...] around it")
    result = list(callbacks)
    if progress is True or (progress is None and not _has_type(result, Progress)):
        result.append(Progress())
    if stop_on_nan and not _has_type(result, StopOnNaN):
        result.insert(0, StopOnNaN())
    if restore_best and validation is None:
        raise ValueError(
            "restore_best: expected False or None without a validation set, got True; pass "
            "validation="
        )
    if restore_best is None:
        restore_best = validation is not None
    if restore_best and not _has_type(result, KeepBest):
        first = next(iter(validation)) if isinstance(validation, Mapping) else "val"
        result.append(KeepBest(f"{first}_loss"))
    for callback in result:
        if not isinstance(callback, Callback):
            raise TypeError(
                f"callbacks: expected instances of pyoptim.train.Callback, got {callback!r}"
            )
    return sorted(result, key=lambda callback: callback.last)


def _has_type(callbacks: Sequence[Any], kind: type[Callback]) -> bool:
    return any(isinstance(each, kind) for each in callbacks)


def with_names(callbacks: Sequence[Callback]) -> Iterator[tuple[str, Callback]]:
    """Yield names and callbacks. A name is the class name, with a number for repeated classes."""
    counts: dict[str, int] = {}
    for callback in callbacks:
        kind = type(callback).__name__
        count = counts[kind] = counts.get(kind, 0) + 1
        yield (kind if count == 1 else f"{kind}.{count}"), callback


def call(callbacks: Sequence[Callback], name: str, trainer: Trainer) -> None:
    """Call a method of all callbacks."""
    for callback in callbacks:
        method: Any = getattr(callback, name)
        method(trainer)


def overridden_methods(
    callbacks: Sequence[Callback], name: str
) -> list[Callable[[Trainer], object]]:
    """Return a method of all callbacks that override it."""
    default = getattr(Callback, name)
    methods = [getattr(callback, name) for callback in callbacks]
    return [method for method in methods if getattr(method, "__func__", None) is not default]
