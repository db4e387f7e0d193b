"""Files and directories without permissions, and file names that are not UTF-8."""

import ctypes
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.train import History

pa = pytest.importorskip("pyarrow")
pytest.importorskip("click.testing")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

from pyarrow import parquet  # noqa: E402

from pyoptim.tabular import read_table  # noqa: E402

ROWS = b"x,y\n" + b"".join(b"%d,%d\n" % (i, 2 * i) for i in range(40))
TRAIN = ("--target", "y", "--task", "regression", "--epochs", 1, "--hidden", 2)

# Runs commands after changing the permissions of files, and prints the results.
CODE = """
import json, os, sys
from click.testing import CliRunner
from pyoptim.cli._commands import pyoptim

ends = []
for modes, arguments in json.loads(sys.argv[1]):
    for path, mode in modes.items():
        os.chmod(path, mode)
    result = CliRunner().invoke(pyoptim, arguments)
    ends.append([result.exit_code, repr(result.exception), result.stdout, result.stderr])
    for path in reversed(modes):
        os.chmod(path, 0o755)
print(json.dumps(ends))
"""


def without_privileges() -> None:
    """Drop the privileges with which the superuser ignores permissions."""
    drop = 24  # PR_CAPBSET_DROP
    for capability in (1, 2):  # read, write and search regardless of permissions
        ctypes.CDLL(None).prctl(drop, capability, 0, 0, 0)


def ends(commands: list[tuple[dict[str, int], tuple[object, ...]]]) -> list[list[Any]]:
    """Return status, exception, stdout and stderr of each command."""
    text = json.dumps([(modes, list(map(str, arguments))) for modes, arguments in commands])
    run = subprocess.run(
        [sys.executable, "-P", "-c", CODE, text],
        preexec_fn=without_privileges,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    found: list[list[Any]] = json.loads(run.stdout)
    return found


def test_missing_permissions_are_one_line_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_bytes(ROWS)
    for folder in ("ro", "closed", "out/checkpoints", "model", "a/checkpoints"):
        Path(folder).mkdir(parents=True)
    Path("file").write_text("mine")
    Path("b").mkdir()
    Path("b/checkpoints").write_text("mine")
    Path("c/metrics.csv").mkdir(parents=True)
    po.models.Linear(1).save("model/model.safetensors")
    po.checkpoint.save("run", {"w": np.ones(2)}, step=1)
    train, predict = ("train", "data.csv", *TRAIN), ("predict", "model", "data.csv")
    cases: list[tuple[dict[str, int], tuple[object, ...], str]] = [
        ({"ro": 0o555}, (*train, "--out", "ro"), "ro is not writable"),
        ({"ro": 0o555}, (*train, "--out", "ro/new/x"), "ro is not writable"),
        ({"closed": 0}, (*train, "--out", "closed"), "closed"),
        ({"closed": 0}, (*train, "--out", "closed/new"), "closed is not writable"),
        ({"a/checkpoints": 0}, (*train, "--out", "a"), "a/checkpoints: Permission denied"),
        ({"a/checkpoints": 0}, (*train, "--out", "a", "--resume"), "a/checkpoints: Permission"),
        ({}, (*train, "--out", "file"), "file"),
        ({}, (*train, "--out", "file/x"), "file is not a directory"),
        ({}, (*train, "--out", "b"), "b/checkpoints: Not a directory"),
        ({}, (*train, "--out", "c", "--force"), "c/metrics.csv: Is a directory"),
        ({"data.csv": 0}, train, "data.csv"),
        ({"data.csv": 0}, predict, "data.csv"),
        ({"model/model.safetensors": 0}, predict, "model/model.safetensors: Permission denied"),
        ({"model": 0}, predict, "model"),
        ({"ro": 0o555}, (*predict, "--out", "ro/p.csv"), "ro is not writable"),
        ({}, (*predict, "--out", "file/p.csv"), "file is not a directory"),
        ({}, (*predict, "--out", "no/p.csv"), "no/p.csv: No such file or directory"),
        ({"run": 0}, ("verify", "run"), "run"),
        ({"run": 0}, ("inspect", "run"), "run"),
        ({"model/model.safetensors": 0}, ("inspect", "model/model.safetensors"), "model"),
    ]
    before = sorted(map(str, tmp_path.rglob("*")))
    found = ends([(modes, arguments) for modes, arguments, _ in cases])
    for (_, arguments, message), (status, exception, _, errors) in zip(cases, found, strict=True):
        assert (status, exception) in ((2, "SystemExit(2)"), (1, "SystemExit(1)")), arguments
        *_, last = errors.splitlines()
        assert last.startswith("Error: "), arguments
        assert message in last.replace("'", ""), arguments
        assert "Traceback" not in errors
        assert "epoch" not in errors, arguments  # nothing was trained
    assert sorted(map(str, tmp_path.rglob("*"))) == before


CALLBACKS = """
import os, sys
import numpy as np, pyoptim as po

x = np.ones((4, 1))
folder = sys.argv[1]
os.chmod(folder, 0o555)
for callback in (po.train.Checkpoint(f"{folder}/run"), po.train.CSVLogger(f"{folder}/log.csv")):
    run = po.train.Trainer(po.models.Linear(1), progress=False, callbacks=[callback])
    try:
        run.fit(x, x)
    except PermissionError as error:
        print(run.step, os.path.basename(error.filename))
"""


def test_a_read_only_directory_is_detected_before_training(tmp_path: Path) -> None:
    (tmp_path / "ro").mkdir()
    run = subprocess.run(
        [sys.executable, "-P", "-c", CALLBACKS, str(tmp_path / "ro")],
        preexec_fn=without_privileges,
        capture_output=True,
        text=True,
    )
    (tmp_path / "ro").chmod(0o755)
    assert (run.stdout, run.stderr) == ("0 ro\n0 ro\n", "")


# Names that are not UTF-8

ODD = os.fsdecode(b"n\xff\x1b[31m")


def write_table(path: Path) -> None:
    """Write a table in the format of the file extension."""
    x = np.arange(40.0)
    with path.open("wb") as file:
        match path.suffix:
            case ".gz":
                file.write(gzip.compress(ROWS))
            case ".npz":
                np.savez(file, x=x, y=2 * x)
            case ".svm":
                file.write(b"".join(b"%d 1:%d\n" % (2 * i, i) for i in range(40)))
            case ".parquet":
                parquet.write_table(pa.table({"x": x, "y": 2 * x}), file)
            case _:
                file.write(ROWS)


@pytest.mark.parametrize("kind", [".csv", ".csv.gz", ".npz", ".svm", ".parquet"])
def test_tables_of_any_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"{ODD}{kind}"
    write_table(path)
    assert read_table(path)["y"].to_pylist() == [2 * i for i in range(40)]


def a_history() -> History:
    x = np.ones((4, 1))
    return po.train.Trainer(po.models.Linear(1), epochs=1, progress=False).fit(x, x)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "model.safetensors": lambda path: po.models.Linear(2).save(path),
    "log.csv": lambda path: a_history().to_csv(path),
    "loss.png": lambda path: a_history().plot(path),
    "run": lambda path: po.checkpoint.save(path, {"w": np.ones(2)}, step=1),
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_any_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / ODD
    folder.mkdir()
    path = folder / f"{ODD}{name}"
    WRITERS[name](path)
    WRITERS[name](path)
    assert [each.name for each in folder.iterdir()] == [path.name]
    if name == "model.safetensors":
        assert po.models.load(path).kind == "Linear"
    if name == "run":
        assert po.checkpoint.load(path).step == 1
        po.checkpoint.verify(path)


def test_parquet_takes_no_columns_from_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "y=3"
    folder.mkdir()
    write_table(folder / "a.parquet")
    assert read_table(folder / "a.parquet")["y"].to_pylist()[:2] == [0, 2]


def test_commands_take_files_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data, out = f"{ODD}.csv", f"{ODD}-out"
    Path(data).write_bytes(ROWS)
    commands = [
        (("train", data, *TRAIN, "--checkpoint-every", 1, "--out", out), 0),
        (("predict", out, data, "--out", f"{ODD}-p"), 0),
        (("verify", out), 0),
        (("inspect", out), 0),
        (("inspect", "--json", out), 0),
        (("predict", out, data, "--out", data), 2),
        (("predict", out, data, "--out", f"{ODD}-none/p"), 2),
        (("train", data, *TRAIN, "--out", f"{data}/x"), 2),
    ]
    for arguments, status in commands:
        run = subprocess.run(
            [sys.executable, "-P", "-m", "pyoptim", *map(str, arguments)], capture_output=True
        )
        assert run.returncode == status, run.stderr
        assert b"Traceback" not in run.stderr
        assert b"\x1b" not in run.stdout + run.stderr
        if status:
            assert run.stderr.count(b"\n") == 1
    assert Path(data).read_bytes() == ROWS
    assert sorted(path.name for path in Path(out).iterdir()) == [
        "loss.png", "metrics.csv", "model.safetensors"
    ]  # fmt: skip
