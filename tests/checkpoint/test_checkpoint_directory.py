"""Directories of checkpoints: order, names, removal, and use by several processes."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from checkpoint_folders import names, signed
from processes import run_at_once

import pyoptim as po
from pyoptim._utils import temporary
from pyoptim.checkpoint import Keep
from pyoptim.checkpoint import _save as saving


def save(directory: Path, step: int, **arguments: object) -> Path:
    return po.checkpoint.save(directory, {"w": np.full(3, step)}, step=step, **arguments)


# The newest


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Replace the clock by a list whose last entry is the time."""
    times = [datetime(2026, 1, 31, 12, tzinfo=UTC)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return times[-1]

    monkeypatch.setattr(saving, "datetime", Clock)
    return times


def test_the_newest_do_not_depend_on_the_clock(tmp_path: Path, clock: list[datetime]) -> None:
    for step in range(1, 10):
        back = timedelta(hours=1) if step > 4 else timedelta()
        clock.append(clock[0] + timedelta(minutes=step) - back)
        save(tmp_path, step, keep=3)
    assert names(tmp_path) == ["step-00000007", "step-00000008", "step-00000009"]
    (tmp_path / "latest").unlink()
    assert po.checkpoint.latest(tmp_path).name == "step-00000009"
    assert po.checkpoint.load(tmp_path).step == 9


def test_the_older_of_equal_scores_is_better_regardless_of_the_clock(
    tmp_path: Path, clock: list[datetime]
) -> None:
    for step in range(1, 5):
        clock.append(clock[0] - timedelta(hours=step))
        save(tmp_path, step, score=0.5, keep=Keep(newest=1, best=1))
    assert names(tmp_path) == ["step-00000001", "step-00000004"]


def uncounted(path: Path) -> None:
    """Remove the count of saves from a manifest, as in older checkpoints."""
    signed(path, lambda fields: fields.pop("saves"))


def test_checkpoints_without_a_count_load_and_are_the_oldest(tmp_path: Path) -> None:
    for step in (30, 20, 10):
        uncounted(save(tmp_path, step))
    assert po.checkpoint.load(tmp_path).step == 10  # by the file `latest`
    assert po.checkpoint.load(tmp_path / "step-00000030").step == 30
    (tmp_path / "latest").unlink()
    assert po.checkpoint.load(tmp_path).step == 30
    save(tmp_path, 5, keep=3)
    assert names(tmp_path) == ["step-00000005", "step-00000020", "step-00000030"]
    (tmp_path / "latest").unlink()
    assert po.checkpoint.latest(tmp_path).name == "step-00000005"
    po.checkpoint.verify(tmp_path)


def test_the_count_continues_after_checkpoints_are_removed(tmp_path: Path) -> None:
    for step in range(5):
        path = save(tmp_path, step, keep=1)
    assert json.loads((path / "manifest.json").read_text())["saves"] == 5


# Names


@pytest.mark.parametrize("other", [False, True], ids=["plain", "with another manifest"])
def test_a_root_may_have_the_name_of_a_checkpoint(other: bool, tmp_path: Path) -> None:
    root = tmp_path / ("step-00000001" if not other else "web")
    if other:
        root.mkdir()
        (root / "manifest.json").write_text('{"name": "an app"}')
    for step in (1, 2):
        path = save(root, step)
        assert po.checkpoint.latest(root) == path
        assert po.checkpoint.load(root).step == step
        assert po.checkpoint.load(path).step == step
    po.checkpoint.verify(root)
    (root / "latest").unlink()
    assert po.checkpoint.load(root).step == 2
    assert (root / "manifest.json").exists() == other


def test_saving_inside_a_checkpoint_is_rejected(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    with pytest.raises(po.CheckpointError, match="cannot save a checkpoint inside another"):
        save(path, 2)
    po.checkpoint.verify(tmp_path)


# Removed and replaced files


@pytest.mark.parametrize("kind", ["link", "file", "long", "directory"])
def test_a_foreign_file_named_latest_remains(kind: str, tmp_path: Path) -> None:
    latest = tmp_path / "latest"
    (tmp_path / "epoch_10.pt").write_text("weights")
    match kind:
        case "link":
            latest.symlink_to("epoch_10.pt")
        case "file":
            latest.write_text("epoch_10.pt\n")
        case "long":
            latest.write_text("step-00000001\n" * 10)
        case "directory":
            latest.mkdir()
    with pytest.raises(po.CheckpointError, match="latest: not written by pyoptim"):
        save(tmp_path, 1)
    assert names(tmp_path) == ["epoch_10.pt"]
    assert (tmp_path / "epoch_10.pt").read_text() == "weights"


def test_checkpoints_with_foreign_files_remain(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / "step-00000001" / "notes.txt").write_text("mine")
    (tmp_path / "step-00000009").mkdir()
    (tmp_path / "step-00000009" / "manifest.json").write_text("{}")
    (tmp_path / "step-00000008").mkdir()
    (tmp_path / "step-00000007").write_text("mine")
    for step in (2, 1, 3, 9, 8, 7):
        save(tmp_path, step, keep=1)
    assert names(tmp_path) == [
        "step-00000001", "step-00000007", "step-00000007.2", "step-00000008", "step-00000009"
    ]  # fmt: skip
    assert (tmp_path / "step-00000001" / "notes.txt").read_text() == "mine"
    assert po.checkpoint.load(tmp_path).step == 7


def test_temporary_files_of_other_processes_remain(tmp_path: Path) -> None:
    (tmp_path / ".tmp-0123").mkdir()
    (tmp_path / ".tmp-0123" / "tensors").touch()
    (tmp_path / ".tmp-notes").write_text("mine")
    (tmp_path / f"{temporary.PREFIX}notes").write_text("mine")
    save(tmp_path, 1)
    assert len(names(tmp_path)) == 4


def name_of(**fields: object) -> str:
    """Return a temporary name of another owner."""
    owner = temporary._Owner.this()._replace(**fields)
    return temporary.PREFIX + "-".join(map(str, owner)) + f"-{0:016x}"


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_the_next_save_removes_files_of_an_interrupted_save(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "manifest.json").touch()
    run = tmp_path / "run"
    this = temporary._Owner.this()
    dead = [
        name_of(process=ended_process()),
        name_of(started=this.started + 1),  # the process id was reused
        name_of(boot="00000000"),
    ]
    for name in dead:
        (run / name).mkdir(parents=True)
        (run / name / "tensors-00001-of-00001.safetensors").touch()
        (run / name / "manifest.json").symlink_to(other / "manifest.json")
    (run / name_of(process=ended_process(), boot="00000001")).touch()
    (run / name_of(process=ended_process(), boot="00000002")).symlink_to(other)
    kept = [
        name_of(machine="00000000", process=ended_process()),
        name_of(space="00000000", process=ended_process()),  # from another container
        name_of(process=os.getppid(), started=temporary._started(os.getppid())),
    ]
    for name in kept:
        (run / name).touch()
    with_notes = run / name_of(process=ended_process(), boot="00000003")
    with_notes.mkdir()
    (with_notes / "notes.txt").touch()
    with temporary.temporary_name() as in_use:
        (run / in_use).touch()
        save(run, 1)
        assert names(run) == sorted([*kept, with_notes.name, in_use, "step-00000001"])
    assert [path.name for path in other.iterdir()] == ["manifest.json"]


# Several processes


def test_models_and_checkpoints_can_be_saved_concurrently(tmp_path: Path) -> None:
    model = po.models.Linear(2)
    failed: list[BaseException] = []

    def save_models() -> None:
        try:
            for number in range(30):
                model.save(tmp_path / f"{number % 3}.safetensors")
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=save_models)
    thread.start()
    step = 0
    while thread.is_alive() or step < 3:
        save(tmp_path, step, keep=1)
        step += 1
    thread.join()
    assert failed == []
    assert len(names(tmp_path)) == 4


CODE = """
import errno, fcntl, sys, pyoptim as po

def without_locks(*_):
    raise OSError(errno.ENOLCK, "no locks")

if sys.argv[4] == "without locks":
    fcntl.flock = without_locks
first, stride = int(sys.argv[2]), int(sys.argv[3])
for step in [first + stride * number for number in range(6)]:
    po.checkpoint.save(sys.argv[1], {"w": [float(step)] * 1000}, step=step, keep=2)
"""


@pytest.mark.parametrize("locks", ["with locks", "without locks"])
@pytest.mark.parametrize("strides", [(1, 1), (1, 0)], ids=["other steps", "the same step"])
def test_processes_save_into_one_directory(
    strides: tuple[int, int], locks: str, tmp_path: Path
) -> None:
    first = ("0", "100") if strides[1] else ("7", "7")
    command = [sys.executable, "-P", "-c", CODE, str(tmp_path)]
    for run in run_at_once([[*command, start, str(strides[1]), locks] for start in first]):
        assert (run.returncode, run.stdout) == (0, "")
    if locks == "with locks":
        assert len(names(tmp_path)) == (2 if strides[1] else 1)
        assert not [name for name in names(tmp_path) if name.startswith(".")]
        po.checkpoint.verify(tmp_path)
    found = [po.checkpoint.load(tmp_path / name) for name in names(tmp_path) if name[0] != "."]
    assert max(each.step for each in found) in ((5, 105) if strides[1] else (7,))


def test_file_systems_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", without_locks)
    save(tmp_path, 1)
    assert po.checkpoint.load(tmp_path).step == 1
