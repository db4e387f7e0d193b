"""Files crafted to exhaust memory or stack, for example by a large number."""

import gzip
import io
import json
import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po

pa = pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

from pyarrow import parquet  # noqa: E402

from pyoptim.tabular import TableError, read_table  # noqa: E402
from pyoptim.tabular import _memory_limit as limits  # noqa: E402

MOST = 1 << 30  # bytes of additional memory that reading a file may need


@pytest.fixture(autouse=True)
def little_memory() -> Any:
    """Limit the memory, so that a test that needs much fails with MemoryError."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MOST, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def npz(**members: bytes) -> bytes:
    """Return the bytes of an NPZ file with these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def npy(shape: tuple[int, ...], dtype: str = "<f8", data: bytes = bytes(16)) -> bytes:
    """Return the bytes of an NPY file with any header."""
    stream = io.BytesIO()
    fields = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, fields)
    return stream.getvalue() + data


def bomb(name: str) -> bytes:
    """Return compressed bytes of a gibibyte of zeros."""
    stream = io.BytesIO()
    if name == "gz":
        with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as file:
            file.write(b"a,b\n")
            for _ in range(40):
                file.write(b"0,0\n" * 2**21)
        return stream.getvalue()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("X.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy((5 * 2**23,), data=b""))
        for _ in range(40):
            member.write(bytes(2**23))
    return stream.getvalue()


def many_rows() -> bytes:
    """Return a small Parquet file of many rows."""
    stream = io.BytesIO()
    table = pa.table({f"c{i}": pa.array(np.zeros(2**20)) for i in range(50)})
    parquet.write_table(table, stream)
    return stream.getvalue()


def long_texts() -> bytes:
    """Return a small Parquet file with a long text in each row."""
    stream = io.BytesIO()
    texts = pa.DictionaryArray.from_arrays(np.zeros(2**14, np.int32), pa.array(["x" * 2**14]))
    parquet.write_table(pa.table({"t": texts.cast(pa.string())}), stream)
    return stream.getvalue()


TABLES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "npz: elements": ("a.npz", lambda: npz(a=npy((10**12,))), "do not fit into"),
    "npz: product": ("a.npz", lambda: npz(a=npy((2**40, 2**40))), "do not fit into"),
    "npz: text": ("a.npz", lambda: npz(a=npy((1,), "<U100000000")), "do not fit into"),
    "npz: no bytes": ("a.npz", lambda: npz(a=npy((10**12,), "<U0", b"")), "do not fit into"),
    "npz: no rows": ("a.npz", lambda: npz(X=npy((0, 10**12))), "expected at most 100000 columns"),
    "npz: negative": ("a.npz", lambda: npz(a=npy((-1,))), "cannot be read"),
    "npz: bomb": ("a.npz", lambda: bomb("npz"), "more than 1000 times its size"),
    "npz: cut": ("a.npz", lambda: npz(a=npy((2,)))[:-30], "not an NPZ file"),
    "csv: bomb": ("a.csv.gz", lambda: bomb("gz"), "more than 1000 times its size"),
    "csv: columns": (
        "a.csv",
        lambda: b"a," * 200_000 + b"b\n",
        "expected at most 100000 columns, got 200001",
    ),
    "csv: line": ("a.csv", lambda: b"a,b\n" + b"x" * (40 << 20), "a.csv"),
    "csv: header": ("a.csv", lambda: b"x" * (40 << 20), "a.csv"),
    "parquet: rows": ("a.parquet", many_rows, "more than 1000 times its size"),
    "parquet: texts": ("a.parquet", long_texts, "more than 1000 times its size"),
    "svmlight: rows by columns": (
        "a.svm",
        lambda: b"1\n" * 30_000 + b"1 " + b" ".join(b"%d:1" % i for i in range(30_000)) + b"\n",
        "more than 1000 times its size",
    ),
    "svmlight: number": (
        "a.svm",
        lambda: b"1 99999999999999999999:1\n",
        "cannot be read as svmlight",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_that_would_exhaust_memory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_MIN_LIMIT", 2**26)
    file, content, message = TABLES[name]
    path = tmp_path / file
    path.write_bytes(content())
    with pytest.raises(TableError, match=re.escape(message)) as caught:
        read_table(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_column_number_does_not_determine_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.svm"
    path.write_text("2 100000000:2\n1 5:1\n")
    assert read_table(path).to_pydict() == {"f5": [0, 1], "f100000000": [2, 0], "y": [2, 1]}


def test_files_larger_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 1 << 8)  # 256 pages of 256 bytes
    np.savez(tmp_path / "a.npz", a=np.zeros(2**14))
    with pytest.raises(
        TableError, match=r"needs 128.\d KiB of memory, but this machine has 64.0 KiB"
    ):
        read_table(tmp_path / "a.npz")


# Models


DEEP = "[" * 100_000
WIDE = "[" + "[]," * 2**20 + "0]"


def config(kind: str, **fields: Any) -> str:
    return json.dumps({"kind": kind, **fields})


CONFIGS: dict[str, tuple[str, str]] = {
    "sizes": (config("MLP", sizes=[10**5, 10**5]), "elements, got 2 with 10000100000"),
    "buffers": (config("MLP", sizes=[1, 10**9, 1], norm="batch"), "elements, got 5 with"),
    "overflow": (config("MLP", sizes=[10**30, 10**30]), "parameters: expected at most 1024"),
    "layers": (config("MLP", sizes=[1] * 10**5), "elements, got 199998 with"),
    "linear": (config("Linear", inputs=10**10), "parameters: expected at most 1024"),
    "softmax": (
        config("Softmax", inputs=10**6, classes=10**6),
        "parameters: expected at most 1024",
    ),
    "users": (
        config("MatrixFactorization", users=10**9, items=10**9, rank=10**3),
        "parameters: expected at most 1024",
    ),
    "features": (
        config("FactorizationMachine", features=10**9, rank=100),
        "parameters: expected at most 1024",
    ),
    "tables": (
        config("EmbeddingMLP", fields={"a": [10**9, 100]}, hidden=[1]),
        "parameters: expected at most 1024",
    ),
    "deep": (DEEP, "nested too deep"),
    "deep sizes": (f'{{"kind": "MLP", "sizes": {DEEP[:900]}{"]" * 900}}}', "model configuration"),
    "wide": (f'{{"kind": "MLP", "sizes": {WIDE}}}', "more than 1048576 values"),
    "huge": (
        f'{{"kind": "MLP", "sizes": ["{"x" * 2**25}"]}}',
        "at most 33554432 characters",
    ),
    "a large number": (f'{{"kind": "MLP", "sizes": [{"9" * 5000}]}}', "model configuration"),
    "an infinite one": ('{"kind": "MLP", "sizes": [1e999, 2]}', "model configuration"),
    "long text": (config("MLP", sizes="x" * 10**6), "model configuration"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_models_that_would_exhaust_memory(name: str, tmp_path: Path) -> None:
    text, message = CONFIGS[name]
    path = tmp_path / "m.safetensors"
    po.checkpoint.save_safetensors(path, {"w": np.ones(4)}, {"pyoptim.model": text})
    with pytest.raises(po.CheckpointError, match=re.escape(message)) as caught:
        po.models.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


TARGET = {"task": "regression", "column": "y", "sign": "", "number": 0, "mean": 0, "scale": 1}


@pytest.mark.parametrize(
    "text",
    [DEEP, WIDE, "7", '"x"', '[{"kind": "number", "name": "a", "mean": 1e999, "scale": []}]',
     f'[{{"kind": "number", "name": "a", "mean": {"9" * 400}, "scale": 1}}]',
     f'[{{"kind": "{"x" * 10**6}"}}]'],
    ids=["deep", "wide", "number", "text", "list", "large", "kind"],
)  # fmt: skip
def test_unreadable_column_metadata(text: str, tmp_path: Path) -> None:
    from pyoptim.cli._model_directory import read_trained

    for metadata in (
        {"pyoptim.columns": text, "pyoptim.target": json.dumps(TARGET)},
        {"pyoptim.columns": "[]", "pyoptim.target": text},
    ):
        po.models.Linear(2).save(tmp_path / "model.safetensors", metadata)
        with pytest.raises(po.CheckpointError, match="invalid column metadata") as caught:
            read_trained(tmp_path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "content",
    [b'{"weight_map": ' + DEEP.encode(), b'{"metadata": {"a": ' + DEEP.encode(),
     b"[" * 10**6, b'{"weight_map": {"a": "' + b"x" * 10**6 + b'"}}'],
    ids=["map", "metadata", "list", "name"],
)  # fmt: skip
def test_a_deep_or_huge_index(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_bytes(content)
    with pytest.raises(po.CheckpointError, match="not a valid index") as caught:
        po.checkpoint.load_safetensors(tmp_path)
    assert len(str(caught.value)) < 500


def test_models_load_under_a_low_limit_of_recursion(tmp_path: Path) -> None:
    po.models.Linear(2).save(tmp_path / "m.safetensors", {})
    code = (
        "import sys, pyoptim as po\n"
        "sys.setrecursionlimit(300)\n"
        "print(po.models.load(sys.argv[1]).kind)\n"
    )
    command = [sys.executable, "-P", "-c", code, str(tmp_path / "m.safetensors")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "Linear\n"


# Histories


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("epoch,lo", 1),
        ("epoch,loss,loss\n1,2.0,3.0\n", 1),
        ("epoch,loss\n1,0.2", 2),
        ("epoch,loss\n1,0.25\n2", 3),
        ("epoch,loss\n1,0.25\n2,", 3),
        ("epoch,loss\n1," + "9" * 200_000 + "\n", 2),
        ("epoch,loss\n" + "1" * (3 << 20), 2),
        ("epoch,loss\n" + "9" * 5000 + ",1\n", 2),
    ],
)
def test_a_truncated_or_inflated_history(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"log\.csv, line {line}: "):
        po.train.History.read_csv(path)
