"""The header of a safetensors file, read strictly: one pass, no recursion, no guesses.

A file is a size N (8 bytes, little-endian), N bytes of JSON, then the tensors' bytes. The JSON has
one form only, so it is read by that form, piece by piece where it lies in the mapped file; memory
is needed for what was valid so far, and the first fault ends it.
"""

from __future__ import annotations

import math
import re
from mmap import mmap
from typing import Any, NamedTuple

from pyoptim.checkpoint._dtypes import DTYPES
from pyoptim.checkpoint._json import BEGIN, BLANK, END, INTEGER, LONGEST_NAME, JsonReader
from pyoptim.errors import CheckpointError

SIZE_BYTES = 8
LARGEST_HEADER = 100_000_000
MOST_TENSORS = 100_000
MOST_METADATA = 2**16
MOST_DIMENSIONS = 32
METADATA = "__metadata__"

_LARGEST = 2**63 - 1  # of a size in bytes, and of a dimension
_FIELDS = ("dtype", "shape", "data_offsets")

_NUMBERS = re.compile(
    rb"\[" + BLANK + b"((?:" + INTEGER + b"(?:" + BLANK + b"," + BLANK + INTEGER + b")*+)?+)"
    + BLANK + rb"\]"
)  # fmt: skip
_PADDING = re.compile(rb" *+")
_LONGEST_NUMBERS = MOST_DIMENSIONS * 32  # bytes
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f]")
_PARENT = re.compile(r"(?:^|[/\\])\.\.(?:$|[/\\])")


class TensorInfo(NamedTuple):
    """A tensor's dtype, shape, and where its bytes begin and end in the part after the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def nbytes(self) -> int:
        """The size of its data."""
        return self.end - self.begin


class Header(NamedTuple):
    """What the header of a valid file tells; tensors are in the order of their data."""

    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    size: int  # in bytes, with the size field: where the data begin


def read_header(data: bytes | mmap) -> Header:
    """Read the header of a whole safetensors file.

    Raises
    ------
    CheckpointError
        Naming the first fault.

    Examples
    --------
    >>> text = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    >>> read_header(len(text).to_bytes(8, "little") + text + bytes(8)).tensors
    {'w': TensorInfo(dtype='F32', shape=(2,), begin=0, end=8)}
    >>> read_header(b"PK" + bytes(20))
    Traceback (most recent call last):
    pyoptim.errors.CheckpointError: a header of 19280 bytes does not fit into 22 bytes
    """
    if len(data) < SIZE_BYTES:
        raise CheckpointError(f"{len(data)} bytes are too few for a header")
    size = int.from_bytes(data[:SIZE_BYTES], "little")
    if size > LARGEST_HEADER:
        raise CheckpointError(
            f"a header of {size} bytes; {LARGEST_HEADER} are the most there may be"
        )
    if size < 2:
        raise CheckpointError(f"a header of {size} bytes is none")
    if size > len(data) - SIZE_BYTES:
        raise CheckpointError(f"a header of {size} bytes does not fit into {len(data)} bytes")
    reader = _Reader(data, SIZE_BYTES + size)
    reader.read()
    return Header(_in_order(reader.tensors, reader.room), reader.metadata or {}, reader.end)


def check_name(name: str) -> None:
    """Refuse names that no tensor should have: empty, long, unprintable, or a way out of a folder.

    Raises
    ------
    ValueError
        Naming the fault.
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError(f"the name {name!r} has half a character (a lone surrogate)") from None
    if not name or name == METADATA:
        raise ValueError(f"a tensor must not be named {name!r}")
    if length > LONGEST_NAME:
        raise ValueError(f"the name {name[:20]!r}... has more than {LONGEST_NAME} bytes")
    if _NOT_IN_NAMES.search(name):
        raise ValueError(f"the name {name!r} has control characters")
    if name[0] in "/\\" or _PARENT.search(name):
        raise ValueError(f"the name {name!r} is a path that leads elsewhere")


class _Reader(JsonReader):
    """The header up to which all was valid."""

    def __init__(self, data: bytes | mmap, end: int) -> None:
        super().__init__(data, SIZE_BYTES, end)
        self.room = len(data) - end  # for the tensors' data
        self.tensors: dict[str, TensorInfo] = {}
        self.metadata: dict[str, str] | None = None

    def read(self) -> None:
        """Read tensors and metadata."""
        needed = 0
        self.take(BEGIN, "the header does not begin with {")
        more = not self.skip(END)
        while more:
            name = self.key("a tensor's name")
            if name == METADATA:
                if self.metadata is not None:
                    self.fail(f"{METADATA} stands there twice")
                self.metadata = self.read_metadata()
            else:
                self.check_new(name)
                self.tensors[name] = info = self.tensor(name)
                needed += info.nbytes
                if needed > self.room:  # whatever follows
                    _in_order(self.tensors, self.room)
            more = self.more()
        self.skip(_PADDING)
        if self.at != self.end:
            self.fail("something other than spaces follows the JSON")

    def check_new(self, name: str) -> None:
        """Check that there may be a tensor of this name."""
        try:
            check_name(name)
        except ValueError as error:
            self.fail(str(error))
        if name in self.tensors:
            self.fail(f"the tensor {name!r} stands there twice")
        if len(self.tensors) == MOST_TENSORS:
            self.fail(f"more than {MOST_TENSORS} tensors")

    def tensor(self, name: str) -> TensorInfo:
        """Read the object after a tensor's name."""
        fields: dict[str, Any] = {}
        self.take(BEGIN, f"the tensor {name!r} is no JSON object")
        more = not self.skip(END)
        while more:
            field = self.key(f"a field of the tensor {name!r}")
            if field not in _FIELDS:
                self.fail(f"the tensor {name!r} has an unknown field {field[:40]!r}")
            if field in fields:
                self.fail(f"the tensor {name!r} has {field} twice")
            fields[field] = self.dtype(name) if field == "dtype" else self.numbers(name, field)
            more = self.more()
        for field in _FIELDS:
            if field not in fields:
                self.fail(f"the tensor {name!r} has no {field}")
        if len(fields["data_offsets"]) != 2:
            self.fail(
                f"the tensor {name!r} has {len(fields['data_offsets'])} data_offsets, not two"
            )
        info = TensorInfo(fields["dtype"], fields["shape"], *fields["data_offsets"])
        self.check_extent(name, info)
        return info

    def check_extent(self, name: str, info: TensorInfo) -> None:
        """Check that the offsets are in order, and as far apart as dtype and shape need."""
        if info.end < info.begin:
            self.fail(f"the tensor {name!r} ends at {info.end}, before it begins at {info.begin}")
        bits = DTYPES[info.dtype].bits
        # Zeros must not hide dimensions that no array can have.
        if math.prod(max(size, 1) for size in info.shape) * bits > 8 * _LARGEST:
            self.fail(f"the tensor {name!r} has a shape of more elements than any memory holds")
        needed = math.prod(info.shape) * bits
        if needed != 8 * info.nbytes:
            shape = ", ".join(map(str, info.shape))
            self.fail(
                f"the tensor {name!r} ({info.dtype} [{shape}]) has {info.nbytes} bytes of data"
                f" where {needed / 8:.15g} are needed"
            )

    def dtype(self, name: str) -> str:
        """Read the name of an element type."""
        dtype = self.text(f"the dtype of the tensor {name!r}", LONGEST_NAME)
        if dtype not in DTYPES:
            self.fail(f"the tensor {name!r} has an unknown dtype {dtype[:40]!r}")
        return dtype

    def numbers(self, name: str, field: str) -> tuple[int, ...]:
        """Read a list of whole numbers."""
        found = _NUMBERS.match(self.data, self.at, self.end)
        if found is None:
            self.fail(f"{field} of the tensor {name!r} is no list of whole numbers of at least 0")
        if found.end(1) - found.start(1) > _LONGEST_NUMBERS:
            self.fail(f"{field} of the tensor {name!r} is too long")
        self.at = found.end()
        numbers = tuple(map(int, found[1].split(b","))) if found[1] else ()
        if len(numbers) > MOST_DIMENSIONS:
            self.fail(f"the tensor {name!r} has more than {MOST_DIMENSIONS} dimensions")
        if numbers and max(numbers) > _LARGEST:
            self.fail(f"{field} of the tensor {name!r}: {max(numbers)} is above 2^63 - 1")
        return numbers

    def read_metadata(self) -> dict[str, str]:
        """Read the object after __metadata__."""
        found: dict[str, str] = {}
        self.take(BEGIN, f"{METADATA} is no JSON object")
        more = not self.skip(END)
        while more:
            key = self.key(f"a key of {METADATA}")
            if key in found:
                self.fail(f"{METADATA} has {key[:40]!r} twice")
            if len(found) == MOST_METADATA:
                self.fail(f"more than {MOST_METADATA} entries in {METADATA}")
            found[key] = self.text(f"{METADATA}[{key[:40]!r}]", LARGEST_HEADER)
            more = self.more()
        return found


def _in_order(tensors: dict[str, TensorInfo], size: int) -> dict[str, TensorInfo]:
    """Return tensors in the order of their data, which must follow one another without holes."""
    ordered = dict(sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)))
    at = 0
    for name, info in ordered.items():
        if info.begin != at:
            wrong = "overlaps the one before" if info.begin < at else f"leaves a hole at {at}"
            raise CheckpointError(f"the tensor {name!r}, data_offsets from {info.begin}, {wrong}")
        at = info.end
    if at > size:
        raise CheckpointError(f"the tensors need {at} bytes of data, the file has {size}")
    if at < size:
        raise CheckpointError(f"{size - at} bytes follow the last tensor")
    return ordered
