"""Interruptions of saving: crashes, errors and power cuts at every system call, and SIGKILL."""

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import kill_often

import pyoptim as po
from pyoptim._utils.temporary import PREFIX

CALLS = ("mkdir", "open", "write", "fsync", "rename", "replace", "unlink", "rmdir")


class Crash(BaseException):
    """The simulated end of the process."""


def tensors(step: int) -> dict[str, np.ndarray]:
    return {"a": np.full(100, step, np.float32), "b": np.full(50, -step, np.float64)}


def save(directory: Path, step: int) -> Path:
    """Save two files and a manifest, which removes the previous checkpoint."""
    return po.checkpoint.save(
        directory, tensors(step), step=step, metadata=[step], keep=1, max_shard_size=1
    )


def check(directory: Path, steps: tuple[int, ...]) -> int:
    """Check that an undamaged checkpoint of one of these steps loads without a warning."""
    found = po.checkpoint.load(directory)
    assert found.step in steps
    assert found.metadata == [found.step]
    for name, array in tensors(found.step).items():
        assert np.array_equal(found.tensors[name], array)
    return found.step


@contextmanager
def system(monkeypatch: pytest.MonkeyPatch, around: Callable[..., Any]) -> Iterator[None]:
    """Replace each system call by a function, which gets its name and the original function."""
    with monkeypatch.context() as patch:
        for name in CALLS:
            real = getattr(os, name)

            def call(*args: Any, name: str = name, real: Any = real, **kwargs: Any) -> Any:
                return around(name, real, *args, **kwargs)

            patch.setattr(os, name, call)
        yield


def half(name: str, real: Any, *args: Any) -> None:
    """Execute half of a system call, if it can be divided."""
    if name == "write":
        real(args[0], bytes(args[1])[: len(args[1]) // 2])


@pytest.mark.parametrize("before", [None, 1, 2], ids=["first", "next", "again"])
def test_a_crash_at_every_call(
    before: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    for crash_at in itertools.count():
        directory = tmp_path / f"{crash_at}"
        if before is not None:
            save(directory, before)
        calls = itertools.count()

        def around(
            name: str, real: Any, *args: Any, at: int = crash_at, calls: Any = calls, **kwargs: Any
        ) -> Any:
            number = next(calls)
            if number < at:
                return real(*args, **kwargs)
            if number == at:
                half(name, real, *args)
            raise Crash  # the process makes no further calls

        try:
            with system(monkeypatch, around):
                save(directory, 2)
        except Crash:
            if before is None and not (directory / "step-00000002").exists():
                loaded.append(0)
            else:
                loaded.append(check(directory, (before or 2, 2)))
            save(directory, 3)  # the next save succeeds
            check(directory, (3,))
            assert not [p for p in directory.iterdir() if p.name.startswith(PREFIX)]
            assert len(list(directory.glob("step-*"))) == 1
        else:
            break
    assert crash_at > 20
    assert loaded == sorted(loaded)  # later interruptions never lose the new checkpoint
    assert len(set(loaded)) == (1 if before == 2 else 2)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_an_error_at_every_call(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = 0
    for fail_at in itertools.count():
        directory = tmp_path / f"{fail_at}"
        save(directory, 1)
        calls = itertools.count()

        def around(
            name: str, real: Any, *args: Any, at: int = fail_at, calls: Any = calls, **kwargs: Any
        ) -> Any:
            if next(calls) == at:
                half(name, real, *args)
                raise OSError(code, os.strerror(code))
            return real(*args, **kwargs)

        with system(monkeypatch, around), suppress(OSError, po.CheckpointError):
            save(directory, 2)
            saved += 1
        step = check(directory, (1, 2))
        left = [p for p in directory.iterdir() if p.name.startswith(PREFIX)]
        assert step == 2 or left == []
        if next(calls) <= fail_at:
            break
    assert fail_at > 20
    assert (
        saved <= 4
    )  # the last call, and calls after which only another manifest could not be read


class Disk:
    """A model of a disk that loses all data that were not flushed when the power fails.

    Files and directories are nodes. A file has its content and the content at its last fsync. A
    directory has its entries and the entries at its last fsync.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now: dict[int, Any] = {}
        self.durable: dict[int, Any] = {}
        self.open_files: dict[int, int] = {}
        self.count = itertools.count()
        self.top = self.add(root)

    def add(self, path: Path) -> int:
        """Add existing files and directories as flushed to disk."""
        node = next(self.count)
        if path.is_dir():
            self.now[node] = {entry.name: self.add(entry) for entry in path.iterdir()}
            self.durable[node] = dict(self.now[node])
        else:
            self.now[node] = self.durable[node] = path.read_bytes()
        return node

    def place(self, path: Any, dir_fd: int | None = None) -> tuple[dict[str, int], str]:
        """Return the entries of the parent directory of a path, and its name."""
        if dir_fd is not None:
            return self.now[self.open_files[dir_fd]], str(path)
        *folders, name = Path(path).relative_to(self.root).parts
        entries = self.now[self.top]
        for folder in folders:
            entries = self.now[entries[folder]]
        return entries, name

    def call(self, name: str, real: Any, *args: Any, **kwargs: Any) -> Any:
        """Apply a system call to the model."""
        result = real(*args, **kwargs)
        if name == "fsync":
            node = self.open_files[args[0]]
            content = self.now[node]
            self.durable[node] = dict(content) if isinstance(content, dict) else content
        elif name == "write":
            self.now[self.open_files[args[0]]] += bytes(args[1][:result])
        elif name == "open":
            self.open(result, *args, **kwargs)
        elif name == "mkdir":
            self.create(*self.place(args[0]), {})
        else:
            entries, entry = self.place(args[0])
            node = entries.pop(entry)
            if name in ("rename", "replace"):
                entries, entry = self.place(args[1])
                entries[entry] = node
        return result

    def open(
        self, descriptor: int, path: Any, flags: int, mode: int = 0, *, dir_fd: int | None = None
    ) -> None:
        if Path(path) == self.root:
            self.open_files[descriptor] = self.top
            return
        entries, name = self.place(path, dir_fd)
        if flags & os.O_CREAT:
            self.create(entries, name, b"")
        self.open_files[descriptor] = entries[name]

    def create(self, entries: dict[str, int], name: str, content: Any) -> None:
        entries[name] = node = next(self.count)
        self.now[node] = content
        self.durable[node] = type(content)()

    def outcomes(self) -> Iterator[dict[str, int]]:
        """Yield possible entries after a power cut: those on disk plus at most one later change."""
        on_disk, now = self.durable[self.top], self.now[self.top]
        yield on_disk
        for name in sorted(on_disk.keys() | now.keys()):
            if on_disk.get(name) != now.get(name):
                changed = {key: node for key, node in on_disk.items() if key != name}
                yield changed | ({name: now[name]} if name in now else {})

    def restore(self, path: Path, entries: dict[str, int]) -> Path:
        """Write the remaining entries to another directory."""
        path.mkdir()
        for name, node in entries.items():
            content = self.durable[node]
            if isinstance(content, bytes):
                (path / name).write_bytes(content)
            else:
                self.restore(path / name, content)
        return path


def test_the_power_is_cut_at_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "run"
    save(directory, 1)
    model = Disk(directory)
    loaded = []
    places = (tmp_path / f"{i}" for i in itertools.count())

    def around(name: str, real: Any, *args: Any, **kwargs: Any) -> Any:
        result = model.call(name, real, *args, **kwargs)
        with monkeypatch.context() as patch:  # not the saving process
            for call in CALLS:
                patch.setattr(os, call, originals[call])
            left = [model.restore(next(places), entries) for entries in model.outcomes()]
            loaded.extend(check(directory, (1, 2)) for directory in left)
        return result

    originals = {name: getattr(os, name) for name in CALLS}
    with system(monkeypatch, around):
        save(directory, 2)
    assert loaded[0] == 1
    assert loaded[-1] == 2
    final = model.restore(tmp_path / "final", model.durable[model.top])
    assert [path.name for path in final.glob("step-*")] == ["step-00000002"]


def test_a_single_file_is_on_disk_when_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "x"
    model = Disk(path.parent)
    with system(monkeypatch, model.call):
        po.checkpoint.save_safetensors(path, tensors(1))
    left = model.restore(tmp_path / "left", model.durable[model.top])
    assert (left / "x").read_bytes() == path.read_bytes()
    assert [entry.name for entry in left.iterdir()] == ["x"]


@pytest.mark.parametrize("what", ["file", "manifest"])
def test_data_that_change_while_saving_are_detected(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulate failing memory or a failing disk: the older checkpoint remains."""
    save(tmp_path, 1)

    def around(name: str, real: Any, *args: Any, **kwargs: Any) -> Any:
        if name == "write":
            data = bytearray(args[1])
            is_manifest = data.startswith(b"{\n")
            if is_manifest == (what == "manifest") and len(data) > 100:
                data[len(data) // 2] ^= 1
                return real(args[0], data)
        return real(*args, **kwargs)

    with system(monkeypatch, around), pytest.raises(po.CheckpointError):
        save(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step-00000001"]
    check(tmp_path, (1,))


def test_killed_at_random_moments(tmp_path: Path) -> None:
    kill_often(tmp_path / "run", kills=8, seed=0)
