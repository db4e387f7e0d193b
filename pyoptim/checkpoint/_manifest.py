"""The manifest of a checkpoint, which lists its content with checksums of all data."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from pyoptim import _core
from pyoptim._utils.json_text import parse_json, shortened
from pyoptim.checkpoint._dtypes import DTYPES
from pyoptim.checkpoint._header import MAX_DIMENSIONS, MAX_HEADER
from pyoptim.checkpoint._tree import decode, encode
from pyoptim.errors import CheckpointError

MANIFEST = "manifest.json"
STEP_KEY = "pyoptim.step"  # in the metadata of every file
CHANGED = "wrong checksum; the file was changed after it was written"

_FORMAT = "pyoptim.checkpoint"
_VERSION = 1
_MAX_VALUES = 2**23
_FILE_NAME = re.compile(r"tensors-\d{5}-of-\d{5}\.safetensors")
_CHECKSUM = re.compile(r"[0-9a-f]{16}")
_END = re.compile(rb',\n"checksum": "([0-9a-f]{16})"\n\}\n\Z')


class FileEntry(NamedTuple):
    """Size of a file in bytes, and checksum of its header and of its tensors' checksums."""

    size: int
    checksum: str


class TensorEntry(NamedTuple):
    """File name, safetensors dtype, shape and checksum of a tensor."""

    file: str
    dtype: str
    shape: list[int]
    checksum: str


@dataclass(frozen=True)
class Manifest:
    """The content of a checkpoint.

    `metadata` are JSON values, as returned by `encode`. `saves` is the number of saves into the
    directory so far, or 0 if unknown.
    """

    step: int
    saves: int
    score: float | None
    saved: str
    files: dict[str, FileEntry]
    tensors: dict[str, TensorEntry]
    metadata: Any

    def to_bytes(self) -> bytes:
        """Return the manifest as JSON, whose last entry is the checksum of all bytes before it."""
        fields = {
            "format": _FORMAT,
            "version": _VERSION,
            "step": self.step,
            "saves": self.saves,
            "score": encode(self.score, {}),
            "saved": self.saved,
            "files": {name: entry._asdict() for name, entry in self.files.items()},
            "tensors": {name: entry._asdict() for name, entry in self.tensors.items()},
            "metadata": self.metadata,
        }
        lines = [f"{json.dumps(key)}: {_dumped(value)}" for key, value in fields.items()]
        text = "{\n" + ",\n".join(lines)
        return f'{text},\n"checksum": "{checksum(text.encode())}"\n}}\n'.encode()


def checksum(data: Any) -> str:
    """Return the XXH64 checksum of contiguous bytes as 16 hexadecimal digits.

    >>> checksum(b"abc")
    '44bc2cf5ad770999'
    """
    return f"{_core.xxh64(data):016x}"


def checksum_of_file(header: Any, checksums: Iterable[str]) -> str:
    """Return the checksum of a file's header and of its tensors' checksums in order.

    A valid file contains nothing else. So every byte is covered, and no byte is read twice.
    """
    return checksum(bytes(header) + "".join(checksums).encode())


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a checkpoint.

    Raises
    ------
    CheckpointError
        If the manifest is missing or damaged.
    """
    path = folder / MANIFEST
    try:
        # Do not wait for a pipe, and do not follow a symbolic link.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(MAX_HEADER + 1)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > MAX_HEADER:
        raise CheckpointError(f"{path}: expected at most {MAX_HEADER} bytes, got more")
    try:
        return _parsed(data)
    except (ValueError, RecursionError, MemoryError) as error:
        raise CheckpointError(f"{path}: {shortened(error) or 'too large'}") from None


def _parsed(data: bytes) -> Manifest:
    fields = parse_json(
        data.decode(),
        max_size=MAX_HEADER,
        max_values=_MAX_VALUES,
        parse_constant=_no_constant,
    )
    if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
        raise ValueError("not the manifest of a pyoptim checkpoint")
    if fields.get("version") != _VERSION:
        raise ValueError(f"version: expected {_VERSION}, got {fields.get('version')!r}")
    end = _END.search(data)
    if end is None or end[1].decode() != checksum(data[: end.start()]):
        raise ValueError(CHANGED)
    try:
        return Manifest(
            step=_whole(fields["step"]),
            saves=_whole(fields.get("saves", 0)),
            score=_score(decode(fields["score"], {})),
            saved=_string(fields["saved"]),
            files={name: _file(name, entry) for name, entry in fields["files"].items()},
            tensors={name: _tensor(entry) for name, entry in fields["tensors"].items()},
            metadata=fields["metadata"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"invalid fields for version {_VERSION} ({error!r})") from None


def _file(name: str, entry: dict[str, Any]) -> FileEntry:
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(
            f"files: expected a name such as tensors-00001-of-00001.safetensors, got {name!r}"
        )
    return FileEntry(_whole(entry["size"]), _hexadecimal(entry["checksum"]))


def _tensor(entry: dict[str, Any]) -> TensorEntry:
    shape = [_whole(size) for size in entry["shape"]]
    file, dtype = _string(entry["file"]), _string(entry["dtype"])
    if dtype not in DTYPES:
        raise ValueError(f"unknown dtype {dtype!r}")
    if len(shape) > MAX_DIMENSIONS or not is_whole(math.prod(max(size, 1) for size in shape)):
        raise ValueError("the shape of a tensor has more elements than memory can hold")
    return TensorEntry(file, dtype, shape, _hexadecimal(entry["checksum"]))


def _score(value: object) -> float | None:
    if value is not None and not isinstance(value, float):
        raise ValueError(f"score: expected a float or null, got {value!r}")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a string, got {value!r}")
    return value


def _hexadecimal(value: object) -> str:
    if not _CHECKSUM.fullmatch(_string(value)):
        raise ValueError(f"expected a checksum of 16 hexadecimal digits, got {value!r}")
    return _string(value)


def _whole(value: object) -> int:
    if not is_whole(value):
        raise ValueError(f"expected a whole number of at least 0, got {value!r}")
    return value


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is an int from 0 to 2^63 - 1, and not a bool."""
    return type(value) is int and 0 <= value < 2**63


def _dumped(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not valid JSON")
