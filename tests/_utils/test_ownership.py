"""Files of other programs: pyoptim removes and replaces only files that it wrote."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.train import CSVLogger, History, TensorBoard

pytest.importorskip("click.testing")
pytest.importorskip("pyarrow")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

from command_line import invoke

ROOT = Path(__file__).parents[2]
Run = Callable[..., Any]
TABLE = "x,y\n" + "".join(f"{i},{2 * i}\n" for i in range(40))


@pytest.fixture(name="run")
def run_beside_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command in a directory with a table."""
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text(TABLE)

    def run(*arguments: object, status: int = 0) -> str:
        result = invoke(*arguments, status=status)
        if status:
            assert result.stderr.count("\n") == 1
        return str(result.output)

    return run


def contents(folder: str = ".") -> dict[str, bytes]:
    """Return the content of all files below a directory, by path."""
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


TRAIN = ("--target", "y", "--task", "regression", "--epochs", 1, "--hidden", 2)
OWN = ("model.safetensors", "metrics.csv", "loss.png")


# pyoptim train


@pytest.mark.parametrize("every", [(), ("--checkpoint-every", 1)], ids=["no", "some"])
def test_checkpoints_of_the_user_remain(every: tuple[object, ...], run: Run) -> None:
    folder = Path("proj/checkpoints")
    (folder / "step-by-step").mkdir(parents=True)
    (folder / "epoch-1.pt").write_text("weights")
    (folder / "step-by-step" / "notes").write_text("mine")
    (folder / ".tmp-notes").write_text("mine")
    before = contents("proj")
    run("train", "data.csv", *TRAIN, *every, "--out", "proj")
    after = contents("proj")
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {f"proj/{name}" for name in OWN}


def test_own_checkpoints_are_removed_except_those_with_notes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("train", "data.csv", *TRAIN, "--checkpoint-every", 1, "--out", "a")
    assert {path.name for path in Path("a").iterdir()} == set(OWN)

    plain = po.train.Trainer.save

    def save(self: Any, *arguments: Any, **keywords: Any) -> Path:
        path = plain(self, *arguments, **keywords)
        (path / "notes.txt").write_text("mine")
        return path

    monkeypatch.setattr(po.train.Trainer, "save", save)
    run("train", "data.csv", *TRAIN, "--checkpoint-every", 1, "--out", "b")
    notes = [name for name in contents("b") if name.endswith("notes.txt")]
    assert len(notes) == 1


def test_concurrent_checkpoints_of_another_process_remain(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = po.train.Trainer.save

    def save(self: Any, directory: Path, **keywords: Any) -> Path:
        path = plain(self, directory, **keywords)
        po.checkpoint.save(directory, {}, step=10**6)
        return path

    monkeypatch.setattr(po.train.Trainer, "save", save)
    run("train", "data.csv", *TRAIN, "--checkpoint-every", 1, "--out", "a")
    assert [path.name for path in Path("a/checkpoints").glob("step-*")] == ["step-01000000"]
    assert po.checkpoint.load("a/checkpoints").step == 10**6


def test_checkpoints_of_a_program_count_as_an_unfinished_run(run: Run) -> None:
    po.checkpoint.save("proj/checkpoints", {"w": np.ones(2)}, step=5)
    before = contents("proj")
    assert "contains checkpoints of an unfinished run" in run(
        "train", "data.csv", *TRAIN, "--out", "proj", status=2
    )
    assert "the checkpoint was not saved by a Trainer" in run(
        "train", "data.csv", *TRAIN, "--out", "proj", "--resume", status=2
    )
    assert contents("proj") == before


def test_a_link_named_latest_of_the_user_remains(run: Run) -> None:
    folder = Path("proj/checkpoints")
    folder.mkdir(parents=True)
    (folder / "epoch-1.pt").write_text("weights")
    (folder / "latest").symlink_to("epoch-1.pt")
    assert "latest: not written by pyoptim" in run(
        "train", "data.csv", *TRAIN, "--out", "proj", status=2
    )
    assert (folder / "latest").readlink() == Path("epoch-1.pt")


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["", "force"])
@pytest.mark.parametrize("how", ["itself", "symbolic", "hard", "linked folder"])
@pytest.mark.parametrize("name", OWN)
def test_the_training_file_is_never_replaced(
    name: str, how: str, force: tuple[str, ...], run: Run
) -> None:
    Path("out").mkdir()
    data = target = Path("out") / name
    out = "out"
    if how in ("symbolic", "hard"):
        data = Path("data.csv")
        (os.link if how == "hard" else os.symlink)(data.absolute(), target)
    else:
        if not name.endswith(".csv"):
            return  # names that are not read as tables
        target.write_text(TABLE)
    if how == "linked folder":
        Path("again").symlink_to("out")
        out = "again"
    message = run("train", data, *TRAIN, "--out", out, *force, status=2)
    assert f"{out}/{name}: is the training file ({data}); choose another path" in message
    assert target.read_text() == TABLE
    assert list(contents("out")) == [str(target)]


def test_the_training_file_in_the_working_directory(run: Run) -> None:
    Path("data.csv").rename("metrics.csv")
    for force in ((), ("--force",)):
        assert "is the training file" in run(
            "train", "metrics.csv", *TRAIN, "--out", ".", *force, status=2
        )
    assert contents() == {"metrics.csv": TABLE.encode()}


HEADER = b"epoch,loss,lr,seconds\n"
TABLES = {  # files of the user with the columns of a trainer
    "plain": HEADER + b"1,0.5,0.01,2.0\n",
    "quoted": b'"epoch","loss","lr","seconds"\n1,0.5,0.01,2.0\n',
    "text": HEADER + b"1,0.5,0.01,good\n",
    "notes": b'"epoch",loss,lr,seconds\n1,0.5,0.01,2.0\n# the best run\n',
    "cut": b'"epoch",loss,lr,seconds\n1,0.5,0.0',
    "spaces": b'"epoch", loss, lr, seconds\n1,0.5,0.01,2.0\n',
    "alone": b'"epoch"\n1\n',
}


@pytest.mark.parametrize("content", TABLES.values(), ids=TABLES)
def test_tables_with_the_columns_of_a_history_remain(content: bytes, run: Run) -> None:
    path = Path("proj", "metrics.csv")
    path.parent.mkdir()
    path.write_bytes(content)
    assert "did not write it" in run("train", "data.csv", *TRAIN, "--out", "proj", status=2)
    with pytest.raises(FileExistsError):
        a_history().to_csv(path)
    with pytest.raises(FileExistsError):
        fit(CSVLogger(path))
    assert path.read_bytes() == content


def test_histories_read_as_any_table(run: Run) -> None:
    from pyarrow.csv import read_csv

    run("train", "data.csv", *TRAIN, "--out", "proj")
    names = ["epoch", "loss", "val_loss", "lr", "seconds"]
    assert read_csv("proj/metrics.csv").column_names == names
    assert History.read_csv("proj/metrics.csv").columns == names
    assert np.genfromtxt("proj/metrics.csv", delimiter=",", names=True).dtype.names == tuple(names)


@pytest.mark.parametrize(
    "rows", [[], [{"a,b": 1.5, 'c"d': 2.0, "e\nf": 3.0, "g": 4.0}]], ids=["none", "one"]
)
def test_histories_of_any_columns_are_replaced(rows: list[Any], tmp_path: Path) -> None:
    history = History()
    history.rows += rows
    path = tmp_path / "log.csv"
    history.to_csv(path)
    history.to_csv(path, overwrite=not rows)
    if rows:
        assert History.read_csv(path) == history


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"epoch,loss,val_loss\n1,2,3\n", b"\x89PNG..."])
@pytest.mark.parametrize("name", OWN)
def test_files_of_the_user_are_replaced_by_force_only(
    name: str, content: bytes, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("proj", name)
    path.parent.mkdir()
    path.write_bytes(content)
    for command in (("train", "data.csv", *TRAIN), ("demo", "--epochs", 1)):
        with monkeypatch.context() as patch:
            patch.setattr("pyoptim.train.Trainer.fit", None)  # nothing runs
            message = run(*command, "--out", "proj", status=2)
        assert f"proj/{name}: exists, and pyoptim did not write it" in message
        assert "--force" in message
        assert contents("proj") == {f"proj/{name}": content}
    run("train", "data.csv", *TRAIN, "--out", "proj", "--force")
    assert path.read_bytes() != content
    run("train", "data.csv", *TRAIN, "--out", "proj")  # now written by pyoptim


@pytest.mark.parametrize("name", ["model.safetensors", "metrics.csv", "loss.png"])
def test_train_does_not_wait_for_a_reader_of_a_named_pipe(name: str, run: Run) -> None:
    Path("proj").mkdir()
    os.mkfifo(f"proj/{name}")
    for force in ((), ("--force",)):
        message = run("train", "data.csv", *TRAIN, "--out", "proj", *force, status=2)
        assert f"proj/{name}: is a named pipe" in message
    assert Path(f"proj/{name}").is_fifo()


def test_a_model_of_a_program_is_not_one_of_train(run: Run) -> None:
    Path("proj").mkdir()
    po.models.Linear(3).save("proj/model.safetensors")
    assert "did not write it" in run("train", "data.csv", *TRAIN, "--out", "proj", status=2)


# pyoptim predict


@pytest.fixture(name="trained")
def run_beside_a_model(run: Run) -> Run:
    """Train a model into the directory model."""
    run("train", "data.csv", *TRAIN, "--out", "model")
    return run


@pytest.mark.parametrize("force", [(), ("--force",)], ids=["", "force"])
@pytest.mark.parametrize("file", ["data.csv", "model/model.safetensors"])
@pytest.mark.parametrize("how", ["itself", "symbolic", "hard", "dotted"])
def test_predictions_never_replace_an_input(
    how: str, file: str, force: tuple[str, ...], trained: Run
) -> None:
    out = Path(file)
    if how in ("symbolic", "hard"):
        out = Path("p.csv")
        (os.link if how == "hard" else os.symlink)(Path(file).absolute(), out)
    elif how == "dotted":
        out = Path("model", "..", file)
    before = contents()
    message = trained("predict", "model", "data.csv", "--out", out, *force, status=2)
    assert "is an input file" in message
    assert contents() == before


def test_predictions_replace_predictions(trained: Run) -> None:
    Path("notes.csv").write_text("prediction,mine\n1,2\n")
    before = contents()
    for name in ("notes.csv", "model/metrics.csv", "model/loss.png"):
        assert "did not write it" in trained(
            "predict", "model", "data.csv", "--out", name, status=2
        )
    assert contents() == before
    trained("predict", "model", "data.csv", "--out", "notes.csv", "--force")
    first = Path("notes.csv").read_text()
    assert first.startswith("prediction\n")  # as in any CSV file
    trained("predict", "model", "data.csv", "--out", "notes.csv", status=2)
    assert Path("notes.csv").read_text() == first
    assert {path.name for path in Path().iterdir()} == {"data.csv", "model", "notes.csv"}


def test_probabilities_replace_probabilities_of_pyoptim_only(run: Run) -> None:
    Path("data.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    run("train", "data.csv", "--target", "y", "--epochs", 1, "--hidden", 2, "--out", "model")
    command = ("predict", "model", "data.csv", "--proba", "--out", "p.csv")
    for quote in ("", '"'):
        mine = f"{quote}prediction{quote},{quote}P(0){quote},{quote}P(1){quote}\n0,1,0\n"
        Path("p.csv").write_text(mine)
        assert "did not write it" in run(*command, status=2)
        assert Path("p.csv").read_text() == mine
    Path("p.csv").unlink()
    run(*command)
    run(*command)
    assert Path("p.csv").read_text().startswith('"prediction",P(0),P(1)\n')


def test_failed_predictions_leave_the_previous_file(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained("predict", "model", "data.csv", "--out", "p.csv")
    before = contents()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyoptim._utils.atomic.os.fsync", fail)
    message = trained("predict", "model", "data.csv", "--out", "p.csv", "--force", status=2)
    assert message == "Error: p.csv: No space left on device\n"
    assert contents() == before


def test_predictions_to_devices(trained: Run) -> None:
    trained("predict", "model", "data.csv", "--out", os.devnull)
    assert "/dev/full: No space left on device" in trained(
        "predict", "model", "data.csv", "--out", "/dev/full", status=2
    )
    assert Path("/dev/full").is_char_device()


# The library


def a_history() -> History:
    """Return the history of a short run."""
    x = np.ones((4, 1))
    return po.train.Trainer(po.models.Linear(1), epochs=1, progress=False).fit(x, x)


WRITERS: dict[str, Callable[..., Any]] = {
    "model.safetensors": lambda path, **o: po.models.Linear(2).save(path, **o),
    "w.safetensors": lambda path, **o: po.checkpoint.save_safetensors(path, {}, **o),
    "log.csv": lambda path, **o: a_history().to_csv(path, **o),
    "loss.png": lambda path, **o: po.plots.history(a_history(), path, **o),
    "loss.svg": lambda path, **o: a_history().plot(path, **o),
    "loss.pdf": lambda path, **o: a_history().plot(path, **o),
    "rate.png": lambda path, **o: po.plot_schedule(po.schedules.cosine(1, 9), 9, path, **o),
}


@pytest.mark.parametrize("content", [b"mine", b"epoch,loss\n1,2\n"])
@pytest.mark.parametrize("name", WRITERS)
def test_functions_replace_their_own_files_only(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    write = WRITERS[name]
    write(path)
    write(path)  # written by pyoptim
    path.write_bytes(b"")
    write(path)  # empty, as from tempfile
    path.chmod(0o640)
    write(path)
    assert path.stat().st_mode & 0o777 == 0o640
    path.write_bytes(content)
    with pytest.raises(FileExistsError, match="pyoptim did not write it"):
        write(path)
    assert path.read_bytes() == content
    write(path, overwrite=True)
    assert path.read_bytes() != content
    path.unlink()
    path.symlink_to(tmp_path / "data")
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(FileExistsError):
        write(path)
    write(path, overwrite=True)
    assert not path.is_symlink()
    assert (tmp_path / "data").read_bytes() == content
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        write(path, overwrite=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["data", name])


@pytest.mark.parametrize("name", WRITERS)
def test_an_error_names_the_file_alone(name: str, tmp_path: Path) -> None:
    path = tmp_path / "missing" / name
    with pytest.raises(OSError, match="No such file") as caught:
        WRITERS[name](path)
    assert str(caught.value) == f"[Errno 2] No such file or directory: {str(path)!r}"


def test_a_model_does_not_replace_other_tensors(tmp_path: Path) -> None:
    po.checkpoint.save_safetensors(tmp_path / "w", {"w": np.ones(3)})
    with pytest.raises(FileExistsError):
        po.models.Linear(2).save(tmp_path / "w")


def fit(*callbacks: po.train.Callback) -> po.train.Trainer:
    x = np.ones((4, 1))
    model = po.models.Linear(1)
    trainer = po.train.Trainer(model, epochs=2, progress=False, callbacks=callbacks)
    trainer.fit(x, x)
    return trainer


def test_logs_replace_logs_only(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n1,2\n")
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "log.csv.part").symlink_to(tmp_path / "mine")
    with pytest.raises(FileExistsError, match="did not write it"):
        fit(CSVLogger(path))
    fit(CSVLogger(path, overwrite=True))
    fit(CSVLogger(path))
    assert len(History.read_csv(path)) == 2
    assert (tmp_path / "mine").read_text() == "mine"
    assert (tmp_path / "log.csv.part").is_symlink()


@pytest.mark.parametrize("callback", [po.train.Checkpoint, TensorBoard])
def test_a_file_as_output_directory_is_detected_before_training(
    callback: Any, tmp_path: Path
) -> None:
    if callback is TensorBoard:
        pytest.importorskip("tensorboard")
    (tmp_path / "run").write_text("mine")
    with pytest.raises(NotADirectoryError, match="run"):
        fit(callback(tmp_path / "run"))
    assert (tmp_path / "run").read_text() == "mine"


# Programs of the repository


def tool(name: str) -> ModuleType:
    """Import a program from the directory tools."""
    path = ROOT / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_drawing_schedules_keeps_images_of_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = tool("draw_schedules")
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport pyoptim as po\nschedule = po.schedules.cosine(0.1, 9)\n```\n"
        "\n![a](schedules/a.svg)\n"
    )
    folder = tmp_path / "schedules"
    monkeypatch.setattr(drawing, "PAGE", page)
    monkeypatch.setattr(drawing, "FOLDER", folder)
    folder.mkdir()
    (folder / "mine.svg").write_text("<svg/>")
    drawing.main([])
    (folder / "a.svg").rename(folder / "old.svg")
    drawing.main([])
    assert sorted(path.name for path in folder.iterdir()) == ["a.svg", "mine.svg"]
    (folder / "a.svg").write_text("<svg/>")
    with pytest.raises(FileExistsError):
        drawing.main([])
    assert (folder / "a.svg").read_text() == "<svg/>"


def test_generating_code_keeps_files_of_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "generate"))
    generating = tool("generate/__main__")
    path = tmp_path / "a.py"
    monkeypatch.setattr(generating, "texts", lambda: {path: "# do not edit\n"})
    generating.main([])
    generating.main([])
    path.write_text("mine\n")
    with pytest.raises(FileExistsError):
        generating.main([])
    assert path.read_text() == "mine\n"


@pytest.mark.parametrize("option", ["--json", "--plot"])
def test_benchmarks_reject_files_of_other_programs_at_once(option: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.svg"
    path.write_text("mine")
    command = [sys.executable, "-m", "benchmarks.quality", "--quick", option, str(path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert "did not write it; choose another path" in run.stderr
    assert path.read_text() == "mine"
