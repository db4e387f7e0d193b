"""Tensors of a model, in one safetensors file or in several with an index, by one face."""

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
    """What holds tensors that are mapped, and read where they are touched."""

    @property
    def path(self) -> Path:
        """The file that errors name."""

    @property
    def tensors(self) -> dict[str, TensorInfo]:
        """What there is, by name, in the order of the data."""

    def array(self, name: str) -> Array:
        """Return one tensor."""

    def arrays(self) -> dict[str, Array]:
        """Return all tensors."""


def load_safetensors(path: str | PathLike[str]) -> dict[str, Array]:
    """Read the arrays of a safetensors file, or of several with an index, strictly.

    The arrays are views of the mapped files: what is not touched is not read. They may be written
    to; the files do not change. Anything that the format does not allow is refused, also what
    other readers let pass: duplicate and unknown keys, names like `../../x`, a header that is not
    UTF-8, booleans that are neither 0 nor 1.

    Parameters
    ----------
    path : path
        A safetensors file; an index of several, whose name ends with ``.json``; or a directory with
        ``model.safetensors`` or ``model.safetensors.index.json``, as Hugging Face writes them.

    Returns
    -------
    dict of str to array
        In the order of the data, file after file by their names. bfloat16 and float8 have the
        dtypes of ml_dtypes.

    Raises
    ------
    CheckpointError
        If a file is damaged, or has a dtype that no array has (elements of 4 or 6 bits). Of
        several, if files and index do not fit: each file that the index names must be there, in
        the directory of the index, and the tensors of each must be those that the index tells.
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    A safetensors file has no checksums: damage to the data themselves is seen only in
    checkpoints, by `pyoptim.checkpoint.load`.

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
    ...     one = po.checkpoint.load_safetensors(path / "a.safetensors")
    ...     both = po.checkpoint.load_safetensors(folder)
    ...     _ = (path / "cut.safetensors").write_bytes(bytes(7))
    ...     try:
    ...         po.checkpoint.load_safetensors(path / "cut.safetensors")
    ...     except po.CheckpointError as error:
    ...         print(str(error).replace(folder, "folder"))
    folder/cut.safetensors: not a valid safetensors file: expected at least 8 bytes, got 7
    >>> one, list(both)
    ({'w': array([0., 1., 2.])}, ['w', 'b'])
    """
    return open_tensors(path).arrays()


def open_tensors(path: str | PathLike[str]) -> TensorFile:
    """Map what `load_safetensors` takes.

    Raises
    ------
    CheckpointError, FileNotFoundError
        As `load_safetensors`.
    """
    found = Path(path)
    if found.is_dir():
        there = [name for name in (SINGLE, INDEX) if os.path.lexists(found / name)]
        if not there:
            raise CheckpointError(
                f"{path}: neither {SINGLE} nor {INDEX} is there{_of_checkpoints(found)}"
            )
        if len(there) > 1:
            raise CheckpointError(f"{path}: both {SINGLE} and {INDEX} are there; name one of them")
        found = _inside(found, there[0])
    return ShardedFile(found) if found.suffix == ".json" else MappedFile(found)


class ShardedFile:
    """Several safetensors files, mapped, whose tensors are those that their index tells.

    Attributes
    ----------
    path : Path
        Of the index.
    tensors : dict of str to TensorInfo

    Raises
    ------
    CheckpointError
        If the index or a file is damaged, or they do not fit each other.
    FileNotFoundError
        If there is no such index.
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
                raise CheckpointError(f"{path}: names {name}, which is not there") from None
            for tensor, info in file.tensors.items():
                if files.get(tensor) != name:
                    told = f"tells of {files[tensor]}" if tensor in files else "does not tell of"
                    raise CheckpointError(
                        f"{file.path}: it has the tensor {tensor!r}, which {path.name} {told}"
                    )
                self.tensors[tensor] = info
                self._files[tensor] = file
        missing = [tensor for tensor in files if tensor not in self.tensors]
        if missing:
            where = files[missing[0]]
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise CheckpointError(f"{path}: the tensor {missing[0]!r} is not in {where}{more}")

    def array(self, name: str) -> Array:
        """Return one tensor, a view of its file where it is aligned."""
        return self._files[name].array(name)

    def arrays(self) -> dict[str, Array]:
        """Return all tensors."""
        return {name: self.array(name) for name in self.tensors}


def _of_checkpoints(folder: Path) -> str:
    """Return what to do where a directory is a checkpoint, or has some; else ""."""
    one = is_checkpoint(folder)
    checkpoints = [folder] if one else [folder / name for name in names(folder)]
    files = [file for each in checkpoints for file in sorted(each.glob("*.safetensors"))]
    if not files:
        return ""
    what = "is a checkpoint" if one else "has checkpoints"
    example = files[-1].relative_to(folder)
    return f"; it {what} of pyoptim: name a file, as {example}, or call pyoptim.checkpoint.load"


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a directory; refuse a symbolic link that leads out of it.

    But one to where the cache of Hugging Face's hub keeps files: snapshots/REVISION/NAME is one to
    blobs/HASH.
    """
    path = folder / name
    own = Path(os.path.realpath(folder))
    target = Path(os.path.realpath(path))
    in_cache = own.parent.name == "snapshots" and target.parent == own.parent.parent / "blobs"
    if not (target.is_relative_to(own) or in_cache):
        raise CheckpointError(f"{path}: a symbolic link that leads out of its directory")
    return path
