"""The commands `verify` and `inspect` for checkpoints, models and safetensors files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pyoptim._utils.text import listed, shown
from pyoptim.checkpoint import _directory as directory
from pyoptim.checkpoint import latest
from pyoptim.checkpoint._dtypes import DTYPES
from pyoptim.checkpoint._load import verified
from pyoptim.checkpoint._manifest import read_manifest
from pyoptim.checkpoint._safetensors import MappedFile
from pyoptim.cli._model_directory import read_trained
from pyoptim.cli._output_files import CHECKPOINTS, COLUMNS_KEY, MODEL_FILE
from pyoptim.cli._terminal import show
from pyoptim.errors import CheckpointError
from pyoptim.models import read_metadata

_MAX_VALUE_LENGTH = 60  # characters of a value in the table


def verify_path(path: Path) -> bool:
    """Print "ok" or the damage for each checkpoint at a path, and return whether all are ok.

    Raises
    ------
    CheckpointError
        If a directory contains neither a checkpoint nor a model.
    FileNotFoundError
        If the path does not exist.
    """
    undamaged = True
    for checked, fault in _verified(path):
        show(f"ok       {shown(checked)}" if fault is None else f"DAMAGED  {fault}")
        undamaged = undamaged and fault is None
    return undamaged


def _verified(path: Path) -> Iterator[tuple[Path, CheckpointError | None]]:
    """Yield each checkpoint or model at a path, with its fault or None."""
    if _holds_checkpoints(path):
        yield from verified(path)
        return
    parts = _parts_of_trained(path)
    if parts.model is not None:
        yield parts.model, _fault_of_model(parts.model)
    if parts.checkpoints is not None:
        yield from verified(parts.checkpoints)


class _Parts(NamedTuple):
    """The output of `pyoptim train` in a directory: a model, checkpoints, or both."""

    model: Path | None
    checkpoints: Path | None


def _holds_checkpoints(path: Path) -> bool:
    """Return whether a path is a file, a checkpoint, or a directory of checkpoints."""
    if not path.is_dir() or directory.is_checkpoint(path):
        return True
    return bool(directory.names(path)) or os.path.lexists(path / directory.LATEST)


def _parts_of_trained(path: Path) -> _Parts:
    """Return the output of `pyoptim train`, or raise CheckpointError if there is none."""
    model, checkpoints = path / MODEL_FILE, path / CHECKPOINTS
    parts = _Parts(
        model if model.is_file() else None,
        checkpoints if checkpoints.is_dir() and directory.names(checkpoints) else None,
    )
    if parts == (None, None):
        raise CheckpointError(
            f"{path}: expected a checkpoint, a directory of checkpoints, or the output directory "
            f"of pyoptim train ({MODEL_FILE}, {CHECKPOINTS}), got a directory without these"
        )
    return parts


def _fault_of_model(path: Path) -> CheckpointError | None:
    """Return the fault of a model file or of the column metadata of `pyoptim train`, or None."""
    ((_, fault),) = verified(path)
    if fault is None and COLUMNS_KEY in read_metadata(path):
        try:
            read_trained(path.parent)
        except CheckpointError as error:
            return error
    return fault


class Content(NamedTuple):
    """The output of `inspect`: facts by name, a description of each tensor, and metadata."""

    facts: dict[str, Any]
    tensors: dict[str, dict[str, Any]]
    metadata: Any


def inspect_path(path: Path, as_json: bool) -> None:
    """Print the content of a file, of a checkpoint, or of the latest checkpoint of a directory.

    For the output directory of `pyoptim train`, the model is shown, or the latest checkpoint if
    there is no model yet.

    Raises
    ------
    CheckpointError
        If a header or a manifest is damaged, or a directory contains neither a checkpoint nor a
        model.
    FileNotFoundError
        If the path does not exist.
    """
    content = _content(path)
    if as_json:
        fields = {**content.facts, "tensors": content.tensors, "metadata": content.metadata}
        show(json.dumps(fields, indent=2))
    else:
        show("\n".join(_table(content)))


def _content(path: Path) -> Content:
    if not path.is_dir():
        return _of_file(path)
    if _holds_checkpoints(path):
        return _of_checkpoint(path)
    parts = _parts_of_trained(path)
    if parts.model is None:
        assert parts.checkpoints is not None
        return _of_checkpoint(parts.checkpoints)
    content = _of_file(parts.model)
    if parts.checkpoints is not None:  # of a later, interrupted run
        content.facts["resumable"] = str(latest(parts.checkpoints))
    return content


def _of_file(path: Path) -> Content:
    file = MappedFile(path)
    tensors = {
        name: _tensor(info.dtype, list(info.shape)) for name, info in file.header.tensors.items()
    }
    return Content({"path": str(path), "size": file.size}, tensors, file.header.metadata)


def _of_checkpoint(path: Path) -> Content:
    folder = path if directory.is_checkpoint(path) else latest(path)
    manifest = read_manifest(folder)
    facts = {
        "path": str(folder),
        "size": sum(file.size for file in manifest.files.values()),
        "step": manifest.step,
        "score": manifest.score,
        "saved": manifest.saved,
        "files": list(manifest.files),
    }
    tensors = {name: _tensor(entry.dtype, entry.shape) for name, entry in manifest.tensors.items()}
    return Content(facts, tensors, manifest.metadata)


def _tensor(dtype: str, shape: list[int]) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "size": math.prod(shape) * DTYPES[dtype].bits // 8}


def _table(content: Content) -> list[str]:
    lines = []
    for name, value in content.facts.items():
        text = _size(value) if name == "size" else value
        text = listed(text) if isinstance(text, list) else text
        if text is not None:
            lines.append(f"{name:<10}{shown(text)}")
    rows = [("tensor", "dtype", "shape", "size")]
    for name, tensor in content.tensors.items():
        shape = " x ".join(map(str, tensor["shape"])) or "scalar"
        rows.append((shown(name), tensor["dtype"], shape, _size(tensor["size"])))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines.append("")
    for name, dtype, shape, size in rows:
        lines.append(f"{name:<{widths[0]}}  {dtype:<{widths[1]}}  {shape:<{widths[2]}}  {size}")
    elements = sum(math.prod(tensor["shape"]) for tensor in content.tensors.values())
    lines.append(f"{len(content.tensors)} tensors, {elements:,} elements")
    metadata = content.metadata
    if metadata:
        entries = metadata.items() if isinstance(metadata, dict) else [("metadata", metadata)]
        lines += ["", *(f"{shown(key)}: {_shortened(value)}" for key, value in entries)]
    return lines


def _shortened(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    plain = shown(text)
    return plain if len(plain) <= _MAX_VALUE_LENGTH else f"{plain[: _MAX_VALUE_LENGTH - 3]}..."


def _size(count: int) -> str:
    """Return a number of bytes in a readable unit.

    >>> _size(999), _size(2**20)
    ('999 bytes', '1.0 MiB')
    """
    if count < 1024:
        return f"{count} bytes"
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / 1024**power:.1f} {'KMGT'[power - 1]}iB"
