"""The lock of an optimizer: whatever changes it is one action, for all threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Any, TypeVar, cast
from weakref import WeakSet

_Method = TypeVar("_Method", bound=Callable[..., Any])

_FORKED = "this process was forked while another thread stepped the optimizer; make a new one"


class Guard:
    """The lock of an optimizer, and what its thread may not do.

    Attributes
    ----------
    lock : RLock
        Held during an action. A thread that waits for it lets go of Python's own lock.
    blocked : bool
        Whether `check` raises an error, for the thread that holds the lock.
    """

    __slots__ = ("__weakref__", "_forked", "blocked", "lock")

    def __init__(self) -> None:
        self.lock = RLock()
        self.blocked = False
        self._forked = False
        _guards.add(self)

    def check(self, what: str) -> None:
        """Raise RuntimeError unless the optimizer can be changed by `what`."""
        self.check_readable()
        if self.blocked:
            raise RuntimeError(
                f"{what}: called by a schedule of the same optimizer; a schedule can only read it"
            )

    def check_readable(self) -> None:
        """Raise RuntimeError if a change was cut off, so that the optimizer is of no use."""
        if self._forked:
            raise RuntimeError(_FORKED)

    def asked(self, schedule: Callable[[int], Any], step: int) -> Any:
        """Return what a schedule gives for a step; it cannot change the optimizer meanwhile."""
        with self.lock:
            before, self.blocked = self.blocked, True
            try:
                return schedule(step)
            finally:
                self.blocked = before

    def _after_fork(self) -> None:
        """Find out whether another thread, which this process has not got, held the lock."""
        if self.lock.acquire(blocking=False):
            self.lock.release()
            return
        self.lock = RLock()
        self.blocked = self._forked = True


_guards: WeakSet[Guard] = WeakSet()


def _after_fork() -> None:
    for guard in list(_guards):
        guard._after_fork()


os.register_at_fork(after_in_child=_after_fork)


def changes(method: _Method) -> _Method:
    """Make a method that changes the optimizer one action."""
    what = f"{method.__name__}()"

    @wraps(method)
    def alone(self: Any, *arguments: Any, **keywords: Any) -> Any:
        guard = self._guard
        with guard.lock:
            if guard.blocked:
                guard.check(what)
            return method(self, *arguments, **keywords)

    return cast(_Method, _marked(alone, changes))


def reads(method: _Method) -> _Method:
    """Make a method that reads the optimizer one action."""

    @wraps(method)
    def alone(self: Any, *arguments: Any, **keywords: Any) -> Any:
        guard = self._guard
        with guard.lock:
            guard.check_readable()
            return method(self, *arguments, **keywords)

    return cast(_Method, _marked(alone, reads))


def _marked(method: Callable[..., Any], decorator: Callable[..., Any]) -> Any:
    method._guarded_by = decorator  # type: ignore[attr-defined]
    return method


class Guarded:
    """Base class of what has a `Guard`: methods are guarded as those that they override."""

    _guard: Guard

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, method in list(vars(cls).items()):
            guarded_by = getattr(getattr(super(cls, cls), name, None), "_guarded_by", None)
            if guarded_by is not None and not hasattr(method, "_guarded_by"):
                setattr(cls, name, cast(Any, guarded_by)(method))
