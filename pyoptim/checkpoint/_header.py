"""A strict reader of the header of a safetensors file.

A file consists of a size N (8 bytes, little-endian), N bytes of JSON, and the data of the tensors.
The size and the number of values are checked before the JSON is parsed, so that a hostile file
cannot take much more memory than its own size.
"""

from __future__ import annotations

import json
import math
import re
from mmap import mmap
from typing import Any, NamedTuple

from pyoptim._utils.json_text import JsonObject, parse_json, shortened
from pyoptim.checkpoint._dtypes import DTYPES
from pyoptim.errors import CheckpointError

SIZE_BYTES = 8
MAX_HEADER = 100_000_000  # bytes
MAX_NAME = 4096  # bytes
MAX_TENSORS = 100_000
MAX_METADATA = 2**16  # entries
MAX_VALUES = 2**21
MAX_DIMENSIONS = 32
METADATA = "__metadata__"

_MAX_INTEGER = 2**63 - 1
_FIELDS = ("dtype", "shape", "data_offsets")
_JSON_TYPES = {
    JsonObject: "an object",
    list: "a list",
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
_PARENT = re.compile(r"(?:^|[/\\])\.\.(?:$|[/\\])")


class TensorInfo(NamedTuple):
    """A tensor's dtype and shape, and the extent of its bytes in the data after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def nbytes(self) -> int:
        """The size of the data in bytes."""
        return self.end - self.begin


class Header(NamedTuple):
    """The header of a valid file, whose tensors are in the order of their data."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    size: int  # bytes, including the size field; the data begin here


def read_header(data: bytes | mmap) -> Header:
    """Read the header of a whole safetensors file.

    Raises
    ------
    CheckpointError
        If the file is not a valid safetensors file. The message describes the first fault.

    Examples
    --------
    >>> text = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    >>> read_header(len(text).to_bytes(8, "little") + text + bytes(8)).tensors
    {'w': TensorInfo(dtype='F32', shape=(2,), begin=0, end=8)}
    >>> read_header(b"PK" + bytes(20))
    Traceback (most recent call last):
    pyoptim.errors.CheckpointError: a header of 19280 bytes does not fit into a file of 22 bytes
    """
    if len(data) < SIZE_BYTES:
        raise CheckpointError(f"expected at least 8 bytes, got {len(data)}")
    size = int.from_bytes(data[:SIZE_BYTES], "little")
    end = SIZE_BYTES + size
    if size > MAX_HEADER:
        raise CheckpointError(f"the header has {size} bytes; the maximum is {MAX_HEADER}")
    if size < 2:
        raise CheckpointError(f"the header has {size} bytes; the minimum is 2")
    if end > len(data):
        raise CheckpointError(
            f"a header of {size} bytes does not fit into a file of {len(data)} bytes"
        )
    if data[SIZE_BYTES] != ord("{"):
        raise CheckpointError("the header does not begin with {")
    fields = read_object(data, SIZE_BYTES, end, MAX_VALUES)
    if not data[SIZE_BYTES:end].rstrip(b" ").endswith(b"}"):
        raise CheckpointError("the header does not end with } and spaces")
    metadata = _metadata(fields.get(METADATA, JsonObject(())))
    return Header(_in_order(_tensors(fields), len(data) - end), metadata, end)


def check_name(name: str) -> None:
    """Reject tensor names that are empty, too long, unprintable, or paths out of a directory.

    Raises
    ------
    ValueError
        If the name is rejected. The message describes why.
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError(f"tensor {name!r}: the name has a lone surrogate") from None
    if not name or name == METADATA:
        raise ValueError(f"tensor {name!r}: the name is not allowed")
    if length > MAX_NAME:
        raise ValueError(f"tensor {name[:20]!r}...: the name has more than {MAX_NAME} bytes")
    if _CONTROL_CHARACTER.search(name):
        raise ValueError(f"tensor {name!r}: the name has control characters")
    if name[0] in "/\\" or _PARENT.search(name):
        raise ValueError(f"tensor {name!r}: the name is a path out of the directory")


def read_object(data: bytes | mmap, begin: int, end: int, max_values: int) -> JsonObject:
    """Parse the JSON object in a part of a file.

    Raises
    ------
    CheckpointError
        If the part is not a JSON object, or has more values than the maximum.
    """
    with memoryview(data) as view, view[begin:end] as text:
        try:
            fields = parse_json(
                text,
                max_size=MAX_HEADER,
                max_values=max_values,
                object_pairs_hook=JsonObject,
                parse_int=_as_integer,
                parse_constant=_reject_constant,
            )
        except json.JSONDecodeError as error:
            raise CheckpointError(f"invalid JSON: {shortened(error)}") from None
        except ValueError as error:
            raise CheckpointError(shortened(error)) from None
    return as_object(fields, "the JSON")


def as_object(value: object, label: str) -> JsonObject:
    """Return a value as a JSON object without duplicate keys.

    Raises
    ------
    CheckpointError
        If the value is not an object, or has a duplicate key.
    """
    if not isinstance(value, JsonObject):
        raise CheckpointError(f"{label}: expected a JSON object, got {json_type(value)}")
    if value.duplicate is not None:
        raise CheckpointError(f"{label}: duplicate key {shorten_name(value.duplicate)}")
    return value


def as_text(value: object, label: str) -> str:
    """Return a value as a string that UTF-8 can encode.

    Raises
    ------
    CheckpointError
        If the value is not a string, or has a lone surrogate.
    """
    if not isinstance(value, str):
        raise CheckpointError(f"{label}: expected a string, got {json_type(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise CheckpointError(f"{label}: the text has a lone surrogate") from None
    return value


def json_type(value: object) -> str:
    """Return the JSON name of the type of a value, with its article.

    >>> json_type(None), json_type(2.5)
    ('null', 'a number')
    """
    return _JSON_TYPES[type(value)]


def shorten_name(name: str) -> str:
    """Return a name in quotes, truncated to 40 characters."""
    return repr(name[:40])


def _tensors(fields: JsonObject) -> dict[str, TensorInfo]:
    """Return the tensors of a header, whose extents may still overlap."""
    names = [name for name in fields if name != METADATA]
    if len(names) > MAX_TENSORS:
        raise CheckpointError(f"the header has more than {MAX_TENSORS} tensors")
    tensors: dict[str, TensorInfo] = {}
    for name in names:
        try:
            check_name(name)
        except ValueError as error:
            raise CheckpointError(str(error)) from None
        tensors[name] = _tensor(name, fields[name])
    return tensors


def _tensor(name: str, value: object) -> TensorInfo:
    label = f"tensor {name!r}"
    fields = as_object(value, label)
    for field in fields:
        if field not in _FIELDS:
            raise CheckpointError(
                f"{label}: unknown field {shorten_name(field)}; expected {', '.join(_FIELDS)}"
            )
    for field in _FIELDS:
        if field not in fields:
            raise CheckpointError(f"{label}: missing field {field}")
    dtype = as_text(fields["dtype"], f"{label}: dtype")
    if dtype not in DTYPES:
        raise CheckpointError(f"{label}: unknown dtype {shorten_name(dtype)}")
    shape = _integers(fields["shape"], f"{label}: shape")
    offsets = _integers(fields["data_offsets"], f"{label}: data_offsets")
    if len(offsets) != 2:
        raise CheckpointError(f"{label}: data_offsets: expected two integers, got {len(offsets)}")
    info = TensorInfo(dtype, shape, *offsets)
    _check_extent(label, info)
    return info


def _integers(value: object, label: str) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise CheckpointError(
            f"{label}: expected a list of integers of at least 0, got {json_type(value)}"
        )
    if len(value) > MAX_DIMENSIONS:
        raise CheckpointError(
            f"{label}: expected at most {MAX_DIMENSIONS} dimensions, got {len(value)}"
        )
    for item in value:
        if type(item) is not int or item < 0:
            raise CheckpointError(
                f"{label}: expected a list of integers of at least 0, got a list with "
                f"{item if type(item) is int else json_type(item)}"
            )
        if item > _MAX_INTEGER:
            raise CheckpointError(f"{label}: an integer is greater than 2^63 - 1")
    return tuple(value)


def _check_extent(label: str, info: TensorInfo) -> None:
    """Check that the offsets are ordered, and that their distance matches dtype and shape."""
    if info.end < info.begin:
        raise CheckpointError(
            f"{label}: the data end at {info.end}, before they begin at {info.begin}"
        )
    bits = DTYPES[info.dtype].bits
    # A dimension of 0 must not hide dimensions that are too large for any array.
    if math.prod(max(size, 1) for size in info.shape) * bits > 8 * _MAX_INTEGER:
        raise CheckpointError(f"{label}: the shape has more elements than memory can hold")
    needed = math.prod(info.shape) * bits
    if needed != 8 * info.nbytes:
        raise CheckpointError(
            f"{label}: {info.dtype} of shape {list(info.shape)} needs {needed / 8:.15g} bytes of "
            f"data, got {info.nbytes}"
        )


def _metadata(value: object) -> dict[str, str]:
    fields = as_object(value, METADATA)
    if len(fields) > MAX_METADATA:
        raise CheckpointError(
            f"{METADATA}: expected at most {MAX_METADATA} entries, got {len(fields)}"
        )
    return {
        as_text(key, f"{METADATA}: a key"): as_text(text, f"{METADATA}[{shorten_name(key)}]")
        for key, text in fields.items()
    }


def _as_integer(digits: str) -> int | float:
    """Return the value of a JSON integer, of which at most 20 characters are read.

    Integers of more than 19 digits are rejected afterwards. -0 becomes a float.
    """
    return -0.0 if digits == "-0" else int(digits[:20])


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not valid JSON")


def _in_order(tensors: dict[str, TensorInfo], size: int) -> dict[str, TensorInfo]:
    """Return tensors in the order of their data, which must be contiguous."""
    ordered = dict(sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)))
    end = 0
    for name, info in ordered.items():
        if info.begin < end:
            raise CheckpointError(
                f"tensor {name!r}: the data begin at {info.begin}, which overlaps another tensor"
            )
        if info.begin > end:
            raise CheckpointError(
                f"tensor {name!r}: the data begin at {info.begin}, after a gap that begins at {end}"
            )
        end = info.end
    if end > size:
        raise CheckpointError(f"the tensors need {end} bytes of data, but the file has {size}")
    if end < size:
        raise CheckpointError(f"the file has {size - end} bytes after the last tensor")
    return ordered
