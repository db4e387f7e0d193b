"""Streams that are closed, broken, full or not there, and signals when training is over."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim._utils.streams import QuietStream
from pyoptim.train import Progress, StopReason, Trainer

FULL = Path("/dev/full")


class Broken(io.StringIO):
    """A stream that fails from some call on."""

    def __init__(self, number: int, after: int, terminal: bool) -> None:
        super().__init__()
        self.number, self.left, self.terminal = number, after, terminal

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(self.number, os.strerror(self.number))
        return super().write(text)

    def flush(self) -> None:
        if self.left < 0:
            raise OSError(self.number, os.strerror(self.number))


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def trained(*callbacks: Any) -> Trainer:
    x = np.random.default_rng(0).normal(size=(40, 2))
    trainer = Trainer(po.models.Linear(2), epochs=3, batch_size=8, callbacks=callbacks)
    trainer.fit(x, x[:, 0])
    return trainer


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF])
@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("after", [0, 1, 5])
def test_a_stream_that_fails_ends_nothing(number: int, terminal: bool, after: int) -> None:
    trainer = trained(Progress(Broken(number, after, terminal)))
    assert (trainer.stop_reason, trainer.step) == (StopReason.FINISHED, 15)


@pytest.mark.parametrize("stream", [None, closed()], ids=["none", "closed"])
def test_no_stderr(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    assert trained().stop_reason is StopReason.FINISHED
    monkeypatch.undo()
    if stream is not None:
        assert trained(Progress(stream)).stop_reason is StopReason.FINISHED


def test_a_stream_stays_quiet_after_a_failure() -> None:
    stream = QuietStream(Broken(errno.ENOSPC, 1, False))
    stream.write("one")
    assert stream.works
    stream.write("two")
    assert not stream.works
    stream.flush()
    with pytest.raises(OSError, match="there is no stream"):
        stream.fileno()


def test_characters_that_the_encoding_lacks_are_escaped() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    QuietStream(stream).write("caf\u00e9")
    stream.flush()
    assert stream.buffer.getvalue() == b"caf\\xe9"  # type: ignore[attr-defined]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("click")
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i},{2 * i + i % 3}\n" for i in range(60))
    Path("table.csv").write_text(f"x,y\n{rows}")
    return tmp_path


TRAIN = ("train", "table.csv", "--target", "y", "--model", "linear", "--epochs", "2")


def command(*arguments: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyoptim", *arguments], text=True, check=False, **streams
    )


@pytest.mark.parametrize("kind", ["full", "pipe", "none"])
def test_train_writes_its_model_whatever_the_streams(kind: str, table: Path) -> None:
    if kind == "none":
        shell = ["sh", "-c", f"exec {sys.executable} -m pyoptim {' '.join(TRAIN)} >&- 2>&-"]
        status = subprocess.run(shell, check=False).returncode
    elif kind == "full":
        if not FULL.exists():
            pytest.skip("this system has no /dev/full")
        with FULL.open("w") as full:
            status = command(*TRAIN, stdout=full, stderr=full).returncode
    else:
        reader, writer = os.pipe()
        os.close(reader)
        status = command(*TRAIN, stdout=writer, stderr=writer).returncode
        os.close(writer)
    assert status == 0
    files = sorted(path.name for path in (table / "pyoptim-model").iterdir())
    assert [name for name in files if not name.startswith(".")] == [
        "loss.png", "metrics.csv", "model.safetensors",
    ]  # fmt: skip


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_what_a_command_is_for_must_arrive(table: Path) -> None:
    with FULL.open("w") as full:
        for arguments in (("info",), ("info", "adam")):
            done = command(*arguments, stdout=full, stderr=subprocess.PIPE)
            assert done.returncode == 2
            assert done.stderr == "Error: stdout: cannot be written (No space left on device)\n"


class Calls:
    """Calls a function, and sends a signal before."""

    def __init__(self, function: Any, number: int) -> None:
        self.function, self.number = function, number

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        os.kill(os.getpid(), self.number)
        return self.function(*arguments, **keywords)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["_finish", "_check_finite", "_write", "_print_result"])
def test_a_signal_before_the_model_is_written_loses_nothing(
    where: str, number: int, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = pytest.importorskip("click.testing")
    from pyoptim.cli import training
    from pyoptim.cli.commands import pyoptim

    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(training, where, Calls(getattr(training, where), number))
    result = testing.CliRunner().invoke(pyoptim, [*TRAIN])
    assert result.exit_code == 128 + number, result.output
    assert "files     pyoptim-model/model.safetensors" in result.stdout
    assert (table / "pyoptim-model" / "model.safetensors").is_file()
    assert not (table / "pyoptim-model" / "checkpoints").exists()
    assert handlers == [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]


@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_before_the_first_step_ends_the_command(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = pytest.importorskip("click.testing")
    from pyoptim.cli.commands import pyoptim
    from pyoptim.train import trainer

    monkeypatch.setattr(trainer, "prepare", Calls(trainer.prepare, signal.SIGINT))
    result = testing.CliRunner().invoke(pyoptim, [*TRAIN])
    assert result.exit_code == 1
    assert "Aborted" in result.stderr
    assert not (table / "pyoptim-model").exists()
