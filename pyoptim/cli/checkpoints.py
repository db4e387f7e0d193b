"""Checkpoints and safetensors files for people: are they whole, and what is in them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import click

from pyoptim.checkpoint import directory, latest
from pyoptim.checkpoint.dtypes import DTYPES
from pyoptim.checkpoint.files import MappedFile
from pyoptim.checkpoint.loading import verified
from pyoptim.checkpoint.manifest import read_manifest

_LONGEST_VALUE = 60  # characters of a value in the table


def verify_path(path: Path) -> bool:
    """Print whether each checkpoint at a path is whole, and what is wrong; return whether all are.

    Raises
    ------
    FileNotFoundError
        If there is nothing at this path.
    """
    whole = True
    for found, fault in verified(path):
        click.echo(f"ok       {found}" if fault is None else f"DAMAGED  {fault}")
        whole = whole and fault is None
    return whole


class Content(NamedTuple):
    """What `inspect` shows: facts by name, a line for each tensor, and metadata."""

    facts: dict[str, Any]
    tensors: dict[str, dict[str, Any]]
    metadata: Any


def inspect_path(path: Path, as_json: bool) -> None:
    """Print what a file, a checkpoint, or the latest one of a directory has.

    Raises
    ------
    CheckpointError
        If its header or its manifest is damaged.
    FileNotFoundError
        If there is nothing at this path.
    """
    content = _of_checkpoint(path) if path.is_dir() else _of_file(path)
    if as_json:
        found = {**content.facts, "tensors": content.tensors, "metadata": content.metadata}
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo("\n".join(_table(content)))


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
        shown = _size(value) if name == "size" else value
        shown = ", ".join(shown) if isinstance(shown, list) else shown
        if shown is not None:
            lines.append(f"{name:<10}{shown}")
    rows = [("tensor", "dtype", "shape", "size")]
    for name, tensor in content.tensors.items():
        shape = " x ".join(map(str, tensor["shape"])) or "scalar"
        rows.append((name, tensor["dtype"], shape, _size(tensor["size"])))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines.append("")
    for name, dtype, shape, size in rows:
        lines.append(f"{name:<{widths[0]}}  {dtype:<{widths[1]}}  {shape:<{widths[2]}}  {size}")
    elements = sum(math.prod(tensor["shape"]) for tensor in content.tensors.values())
    lines.append(f"{len(content.tensors)} tensors, {elements:,} elements")
    metadata = content.metadata
    if metadata:
        entries = metadata.items() if isinstance(metadata, dict) else [("metadata", metadata)]
        lines += ["", *(f"{_printable(key)}: {_shortened(value)}" for key, value in entries)]
    return lines


def _printable(text: str) -> str:
    """Return text without characters that a terminal would obey."""
    return text if text.isprintable() else json.dumps(text)


def _shortened(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    shown = _printable(text)
    return shown if len(shown) <= _LONGEST_VALUE else f"{shown[: _LONGEST_VALUE - 3]}..."


def _size(count: int) -> str:
    """Return a number of bytes for people.

    >>> _size(999), _size(2**20)
    ('999 bytes', '1.0 MiB')
    """
    if count < 1024:
        return f"{count} bytes"
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / 1024**power:.1f} {'KMGT'[power - 1]}iB"
