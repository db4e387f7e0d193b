"""Sharded safetensors files with an index, as Hugging Face writes them, and single files."""

import json
import os
import random
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import changed
from hypothesis import given, settings
from hypothesis import strategies as st
from malformed import refusal
from reference import same_bits
from safetensors.numpy import load_file, save_file

import pyoptim as po
from pyoptim.checkpoint import load_safetensors
from pyoptim.checkpoint._index import read_index
from pyoptim.models import MLP, load_pretrained

INDEX = "model.safetensors.index.json"
FILES = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
MEBIBYTE = 2**20


def tensors() -> dict[str, dict[str, np.ndarray]]:
    """Return the tensors of each file: the weights of a network, and tensors of other dtypes."""
    model = MLP([4, 6, 3], seed=5)
    first = {name: array for name, array in model.params.items() if "0" in name}
    second = {name: array for name, array in model.params.items() if "1" in name}
    return {FILES[0]: {**first, "ids": np.arange(5)}, FILES[1]: {**second, "on": np.array([True])}}


def index_of(files: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    names = {name: file for file, arrays in files.items() for name in arrays}
    size = sum(array.nbytes for arrays in files.values() for array in arrays.values())
    return {"metadata": {"total_size": size}, "weight_map": dict(sorted(names.items()))}


def write(folder: Path, files: dict[str, dict[str, np.ndarray]] | None = None) -> Path:
    """Write a model directory in the format of transformers, and return its path."""
    files = tensors() if files is None else files
    folder.mkdir(parents=True, exist_ok=True)
    for name, arrays in files.items():
        save_file(arrays, folder / name, metadata={"format": "pt"})
    text = json.dumps(index_of(files), indent=2, sort_keys=True) + "\n"
    (folder / INDEX).write_text(text, encoding="utf-8")
    (folder / "config.json").write_text("{}")
    return folder


# Reading


def test_all_files_are_read_as_the_library_safetensors_reads_each(tmp_path: Path) -> None:
    folder = write(tmp_path / "model")
    expected = {k: v for name in FILES for k, v in load_file(folder / name).items()}
    for path in (folder, folder / INDEX, str(folder)):
        found = load_safetensors(path)
        assert found.keys() == expected.keys()
        assert all(same_bits(found[name], expected[name]) for name in expected)
    in_files = [name for file in FILES for name in load_safetensors(folder / file)]
    assert list(found) == in_files
    found["layers.0.weight"][...] = 7
    assert same_bits(load_safetensors(folder)["layers.0.weight"], expected["layers.0.weight"])


def test_a_directory_with_one_file(tmp_path: Path) -> None:
    save_file({"w": np.ones(3)}, tmp_path / "model.safetensors")
    assert load_safetensors(tmp_path)["w"].tolist() == [1, 1, 1]
    assert list(load_pretrained(tmp_path)) == ["w"]
    other = write(tmp_path / "other")
    (other / INDEX).rename(other / "model.fp16.safetensors.index.json")
    assert len(load_safetensors(other / "model.fp16.safetensors.index.json")) == 6


def test_a_model_is_filled_and_tuned_from_several_files(tmp_path: Path) -> None:
    folder, source = write(tmp_path / "model"), MLP([4, 6, 3], seed=5)
    model = MLP([4, 6, 3], seed=1)
    for path in (folder, folder / INDEX):
        model = MLP([4, 6, 3], seed=1)
        load_pretrained(path, model, map=lambda name: name if "layers" in name else None)
        assert np.array_equal(model.params.flat, source.params.flat)
    plain = load_pretrained(folder, skip=["ids", "on"])
    assert all(np.array_equal(plain[name], source.params[name]) for name in source.params)
    with pytest.raises(TypeError, match=rf"{INDEX}: .* got ids of dtype I64; .* skip='ids'"):
        load_pretrained(folder)
    with pytest.raises(ValueError, match=rf"map: expected names of tensors in .*{INDEX} .* got x"):
        load_pretrained(folder, map={"x": "y"})
    with pytest.raises(
        ValueError, match=f"{INDEX}: tensors do not match the model: unexpected ids, on"
    ):
        load_pretrained(folder, MLP([4, 6, 3]))
    head = MLP([4, 6, 2])
    load_pretrained(folder, head, skip=["layers.1.*", "ids", "on"])
    assert np.array_equal(head.params["layers.0.weight"], source.params["layers.0.weight"])


def sparse_file(path: Path, name: str, megabytes: int) -> None:
    """Write a sparse file of zeros."""
    size = megabytes * MEBIBYTE
    header = {name: {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + size)


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_unused_tensors_are_not_read(tmp_path: Path) -> None:
    folder = write(tmp_path, {"small.safetensors": {"w": np.ones(4, np.float32)}})
    names = {"w": "small.safetensors"}
    for i in range(3):
        names[f"large{i}"] = f"large{i}.safetensors"
        sparse_file(folder / names[f"large{i}"], f"large{i}", 256)
    (folder / INDEX).write_text(json.dumps({"weight_map": names}))
    before = resident()
    params = load_pretrained(folder, map={"w": "w"})
    arrays = load_safetensors(folder)
    assert arrays["large2"][-1] == 0
    assert params["w"].tolist() == [1] * 4
    assert resident() - before < 16 * MEBIBYTE


# Rejected directories


def remove_a_file(folder: Path) -> None:
    (folder / FILES[1]).unlink()


def link_out(folder: Path) -> None:
    (folder / FILES[1]).rename(folder.parent / "outside.safetensors")
    (folder / FILES[1]).symlink_to("../outside.safetensors")


def link_the_index_out(folder: Path) -> None:
    (folder / INDEX).rename(folder.parent / "outside.json")
    (folder / INDEX).symlink_to(folder.parent / "outside.json")


def put_a_directory(folder: Path) -> None:
    (folder / FILES[1]).unlink()
    (folder / FILES[1]).mkdir()


def put_a_pipe(folder: Path) -> None:
    (folder / FILES[1]).unlink()
    os.mkfifo(folder / FILES[1])


def damage_a_file(folder: Path) -> None:
    os.truncate(folder / FILES[1], 100)


def move_a_tensor(folder: Path) -> None:
    files = tensors()
    files[FILES[0]]["layers.1.bias"] = files[FILES[1]].pop("layers.1.bias")
    for name, arrays in files.items():
        save_file(arrays, folder / name)


def rename_a_tensor(folder: Path) -> None:
    save_file({**tensors()[FILES[1]], "new": np.ones(1)}, folder / FILES[1])


def keep_a_tensor_twice(folder: Path) -> None:
    first, second = tensors().values()
    save_file({**second, "ids": first["ids"]}, folder / FILES[1])


def drop_two_tensors(folder: Path) -> None:
    kept = tensors()[FILES[1]]
    del kept["layers.1.bias"], kept["on"]
    save_file(kept, folder / FILES[1])


def put_both(folder: Path) -> None:
    save_file({"w": np.ones(1)}, folder / "model.safetensors")


def remove_the_index(folder: Path) -> None:
    (folder / INDEX).unlink()


WRONG: dict[str, tuple[Any, str]] = {
    "missing": (remove_a_file, f"{INDEX}: names {FILES[1]}, which does not exist"),
    "linked": (link_out, f"{FILES[1]}: expected a file in its directory"),
    "linked index": (link_the_index_out, f"{INDEX}: expected a file in its directory"),
    "directory": (put_a_directory, f"{FILES[1]}: not a file"),
    "pipe": (put_a_pipe, f"{FILES[1]}: not a file"),
    "damaged": (damage_a_file, f"{FILES[1]}: not a valid safetensors file: a header of"),
    "moved": (move_a_tensor, f"{FILES[0]}: contains tensor 'layers.1.bias', which {INDEX} puts "
     f"in {FILES[1]}"),
    "more": (rename_a_tensor, f"{FILES[1]}: contains tensor 'new', which {INDEX} does not list"),
    "twice": (keep_a_tensor_twice, f"{FILES[1]}: contains tensor 'ids', which {INDEX} puts in "
     f"{FILES[0]}"),
    "fewer": (drop_two_tensors, f"{INDEX}: tensor 'layers.1.bias' is not in {FILES[1]} (and 1 "
     "more)"),
    "both": (put_both, f"contains both model.safetensors and {INDEX}; give the path of one"),
    "neither": (remove_the_index, f"contains neither model.safetensors nor {INDEX}"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_mismatching_files_are_rejected(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "model")
    spoil, message = WRONG[name]
    spoil(folder)
    model = MLP([4, 6, 3])
    before = model.params.flat.copy()
    for read in (load_safetensors, lambda path: load_pretrained(path, model, skip=["ids", "on"])):
        with pytest.raises(po.CheckpointError) as caught:
            read(folder)
        assert str(caught.value).startswith(str(folder))
        assert message in str(caught.value)
    assert np.array_equal(model.params.flat, before)


def test_a_single_linked_file_outside_its_directory(tmp_path: Path) -> None:
    save_file({"w": np.ones(1)}, tmp_path / "outside.safetensors")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").symlink_to("../outside.safetensors")
    with pytest.raises(po.CheckpointError, match="expected a file in its directory"):
        load_safetensors(folder)
    assert list(load_safetensors(folder / "model.safetensors")) == [
        "w"
    ]  # the caller named this path
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_safetensors(tmp_path / INDEX)


def test_links_within_the_directory_and_to_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "model")
    (folder / "parts").mkdir()
    (folder / FILES[1]).rename(folder / "parts" / "b.safetensors")
    (folder / FILES[1]).symlink_to("parts/b.safetensors")
    (tmp_path / "link").symlink_to("model")
    assert len(load_safetensors(tmp_path / "link")) == 6


def test_the_cache_of_the_hub(tmp_path: Path) -> None:
    """Links from snapshots/REVISION to blobs/HASH are followed, and other links are rejected."""
    cache = tmp_path / "models--some--name"
    folder = write(cache / "snapshots" / "0123abc")
    (cache / "blobs").mkdir()
    for number, name in enumerate((INDEX, *FILES)):
        (folder / name).rename(cache / "blobs" / f"{number:064x}")
        (folder / name).symlink_to(f"../../blobs/{number:064x}")
    assert len(load_safetensors(folder)) == 6
    (cache / "blobs" / f"{2:064x}").rename(cache / "elsewhere")
    (cache / "blobs" / f"{2:064x}").symlink_to("../elsewhere")
    with pytest.raises(po.CheckpointError, match="expected a file in its directory"):
        load_safetensors(folder)


# Rejected indexes


def indexed(file: Any = FILES[0], name: str = "w") -> str:
    return json.dumps({"weight_map": {name: file}})


OUTSIDE = "expected the name of a .safetensors file in the same directory"
MALFORMED: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "invalid JSON: Expecting value"),
    "array": ("[]", "expected a JSON object, got a list"),
    "null": ("null", "expected a JSON object, got null"),
    "UTF-8 mark": (b"\xef\xbb\xbf" + indexed().encode(), "invalid JSON: Unexpected UTF-8 BOM"),
    "no map": ("{}", "weight_map: expected a JSON object, got null"),
    "metadata only": ('{"metadata": {"total_size": 1}}', "weight_map: expected a JSON"),
    "empty map": ('{"weight_map": {}}', "weight_map: expected at least one tensor"),
    "list for a map": ('{"weight_map": []}', "weight_map: expected a JSON object"),
    "null for a map": ('{"weight_map": null}', "weight_map: expected a JSON object"),
    "map twice": (f"{indexed()[:-1]}, {indexed()[1:]}", "duplicate key 'weight_map'"),
    "metadata twice": ('{"metadata": {}, "metadata": {}}', "duplicate key 'metadata'"),
    "name twice": ('{"weight_map": {"w": "a.safetensors", "w": "a.safetensors"}}', "key 'w'"),
    "escaped name twice": (
        '{"weight_map": {"w": "a.safetensors", "\\u0077": "a.safetensors"}}', "key 'w'"),
    "unknown field": ('{"files": {}}', "unknown field 'files'"),
    "manifest": ('{"format": "pyoptim.checkpoint"}', "unknown field 'format'"),
    "number for a file": (indexed(7), "tensor 'w': the file name: expected a string"),
    "object for a file": (indexed({}), "tensor 'w': the file name: expected a string"),
    "cut": (indexed()[:-1], "invalid JSON: Expecting ','"),
    "comma at the end": (indexed()[:-2] + ",}}", "invalid JSON: Expecting property name"),
    "two values": (indexed() + "{}", "invalid JSON: Extra data"),
    "NUL at the end": (indexed() + "\0", "invalid JSON: Extra data"),
    "not UTF-8": (b'{"weight_map": {"\xff": "a.safetensors"}}', "JSON is not valid UTF-8 at byte"),
    "half a character": ('{"weight_map": {"\\ud800": "a.safetensors"}}', "has a lone surrogate"),
    "single quotes": ("{'weight_map': {}}", "invalid JSON: Expecting property name"),
    "comment": ('{/**/"weight_map": {}}', "invalid JSON: Expecting property name"),
    "deep": ('{"metadata": ' + "[" * 100_000, "JSON is nested too deeply"),
    "deeper": ('{"metadata": {"a": ' + '{"a": ' * 100_000, "JSON is nested too deeply"),
    "NaN": ('{"metadata": {"a": NaN}}', "NaN is not valid JSON"),
    "zeros": ('{"metadata": {"a": 01}}', "invalid JSON: Expecting ','"),
    "a number's point": ('{"metadata": {"a": 1.}}', "invalid JSON: Expecting ','"),
    "key of metadata twice": ('{"metadata": {"a": 1, "a": 1}}', "metadata: duplicate key 'a'"),
    "list in metadata": ('{"metadata": {"a": []}}', "metadata['a']: expected a string, number"),
    "object in metadata": ('{"metadata": {"a": {}}}', "boolean or null, got an object"),
    "long name": (indexed(name="w" * 5000), "the name has more than 4096 bytes"),
    "long file": (indexed("a" * 300 + ".safetensors"), "the file name has more than 255 bytes"),
    "empty name": (indexed(name=""), "tensor '': the name is not allowed"),
    "name of metadata": (indexed(name="__metadata__"), "the name is not allowed"),
    "name with NUL": (indexed(name="a\0"), "has control characters"),
    "name that leads out": (indexed(name="../../x"), "the name is a path out of the directory"),
    "parent": (indexed("../a.safetensors"), OUTSIDE),
    "parents": (indexed("x/../../a.safetensors"), OUTSIDE),
    "absolute": (indexed("/etc/a.safetensors"), OUTSIDE),
    "folder": (indexed("x/a.safetensors"), OUTSIDE),
    "other slashes": (indexed("..\\a.safetensors"), OUTSIDE),
    "no file": (indexed(""), OUTSIDE),
    "extension only": (indexed(".safetensors"), OUTSIDE),
    "this": (indexed("."), OUTSIDE),
    "NUL in a file": (indexed("a\0.safetensors"), OUTSIDE),
    "line break": (indexed("a.safetensors\n"), OUTSIDE),
    "other kind": (indexed("pytorch_model-00001-of-00002.bin"), OUTSIDE),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_fault_of_the_index_is_named(name: str, tmp_path: Path) -> None:
    content, message = MALFORMED[name]
    folder = write(tmp_path / "model")
    raw = content.encode() if isinstance(content, str) else content
    (folder / INDEX).write_bytes(raw)
    said, peak = refusal(lambda: load_safetensors(folder))
    start = f"{folder / INDEX}: not a valid index of safetensors files: "
    assert said.startswith(start)
    assert message in said
    assert len(said) < len(start) + 800
    assert peak < MEBIBYTE


def test_huge_indexes_take_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limits, because they bound the memory."""
    monkeypatch.setattr("pyoptim.checkpoint._index.MAX_TENSORS", 10_000)
    monkeypatch.setattr("pyoptim.checkpoint._index.MAX_METADATA", 5_000)
    path = tmp_path / INDEX
    pairs = ",".join(f'"{i}":"a.safetensors"' for i in range(300_000))
    path.write_text(f'{{"weight_map":{{{pairs}}}}}')
    many = ",".join(f'"{i}":0' for i in range(100_000))
    (tmp_path / "many.json").write_text(f'{{"metadata":{{{many}}}}}')
    os.truncate(tmp_path / "many.json", 50_000_000)
    (tmp_path / "sparse.json").write_text("{")
    os.truncate(tmp_path / "sparse.json", 2**40)
    tracemalloc.start()
    try:
        for file, message in (
            (path, "JSON has more than 15004 values"),
            (tmp_path / "many.json", "JSON has more than 15004 values"),
            (tmp_path / "sparse.json", "expected at most 100000000 bytes, got 1099511627776"),
        ):
            with pytest.raises(po.CheckpointError, match=message):
                load_safetensors(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * MEBIBYTE


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(
    lambda text: "t" + text.replace("..", "")
)
FILE_NAMES = st.sampled_from(["a.safetensors", "b é.safetensors", "..safetensors"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@settings(max_examples=60, deadline=None)
@given(
    names=st.dictionaries(NAMES, FILE_NAMES, min_size=1),
    metadata=st.dictionaries(st.text(), VALUES.filter(lambda v: v not in (1e999, -1e999))),
    indent=st.sampled_from([None, 0, 2, "\t"]),
    ascii_only=st.booleans(),
    first=st.booleans(),
)
def test_every_json_spelling_of_an_index_is_read(
    names: dict[str, str], metadata: dict[str, Any], indent: Any, ascii_only: bool, first: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    index = {"weight_map": names, "metadata": metadata}
    index = dict(sorted(index.items())) if first else index
    text = json.dumps(index, indent=indent, ensure_ascii=ascii_only)
    path = tmp_path_factory.mktemp("index") / "some.index.json"
    try:
        raw = f"\n {text}\r\n".encode()
    except UnicodeEncodeError:  # a lone surrogate, unescaped
        return
    path.write_bytes(raw)
    try:
        metadata_is_text = json.dumps(metadata, ensure_ascii=False).encode() is not None
    except UnicodeEncodeError:
        metadata_is_text = False
    if metadata_is_text:
        assert read_index(path) == names
    else:
        with pytest.raises(po.CheckpointError, match="lone surrogate"):
            read_index(path)


def index_or_error(path: Path) -> dict[str, str] | str:
    try:
        return read_index(path)
    except po.CheckpointError as error:
        return str(error)


def test_mutated_indexes_are_rejected_or_parsed_as_json(tmp_path: Path) -> None:
    rng, path = random.Random(0), tmp_path / INDEX
    valid = json.dumps({"metadata": {"total_size": 12.5, "a": "b"}, "weight_map": {
        "w": "a.safetensors", "layers.0.b": "a.safetensors", "é": "b.safetensors"}})  # fmt: skip
    read = 0
    for _ in range(2000):
        content = bytes(changed(valid.encode(), rng))
        path.write_bytes(content)
        found = index_or_error(path)
        if isinstance(found, dict):
            assert found == json.loads(content)["weight_map"]
            read += 1
        else:
            assert found.startswith(f"{path}: not a valid index")
    assert 50 < read < 1000


@pytest.mark.peers
def test_files_written_by_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3))
    names = {}
    for number, (name, tensor) in enumerate(net.state_dict().items()):
        names[name] = f"model-{number:05}-of-00004.safetensors"
        save_torch({name: tensor}, tmp_path / names[name])
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}, indent=2))
    model = MLP([4, 7, 3], activation="tanh")
    load_pretrained(
        tmp_path,
        model,
        map=lambda name: f"layers.{int(name[0]) // 2}.{name[2:]}",
        transpose="*.weight",
    )
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(
        model.scores(x), net(torch.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-6
    )
