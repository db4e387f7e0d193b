"""The strict reader and the writer of safetensors files, compared with the safetensors library."""

import json
import math
import os
import tracemalloc
from pathlib import Path
from typing import Any

import malformed
import ml_dtypes
import numpy as np
import pytest
from fuzzing import LIMIT, fuzz
from hypothesis import given, settings
from hypothesis import strategies as st
from malformed import DATA, TENSOR, Malformed, packed, refusal, ten_million_keys
from reference import same_bits
from safetensors import deserialize, safe_open
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

import pyoptim as po
from pyoptim.checkpoint import load_safetensors, save_safetensors
from pyoptim.checkpoint._dtypes import DTYPES, to_numpy
from pyoptim.checkpoint._header import MAX_METADATA, MAX_TENSORS, MAX_VALUES, read_header

KINDS = sorted(name for name in DTYPES if to_numpy(name) is not None)
MEBIBYTE = 2**20


def values(dtype: np.dtype, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return an array of random bits of any dtype."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    raw = rng.bytes(math.prod(shape) * dtype.itemsize)
    return np.frombuffer(raw, dtype).reshape(shape)


# Rejected files


@pytest.mark.parametrize("case", malformed.table(), ids=lambda case: case.fault)
def test_a_fault_is_named(case: Malformed, tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    path.write_bytes(case.content)
    small = len(case.content) < MEBIBYTE
    said, peak = refusal(lambda: load_safetensors(path))
    assert said.startswith(f"{path}: ")
    assert case.message in said
    assert len(said) < len(str(path)) + 400
    assert peak < (MEBIBYTE if small else 20 * len(case.content))


def test_all_malformed_files_differ() -> None:
    cases = malformed.table()
    assert len({case.fault for case in cases}) == len(cases) > 150
    assert len({case.content for case in cases}) == len(cases)


@pytest.mark.parametrize(
    ("beginning", "value", "end", "message"),
    [
        (b"{", b"0,", b"}", f"more than {MAX_VALUES} values"),
        (b'{"__metadata__":{', b'"",', b"}}", f"more than {MAX_VALUES} values"),
    ],
    ids=["tensors", "metadata"],
)
def test_ten_million_keys(beginning: bytes, value: bytes, end: bytes, message: str) -> None:
    content = ten_million_keys(beginning, value, end)
    if len(content) > 100_000_000:  # metadata have a lower limit
        end_of_last = content.rindex(b'","', 0, 99_000_000) + 1
        content = packed(content[8:end_of_last] + end, b"")
    tracemalloc.start()
    try:
        with pytest.raises(po.CheckpointError, match=message):
            read_header(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * MEBIBYTE


def test_too_many_metadata_entries() -> None:
    header = {"__metadata__": {str(i): "" for i in range(MAX_METADATA + 1)}}
    with pytest.raises(po.CheckpointError, match="at most 65536 entries, got 65537"):
        read_header(packed(header, b""))


def test_too_many_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_TENSORS == 100_000
    monkeypatch.setattr("pyoptim.checkpoint._header.MAX_TENSORS", 10)
    empty = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    header = {f"{i}": empty for i in range(11)}
    with pytest.raises(po.CheckpointError, match="more than 10 tensors"):
        read_header(packed(header, b""))
    header.popitem()
    assert len(read_header(packed(header, b"")).tensors) == 10


@pytest.mark.parametrize("piece", [b"a", b"\\u0041", b"\\n", b" "], ids=repr)
def test_a_large_string_needs_little_memory(piece: bytes) -> None:
    text = piece * (4 * MEBIBYTE // len(piece))
    content = packed(b'{"__metadata__":{"k":"%b"}}' % text, b"")
    tracemalloc.start()
    try:
        metadata = read_header(content).metadata
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert metadata["k"] == json.loads(b'"%b"' % text)
    assert peak < 64 * MEBIBYTE


@pytest.mark.parametrize(
    "content",
    [
        b'{"__metadata__":{"k":"' + b"\\" * 10**6,
        b'{"w":{"shape":[' + b"1," * 10**6,
        b"{" + b"," * 2**21 + b'"' + b'\\"' * 10**6,
        b"{" + b'"' + b'\\"' * 10**6 + b"," * 2**21 + b"\\",
    ],
    ids=["backslashes", "numbers", "quotes after values", "quotes before values"],
)
def test_unterminated_strings_are_read_once(content: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(po.CheckpointError):
            read_header(packed(content, b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * MEBIBYTE


def test_mutated_files_raise_only_checkpoint_errors(tmp_path: Path) -> None:
    report = fuzz(tmp_path, seed=1, files=1000)
    assert report.files == 1000
    assert report.refused > 500
    assert report.read > 20  # some mutations are harmless
    assert 0 < report.memory < LIMIT


def test_missing_files_and_pipes_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.safetensors: no such file"):
        load_safetensors(tmp_path / "missing.safetensors")
    with pytest.raises(po.CheckpointError, match=r"neither model\.safetensors nor"):
        load_safetensors(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(po.CheckpointError, match="pipe: not a file"):
        load_safetensors(tmp_path / "pipe")


# Reading


def test_every_dtype_of_the_format_is_known() -> None:
    floats = {name for name in dir(ml_dtypes) if name.startswith("float8")}
    ours = {dtype.numpy for dtype in DTYPES.values()}
    for name in floats:
        try:
            to_bytes({"x": np.zeros(4, getattr(ml_dtypes, name))})
        except Exception:
            assert name not in ours
        else:
            assert name in ours


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 5), (2, 0, 3), (1, 1, 1)], ids=str)
def test_the_safetensors_library_reads_and_writes_the_same(
    kind: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    dtype = to_numpy(kind)
    assert dtype is not None
    array = values(dtype, shape)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    save_safetensors(ours, {"x": array}, {"note": 'täxt "\\'})
    theirs.write_bytes(to_bytes({"x": np.array(array)}))
    for path in (ours, theirs):
        found = load_safetensors(path)["x"]
        assert same_bits(found, array)
        assert found.flags.aligned
        assert found.flags.writeable
    assert deserialize(ours.read_bytes()) == [
        ("x", {"dtype": kind, "shape": list(shape), "data": bytearray(array.tobytes())})
    ]
    with safe_open(ours, framework="np") as file:
        assert file.metadata() == {"note": 'täxt "\\'}


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda name: ".." not in name and name[0] not in "/\\" and name != "__metadata__"
)
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
SETS = st.dictionaries(NAMES, st.tuples(st.sampled_from(KINDS), SHAPES), max_size=6)


@settings(max_examples=100, deadline=None)
@given(SETS, st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3).filter(
    lambda metadata: all(t.isprintable() for pair in metadata.items() for t in pair)
))  # fmt: skip
def test_any_set_of_tensors(tmp_path_factory: Any, chosen: dict, metadata: dict) -> None:
    arrays = {
        name: values(to_numpy(kind), shape, seed)
        for seed, (name, (kind, shape)) in enumerate(chosen.items())
    }
    path = tmp_path_factory.mktemp("set") / "x"
    save_safetensors(path, arrays, metadata)
    found = load_safetensors(path)
    assert found.keys() == arrays.keys()
    assert all(same_bits(found[name], array) for name, array in arrays.items())
    theirs = deserialize(path.read_bytes())
    assert {name: entry["data"] for name, entry in theirs} == {
        name: array.tobytes() for name, array in arrays.items()
    }
    with safe_open(path, framework="np") as file:
        assert (file.metadata() or {}) == metadata
    assert read_header(path.read_bytes()).metadata == metadata


@pytest.mark.parametrize(
    "header",
    [
        f'{{"w":{TENSOR}}}',
        f'{{"w":{TENSOR}}}          ',
        f'{{ "w" :\t{TENSOR.replace(":", " : ").replace(",", " , ")}\n}}',
        f'{{"__metadata__":{{}},"w":{TENSOR}}}',
        f'{{"__metadata__":{{"k":"","":"\\u0000"}},"w":{TENSOR}}}',
        f'{{"\\u0077":{TENSOR}}}',
        '{"w":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"}}',
        '{"w":{"dtype":"F32","shape":[1,2,1],"data_offsets":[0,8]}}',
    ],
)
def test_other_ways_to_write_the_same(header: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(packed(header))
    found = load_safetensors(path)["w"]
    assert found.tobytes() == DATA
    assert found.dtype == np.float32


def test_any_order_of_names_and_empty_tensors(tmp_path: Path) -> None:
    places = {"c": (4, 8), "empty": (4, 4), "a": (0, 4), "last": (8, 8), "first": (0, 0)}
    header = {
        name: {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
        for name, (begin, end) in places.items()
    }
    (tmp_path / "x").write_bytes(packed(header))
    found = load_safetensors(tmp_path / "x")
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: DATA[begin:end] for name, (begin, end) in places.items()
    }


def test_no_tensors(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(packed("{}", b""))
    assert load_safetensors(tmp_path / "x") == {}
    save_safetensors(tmp_path / "y", {})
    assert load_safetensors(tmp_path / "y") == {}
    assert load_file(tmp_path / "y") == {}


@pytest.mark.parametrize("blanks", range(8))
def test_unaligned_data_are_copied(blanks: int, tmp_path: Path) -> None:
    header = {
        "byte": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "wide": {"dtype": "F64", "shape": [2], "data_offsets": [1, 17]},
    }
    numbers = np.array([1.5, -2.5])
    (tmp_path / "x").write_bytes(
        packed(json.dumps(header) + " " * blanks, b"\7" + numbers.tobytes())
    )
    found = load_safetensors(tmp_path / "x")["wide"]
    assert found.flags.aligned
    assert np.array_equal(found, numbers)
    po.SGD([found], lr=0.1).step([numbers])  # can be updated in place


# Writing


def test_layouts_in_memory_and_byte_orders(tmp_path: Path) -> None:
    base = np.arange(24.0).reshape(4, 6)
    arrays = {
        "transposed": base.T,
        "sliced": base[::2, ::-3],
        "big-endian": base.astype(">f8"),
        "broadcast": np.broadcast_to(np.float32(3), (2, 2)),
        "list": [1, 2, 3],
        "number": 2.5,
    }
    save_safetensors(tmp_path / "x", arrays)
    for found in (load_safetensors(tmp_path / "x"), load_file(tmp_path / "x")):
        for name, array in arrays.items():
            assert np.array_equal(found[name], array), name
            assert found[name].dtype.isnative


@pytest.mark.parametrize(
    ("tensors", "metadata", "error", "message"),
    [
        ({"x": np.array("text")}, None, TypeError, "x: safetensors does not support dtype <U4"),
        ({"x": np.array([None])}, None, TypeError, "x: safetensors does not support dtype object"),
        ({"x": np.zeros(2, complex)}, None, TypeError, "not support dtype complex128"),
        (
            {"x": np.zeros(2, ml_dtypes.float8_e3m4)},
            None,
            TypeError,
            "not support dtype float8_e3m4",
        ),
        ({3: np.zeros(2)}, None, TypeError, "tensors: expected names of type str, got 3"),
        ({"": np.zeros(2)}, None, ValueError, "tensor '': the name is not allowed"),
        ({"__metadata__": np.zeros(2)}, None, ValueError, "the name is not allowed"),
        ({"../../x": np.zeros(2)}, None, ValueError, "a path out of the directory"),
        ({"a\0": np.zeros(2)}, None, ValueError, "has control characters"),
        ({"\ud800": np.zeros(2)}, None, ValueError, "a lone surrogate"),
        ({"a" * 5000: np.zeros(2)}, None, ValueError, "more than 4096 bytes"),
        ({"x": np.zeros((1,) * 33)}, None, ValueError, "x: expected at most 32 dimensions, got 33"),
        ({}, {"k": 1}, TypeError, "metadata: expected str keys and values, got 'k': 1"),
        ({}, {1: "k"}, TypeError, "metadata: expected str keys and values, got 1: 'k'"),
        ({}, {"k": "\ud800"}, ValueError, "a lone surrogate"),
        (
            {},
            {str(i): "" for i in range(MAX_METADATA + 1)},
            ValueError,
            "at most 65536 entries, got 65537",
        ),
        (dict.fromkeys(map(str, range(MAX_TENSORS + 1)), 0), None, ValueError, "got 100001"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_arguments_of_save_safetensors(
    tensors: Any, metadata: Any, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        save_safetensors(tmp_path / "x", tensors, metadata)
    assert list(tmp_path.iterdir()) == []


def test_a_mapped_file_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x"
    save_safetensors(path, {"w": np.arange(1000.0)})
    mapped = load_safetensors(path)
    mapped["w"] += 1  # not in the file
    assert load_safetensors(path)["w"][0] == 0
    save_safetensors(path, {"w": mapped["w"][::-1]})
    assert np.array_equal(mapped["w"], np.arange(1.0, 1001.0))
    save_safetensors(path, {"w": np.zeros(3)})  # shorter: a truncated map would crash
    assert mapped["w"].sum() == np.arange(1.0, 1001.0).sum()


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_the_umask_determines_the_permissions(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        save_safetensors(tmp_path / "x", {})
        path = po.checkpoint.save(tmp_path / "run", {}, step=1)
    finally:
        os.umask(before)
    for file in (tmp_path / "x", *path.iterdir(), tmp_path / "run" / "latest"):
        assert file.stat().st_mode & 0o777 == 0o666 & ~umask
    assert path.stat().st_mode & 0o777 == 0o777 & ~umask
