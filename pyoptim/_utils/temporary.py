"""Names of temporary files and directories, which identify the process that owns them.

A name contains the machine, the boot, the process namespace, the process id and the start time of
the process. So files of interrupted processes can be removed without touching those of running
processes.
"""

from __future__ import annotations

import os
import re
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PREFIX = ".tmp-pyoptim-"

_NAME = re.compile(
    re.escape(PREFIX) + r"([0-9a-f]{8})-([0-9a-f]{8})-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{16}"
)
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SPACE = Path("/proc/self/ns/pid")
_DEAD = ("Z", "X")  # states of processes that have ended
_in_use: set[str] = set()  # names that this process uses


class _Owner(NamedTuple):
    """A process: checksums of its machine, boot and namespace, its id, and its start time."""

    machine: str
    boot: str
    space: str
    process: int
    started: int

    @classmethod
    def this(cls) -> _Owner:
        """Return the calling process."""
        try:
            boot = _BOOT.read_text()
            space = os.fspath(_SPACE.readlink())
        except OSError:  # a system without /proc
            boot = space = ""
        texts = (os.uname().nodename, boot, space)
        machine, boot, space = (f"{zlib.crc32(text.encode()):08x}" for text in texts)
        return cls(machine, boot, space, os.getpid(), _started(os.getpid()) or 0)


def _started(process: int) -> int | None:
    """Return the start time of a process in ticks since the boot, or None if it does not run."""
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in _DEAD else int(fields[18])


def _runs(process: int) -> bool:
    """Return whether a process id is in use, for systems without /proc."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


@contextmanager
def temporary_name() -> Iterator[str]:
    """Yield an unused name, which other processes do not remove while the body runs."""
    name = PREFIX + "-".join(map(str, (*_Owner.this(), secrets.token_hex(8))))
    _in_use.add(name)
    try:
        yield name
    finally:
        _in_use.discard(name)


def is_abandoned(name: str) -> bool:
    """Return whether `temporary_name` generated a name, and its process has ended.

    For other machines and containers this is unknown, so their names do not count as abandoned.

    >>> with temporary_name() as name:
    ...     is_abandoned(name)
    False
    >>> is_abandoned(name), is_abandoned(".tmp-notes")
    (True, False)
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        return False
    machine, boot, space, process, started = parts.groups()
    owner, this = _Owner(machine, boot, space, int(process), int(started)), _Owner.this()
    if owner == this:
        return name not in _in_use
    if owner.machine != this.machine:
        return False
    if owner.boot != this.boot:
        return True
    if owner.space != this.space:
        return False
    if not this.started:
        return not _runs(owner.process)
    return _started(owner.process) != owner.started
