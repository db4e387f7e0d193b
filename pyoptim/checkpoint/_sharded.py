"""One interface to a model in one safetensors file, or in several with an index."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Protocol

from pyoptim.checkpoint._directory import is_checkpoint, names
from pyoptim.checkpoint._header import TensorInfo
from pyoptim.checkpoint._index import read_index
from pyoptim.checkpoint._safetensors import MappedFile
from pyoptim.errors import CheckpointError
from pyoptim.parameters._types import Array

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


class TensorFile(Protocol):
    """The interface of files whose tensors are memory-mapped."""

    @property
    def path(self) -> Path:
        """Path of the file, as error messages name it."""

    @property
    def tensors(self) -> dict[str, TensorInfo]:
        """Descriptions of the tensors by name, in the order of their data."""

    def array(self, name: str) -> Array:
        """Return one tensor."""

    def arrays(self) -> dict[str, Array]:
        """Return all tensors."""


def load_safetensors(path: str | PathLike[str]) -> dict[str, Array]:
    """Load the arrays of a safetensors file, or of several files with an index.

    The arrays are views of the mapped files, so data are read from disk on first access. You can
    write to the arrays without changing the files. The reader is strict and also rejects files that
    other readers accept, for example with duplicate or unknown keys, names like `../../x`, a header
    that is not UTF-8, or booleans other than 0 and 1.

    Parameters
    ----------
    path : path
        A safetensors file, an index of several files whose name ends with ``.json``, or a directory
        that contains ``model.safetensors`` or ``model.safetensors.index.json``, as Hugging Face
        writes them.

    Returns
    -------
    dict of str to array
        Arrays by name, in the order of their data. Several files are in the order of their names.
        bfloat16 and float8 arrays have the dtypes of ml_dtypes.

    Raises
    ------
    CheckpointError
        If a file is damaged, has elements of 4 or 6 bits, or does not match the index. Every file
        of the index must exist in the directory of the index, with exactly the tensors that the
        index lists.
    FileNotFoundError
        If `path` does not exist.

    Notes
    -----
    A safetensors file has no checksums. To detect damaged data, save checkpoints and load them
    with `pyoptim.checkpoint.load`.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> import numpy as np, pyoptim as po
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder)
    ...     po.checkpoint.save_safetensors(path / "a.safetensors", {"w": np.arange(3.0)})
    ...     po.checkpoint.save_safetensors(path / "b.safetensors", {"b": np.ones(2)})
    ...     index = {"weight_map": {"b": "b.safetensors", "w": "a.safetensors"}}
    ...     _ = (path / "model.safetensors.index.json").write_text(json.dumps(index))
    ...     single = po.checkpoint.load_safetensors(path / "a.safetensors")
    ...     both = po.checkpoint.load_safetensors(folder)
    ...     _ = (path / "cut.safetensors").write_bytes(bytes(7))
    ...     try:
    ...         po.checkpoint.load_safetensors(path / "cut.safetensors")
    ...     except po.CheckpointError as error:
    ...         print(str(error).replace(folder, "folder"))
    folder/cut.safetensors: not a valid safetensors file: expected at least 8 bytes, got 7
    >>> single, list(both)
    ({'w': array([0., 1., 2.])}, ['w', 'b'])
    """
    return open_tensors(path).arrays()


def open_tensors(path: str | PathLike[str]) -> TensorFile:
    """Map the file or files at a path, which may be any path that `load_safetensors` accepts.

    Raises
    ------
    CheckpointError, FileNotFoundError
        Under the same conditions as in `load_safetensors`.
    """
    file = Path(path)
    if file.is_dir():
        existing = [name for name in (SINGLE, INDEX) if os.path.lexists(file / name)]
        if not existing:
            raise CheckpointError(
                f"{path}: contains neither {SINGLE} nor {INDEX}{_checkpoint_hint(file)}"
            )
        if len(existing) > 1:
            raise CheckpointError(
                f"{path}: contains both {SINGLE} and {INDEX}; give the path of one of them"
            )
        file = _inside(file, existing[0])
    return ShardedFile(file) if file.suffix == ".json" else MappedFile(file)


class ShardedFile:
    """Several mapped safetensors files whose tensors match an index.

    Attributes
    ----------
    path : Path
        Path of the index.
    tensors : dict of str to TensorInfo
        Descriptions of the tensors by name.

    Raises
    ------
    CheckpointError
        If the index or a file is damaged, or a file does not match the index.
    FileNotFoundError
        If the index does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        files = read_index(path)
        self.tensors: dict[str, TensorInfo] = {}
        self._files: dict[str, MappedFile] = {}
        for name in sorted(set(files.values())):
            try:
                file = MappedFile(_inside(path.parent, name))
            except FileNotFoundError:
                raise CheckpointError(f"{path}: names {name}, which does not exist") from None
            for tensor, info in file.tensors.items():
                if files.get(tensor) != name:
                    relation = f"puts in {files[tensor]}" if tensor in files else "does not list"
                    raise CheckpointError(
                        f"{file.path}: contains tensor {tensor!r}, which {path.name} {relation}"
                    )
                self.tensors[tensor] = info
                self._files[tensor] = file
        missing = [tensor for tensor in files if tensor not in self.tensors]
        if missing:
            file_name = files[missing[0]]
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise CheckpointError(f"{path}: tensor {missing[0]!r} is not in {file_name}{more}")

    def array(self, name: str) -> Array:
        """Return one tensor, as a view of its file if its data are aligned."""
        return self._files[name].array(name)

    def arrays(self) -> dict[str, Array]:
        """Return all tensors."""
        return {name: self.array(name) for name in self.tensors}


def _checkpoint_hint(folder: Path) -> str:
    """Return advice for a directory that is a checkpoint or contains checkpoints, else ""."""
    is_single = is_checkpoint(folder)
    checkpoints = [folder] if is_single else [folder / name for name in names(folder)]
    files = [file for path in checkpoints for file in sorted(path.glob("*.safetensors"))]
    if not files:
        return ""
    content = "is a pyoptim checkpoint" if is_single else "contains pyoptim checkpoints"
    example = files[-1].relative_to(folder)
    return (
        f", but {content}; give the path of a file, such as {example}, or call "
        "pyoptim.checkpoint.load"
    )


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a directory, and reject a symbolic link out of the directory.

    A link into the blobs of a Hugging Face cache is accepted. There, snapshots/REVISION/NAME links
    to blobs/HASH.
    """
    path = folder / name
    root = Path(os.path.realpath(folder))
    target = Path(os.path.realpath(path))
    in_cache = root.parent.name == "snapshots" and target.parent == root.parent.parent / "blobs"
    if not (target.is_relative_to(root) or in_cache):
        raise CheckpointError(
            f"{path}: expected a file in its directory, got a symbolic link out of the directory"
        )
    return path
