"""Functions that load checkpoints and verify every byte."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from pyoptim._utils.equality import same_values
from pyoptim._utils.text import shown
from pyoptim.checkpoint import _directory as folder
from pyoptim.checkpoint._manifest import (
    CHANGED,
    MANIFEST,
    STEP_KEY,
    Manifest,
    TensorEntry,
    checksum,
    checksum_of_file,
    read_manifest,
)
from pyoptim.checkpoint._safetensors import MappedFile
from pyoptim.checkpoint._tree import arrays_in, decode
from pyoptim.errors import CheckpointError
from pyoptim.parameters._types import Array

_MAX_FAULTS = 5  # in one message


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint that `load` has read and verified.

    Attributes
    ----------
    path : Path
        Directory of the checkpoint.
    step : int
        Training step at which the checkpoint was saved.
    tensors : dict of str to array
        Tensors by name, as views of the mapped files. You can write to the arrays without changing
        the files.
    metadata
        Metadata passed to `save`.
    score : float or None
        Score passed to `save`.
    saved : str
        Time of saving in UTC, such as 2026-01-31T12:00:00.000000+00:00.
    """

    path: Path
    step: int
    tensors: dict[str, Array]
    metadata: Any
    score: float | None
    saved: str

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Checkpoint):
            return NotImplemented
        return same_values(vars(self), vars(other))

    __hash__ = None  # type: ignore[assignment]


def load(path: str | PathLike[str]) -> Checkpoint:
    """Load one checkpoint, or the latest undamaged checkpoint of a directory.

    All data are compared with their checksums. If the latest checkpoint is damaged, `load` loads
    the previous one, and a warning describes the damage.

    Parameters
    ----------
    path : path
        Directory of checkpoints, as passed to `save`, or path of one checkpoint, as returned by
        `save`.

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        If there is no checkpoint, or all are damaged. The message describes the damage of each.
    FileNotFoundError
        If `path` does not exist.

    Warns
    -----
    UserWarning
        If the latest checkpoint is damaged.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, pyoptim as po
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = po.checkpoint.save(folder, {"w": np.ones(2)}, step=1, metadata={"lr": 0.1})
    ...     checkpoint = po.checkpoint.load(folder)
    >>> checkpoint.step, checkpoint.tensors, checkpoint.metadata
    (1, {'w': array([1., 1.])}, {'lr': 0.1})
    """
    directory = _existing(path)
    if folder.is_checkpoint(directory):
        return read_checkpoint(directory)
    faults = []
    try:
        first = folder.pointed_to(directory)
    except CheckpointError as error:
        faults.append(str(error))
        first = None
    for candidate in _candidates(directory, first):
        try:
            checkpoint = _read_entry(candidate)
        except CheckpointError as error:
            faults.append(str(error))
            continue
        if faults:
            message = f"the latest checkpoint is damaged, so {checkpoint.path} is loaded: "
            warnings.warn(shown(message + "; ".join(faults)), stacklevel=2)
        return checkpoint
    raise CheckpointError("; ".join(faults) or f"{directory}: contains no checkpoint")


def latest(directory: str | PathLike[str]) -> Path:
    """Return the path of the checkpoint that was saved last.

    `latest` does not read the checkpoint. Use `load` or `verify` to detect damage.

    Parameters
    ----------
    directory : path
        Directory of checkpoints.

    Returns
    -------
    Path
        Directory of the checkpoint.

    Raises
    ------
    CheckpointError
        If the directory contains no checkpoint, or the file `latest` names a missing one.
    FileNotFoundError
        If the directory does not exist.

    Examples
    --------
    >>> import tempfile
    >>> import pyoptim as po
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for step in (10, 20):
    ...         _ = po.checkpoint.save(folder, {}, step=step)
    ...     po.checkpoint.latest(folder).name
    'step-00000020'
    """
    root = _existing(directory)
    name = folder.pointed_to(root)
    if name is None:
        name = next(iter(folder.newest_first(root)), None)
    if name is None:
        raise CheckpointError(f"{root}: contains no checkpoint")
    return root / name


def verify(path: str | PathLike[str]) -> None:
    """Verify every byte of one checkpoint, or of all checkpoints of a directory.

    Use `verify` to detect damage without loading a checkpoint, for example after copying a run.

    Parameters
    ----------
    path : path
        A checkpoint, a directory of checkpoints, or a .safetensors file. A .safetensors file has no
        checksums, so only its structure is verified.

    Raises
    ------
    CheckpointError
        If anything is damaged. The message has one line for each damaged checkpoint.
    FileNotFoundError
        If `path` does not exist.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, pyoptim as po
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = po.checkpoint.save(folder, {"w": np.ones(2)}, step=1)
    ...     po.checkpoint.verify(folder)
    ...     (path / "notes.txt").touch()
    ...     try:
    ...         po.checkpoint.verify(folder)
    ...     except po.CheckpointError as error:
    ...         print(str(error).replace(folder, "run"))
    run/step-00000001: notes.txt: not a file of this checkpoint
    """
    faults = [str(fault) for _, fault in verified(path) if fault is not None]
    if faults:
        raise CheckpointError(*faults)


def verified(path: str | PathLike[str]) -> Iterator[tuple[Path, CheckpointError | None]]:
    """Yield each file or checkpoint at a path, with its fault or None."""
    root = Path(path)
    if not root.is_dir():
        yield root, _fault_of(lambda: MappedFile(root).arrays())
    elif folder.is_checkpoint(root):
        yield root, _fault_of(lambda: read_checkpoint(root))
    else:
        pointer = _fault_of(lambda: latest(root))
        if pointer is not None:
            yield root / folder.LATEST, pointer
        for name in folder.names(root):
            yield root / name, _fault_of(lambda name=name: _read_entry(root / name))


def read_checkpoint(path: Path) -> Checkpoint:
    """Load the checkpoint in a directory.

    Raises
    ------
    CheckpointError
        If the checkpoint is damaged. The message names the first faults and the number of others.
    """
    manifest = read_manifest(path)
    faults: list[str] = []
    try:
        faults += _file_faults(path, manifest)
    except OSError as error:  # removed by another process
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    tensors: dict[str, Array] = {}
    for name in manifest.files:
        try:
            file = MappedFile(path / name)
            faults += [f"{name}: {fault}" for fault in _content_faults(file, manifest)]
            if not faults:
                tensors |= file.arrays()
        except (CheckpointError, OSError) as error:
            faults.append(str(error).removeprefix(f"{path}{os.sep}"))
    if faults:
        more = f"; and {len(faults) - _MAX_FAULTS} more" * (len(faults) > _MAX_FAULTS)
        raise CheckpointError(f"{path}: {'; '.join(faults[:_MAX_FAULTS])}{more}")
    try:
        metadata = decode(manifest.metadata, tensors)
    except ValueError as error:
        raise CheckpointError(f"{path / MANIFEST}: metadata: {error}") from None
    in_metadata = arrays_in(manifest.metadata)
    outside = {name: tensors[name] for name in manifest.tensors if name not in in_metadata}
    return Checkpoint(path, manifest.step, outside, metadata, manifest.score, manifest.saved)


def _file_faults(path: Path, manifest: Manifest) -> Iterator[str]:
    """Yield a description of each unexpected file and symbolic link."""
    existing = {entry.name for entry in path.iterdir()} - {MANIFEST}
    for name in sorted(existing - manifest.files.keys()):
        yield f"{name}: not a file of this checkpoint"
    for name in sorted(existing & manifest.files.keys()):
        if (path / name).is_symlink():
            yield f"{name}: a symbolic link"


def _content_faults(file: MappedFile, manifest: Manifest) -> Iterator[str]:
    """Yield a description of each difference between a file and its entry in the manifest."""
    entry = manifest.files[file.path.name]
    if file.size != entry.size:
        yield f"expected {entry.size} bytes, got {file.size}"
    step = file.header.metadata.get(STEP_KEY)
    if step != str(manifest.step):
        yield f"expected step {manifest.step} as in the manifest, got {step}"
    expected = {n: t for n, t in manifest.tensors.items() if t.file == file.path.name}
    for name in expected.keys() - file.header.tensors.keys():
        yield f"tensor {name!r} is missing"
    checksums = []
    for name, info in file.header.tensors.items():
        checksums.append(checksum(file.data(name)))
        if name not in expected:
            yield f"tensor {name!r} is not listed for this file in the manifest"
            continue
        actual = TensorEntry(file.path.name, info.dtype, list(info.shape), checksums[-1])
        if actual != expected[name]:
            yield f"tensor {name!r}: {_difference(actual, expected[name])}"
    if checksum_of_file(file.header_bytes(), checksums) != entry.checksum:
        yield CHANGED


def _difference(actual: TensorEntry, expected: TensorEntry) -> str:
    for field in ("dtype", "shape"):
        read, written = getattr(actual, field), getattr(expected, field)
        if read != written:
            return f"expected {field} {written}, got {read}"
    return "wrong checksum; the data were changed after they were written"


def _read_entry(path: Path) -> Checkpoint:
    """Load a checkpoint that is an entry of a directory of checkpoints."""
    if path.is_symlink() or not path.is_dir():
        raise CheckpointError(f"{path}: not a directory")
    return read_checkpoint(path)


def _candidates(directory: Path, first: str | None) -> Iterator[Path]:
    """Yield the checkpoints in the order in which `load` tries them."""
    if first is not None:
        yield directory / first
    for name in folder.newest_first(directory):
        if name != first:
            yield directory / name


def _existing(path: str | PathLike[str]) -> Path:
    directory = Path(path)
    if not directory.exists():
        raise FileNotFoundError(f"{shown(path)}: no such directory")
    if not directory.is_dir():
        raise CheckpointError(f"{path}: not a directory")
    return directory


def _fault_of(read: Any) -> CheckpointError | None:
    try:
        read()
    except CheckpointError as error:
        return error
    return None
