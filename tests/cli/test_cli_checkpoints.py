"""The commands verify and inspect."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("click.testing")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

from command_line import invoke

import pyoptim as po

Run = Callable[..., Any]


@pytest.fixture(name="run")
def run_beside_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command in a directory with checkpoints and a model."""
    monkeypatch.chdir(tmp_path)
    for step in (1, 2):
        po.checkpoint.save(
            "run",
            {"w": np.ones((2, 3), np.float32), "empty": np.zeros(0), "one": np.float64(1)},
            step=step,
            metadata={"lr": 0.5, "m": np.zeros(1000), "best": float("inf"), "text": "\x1b[31mred"},
            score=0.25,
        )
    po.models.MLP([4, 3]).save("model.safetensors")

    def run(*arguments: str, status: int = 0) -> str:
        result = invoke(*arguments, status=status)
        assert "\x1b" not in result.output
        return result.output

    return run


def test_verify_lists_undamaged_checkpoints(run: Run) -> None:
    assert run("verify", "run").splitlines() == [
        "ok       run/step-00000001",
        "ok       run/step-00000002",
    ]
    assert run("verify", "run/step-00000001") == "ok       run/step-00000001\n"
    assert run("verify", "model.safetensors") == "ok       model.safetensors\n"


def test_verify_describes_damage(run: Run) -> None:
    file = next(Path("run/step-00000001").glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    Path("run/latest").write_text("step-00000003\n")
    assert run("verify", "run", status=1).splitlines() == [
        "DAMAGED  run/latest: names step-00000003, which does not exist",
        f"DAMAGED  run/step-00000001: {file.name}: tensor 'w': wrong checksum; the data were "
        f"changed after they were written; {file.name}: wrong checksum; the file was changed after "
        "it was written",
        "ok       run/step-00000002",
    ]
    Path("model.safetensors").write_bytes(bytes(20))
    assert run("verify", "model.safetensors", status=1) == (
        "DAMAGED  model.safetensors: not a valid safetensors file: the header has 0 bytes; the"
        " minimum is 2\n"
    )


def test_inspect_shows_a_checkpoint(run: Run) -> None:
    lines = run("inspect", "run").splitlines()
    assert lines[0] == "path      run/step-00000002"
    assert lines[2:4] == ["step      2", "score     0.25"]
    assert lines[7:13] == [
        "tensor      dtype  shape   size",
        "empty       F64    0       0 bytes",
        "metadata.m  F64    1000    7.8 KiB",
        "one         F64    scalar  8 bytes",
        "w           F32    2 x 3   24 bytes",
        "4 tensors, 1,007 elements",
    ]
    assert lines[14:] == [
        "lr: 0.5",
        'm: {"$tensor": "metadata.m"}',
        'best: {"$float": "inf"}',
        "text: \\x1b[31mred",
    ]
    assert run("inspect", "run/step-00000001").splitlines()[0] == "path      run/step-00000001"


def test_inspect_shows_a_file(run: Run) -> None:
    lines = run("inspect", "model.safetensors").splitlines()
    assert lines[0] == "path      model.safetensors"
    assert "layers.0.weight  F32    4 x 3  48 bytes" in lines
    assert lines[-1].startswith('pyoptim.model: {"kind": "MLP", "sizes": [4, 3]')
    assert len(lines[-1]) < 80


def test_inspect_writes_json(run: Run) -> None:
    found = json.loads(run("inspect", "run", "--json"))
    assert (found["step"], found["score"]) == (2, 0.25)
    assert found["tensors"]["w"] == {"dtype": "F32", "shape": [2, 3], "size": 24}
    assert found["metadata"]["lr"] == 0.5
    assert found["files"] == ["tensors-00001-of-00001.safetensors"]
    found = json.loads(run("inspect", "model.safetensors", "--json"))
    assert found["size"] == Path("model.safetensors").stat().st_size
    assert json.loads(found["metadata"]["pyoptim.model"])["kind"] == "MLP"


def test_verify_and_inspect_accept_the_output_of_train(run: Run) -> None:
    rows = "\n".join(f"{i},{2 * i}" for i in range(40))
    Path("data.csv").write_text(f"x,y\n{rows}\n")
    train = ("train", "data.csv", "--target", "y", "--epochs", "2", "--hidden", "4", "--out", "out")
    run(*train)
    assert run("verify", "out") == "ok       out/model.safetensors\n"
    lines = run("inspect", "out").splitlines()
    assert lines[0] == "path      out/model.safetensors"
    assert "layers.0.weight  F32    1 x 4  16 bytes" in lines
    assert not any(line.startswith("resumable") for line in lines)

    po.checkpoint.save("out/checkpoints", {"w": np.ones(2)}, step=7)  # of an interrupted run
    assert run("verify", "out").splitlines() == [
        "ok       out/model.safetensors",
        "ok       out/checkpoints/step-00000007",
    ]
    assert "resumable out/checkpoints/step-00000007" in run("inspect", "out").splitlines()
    found = json.loads(run("inspect", "out", "--json"))
    assert found["resumable"] == "out/checkpoints/step-00000007"

    content = Path("out/model.safetensors").read_bytes()
    Path("out/model.safetensors").unlink()
    assert run("verify", "out") == "ok       out/checkpoints/step-00000007\n"
    assert run("inspect", "out").splitlines()[0] == "path      out/checkpoints/step-00000007"

    Path("out/model.safetensors").write_bytes(content[:-1])
    Path("out/checkpoints/step-00000007/manifest.json").write_text("{}")
    lines = run("verify", "out", status=1).splitlines()
    assert lines[0].startswith("DAMAGED  out/model.safetensors: ")
    assert lines[1].startswith("DAMAGED  out/checkpoints/step-00000007/manifest.json: ")


def test_verify_of_a_model_checks_its_column_metadata(run: Run) -> None:
    metadata = {"pyoptim.columns": "[]", "pyoptim.target": '{"kind": "no"}'}
    Path("out").mkdir()
    po.models.MLP([4, 3]).save("out/model.safetensors", metadata)
    assert "invalid column metadata" in run("verify", "out", status=1)
    po.models.MLP([4, 3]).save("out/model.safetensors")  # a model saved from Python
    assert run("verify", "out") == "ok       out/model.safetensors\n"


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_a_foreign_directory_is_not_reported_as_damaged(command: str, run: Run) -> None:
    Path("nothing/checkpoints").mkdir(parents=True)
    assert run(command, "nothing", status=2) == (
        "Error: nothing: expected a checkpoint, a directory of checkpoints, or the output "
        "directory of pyoptim train (model.safetensors, checkpoints), got a directory without "
        "these\n"
    )


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_a_missing_path(command: str, run: Run) -> None:
    assert "'missing' does not exist" in run(command, "missing", status=2)


def test_inspect_rejects_damaged_checkpoints(run: Run) -> None:
    Path("run/step-00000002/manifest.json").write_text("{}")
    message = "Error: run/step-00000002/manifest.json: not the manifest of a pyoptim checkpoint\n"
    assert run("inspect", "run", status=2) == message
