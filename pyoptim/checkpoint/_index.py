"""A strict reader of the index of a sharded safetensors model, in the format of Hugging Face.

``{"metadata": {"total_size": 8}, "weight_map": {"bias": "model-00001-of-00002.safetensors", ...}}``
"""

from __future__ import annotations

import re
from mmap import mmap
from pathlib import Path

from pyoptim.checkpoint._header import (
    MAX_HEADER,
    MAX_METADATA,
    MAX_TENSORS,
    as_object,
    as_text,
    check_name,
    json_type,
    read_object,
    shorten_name,
)
from pyoptim.checkpoint._safetensors import map_file
from pyoptim.errors import CheckpointError

_FIELDS = ("metadata", "weight_map")
_MAX_FILE_NAME = 255  # bytes
_FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]+\.safetensors")


def read_index(path: Path) -> dict[str, str]:
    """Return the file name of each tensor.

    Raises
    ------
    CheckpointError
        If the file is not a valid index. The message describes the first fault.
    FileNotFoundError
        If the file does not exist.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.safetensors.index.json")
    ...     _ = path.write_text('{"metadata": {}, "weight_map": {"w": "a.safetensors"}}')
    ...     read_index(path)
    {'w': 'a.safetensors'}
    """
    data = map_file(path, MAX_HEADER)
    try:
        return _parsed(data)
    except CheckpointError as error:
        message = f"{path}: not a valid index of safetensors files: {error}"
        raise CheckpointError(message) from None


def _parsed(data: bytes | mmap) -> dict[str, str]:
    fields = read_object(data, 0, len(data), MAX_TENSORS + MAX_METADATA + 4)
    for field in fields:
        if field not in _FIELDS:
            raise CheckpointError(
                f"unknown field {shorten_name(field)}; expected {', '.join(_FIELDS)}"
            )
    if "metadata" in fields:
        _check_metadata(fields["metadata"])
    if not (names := _weight_map(fields.get("weight_map"))):
        raise CheckpointError("weight_map: expected at least one tensor")
    return names


def _weight_map(value: object) -> dict[str, str]:
    files = as_object(value, "weight_map")
    if len(files) > MAX_TENSORS:
        raise CheckpointError(
            f"weight_map: expected at most {MAX_TENSORS} tensors, got {len(files)}"
        )
    for name, file in files.items():
        try:
            check_name(name)
        except ValueError as error:
            raise CheckpointError(str(error)) from None
        file = as_text(file, f"tensor {name!r}: the file name")
        if len(file.encode()) > _MAX_FILE_NAME:
            raise CheckpointError(
                f"tensor {name!r}: the file name has more than {_MAX_FILE_NAME} bytes"
            )
        if not _FILE_NAME.fullmatch(file):
            raise CheckpointError(
                f"tensor {name!r}: expected the name of a .safetensors file in the same directory, "
                f"got {file!r}"
            )
    return dict(files)


def _check_metadata(value: object) -> None:
    """Check the types of the metadata, which are otherwise ignored."""
    entries = as_object(value, "metadata")
    if len(entries) > MAX_METADATA:
        raise CheckpointError(
            f"metadata: expected at most {MAX_METADATA} entries, got {len(entries)}"
        )
    for key, entry in entries.items():
        as_text(key, "metadata: a key")
        label = f"metadata[{shorten_name(key)}]"
        if isinstance(entry, str):
            as_text(entry, label)
        elif isinstance(entry, dict | list):
            raise CheckpointError(
                f"{label}: expected a string, number, boolean or null, got {json_type(entry)}"
            )
