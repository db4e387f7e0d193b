"""Damaged checkpoints: every fault is named, and the previous checkpoint is loaded."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_folders import signed

import pyoptim as po
from pyoptim._utils import temporary
from pyoptim.checkpoint import _save as saving
from pyoptim.checkpoint import _staging as disk
from pyoptim.checkpoint import save_safetensors

FILE = "tensors-00001-of-00002.safetensors"
OTHER = "tensors-00002-of-00002.safetensors"


def save(directory: Path, step: int) -> Path:
    """Save a checkpoint of two files."""
    tensors = {
        "a": np.arange(step, step + 6, dtype=np.float64),
        "b": np.arange(step, step + 3, dtype=np.float32),
        "c": np.arange(3, dtype=np.int32),
    }
    metadata = {"array": np.full(2, step), "lr": 0.1}
    return po.checkpoint.save(directory, tensors, step=step, metadata=metadata, max_shard_size=48)


@pytest.fixture(name="run")
def two_checkpoints(tmp_path: Path) -> Path:
    """Return a directory of two checkpoints."""
    directory = tmp_path / "run"
    save(directory, 1)
    save(directory, 2)
    return directory


def replaced(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))


def nested(levels: int) -> Any:
    """Return nested lists."""
    found: Any = []
    for _ in range(levels - 1):
        found = [found]
    return found


def removed(path: Path, name: str) -> None:
    (path / name).unlink()


def linked(path: Path, name: str) -> None:
    """Replace a file by a symbolic link."""
    (path / name).rename(path.parent / "elsewhere")
    (path / name).symlink_to(path.parent / "elsewhere")


def of_the_step_before(path: Path, name: str) -> None:
    shutil.copy(path.parent / "step-00000001" / name, path / name)


def with_other_data(path: Path, name: str) -> None:
    """Write a valid file with the same header and other data."""
    content = bytearray((path / name).read_bytes())
    content[-1] ^= 0x80
    (path / name).write_bytes(content)


def swapped(path: Path) -> None:
    """Exchange two files."""
    (path / FILE).rename(path / "x")
    (path / OTHER).rename(path / FILE)
    (path / "x").rename(path / OTHER)


def without_metadata(path: Path) -> None:
    """Write the same tensors to a file without the step."""
    save_safetensors(path / FILE, po.checkpoint.load_safetensors(path / FILE))


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a file is missing": (lambda p: removed(p, FILE), f"{FILE}: no such file"),
    "no manifest": (
        lambda p: removed(p, "manifest.json"),
        "manifest.json: cannot be read (No such",
    ),
    "an extra file": (lambda p: (p / "x").touch(), "x: not a file of this checkpoint"),
    "a hidden file": (lambda p: (p / ".x").touch(), ".x: not a file of this checkpoint"),
    "an extra directory": (lambda p: (p / "x").mkdir(), "x: not a file of this checkpoint"),
    "files of two steps": (
        lambda p: of_the_step_before(p, FILE),
        f"{FILE}: expected step 2 as in the manifest, got 1",
    ),
    "a manifest of another step": (
        lambda p: of_the_step_before(p, "manifest.json"),
        "expected step 1 as in the manifest, got 2",
    ),
    "files exchanged": (swapped, f"{FILE}: tensor 'a' is missing"),
    "a linked file": (lambda p: linked(p, FILE), f"{FILE}: a symbolic link"),
    "a linked manifest": (lambda p: linked(p, "manifest.json"), "Too many levels of symbolic"),
    "a directory as file": (
        lambda p: (removed(p, FILE), (p / FILE).mkdir()),
        f"{FILE}: not a file",
    ),
    "data of another run": (
        lambda p: with_other_data(p, FILE),
        f"{FILE}: tensor 'a': wrong checksum; the data were changed after they were written",
    ),
    "a tensor renamed": (
        lambda p: replaced(p / OTHER, b'"b"', b'"z"'),
        "tensor 'b' is missing; " + f"{OTHER}: tensor 'z' is not listed for this file",
    ),
    "a tensor retyped": (
        lambda p: replaced(p / FILE, b'"F64"', b'"I64"'),
        "tensor 'a': expected dtype F64, got I64",
    ),
    "a tensor reshaped": (
        lambda p: replaced(p / FILE, b"[6]", b"[2,3]") or _shorter_padding(p / FILE),
        "tensor 'a': expected shape [6], got [2, 3]",
    ),
    "other padding": (
        lambda p: replaced(p / FILE, b'"F64",', b' "F64",') or _shorter_padding(p / FILE, 1),
        f"{FILE}: wrong checksum; the file was changed",
    ),
    "no step in a file": (without_metadata, "expected step 2 as in the manifest, got None"),
    "a truncated file": (
        lambda p: (p / FILE).write_bytes((p / FILE).read_bytes()[:-1]),
        f"{FILE}: not a valid safetensors file: the tensors need 48 bytes of data",
    ),
    "an empty file": (lambda p: (p / FILE).write_bytes(b""), "expected at least 8 bytes, got 0"),
    "an empty manifest": (lambda p: (p / "manifest.json").write_bytes(b""), "manifest.json: "),
    "a manifest cut": (
        lambda p: (p / "manifest.json").write_bytes((p / "manifest.json").read_bytes()[:-20]),
        "manifest.json: ",
    ),
    "a manifest of null": (lambda p: (p / "manifest.json").write_text("null"), "not the manifest"),
    "a manifest not in UTF-8": (
        lambda p: replaced(p / "manifest.json", b'"lr"', b'"l\xff"'),
        "manifest.json: ",
    ),
    "a manifest with NaN": (
        lambda p: replaced(p / "manifest.json", b'"lr": 0.1', b'"lr": NaN'),
        "NaN is not valid JSON",
    ),
    "a manifest with a key twice": (
        lambda p: replaced(p / "manifest.json", b'"lr": ', b'"lr": 1, "lr": '),
        "JSON object has the duplicate key 'lr'",
    ),
    "a deep manifest": (
        lambda p: (p / "manifest.json").write_text("[" * 100_000),
        "manifest.json: JSON is nested too deeply",
    ),
    "a manifest of many values": (
        lambda p: (p / "manifest.json").write_text("[" + "[]," * 2**23 + "0]"),
        "manifest.json: JSON has more than 8388608 values",
    ),
    "another step in the manifest": (
        lambda p: replaced(p / "manifest.json", b'"step": 2', b'"step": 3'),
        "manifest.json: wrong checksum; the file was changed after it was written",
    ),
    "the manifest's checksum": (
        lambda p: replaced(
            p / "manifest.json",
            _checksum_of(p),
            b"0" * 16,
        ),
        "manifest.json: wrong checksum",
    ),
    "another format version": (
        lambda p: signed(p, lambda fields: fields.update(version=2)),
        "manifest.json: version: expected 1, got 2",
    ),
    "another format": (
        lambda p: signed(p, lambda fields: fields.update(format="x")),
        "not the manifest of a pyoptim checkpoint",
    ),
    "a wrong checksum of a file": (
        lambda p: signed(p, lambda fields: fields["files"][FILE].update(checksum="0" * 16)),
        f"{FILE}: wrong checksum",
    ),
    "a wrong size of a file": (
        lambda p: signed(p, lambda fields: fields["files"][FILE].update(size=5)),
        "expected 5 bytes, got ",
    ),
    "a wrong checksum of a tensor": (
        lambda p: signed(p, lambda fields: fields["tensors"]["c"].update(checksum="0" * 16)),
        f"{OTHER}: tensor 'c': wrong checksum",
    ),
    "no checksum": (
        lambda p: signed(p, lambda fields: fields["tensors"]["c"].update(checksum="none")),
        "expected a checksum of 16 hexadecimal digits, got 'none'",
    ),
    "a file elsewhere": (
        lambda p: signed(p, lambda fields: fields["files"].update({"../x": fields["files"][FILE]})),
        "expected a name such as tensors-00001-of-00001.safetensors, got '../x'",
    ),
    "a tensor of no file": (
        lambda p: signed(p, lambda fields: fields["tensors"]["c"].update(file="x")),
        "tensor 'c' is not listed for this file",
    ),
    "a tensor of no dtype": (
        lambda p: signed(p, lambda fields: fields["tensors"]["c"].update(dtype="F31")),
        "unknown dtype 'F31'",
    ),
    "a shape of more elements than there can be": (
        lambda p: signed(p, lambda fields: fields["tensors"]["c"].update(shape=[2**62] * 30)),
        "the shape of a tensor has more elements than memory can hold",
    ),
    "a shape of many dimensions": (
        lambda p: signed(p, lambda fields: fields["tensors"]["c"].update(shape=[1] * 33)),
        "the shape of a tensor has more elements than memory can hold",
    ),
    "a number of more than 63 bits": (
        lambda p: signed(p, lambda fields: fields["files"][FILE].update(size=2**63)),
        "expected a whole number of at least 0, got 9223372036854775808",
    ),
    "a count of saves that is none": (
        lambda p: signed(p, lambda fields: fields.update(saves=-1)),
        "expected a whole number of at least 0, got -1",
    ),
    "metadata too deep": (
        lambda p: signed(p, lambda fields: fields.update(metadata=nested(101))),
        "manifest.json: metadata: expected at most 100 levels of lists and dicts",
    ),
    "metadata deeper still": (
        lambda p: signed(p, lambda fields: fields.update(metadata=nested(450))),
        "manifest.json: metadata: expected at most 100 levels of lists and dicts",
    ),
    "a tensor in the metadata without a name": (
        lambda p: signed(p, lambda fields: fields.update(metadata={"$tensor": ["a"]})),
        "manifest.json: metadata: unknown key '$tensor'",
    ),
    "a step below 0": (
        lambda p: signed(p, lambda fields: fields.update(step=-1)),
        "expected a whole number of at least 0, got -1",
    ),
    "a score of text": (
        lambda p: signed(p, lambda fields: fields.update(score="good")),
        "score: expected a float or null, got 'good'",
    ),
    "no metadata": (
        lambda p: signed(p, lambda fields: fields.pop("metadata")),
        "invalid fields for version 1 (KeyError('metadata'))",
    ),
    "unknown metadata": (
        lambda p: signed(p, lambda fields: fields["metadata"].update({"$x": 1})),
        "manifest.json: metadata: unknown key '$x'",
    ),
    "metadata of a tensor that is not there": (
        lambda p: signed(p, lambda fields: fields["metadata"].update(array={"$tensor": "no"})),
        "manifest.json: metadata: unknown key '$tensor'",
    ),
}


def _shorter_padding(path: Path, count: int = 2) -> None:
    """Remove spaces from the padding of a header, so that its size is unchanged."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    end = 8 + size + count
    assert content[end - count : end] == b" " * count
    path.write_bytes(content[: end - count] + content[end:])


def _checksum_of(path: Path) -> bytes:
    return json.loads((path / "manifest.json").read_text())["checksum"].encode()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_the_previous_checkpoint_is_loaded(fault: str, run: Path) -> None:
    damage, message = FAULTS[fault]
    path = run / "step-00000002"
    damage(path)
    with pytest.raises(po.CheckpointError) as caught:
        po.checkpoint.load(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    with pytest.raises(po.CheckpointError) as verified:
        po.checkpoint.verify(run)
    assert str(verified.value) == str(caught.value)
    with pytest.warns(UserWarning, match="the latest checkpoint is damaged") as warned:
        found = po.checkpoint.load(run)
    assert str(caught.value) in str(warned[0].message)
    assert warned[0].filename == __file__
    assert found.step == 1
    assert np.array_equal(found.tensors["a"], np.arange(1.0, 7.0))


def test_every_bit_matters(run: Path) -> None:
    path = run / "step-00000002"
    for file in path.iterdir():
        content = file.read_bytes()
        for at in range(len(content)):
            damaged = bytearray(content)
            damaged[at] ^= 1 << at % 8
            file.write_bytes(damaged)
            with pytest.raises(po.CheckpointError, match=file.name):
                po.checkpoint.load(path)
        file.write_bytes(content)
    po.checkpoint.verify(path)


def test_all_damaged(run: Path) -> None:
    for step in (1, 2):
        (run / f"step-0000000{step}" / FILE).unlink()
    with pytest.raises(po.CheckpointError, match=r"step-00000002: .*; .*step-00000001: "):
        po.checkpoint.load(run)
    with pytest.raises(po.CheckpointError, match=r"step-00000001: .*\n.*step-00000002: "):
        po.checkpoint.verify(run)


def test_only_the_first_faults_are_named(run: Path) -> None:
    for i in range(20):
        (run / "step-00000002" / f"x{i:02}").touch()
    with pytest.raises(po.CheckpointError, match=r"x04: not a .*; and 15 more$"):
        po.checkpoint.load(run / "step-00000002")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("step-00000009\n", "latest: names step-00000009, which does not exist"),
        ("../../x\n", "latest: expected the name of a checkpoint, got '../../x'"),
        ("", "latest: expected the name of a checkpoint, got ''"),
        ("\0" * 100, "expected the name of a checkpoint"),
    ],
    ids=["deleted", "elsewhere", "empty", "zeros"],
)
def test_latest_names_nothing(content: str, message: str, run: Path) -> None:
    (run / "latest").write_text(content)
    for function in (po.checkpoint.latest, po.checkpoint.verify):
        with pytest.raises(po.CheckpointError) as caught:
            function(run)
        assert message in str(caught.value)
    with pytest.warns(UserWarning, match=re.escape(message)):
        assert po.checkpoint.load(run).step == 2
    save(run, 3)  # repairs it
    assert po.checkpoint.latest(run).name == "step-00000003"


def test_a_deleted_latest(run: Path) -> None:
    shutil.rmtree(run / "step-00000002")
    with pytest.warns(UserWarning, match="names step-00000002, which does not exist"):
        assert po.checkpoint.load(run).step == 1


def test_latest_of_another_kind(run: Path) -> None:
    (run / "latest").rename(run / "elsewhere")
    (run / "latest").symlink_to("elsewhere")
    with pytest.raises(po.CheckpointError, match="latest: cannot be read"):
        po.checkpoint.latest(run)
    (run / "latest").unlink()
    (run / "latest").mkdir()
    with pytest.raises(po.CheckpointError, match="latest: cannot be read"):
        po.checkpoint.latest(run)


def test_a_linked_checkpoint(run: Path, tmp_path: Path) -> None:
    (run / "step-00000002").rename(tmp_path / "elsewhere")
    (run / "step-00000002").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(po.CheckpointError, match="step-00000002: not a directory"):
        po.checkpoint.verify(run)
    with pytest.warns(UserWarning, match="step-00000002: not a directory"):
        assert po.checkpoint.load(run).step == 1


def test_a_temporary_directory_replaced_by_a_link(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process replaces the directory by a link before it is opened."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    real = Path.mkdir

    def mkdir(path: Path, *args: Any, **kwargs: Any) -> None:
        if path.name.startswith(temporary.PREFIX):
            path.symlink_to(elsewhere)
        else:
            real(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", mkdir)
        with pytest.raises(po.CheckpointError, match=r"\.tmp-[\w-]+: replaced by another process"):
            save(run, 3)
    assert list(elsewhere.iterdir()) == []
    assert po.checkpoint.load(run).step == 2
    assert sorted(path.name for path in run.iterdir()) == [
        "latest", "step-00000001", "step-00000002"
    ]  # fmt: skip


def test_an_existing_temporary_name(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "remove_temporaries", lambda directory: None)
    monkeypatch.setattr(saving, "temporary_name", lambda: nullcontext(".tmp-taken"))
    (run / ".tmp-taken").symlink_to(run / "step-00000001")
    with pytest.raises(FileExistsError):
        save(run, 3)
    assert po.checkpoint.load(run / "step-00000001").step == 1


def test_directories_without_checkpoints(tmp_path: Path) -> None:
    for function in (po.checkpoint.load, po.checkpoint.latest, po.checkpoint.verify):
        with pytest.raises(po.CheckpointError, match="contains no checkpoint"):
            function(tmp_path)
        with pytest.raises(FileNotFoundError, match="missing"):
            function(tmp_path / "missing")
    (tmp_path / "file").touch()
    for function in (po.checkpoint.load, po.checkpoint.latest):
        with pytest.raises(po.CheckpointError, match="file: not a directory"):
            function(tmp_path / "file")


def test_a_single_file_is_verified(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_safetensors(path, {"flags": np.array([True, False])})
    po.checkpoint.verify(path)
    content = bytearray(path.read_bytes())
    content[-1] = 7
    path.write_bytes(content)
    with pytest.raises(po.CheckpointError, match=r"x\.safetensors: .* boolean"):
        po.checkpoint.verify(path)
