"""Checkpoints and safetensors files for people: are they whole, and what is in them."""

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

_LONGEST_VALUE = 60  # characters of a value in the table


def verify_path(path: Path) -> bool:
    """Print whether each checkpoint at a path is whole, and what is wrong; return whether all are.

    Raises
    ------
    CheckpointError
        If a directory has neither a checkpoint nor a model.
    FileNotFoundError
        If there is nothing at this path.
    """
    whole = True
    for found, fault in _verified(path):
        show(f"ok       {shown(found)}" if fault is None else f"DAMAGED  {fault}")
        whole = whole and fault is None
    return whole


def _verified(path: Path) -> Iterator[tuple[Path, CheckpointError | None]]:
    """Yield what there is to verify at a path, and what is wrong with each."""
    if _holds_checkpoints(path):
        yield from verified(path)
        return
    parts = _parts_of_trained(path)
    if parts.model is not None:
        yield parts.model, _fault_of_model(parts.model)
    if parts.checkpoints is not None:
        yield from verified(parts.checkpoints)


class _Parts(NamedTuple):
    """What `pyoptim train` left in a directory: a model, checkpoints of a run, or both."""

    model: Path | None
    checkpoints: Path | None


def _holds_checkpoints(path: Path) -> bool:
    """Return whether a path is a file, a checkpoint, or a directory of checkpoints."""
    if not path.is_dir() or directory.is_checkpoint(path):
        return True
    return bool(directory.names(path)) or os.path.lexists(path / directory.LATEST)


def _parts_of_trained(path: Path) -> _Parts:
    """Find what `pyoptim train` wrote; CheckpointError if there is nothing of it."""
    model, checkpoints = path / MODEL_FILE, path / CHECKPOINTS
    parts = _Parts(
        model if model.is_file() else None,
        checkpoints if checkpoints.is_dir() and directory.names(checkpoints) else None,
    )
    if parts == (None, None):
        raise CheckpointError(
            f"{path}: expected a checkpoint, a directory of checkpoints, or what pyoptim train "
            f"wrote ({MODEL_FILE}, {CHECKPOINTS}), got a directory that has none of them"
        )
    return parts


def _fault_of_model(path: Path) -> CheckpointError | None:
    """Check a model's file, and its columns if `pyoptim train` wrote it."""
    ((_, fault),) = verified(path)
    if fault is None and COLUMNS_KEY in read_metadata(path):
        try:
            read_trained(path.parent)
        except CheckpointError as error:
            return error
    return fault


class Content(NamedTuple):
    """What `inspect` shows: facts by name, a line for each tensor, and metadata."""

    facts: dict[str, Any]
    tensors: dict[str, dict[str, Any]]
    metadata: Any


def inspect_path(path: Path, as_json: bool) -> None:
    """Print what a file, a checkpoint, or the latest one of a directory has.

    Of a directory that `pyoptim train` wrote, the model is shown, or the latest checkpoint if
    there is no model yet.

    Raises
    ------
    CheckpointError
        If its header or its manifest is damaged, or a directory has neither a checkpoint nor a
        model.
    FileNotFoundError
        If there is nothing at this path.
    """
    content = _content(path)
    if as_json:
        found = {**content.facts, "tensors": content.tensors, "metadata": content.metadata}
        show(json.dumps(found, indent=2))
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
    if parts.checkpoints is not None:  # of a later run that was stopped
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
    return plain if len(plain) <= _LONGEST_VALUE else f"{plain[: _LONGEST_VALUE - 3]}..."


def _size(count: int) -> str:
    """Return a number of bytes for people.

    >>> _size(999), _size(2**20)
    ('999 bytes', '1.0 MiB')
    """
    if count < 1024:
        return f"{count} bytes"
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / 1024**power:.1f} {'KMGT'[power - 1]}iB"
