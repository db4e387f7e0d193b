"""Safetensors files with one fault each, built by hand."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import pyoptim as po

LARGEST = 100_000_000
DATA = bytes(range(1, 9))
TENSOR = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'


class Malformed(NamedTuple):
    """The content of a file and the expected error message."""

    fault: str
    content: bytes
    message: str


def refusal(read: Callable[[], object]) -> tuple[str, int]:
    """Return the message of a rejection and the peak memory."""
    tracemalloc.start()
    try:
        read()
    except po.CheckpointError as error:
        return str(error), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    raise AssertionError("nothing was refused")


def packed(
    header: str | bytes | dict[str, Any], data: bytes = DATA, size: int | None = None
) -> bytes:
    """Return a file: size field, header, data."""
    if isinstance(header, dict):
        header = json.dumps(header)
    raw = header.encode() if isinstance(header, str) else header
    return (len(raw) if size is None else size).to_bytes(8, "little") + raw + data


def tensor(**changes: Any) -> dict[str, Any]:
    """Return a header with one tensor and changed fields; None removes a field."""
    fields = json.loads(TENSOR) | changes
    return {"w": {key: value for key, value in fields.items() if value is not None}}


def pair(first: list[int], second: list[int]) -> dict[str, Any]:
    """Return a header with two uint8 tensors at these offsets."""
    return {
        name: {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
        for name, (begin, end) in (("a", first), ("b", second))
    }


def raw(shape: str = "[2]", offsets: str = "[0,8]", dtype: str = '"F32"', name: str = '"w"') -> str:
    """Return a header with one tensor whose fields are JSON text."""
    return f'{{{name}:{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}}}'


def table() -> list[Malformed]:
    """Return all malformed files."""
    groups = (_sizes, _extents, _offsets, _shapes, _fields, _json, _names, _values, _denial)
    return [Malformed(*row) for group in groups for row in group()]


Rows = Iterator[tuple[str, bytes, str]]


def _sizes() -> Rows:
    whole = packed(tensor())
    yield "empty file", b"", "expected at least 8 bytes, got 0"
    yield "seven bytes", whole[:7], "expected at least 8 bytes, got 7"
    yield "size only", whole[:8], "does not fit into a file of 8 bytes"
    yield "size beyond the file", packed(tensor(), b"", size=1000), "does not fit into"
    for name, size in (("limit + 1", LARGEST + 1), ("2^63", 2**63), ("2^64 - 1", 2**64 - 1)):
        yield (
            f"size {name}",
            packed(tensor(), size=size),
            f"the header has {size} bytes; the maximum is 100000000",
        )
    yield "size 0", packed("", b""), "the header has 0 bytes; the minimum is 2"
    yield "size 0 before data", packed("", DATA), "the header has 0 bytes; the minimum is 2"
    yield "size 1", packed("{", b""), "the header has 1 bytes; the minimum is 2"
    yield "all zeros", bytes(1000), "the header has 0 bytes; the minimum is 2"
    yield "zip", b"PK\x03\x04" + bytes(100), "a header of 67324752 bytes does not fit"
    yield (
        "pickle",
        b"\x80\x02}q\x00X\x06\x00\x00\x00" + bytes(50),
        "bytes; the maximum is 100000000",
    )
    yield "GGUF", b"GGUF\x03\x00\x00\x00" + bytes(50), "the maximum is 100000000"
    yield "NumPy", b"\x93NUMPY\x01\x00v\x00{'descr'" + bytes(200), "the maximum is 100000000"
    yield "foreign prefix", b"\n" + whole, "does not fit"


def _extents() -> Rows:
    yield (
        "data one byte short",
        packed(tensor(), DATA[:-1]),
        "need 8 bytes of data, but the file has 7",
    )
    yield "no data", packed(tensor(), b""), "need 8 bytes of data, but the file has 0"
    yield "header cut", packed(json.dumps(tensor())[:-1]), "invalid JSON: Expecting ','"
    yield "trailing byte", packed(tensor(), DATA + b"\0"), "1 bytes after the last tensor"
    yield "data without a tensor", packed({}, DATA), "8 bytes after the last tensor"
    yield (
        "hole",
        packed(pair([0, 3], [4, 8])),
        "'b': the data begin at 4, after a gap that begins at 3",
    )
    yield "first offset not 0", packed(pair([1, 4], [4, 8])), "after a gap that begins at 0"
    yield "overlap", packed(pair([0, 5], [4, 8])), "'b': the data begin at 4, which overlaps"
    yield "the same twice", packed(pair([0, 8], [0, 8])), "overlaps"
    yield "inside another", packed(pair([0, 8], [2, 4])), "overlaps"
    yield (
        "end before begin",
        packed(tensor(data_offsets=[8, 0])),
        "end at 0, before they begin at 8",
    )
    yield "past the end", packed(tensor(shape=[4], data_offsets=[0, 16])), "need 16 bytes of data"
    yield "nothing, past the end", packed(pair([0, 8], [9, 9])), "after a gap that begins at 8"


def _offsets() -> Rows:
    for offsets in ("[00,8]", "[0,+8]", "[0,0x8]", "[0,8,]", "[,8]", "[0 8]"):
        yield f"offsets {offsets}", packed(raw(offsets=offsets)), "invalid JSON: Expecting"
    bad = "tensor 'w': data_offsets: expected a list of integers of at least 0, got "
    for offsets in (
        "[-8,0]",
        "[0,8.0]",
        "[0,8e0]",
        "[0,0.8e1]",
        "[-0,8]",
        "[0,true]",
        "[false,8]",
        '["0",8]',
        "[0,null]",
        "[[0],8]",
        "null",
        "8",
        '{"0":8}',
        '"[0,8]"',
    ):
        yield f"offsets {offsets}", packed(raw(offsets=offsets)), bad
    for offsets, count in (("[]", 0), ("[8]", 1), ("[0,8,8]", 3)):
        yield (
            f"offsets {offsets}",
            packed(raw(offsets=offsets)),
            f"data_offsets: expected two integers, got {count}",
        )
    beyond = f"[0,{2**64}]"
    yield "offsets beyond 64 bits", packed(raw(offsets=beyond)), "is greater than 2^63 - 1"
    yield "offsets of many digits", packed(raw(offsets=f"[0,{'9' * 5000}]")), "is greater than 2^63"


def _shapes() -> Rows:
    yield "too few elements", packed(tensor(shape=[1])), "needs 4 bytes of data, got 8"
    yield "too many elements", packed(tensor(shape=[3])), "needs 12 bytes of data, got 8"
    yield "scalar of two", packed(tensor(shape=[])), "F32 of shape [] needs 4 bytes of data, got 8"
    yield "half a byte", packed(raw(dtype='"F4"', shape="[17]")), "needs 8.5 bytes of data, got 8"
    for shape in ([2, 2**64 - 2], [2**64], [2**63], [10**19]):
        yield f"shape {shape}", packed(tensor(shape=shape), b""), "is greater than 2^63 - 1"
    empty = [0, 0]
    for shape in ([2**32, 2**32], [2**62, 4], [2**61, 8], [3, 2**62]):
        content = packed(tensor(shape=shape, data_offsets=empty), b"")
        yield f"overflow {shape}", content, "more elements than memory can hold"
    content = packed(tensor(shape=[0, 2**63, 2**63], data_offsets=empty), b"")
    yield "overflow behind a zero", content, "is greater than 2^63 - 1"
    content = packed(tensor(shape=[0, 2**62, 2**62], data_offsets=empty), b"")
    yield "smaller overflow behind a zero", content, "more elements than memory can hold"
    bad = "tensor 'w': shape: expected a list of integers of at least 0, got "
    for shape in ("[-2]", "[true]", "[2.0]", "[2e0]", "null", "2", '"2"', "[[2]]", "[-0]"):
        yield f"shape {shape}", packed(raw(shape=shape)), bad
    yield "shape [2,]", packed(raw(shape="[2,]")), "invalid JSON: Expecting value"
    content = packed(tensor(shape=[1] * 33 + [2]))
    yield "34 dimensions", content, "expected at most 32 dimensions, got 34"
    yield "a million dimensions", packed(tensor(shape=[1] * 10**6)), "at most 32 dimensions"


def _fields() -> Rows:
    for dtype in ("F31", "f32", "float32", "", "BF16 "):
        yield (
            f"dtype {dtype!r}",
            packed(tensor(dtype=dtype)),
            f"'w': unknown dtype {dtype!r}",
        )
    for dtype in ("null", "32", "[]", "true"):
        yield f"dtype {dtype}", packed(raw(dtype=dtype)), "tensor 'w': dtype: expected a string"
    for field in ("dtype", "shape", "data_offsets"):
        yield f"no {field}", packed(tensor(**{field: None})), f"tensor 'w': missing field {field}"
        again = f'{{"w":{{"{field}":{json.dumps(json.loads(TENSOR)[field])},{TENSOR[1:]}}}'
        yield f"{field} twice", packed(again), f"tensor 'w': duplicate key '{field}'"
    yield "no fields", packed('{"w":{}}'), "tensor 'w': missing field dtype"
    yield "an extra field", packed(tensor(strides=[1])), "tensor 'w': unknown field 'strides'"
    yield "a field in capitals", packed(tensor(Shape=[2])), "tensor 'w': unknown field 'Shape'"
    yield "a tensor twice", packed(f'{{"w":{TENSOR},"w":{TENSOR}}}'), "duplicate key 'w'"
    escaped = f'{{"w":{TENSOR},"\\u0077":{TENSOR}}}'
    yield "a tensor twice, escaped", packed(escaped), "duplicate key 'w'"
    escaped = f'{{"w":{{"\\u0064type":"F64",{TENSOR[1:]}}}'
    yield "a field twice, escaped", packed(escaped), "tensor 'w': duplicate key 'dtype'"
    for value in ("null", "[]", "1", '"x"', "true", TENSOR):
        content = packed(f'{{"__metadata__":{value},"w":{TENSOR}}}')
        yield f"metadata {value[:9]}", content, "__metadata__"
    for value in ("1", "null", "{}", '["x"]', "true"):
        content = packed(f'{{"__metadata__":{{"k":{value}}},"w":{TENSOR}}}')
        yield f"metadata of {value}", content, "__metadata__['k']: expected a string"
    content = packed(f'{{"__metadata__":{{"k":"a","k":"b"}},"w":{TENSOR}}}')
    yield "a key of metadata twice", content, "__metadata__: duplicate key 'k'"
    content = packed(f'{{"__metadata__":{{}},"w":{TENSOR},"__metadata__":{{}}}}')
    yield "metadata twice", content, "duplicate key '__metadata__'"
    for value in ("1", "null", "[]", '"F32"'):
        yield f"tensor {value}", packed(f'{{"w":{value}}}'), "tensor 'w': expected a JSON object"


def _json() -> Rows:
    whole = json.dumps(tensor())
    start = "the header does not begin with {"
    for name, text in (
        ("array", f"[{whole}]"),
        ("number", "12345678"),
        ("null", "null"),
        ("string", '"abcdef"'),
        ("leading blank", f" {whole}"),
        ("leading newline", f"\n{whole}"),
        ("byte order mark", f"\ufeff{whole}"),
        ("NaN", "NaN"),
        ("blanks only", "        "),
        ("100,000 arrays deep", "[" * 100_000),
    ):
        yield name, packed(text), start
    yield "{ only", packed("{ ", b""), "invalid JSON: Expecting property name"
    yield "{{", packed("{{", b""), "invalid JSON: Expecting property name"
    yield "{}x", packed("{}x", b""), "invalid JSON: Extra data"
    yield "two objects", packed("{}{}", b""), "invalid JSON: Extra data"
    yield "NUL padding", packed(whole + "\0"), "invalid JSON: Extra data"
    for name, padding in (("newline", "\n"), ("tab", "\t")):
        yield f"{name} padding", packed(whole + padding), "does not end with } and spaces"
    yield "NaN inside", packed(raw(shape="[NaN]")), "NaN is not valid JSON"
    yield "single quotes", packed(whole.replace('"', "'")), "invalid JSON: Expecting property name"
    yield "no colon", packed(whole.replace(":", " ")), "invalid JSON: Expecting ':'"
    yield "trailing comma", packed(whole[:-1] + ",}"), "invalid JSON: Expecting property name"
    yield "comment", packed(whole[:-1] + "/**/}"), "invalid JSON: Expecting ','"
    yield "UTF-16", packed(whole.encode("utf-16")), start
    yield "100,000 objects deep", packed('{"a":' * 100_000), "JSON is nested too deeply"
    yield (
        "100,000 arrays deep, inside",
        packed('{"w":' + "[" * 100_000),
        "JSON is nested too deeply",
    )
    deep = '{"w":{"dtype":"F32","data_offsets":[0,8],"shape":' + "[" * 100_000
    yield "100,000 levels of shape", packed(deep), "JSON is nested too deeply"
    deep = '{"__metadata__":{"k":' + '{"k":' * 100_000
    yield "100,000 levels of metadata", packed(deep), "JSON is nested too deeply"


def _names() -> Rows:
    text = "JSON is not valid UTF-8 at byte "
    yield "empty name", packed(raw(name='""')), "tensor '': the name is not allowed"
    for name in ("a\\u0000b", "a\\nb", "\\u007f", "\\u001b[31m"):
        yield f"name {name}", packed(raw(name=f'"{name}"')), "has control characters"
    yield "a raw NUL in a name", packed(raw(name='"a\0b"')), "Invalid control character"
    yield "a raw newline in a name", packed(raw(name='"a\nb"')), "Invalid control character"
    for name in ("../../x", "..", "a/../b", "/etc/passwd", "..\\\\x", "a/.."):
        yield (
            f"name {name}",
            packed(raw(name=f'"{name}"')),
            "is a path out of the directory",
        )
    yield "not UTF-8 name", packed(raw(name='"w?"').encode().replace(b"?", b"\xff")), text
    yield "overlong UTF-8", packed(raw(name='"w?"').encode().replace(b"?", b"\xc0\xaf")), text
    content = packed(raw(name='"w?"').encode().replace(b"?", b"\xed\xa0\x80"))
    yield "a surrogate in UTF-8", content, text
    for name in ("\\ud800", "\\udc00x", "\\ud800\\u0041"):
        yield f"lone surrogate {name}", packed(raw(name=f'"{name}"')), "has a lone surrogate"
    for name in ("\\x41", "\\u12", "\\u12g4", "\\'"):
        yield f"escape {name}", packed(raw(name=f'"{name}"')), "invalid JSON: Invalid \\"
    yield "a name of 5,000 letters", packed(raw(name=f'"{"a" * 5000}"')), "more than 4096 bytes"
    yield "a name without end", packed('{"' + "a" * 100_000), "invalid JSON: Unterminated string"
    yield "a name ending in a backslash", packed('{"' + "a\\"), "invalid JSON: Unterminated string"
    content = packed(b'{"__metadata__":{"k":"\xff"},"w":%b}' % TENSOR.encode())
    yield "not UTF-8 metadata", content, text


def _values() -> Rows:
    header = {"w": {"dtype": "BOOL", "shape": [8], "data_offsets": [0, 8]}}
    for byte in (2, 0xFF):
        content = packed(header, bytes(5) + bytes([byte, 0, 1]))
        yield f"boolean {byte}", content, f"expected booleans of 0 or 1, got {byte}"
    for dtype, shape in (("F4", [16]), ("F6_E2M3", [8, 1]), ("F6_E3M2", [4, 2])):
        size = 8 if dtype == "F4" else 6
        content = packed(tensor(dtype=dtype, shape=shape, data_offsets=[0, size]), DATA[:size])
        yield f"dtype {dtype}", content, f"tensor 'w': NumPy has no dtype for {dtype}"


def _denial() -> Rows:
    entry = {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}
    overlapping = {f"t{i}": entry for i in range(100_000)}
    yield "100,000 overlapping tensors", packed(overlapping), "overlaps another tensor"


def ten_million_keys(beginning: bytes, value: bytes, end: bytes) -> bytes:
    """Return a file whose header has ten million different keys of four characters."""
    letters = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv", np.uint8)
    count, base = 10**7, len(letters)
    entries = np.empty((count, 7 + len(value)), np.uint8)
    entries[:, :] = np.frombuffer(b'"????":' + value, np.uint8)
    index = np.arange(count)
    for place in range(4):
        entries[:, 1 + place] = letters[index // base**place % base]
    header = beginning + entries.tobytes()[: -len(b",")] + end
    return packed(header, b"")
