"""The lock of an optimizer: whatever changes it is one action, for all threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import Lock, RLock, get_ident
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
    holder : int
        The thread that holds the lock while it may wait for another one, else 0. While it runs a
        schedule, a closure, or a method that others override, it may use other optimizers.
    """

    __slots__ = ("__weakref__", "_forked", "blocked", "holder", "lock")

    def __init__(self) -> None:
        self.lock = RLock()
        self.blocked = False
        self.holder = 0
        self._forked = False
        _guards.add(self)

    def check(self, what: str) -> None:
        """Raise RuntimeError unless the optimizer can be changed by `what`."""
        self.check_readable(what)
        if self.blocked:
            raise RuntimeError(
                f"{what}: called by a schedule of the same optimizer; a schedule can only read it"
            )

    def check_readable(self, what: str) -> None:
        """Raise RuntimeError if a change was cut off, so that `what` cannot read the optimizer."""
        if self._forked:
            raise RuntimeError(_FORKED)

    def wait(self, what: str) -> None:
        """Acquire the lock that another thread holds.

        Raises
        ------
        RuntimeError
            If that thread waits, directly or by others, for a lock that this one holds.
        """
        thread = get_ident()
        with _waits:
            holder = self.holder
            while holder != thread and (wanted := _waiting.get(holder)) is not None:
                holder = wanted.holder
            if holder == thread:
                raise RuntimeError(
                    f"{what}: deadlock, because another thread uses this optimizer and waits for "
                    "an optimizer that this thread uses; do not let schedules or closures of two "
                    "optimizers use each other's optimizer"
                )
            _waiting[thread] = self
        try:
            self.lock.acquire()
        finally:
            with _waits:
                _waiting.pop(thread, None)

    @contextmanager
    def held(self, what: str) -> Iterator[None]:
        """Hold the lock while code runs that may use other optimizers."""
        if not self.lock.acquire(blocking=False):
            self.wait(what)
        before = self.holder
        try:
            self.holder = get_ident()
            yield
        finally:
            self.holder = before
            self.lock.release()

    def asked(self, schedule: Callable[[int], Any], step: int) -> Any:
        """Return what a schedule gives for a step; it cannot change the optimizer meanwhile."""
        with self.held("schedule"):
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
        self.holder = 0
        self.blocked = self._forked = True


_guards: WeakSet[Guard] = WeakSet()
_waits = Lock()  # held while a thread looks at `_waiting`, and enters what it waits for
_waiting: dict[int, Guard] = {}  # by thread


def _after_fork() -> None:
    global _waits
    _waits = Lock()
    _waiting.clear()
    for guard in list(_guards):
        guard._after_fork()


os.register_at_fork(after_in_child=_after_fork)


def changes(method: _Method) -> _Method:
    """Make a method that changes the optimizer one action."""
    return cast(_Method, _one_action(method, changes, Guard.check))


def reads(method: _Method) -> _Method:
    """Make a method that reads the optimizer one action."""
    return cast(_Method, _one_action(method, reads, Guard.check_readable))


def _one_action(
    method: Callable[..., Any], decorator: Callable[..., Any], check: Callable[[Guard, str], None]
) -> Callable[..., Any]:
    what = f"{method.__name__}()"

    @wraps(method)
    def alone(self: Any, *arguments: Any, **keywords: Any) -> Any:
        guard = self._guard
        lock = guard.lock
        if not lock.acquire(False):
            guard.wait(what)
        before = guard.holder
        try:
            guard.holder = get_ident()
            check(guard, what)
            return method(self, *arguments, **keywords)
        finally:
            guard.holder = before
            lock.release()

    alone._guarded_by = decorator  # type: ignore[attr-defined]
    return alone


class Guarded:
    """Base class of what has a `Guard`: methods are guarded as those that they override."""

    _guard: Guard

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, method in list(vars(cls).items()):
            guarded_by = getattr(getattr(super(cls, cls), name, None), "_guarded_by", None)
            if guarded_by is not None and not hasattr(method, "_guarded_by"):
                setattr(cls, name, cast(Any, guarded_by)(method))
