"""Reading checkpoints, and checking every byte of them."""

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

_MOST_FAULTS = 5  # that a message names


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What was saved.

    Attributes
    ----------
    path : Path
        Its directory.
    step : int
    tensors : dict of str to array
        Views of the mapped files; they may be written to, the files do not change.
    metadata
        As it was given to `save`.
    score : float or None
    saved : str
        When, in UTC: 2026-01-31T12:00:00.000000+00:00.
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
    """Load the latest whole checkpoint of a directory, or the one that `path` is.

    Everything is compared with its checksums. Where the latest checkpoint is damaged, a warning
    tells what is wrong with it, and the one before is loaded.

    Parameters
    ----------
    path : path
        What `save` was given, or what it returned.

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        If there is no whole checkpoint; the message tells what is wrong with each.
    FileNotFoundError
        If there is no such directory.

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
    ...     found = po.checkpoint.load(folder)
    >>> found.step, found.tensors, found.metadata
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
            found = _listed(candidate)
        except CheckpointError as error:
            faults.append(str(error))
            continue
        if faults:
            message = f"the latest checkpoint is damaged, {found.path} is loaded: "
            warnings.warn(shown(message + "; ".join(faults)), stacklevel=2)
        return found
    raise CheckpointError("; ".join(faults) or f"{directory}: no checkpoint is there")


def latest(directory: str | PathLike[str]) -> Path:
    """Return the path of the checkpoint that was saved last.

    Its content is not read: `load` and `verify` do that.

    Raises
    ------
    CheckpointError
        If there is none, or the file `latest` names one that is not there.
    FileNotFoundError
        If there is no such directory.

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
        raise CheckpointError(f"{root}: no checkpoint is there")
    return root / name


def verify(path: str | PathLike[str]) -> None:
    """Check every byte of a checkpoint, of all checkpoints of a directory, or of one file.

    Parameters
    ----------
    path : path
        A directory, or a .safetensors file, which has no checksums: its structure is checked.

    Raises
    ------
    CheckpointError
        If something is wrong; the message has a line for each checkpoint that is damaged.
    FileNotFoundError
        If there is nothing at this path.

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
    """Yield what there is to verify at a path, and what is wrong with each."""
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
            yield root / name, _fault_of(lambda name=name: _listed(root / name))


def read_checkpoint(path: Path) -> Checkpoint:
    """Load the checkpoint that a directory is.

    Raises
    ------
    CheckpointError
        If it is damaged; the message names all faults.
    """
    manifest = read_manifest(path)
    faults: list[str] = []
    try:
        faults += _wrong_files(path, manifest)
    except OSError as error:  # removed meanwhile
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    tensors: dict[str, Array] = {}
    for name in manifest.files:
        try:
            file = MappedFile(path / name)
            faults += [f"{name}: {fault}" for fault in _wrong_content(file, manifest)]
            if not faults:
                tensors |= file.arrays()
        except (CheckpointError, OSError) as error:
            faults.append(str(error).removeprefix(f"{path}{os.sep}"))
    if faults:
        more = f"; and {len(faults) - _MOST_FAULTS} more" * (len(faults) > _MOST_FAULTS)
        raise CheckpointError(f"{path}: {'; '.join(faults[:_MOST_FAULTS])}{more}")
    try:
        metadata = decode(manifest.metadata, tensors)
    except ValueError as error:
        raise CheckpointError(f"{path / MANIFEST}: metadata: {error}") from None
    inside = arrays_in(manifest.metadata)
    own = {name: tensors[name] for name in manifest.tensors if name not in inside}
    return Checkpoint(path, manifest.step, own, metadata, manifest.score, manifest.saved)


def _wrong_files(path: Path, manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with the list of files."""
    there = {entry.name for entry in path.iterdir()} - {MANIFEST}
    for name in sorted(there - manifest.files.keys()):
        yield f"{name}: not a file of this checkpoint"
    for name in sorted(there & manifest.files.keys()):
        if (path / name).is_symlink():
            yield f"{name}: a symbolic link"


def _wrong_content(file: MappedFile, manifest: Manifest) -> Iterator[str]:
    """Yield where a file differs from what the manifest tells of it."""
    entry = manifest.files[file.path.name]
    if file.size != entry.size:
        yield f"{file.size} bytes, where {entry.size} were written"
    step = file.header.metadata.get(STEP_KEY)
    if step != str(manifest.step):
        yield f"of step {step}, where the manifest is of step {manifest.step}"
    expected = {n: t for n, t in manifest.tensors.items() if t.file == file.path.name}
    for name in expected.keys() - file.header.tensors.keys():
        yield f"the tensor {name!r} is missing"
    checksums = []
    for name, info in file.header.tensors.items():
        checksums.append(checksum(file.data(name)))
        if name not in expected:
            yield f"the tensor {name!r} is not one of this checkpoint"
            continue
        found = TensorEntry(file.path.name, info.dtype, list(info.shape), checksums[-1])
        if found != expected[name]:
            yield f"the tensor {name!r} {_difference(found, expected[name])}"
    if checksum_of_file(file.header_bytes(), checksums) != entry.checksum:
        yield "its checksum is wrong: it has been changed since it was written"


def _difference(found: TensorEntry, expected: TensorEntry) -> str:
    for field in ("dtype", "shape"):
        now, then = getattr(found, field), getattr(expected, field)
        if now != then:
            return f"has {field} {now}, where {then} was written"
    return "has other data than were written: its checksum is wrong"


def _listed(path: Path) -> Checkpoint:
    """Load a checkpoint that was found in a directory by its name."""
    if path.is_symlink() or not path.is_dir():
        raise CheckpointError(f"{path}: not a directory")
    return read_checkpoint(path)


def _candidates(directory: Path, first: str | None) -> Iterator[Path]:
    """Yield the checkpoints in the order in which they are to be tried."""
    if first is not None:
        yield directory / first
    for name in folder.newest_first(directory):
        if name != first:
            yield directory / name


def _existing(path: str | PathLike[str]) -> Path:
    found = Path(path)
    if not found.exists():
        raise FileNotFoundError(f"{shown(path)}: no such directory")
    if not found.is_dir():
        raise CheckpointError(f"{path}: not a directory")
    return found


def _fault_of(read: Any) -> CheckpointError | None:
    try:
        read()
    except CheckpointError as error:
        return error
    return None
