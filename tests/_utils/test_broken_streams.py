"""Streams that are closed, broken, full or missing, and signals after training."""

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

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FULL = Path("/dev/full")


class Broken(io.StringIO):
    """A stream that fails from a given call on."""

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
def test_a_failing_stream_does_not_end_training(number: int, terminal: bool, after: int) -> None:
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
    with pytest.raises(OSError, match="no file descriptor"):
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
        [sys.executable, "-P", "-m", "pyoptim", *arguments], text=True, check=False, **streams
    )


@pytest.mark.parametrize("kind", ["full", "pipe", "none"])
def test_train_writes_its_model_with_any_streams(kind: str, table: Path) -> None:
    if kind == "none":
        shell = ["sh", "-c", f"exec {sys.executable} -P -m pyoptim {' '.join(TRAIN)} >&- 2>&-"]
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
def test_a_lost_result_of_a_command_is_an_error(table: Path) -> None:
    with FULL.open("w") as full:
        for arguments in (("info",), ("info", "adam")):
            done = command(*arguments, stdout=full, stderr=subprocess.PIPE)
            assert done.returncode == 2
            assert done.stderr == "Error: stdout: cannot be written (No space left on device)\n"


class Calls:
    """A wrapper that sends a signal before calling a function."""

    def __init__(self, function: Any, number: int) -> None:
        self.function, self.number = function, number

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        os.kill(os.getpid(), self.number)
        return self.function(*arguments, **keywords)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("where", ["_finish", "_check_finite", "_write", "_print_result"])
def test_a_signal_before_the_model_is_written_loses_nothing(
    where: str, number: int, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = pytest.importorskip("click.testing")
    from pyoptim.cli import _train as training
    from pyoptim.cli._commands import pyoptim

    handlers = [signal.getsignal(each) for each in SIGNALS]
    monkeypatch.setattr(training, where, Calls(getattr(training, where), number))
    result = testing.CliRunner().invoke(pyoptim, [*TRAIN])
    assert result.exit_code == 128 + number, result.output
    assert "files     pyoptim-model/model.safetensors" in result.stdout
    assert (table / "pyoptim-model" / "model.safetensors").is_file()
    assert not (table / "pyoptim-model" / "checkpoints").exists()
    assert handlers == [signal.getsignal(each) for each in SIGNALS]


@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_before_the_first_step_ends_the_command(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = pytest.importorskip("click.testing")
    from pyoptim.cli._commands import pyoptim
    from pyoptim.train import _trainer as trainer

    monkeypatch.setattr(trainer, "prepare", Calls(trainer.prepare, signal.SIGINT))
    result = testing.CliRunner().invoke(pyoptim, [*TRAIN])
    assert result.exit_code == 1
    assert "Aborted" in result.stderr
    assert not (table / "pyoptim-model").exists()


@pytest.mark.usefixtures("ctrl_c")
def test_a_closed_terminal_saves_a_checkpoint(table: Path) -> None:
    Path("table.csv").write_text("x,y\n" + "".join(f"{i},{2 * i + i % 3}\n" for i in range(600)))
    settings = ("--hidden", "256,256", "--epochs", "100000", "--batch-size", "8")
    arguments = (
        sys.executable,
        "-P",
        "-m",
        "pyoptim",
        "train",
        "table.csv",
        "--target",
        "y",
        *settings,
    )
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.readline()  # training has begun
        process.send_signal(signal.SIGHUP)
        process.stderr.close()  # as is the terminal
        process.communicate()
    assert process.returncode == 130
    assert po.checkpoint.load(table / "pyoptim-model" / "checkpoints").step > 0


# Help, version and errors of every command


def commands() -> list[tuple[str, ...]]:
    """Return the arguments that select each command, and the group itself."""
    commands = pytest.importorskip("pyoptim.cli._commands", exc_type=ImportError)
    return [(), *((name,) for name in sorted(commands.pyoptim.commands))]


SHOWING = ("help", "version", "info", "verify", "inspect", "predict")


@pytest.fixture(scope="module", name="trained")
def a_trained_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("click")
    pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("trained")
    (folder / "table.csv").write_text("x,y\n" + "".join(f"{i},{2 * i}\n" for i in range(60)))
    command(*TRAIN, cwd=folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return folder


def showing(what: str) -> list[tuple[str, ...]]:
    """Return commands that exist for their output."""
    return {
        "help": [(*each, option) for each in commands() for option in ("--help", "-h")],
        "version": [("--version",)],
        "info": [("info",), ("info", "adam")],
        "verify": [("verify", "pyoptim-model")],
        "inspect": [("inspect", "pyoptim-model"), ("inspect", "pyoptim-model", "--json")],
        "predict": [("predict", "pyoptim-model", "table.csv")],
    }[what]


def run(arguments: tuple[str, ...], streams: dict[str, Any]) -> tuple[int, str]:
    """Run a command in this process with other streams, and return its status and stderr."""
    from pyoptim.cli import main

    with pytest.MonkeyPatch.context() as patch:
        errors = io.StringIO()
        for name, stream in {"stdout": io.StringIO(), "stderr": errors, **streams}.items():
            patch.setattr(sys, name, stream)
        patch.setattr(sys, "argv", ["pyoptim", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), errors.getvalue()


KINDS: dict[str, Any] = {
    "full": lambda: Broken(errno.ENOSPC, 0, False),
    "broken": lambda: Broken(errno.EIO, 0, True),
    "closed": closed,
    "none": lambda: None,
    "pipe": lambda: Broken(errno.EPIPE, 0, False),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", SHOWING)
def test_output_is_written_or_a_one_line_error(
    what: str, kind: str, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    for arguments in showing(what):
        assert run(arguments, {})[0] == 0
        status, errors = run(arguments, {"stdout": KINDS[kind]()})
        if kind == "pipe":
            assert (status, errors) == (1, ""), arguments
        else:
            assert status == 2, arguments
            assert errors.startswith("Error: stdout: "), arguments
            assert errors.count("\n") == 1, errors


@pytest.mark.parametrize("kind", KINDS)
def test_unprintable_errors_keep_the_exit_status(
    kind: str, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    failing = [(*name, "--no-such-option") for name in commands()]
    for arguments in (*failing, ("train", "table.csv"), ("info", "none"), ("inspect", "table.csv")):
        assert run(arguments, {"stderr": KINDS[kind]()}) == (2, ""), arguments
    assert run(("verify", "table.csv"), {"stderr": KINDS[kind]()}) == (1, "")
    for arguments in ((*TRAIN, "--out", kind), ("predict", "pyoptim-model", "table.csv")):
        assert run(arguments, {"stderr": KINDS[kind]()}) == (0, "")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("to", [">/dev/full", ">&-"], ids=["full", "closed"])
@pytest.mark.parametrize(
    ("option", "expected", "prefix"),
    [("--help", 2, "Error"), ("--version", 2, "Error"), ("--cmake-dir", 1, "pyoptim")],
)
def test_options_of_a_process_without_stdout(
    option: str, expected: int, prefix: str, to: str
) -> None:
    pytest.importorskip("click")
    shell = ["sh", "-c", f"exec {sys.executable} -P -m pyoptim {option} {to}"]
    done = subprocess.run(shell, check=False, stderr=subprocess.PIPE, text=True)
    assert done.returncode == expected
    assert done.stderr.startswith(f"{prefix}: stdout: ")
    assert done.stderr.count("\n") == 1


def test_options_of_a_process_with_a_closed_pipe() -> None:
    pytest.importorskip("click")
    reader, writer = os.pipe()
    os.close(reader)
    for option in ("--help", "--version", "--cmake-dir"):
        done = command(option, stdout=writer, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (1, "")
    os.close(writer)
