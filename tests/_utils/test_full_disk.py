"""Failed writes: training continues, errors are one line, and no temporary files remain."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim._utils import atomic
from pyoptim.train import Checkpoint, CSVLogger, History, Lambda, TensorBoard

X = np.linspace(-1, 1, 12).reshape(-1, 1)


@contextmanager
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every fsync fail."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", fail)
        patch.setattr(atomic.os, "write", fail)
        yield


def trainer(*callbacks: po.train.Callback, epochs: int = 6) -> po.train.Trainer:
    model = po.models.Linear(1)
    return po.train.Trainer(model, epochs=epochs, batch_size=4, progress=False, callbacks=callbacks)


@pytest.mark.parametrize("kind", [Checkpoint, CSVLogger, TensorBoard])
def test_a_full_disk_does_not_end_training(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in epochs 2, 3 and 5."""
    if kind is TensorBoard:
        pytest.importorskip("tensorboard")
    callback = kind(tmp_path / "log")
    inside: list[Any] = []

    def begin(training: po.train.Trainer) -> None:
        if training.epochs_done + 1 in (2, 5):
            inside.append(full(monkeypatch))
            inside[-1].__enter__()
        if training.epochs_done + 1 in (4, 6):
            inside.pop().__exit__(None, None, None)

    expected = trainer().fit(X, X)
    run = trainer(Lambda(on_epoch_begin=begin), callback)
    with pytest.warns(UserWarning, match="No space left on device") as caught:
        history = run.fit(X, X)
    assert history["loss"] == expected["loss"]
    assert len(caught) == 2
    assert history.stop_reason == "finished"
    if kind is Checkpoint:
        assert callback.error is None
        assert po.checkpoint.load(tmp_path / "log").step == run.step
        resumed = trainer(epochs=7).resume(tmp_path / "log")
        assert resumed.epochs_done == 6
    elif kind is CSVLogger:
        assert History.read_csv(tmp_path / "log").rows == history.rows
    else:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        found = EventAccumulator(str(tmp_path / "log"))
        found.Reload()
        assert [event.step for event in found.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
    assert [path for path in tmp_path.rglob("*") if path.name.startswith(".tmp")] == []


def test_a_failed_last_checkpoint_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving = Checkpoint(tmp_path / "run")
    run = trainer(saving)
    before = run.model.params.flat.copy()
    with full(monkeypatch), pytest.warns(UserWarning, match=r"cannot save a checkpoint in .*run"):
        run.fit(X, X)
    assert isinstance(saving.error, OSError)
    assert saving.path is None
    assert not np.array_equal(run.model.params.flat, before)
    assert run.save(tmp_path / "run").name == f"step-{run.step:08}"


WRITERS: dict[str, Any] = {
    "model": lambda path: po.models.Linear(2).save(path),
    "tensors": lambda path: po.checkpoint.save_safetensors(path, {"w": np.ones(99)}),
    "history": lambda path: trainer(epochs=1).fit(X, X).to_csv(path),
    "bytes": lambda path: atomic.replace_bytes(path, b"x"),
    "text": lambda path: atomic.replace_text(path, lambda file: file.write("x" * 10**6)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_failed_writes_leave_existing_files_unchanged(
    writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    WRITERS[writer](path)
    before = path.read_bytes()
    with full(monkeypatch), pytest.raises(OSError, match="No space left on device") as caught:
        WRITERS[writer](path)
    assert caught.value.filename == str(path)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"file": before}


def limited(size: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process with a limit on the size of files."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "pyoptim", *map(str, arguments)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a table."""
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "".join(f"{i},{2 * i}\n" for i in range(40)))
    return path


TRAIN = ("--target", "y", "--task", "regression", "--epochs", 3, "--hidden", 2)


def test_the_command_writes_as_many_files_as_possible(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("click")
    pytest.importorskip("sklearn")
    out = tmp_path / "out"
    run = limited(1500, "train", data, *TRAIN, "--checkpoint-every", 1, "--out", out)
    assert run.returncode == 2
    *_, last = run.stderr.splitlines()
    assert last.startswith("Error: ")
    assert f"{out}/loss.png: cannot be written (File too large)" in last
    warning = "Warning: cannot save a checkpoint"
    assert sum(line.startswith(warning) for line in run.stderr.splitlines()) == 1
    assert "Traceback" not in run.stderr
    assert "epoch 3/3" in run.stderr
    assert {path.name for path in out.rglob("*") if path.is_file()} == {
        "model.safetensors", "metrics.csv"
    }  # fmt: skip
    po.models.load(out / "model.safetensors")
    assert len(History.read_csv(out / "metrics.csv")) == 3


def test_checkpoints_remain_if_the_model_cannot_be_written(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = pytest.importorskip("click.testing")
    pytest.importorskip("sklearn")
    from pyoptim.cli._commands import pyoptim

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    arguments = ["train", str(data), *map(str, TRAIN), "--checkpoint-every", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(po.models.Model, "save", fail)
        result = testing.CliRunner().invoke(pyoptim, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "model.safetensors: cannot be written (No space left on device)" in result.stderr
    assert po.checkpoint.load(tmp_path / "out" / "checkpoints").step > 0
    again = [*arguments, "--resume", "--out", str(tmp_path / "out")]
    assert testing.CliRunner().invoke(pyoptim, again).exit_code == 0
    assert (tmp_path / "out" / "model.safetensors").exists()
    assert not (tmp_path / "out" / "checkpoints").exists()
