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
    """A file's content and what the error must say of it."""

    fault: str
    content: bytes
    message: str


def refusal(read: Callable[[], object]) -> tuple[str, int]:
    """Return the message with which something is refused, and the most memory that it took."""
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
    """Return a header with one tensor, some of its fields changed; None leaves a field out."""
    fields = json.loads(TENSOR) | changes
    return {"w": {key: value for key, value in fields.items() if value is not None}}


def pair(first: list[int], second: list[int]) -> dict[str, Any]:
    """Return a header with two tensors of bytes, at these offsets."""
    return {
        name: {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
        for name, (begin, end) in (("a", first), ("b", second))
    }


def raw(shape: str = "[2]", offsets: str = "[0,8]", dtype: str = '"F32"', name: str = '"w"') -> str:
    """Return a header with one tensor from pieces of JSON."""
    return f'{{{name}:{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}}}'


def table() -> list[Malformed]:
    """Return all of them."""
    groups = (_sizes, _extents, _offsets, _shapes, _fields, _json, _names, _values, _denial)
    return [Malformed(*row) for group in groups for row in group()]


Rows = Iterator[tuple[str, bytes, str]]


def _sizes() -> Rows:
    whole = packed(tensor())
    yield "empty file", b"", "0 bytes are too few"
    yield "seven bytes", whole[:7], "7 bytes are too few"
    yield "size only", whole[:8], "does not fit into 8 bytes"
    yield "size beyond the file", packed(tensor(), b"", size=1000), "does not fit into"
    for name, size in (("limit + 1", LARGEST + 1), ("2^63", 2**63), ("2^64 - 1", 2**64 - 1)):
        yield (
            f"size {name}",
            packed(tensor(), size=size),
            f"a header of {size} bytes; 100000000 are",
        )
    yield "size 0", packed("", b""), "a header of 0 bytes"
    yield "size 0 before data", packed("", DATA), "a header of 0 bytes"
    yield "size 1", packed("{", b""), "a header of 1 bytes"
    yield "all zeros", bytes(1000), "a header of 0 bytes"
    yield "zip", b"PK\x03\x04" + bytes(100), "a header of 67324752 bytes does not fit"
    yield "pickle", b"\x80\x02}q\x00X\x06\x00\x00\x00" + bytes(50), "a header of"
    yield "GGUF", b"GGUF\x03\x00\x00\x00" + bytes(50), "a header of"
    yield "NumPy", b"\x93NUMPY\x01\x00v\x00{'descr'" + bytes(200), "a header of"
    yield "foreign prefix", b"\n" + whole, "does not fit"


def _extents() -> Rows:
    yield "data one byte short", packed(tensor(), DATA[:-1]), "need 8 bytes of data, the file has 7"
    yield "no data", packed(tensor(), b""), "need 8 bytes of data, the file has 0"
    yield "header cut", packed(json.dumps(tensor())[:-1]), "expected , or }"
    yield "trailing byte", packed(tensor(), DATA + b"\0"), "1 bytes follow the last tensor"
    yield "data without a tensor", packed({}, DATA), "8 bytes follow"
    yield "hole", packed(pair([0, 3], [4, 8])), "'b', data_offsets from 4, leaves a hole at 3"
    yield "first offset not 0", packed(pair([1, 4], [4, 8])), "leaves a hole at 0"
    yield "overlap", packed(pair([0, 5], [4, 8])), "'b', data_offsets from 4, overlaps"
    yield "the same twice", packed(pair([0, 8], [0, 8])), "overlaps"
    yield "inside another", packed(pair([0, 8], [2, 4])), "overlaps"
    yield (
        "end before begin",
        packed(tensor(data_offsets=[8, 0])),
        "ends at 0, before it begins at 8",
    )
    yield "past the end", packed(tensor(shape=[4], data_offsets=[0, 16])), "need 16 bytes of data"
    yield "nothing, past the end", packed(pair([0, 8], [9, 9])), "leaves a hole at 8"


def _offsets() -> Rows:
    bad = "data_offsets of the tensor 'w' is no list of whole numbers"
    for offsets in (
        "[-8,0]",
        "[0,8.0]",
        "[0,8e0]",
        "[0,0.8e1]",
        "[-0,8]",
        "[00,8]",
        "[0,+8]",
        "[0,0x8]",
        "[0,true]",
        "[false,8]",
        '["0",8]',
        "[0,null]",
        "[[0],8]",
        "[0,8,]",
        "[,8]",
        "null",
        "8",
        '{"0":8}',
        '"[0,8]"',
        "[0 8]",
    ):
        yield f"offsets {offsets}", packed(raw(offsets=offsets)), bad
    for offsets, count in (("[]", 0), ("[8]", 1), ("[0,8,8]", 3)):
        yield f"offsets {offsets}", packed(raw(offsets=offsets)), f"has {count} data_offsets, not"
    beyond = f"[0,{2**64}]"
    yield "offsets beyond 64 bits", packed(raw(offsets=beyond)), "is above 2^63 - 1"
    yield "offsets of many digits", packed(raw(offsets=f"[0,{'9' * 5000}]")), "is too long"


def _shapes() -> Rows:
    yield "too few elements", packed(tensor(shape=[1])), "has 8 bytes of data where 4 are needed"
    yield "too many elements", packed(tensor(shape=[3])), "has 8 bytes of data where 12 are needed"
    yield "scalar of two", packed(tensor(shape=[])), "where 4 are needed"
    yield "half a byte", packed(raw(dtype='"F4"', shape="[17]")), "where 8.5 are needed"
    for shape in ([2, 2**64 - 2], [2**64], [2**63], [10**19]):
        yield f"shape {shape}", packed(tensor(shape=shape), b""), "above 2^63 - 1"
    empty = [0, 0]
    for shape in ([2**32, 2**32], [2**62, 4], [2**61, 8], [3, 2**62]):
        content = packed(tensor(shape=shape, data_offsets=empty), b"")
        yield f"overflow {shape}", content, "more elements than any memory holds"
    content = packed(tensor(shape=[0, 2**63, 2**63], data_offsets=empty), b"")
    yield "overflow behind a zero", content, "above 2^63 - 1"
    content = packed(tensor(shape=[0, 2**62, 2**62], data_offsets=empty), b"")
    yield "smaller overflow behind a zero", content, "more elements than any memory holds"
    bad = "shape of the tensor 'w' is no list of whole numbers"
    for shape in ("[-2]", "[true]", "[2.0]", "[2e0]", "null", "2", '"2"', "[[2]]", "[2,]", "[-0]"):
        yield f"shape {shape}", packed(raw(shape=shape)), bad
    content = packed(tensor(shape=[1] * 33 + [2]))
    yield "34 dimensions", content, "more than 32 dimensions"
    yield "a million dimensions", packed(tensor(shape=[1] * 10**6)), "is too long"


def _fields() -> Rows:
    for dtype in ("F31", "f32", "float32", "", "BF16 "):
        yield f"dtype {dtype!r}", packed(tensor(dtype=dtype)), f"an unknown dtype {dtype!r}"
    for dtype in ("null", "32", "[]", "true"):
        yield f"dtype {dtype}", packed(raw(dtype=dtype)), "the dtype of the tensor 'w' is no string"
    for field in ("dtype", "shape", "data_offsets"):
        yield f"no {field}", packed(tensor(**{field: None})), f"the tensor 'w' has no {field}"
        again = f'{{"w":{{"{field}":{json.dumps(json.loads(TENSOR)[field])},{TENSOR[1:]}}}'
        yield f"{field} twice", packed(again), f"the tensor 'w' has {field} twice"
    yield "no fields", packed('{"w":{}}'), "the tensor 'w' has no dtype"
    yield "an extra field", packed(tensor(strides=[1])), "has an unknown field 'strides'"
    yield "a field in capitals", packed(tensor(Shape=[2])), "has an unknown field 'Shape'"
    yield "a tensor twice", packed(f'{{"w":{TENSOR},"w":{TENSOR}}}'), "'w' stands there twice"
    escaped = f'{{"w":{TENSOR},"\\u0077":{TENSOR}}}'
    yield "a tensor twice, escaped", packed(escaped), "'w' stands there twice"
    escaped = f'{{"w":{{"\\u0064type":"F64",{TENSOR[1:]}}}'
    yield "a field twice, escaped", packed(escaped), "the tensor 'w' has dtype twice"
    for value in ("null", "[]", "1", '"x"', "true", TENSOR):
        content = packed(f'{{"__metadata__":{value},"w":{TENSOR}}}')
        yield f"metadata {value[:9]}", content, "__metadata__"
    for value in ("1", "null", "{}", '["x"]', "true"):
        content = packed(f'{{"__metadata__":{{"k":{value}}},"w":{TENSOR}}}')
        yield f"metadata of {value}", content, "__metadata__['k'] is no string"
    content = packed(f'{{"__metadata__":{{"k":"a","k":"b"}},"w":{TENSOR}}}')
    yield "a key of metadata twice", content, "__metadata__ has 'k' twice"
    content = packed(f'{{"__metadata__":{{}},"w":{TENSOR},"__metadata__":{{}}}}')
    yield "metadata twice", content, "__metadata__ stands there twice"
    for value in ("1", "null", "[]", '"F32"'):
        yield f"tensor {value}", packed(f'{{"w":{value}}}'), "the tensor 'w' is no JSON object"


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
    yield "{ only", packed("{ ", b""), "expected a tensor's name"
    yield "{{", packed("{{", b""), "expected a tensor's name"
    yield "{}x", packed("{}x", b""), "something other than spaces follows"
    yield "two objects", packed("{}{}", b""), "something other than spaces follows"
    for name, padding in (("NUL", "\0"), ("newline", "\n"), ("tab", "\t")):
        yield f"{name} padding", packed(whole + padding), "something other than spaces follows"
    yield "NaN inside", packed(raw(shape="[NaN]")), "shape of the tensor 'w' is no list"
    yield "single quotes", packed(whole.replace('"', "'")), "expected a tensor's name"
    yield "no colon", packed(whole.replace(":", " ")), "expected a tensor's name, then a colon"
    yield "trailing comma", packed(whole[:-1] + ",}"), "expected a tensor's name"
    yield "comment", packed(whole[:-1] + "/**/}"), "expected , or }"
    yield "UTF-16", packed(whole.encode("utf-16")), start
    yield "100,000 objects deep", packed('{"a":' * 100_000), "an unknown field 'a'"
    yield "100,000 arrays deep, inside", packed('{"w":' + "[" * 100_000), "is no JSON object"
    deep = '{"w":{"dtype":"F32","data_offsets":[0,8],"shape":' + "[" * 100_000
    yield "100,000 levels of shape", packed(deep), "shape of the tensor 'w' is no list"
    deep = '{"__metadata__":{"k":' + '{"k":' * 100_000
    yield "100,000 levels of metadata", packed(deep), "__metadata__['k'] is no string"


def _names() -> Rows:
    text = "is no valid text"
    yield "empty name", packed(raw(name='""')), "must not be named ''"
    for name in ("a\\u0000b", "a\\nb", "\\u007f", "\\u001b[31m"):
        yield f"name {name}", packed(raw(name=f'"{name}"')), "has control characters"
    yield "a raw NUL in a name", packed(raw(name='"a\0b"')), "expected a tensor's name"
    yield "a raw newline in a name", packed(raw(name='"a\nb"')), "expected a tensor's name"
    for name in ("../../x", "..", "a/../b", "/etc/passwd", "..\\\\x", "a/.."):
        yield f"name {name}", packed(raw(name=f'"{name}"')), "is a path that leads elsewhere"
    yield "not UTF-8 name", packed(raw(name='"w?"').encode().replace(b"?", b"\xff")), text
    yield "overlong UTF-8", packed(raw(name='"w?"').encode().replace(b"?", b"\xc0\xaf")), text
    content = packed(raw(name='"w?"').encode().replace(b"?", b"\xed\xa0\x80"))
    yield "a surrogate in UTF-8", content, text
    for name in ("\\ud800", "\\udc00x", "\\ud800\\u0041"):
        yield f"lone surrogate {name}", packed(raw(name=f'"{name}"')), text
    for name in ("\\x41", "\\u12", "\\u12g4", "\\'"):
        yield f"escape {name}", packed(raw(name=f'"{name}"')), text
    yield "a name of 5,000 letters", packed(raw(name=f'"{"a" * 5000}"')), "longer than 4096 bytes"
    yield "a name without end", packed('{"' + "a" * 100_000), "expected a tensor's name"
    yield "a name ending in a backslash", packed('{"' + "a\\"), "expected a tensor's name"
    content = packed(b'{"__metadata__":{"k":"\xff"},"w":%b}' % TENSOR.encode())
    yield "not UTF-8 metadata", content, text


def _values() -> Rows:
    header = {"w": {"dtype": "BOOL", "shape": [8], "data_offsets": [0, 8]}}
    for byte in (2, 0xFF):
        content = packed(header, bytes(5) + bytes([byte, 0, 1]))
        yield f"boolean {byte}", content, "a boolean that is neither 0 nor 1"
    for dtype, shape in (("F4", [16]), ("F6_E2M3", [8, 1]), ("F6_E3M2", [4, 2])):
        size = 8 if dtype == "F4" else 6
        content = packed(tensor(dtype=dtype, shape=shape, data_offsets=[0, size]), DATA[:size])
        yield f"dtype {dtype}", content, f"no array can be {dtype}, as 'w' is"


def _denial() -> Rows:
    entry = {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}
    overlapping = {f"t{i}": entry for i in range(100_000)}
    yield "100,000 overlapping tensors", packed(overlapping), "overlaps the one before"


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
