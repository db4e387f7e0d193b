"""Tensors in one safetensors file: written in one move, read as arrays over the mapped file."""

from __future__ import annotations

import json
import mmap
import os
import stat
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim._utils.atomic import replace_file, write
from pyoptim._utils.ownership import check_replaceable
from pyoptim._utils.text import dtype_text, shown
from pyoptim.checkpoint._dtypes import DTYPES, to_name, to_numpy
from pyoptim.checkpoint._header import (
    MAX_DIMENSIONS,
    MAX_HEADER,
    MAX_METADATA,
    MAX_TENSORS,
    METADATA,
    SIZE_BYTES,
    Header,
    TensorInfo,
    check_name,
    read_header,
)
from pyoptim.errors import CheckpointError
from pyoptim.parameters._types import Array

_ALIGNMENT = 64  # bytes; where the data begin in files written here


def save_safetensors(
    path: str | PathLike[str],
    tensors: Mapping[str, npt.ArrayLike],
    metadata: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write arrays to a safetensors file that any reader of the format opens.

    The file is written beside its place, brought to disk, and moved into place: whatever happens,
    there is the old file or the new one, whole. A file that is mapped may be written over; who
    has mapped it keeps the old one.

    Parameters
    ----------
    path : path
    tensors : mapping of str to array
        Any layout in memory and any byte order; the file has little-endian, C-contiguous data.
    metadata : mapping of str to str, optional
        Kept in the file's header.
    overwrite : bool
        Whether to replace a file that is not a safetensors file.

    Raises
    ------
    FileExistsError
        If there is a file of another kind, and `overwrite` is False.
    TypeError
        If an array has a dtype that safetensors does not know, or metadata are not str.
    ValueError
        If a tensor has a name that none should have: empty, with control characters, `../../x`.

    References
    ----------
    The format: https://huggingface.co/docs/safetensors

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, pyoptim as po
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "weights.safetensors")
    ...     po.checkpoint.save_safetensors(path, {"w": np.arange(3.0)})
    ...     po.checkpoint.load_safetensors(path)
    {'w': array([0., 1., 2.])}
    """
    check_replaceable(path, is_safetensors, overwrite)
    arrays = as_arrays(tensors)
    layout = Layout(arrays, metadata or {})

    def fill(descriptor: int) -> None:
        write(descriptor, layout.header)
        for name in layout.names:
            write(descriptor, as_bytes(arrays[name]).data)

    replace_file(path, fill)


def is_safetensors(path: Path, key: str | None = None) -> bool:
    """Return whether a file is a valid safetensors file, with this key in its metadata."""
    try:
        metadata = MappedFile(path).header.metadata
    except (CheckpointError, OSError):
        return False
    return key is None or key in metadata


def map_file(path: str | PathLike[str], largest: int | None = None) -> bytes | mmap.mmap:
    """Map a file privately.

    Raises
    ------
    CheckpointError
        If there is something else than a file, or it has more bytes than `largest`.
    FileNotFoundError
        If there is no such file.
    """
    # A pipe must not be waited for.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileNotFoundError(f"{shown(path)}: no such file") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CheckpointError(f"{path}: not a file")
        if largest is not None and status.st_size > largest:
            raise CheckpointError(
                f"{path}: {status.st_size} bytes; {largest} are the most there may be"
            )
        if status.st_size == 0:
            return b""
        return mmap.mmap(descriptor, status.st_size, access=mmap.ACCESS_COPY)
    except ValueError as error:  # it has become shorter
        raise CheckpointError(f"{path}: {error}") from None
    finally:
        os.close(descriptor)


class MappedFile:
    """A safetensors file with a valid header, mapped privately.

    Attributes
    ----------
    path : Path
    header : Header
    size : int
        Of the whole file, in bytes.

    Raises
    ------
    CheckpointError
        If it is not a valid safetensors file.
    FileNotFoundError
        If there is no such file.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._map = map_file(path)
        self.size = len(self._map)
        try:
            self.header: Header = read_header(self._map)
        except CheckpointError as error:
            raise self.fault(str(error)) from None

    @property
    def tensors(self) -> dict[str, TensorInfo]:
        """What is in the file, by name, in the order of the data."""
        return self.header.tensors

    def fault(self, what: str) -> CheckpointError:
        """Return an error that names the file."""
        return CheckpointError(f"{self.path}: not a valid safetensors file: {what}")

    def arrays(self) -> dict[str, Array]:
        """Return all tensors."""
        return {name: self.array(name) for name in self.header.tensors}

    def array(self, name: str) -> Array:
        """Return one tensor, a view of the file where it is aligned."""
        info = self.header.tensors[name]
        dtype = to_numpy(info.dtype)
        if dtype is None:
            raise CheckpointError(f"{self.path}: no array can be {info.dtype}, as {name!r} is")
        if info.nbytes == 0:
            return np.empty(info.shape, dtype)
        data = self.data(name)
        if info.dtype == "BOOL" and data.max() > 1:
            raise self.fault(f"the tensor {name!r} has a boolean that is neither 0 nor 1")
        array: Array = data.view(dtype).reshape(info.shape)
        return array if array.flags.aligned else array.copy()

    def data(self, name: str) -> npt.NDArray[np.uint8]:
        """Return the bytes of a tensor."""
        info = self.header.tensors[name]
        return self._bytes(self.header.size + info.begin, info.nbytes)

    def header_bytes(self) -> npt.NDArray[np.uint8]:
        """Return the size field and the JSON."""
        return self._bytes(0, self.header.size)

    def _bytes(self, offset: int, count: int) -> npt.NDArray[np.uint8]:
        if count == 0:
            return np.empty(0, np.uint8)
        return np.frombuffer(self._map, np.uint8, count, offset)


class Layout:
    """Where arrays lie in a file: the widest elements first, so that all of them are aligned.

    Attributes
    ----------
    header : bytes
        With the size field.
    names : list of str
        In the order of the data.
    """

    def __init__(self, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
        self.names = in_order(arrays)
        header: dict[str, Any] = {METADATA: _checked_metadata(metadata)} if metadata else {}
        at = 0
        for name in self.names:
            info = TensorInfo(*described(arrays[name]), at, at + arrays[name].nbytes)
            header[name] = {
                "dtype": info.dtype,
                "shape": list(info.shape),
                "data_offsets": [info.begin, info.end],
            }
            at = info.end
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-(SIZE_BYTES + len(text)) % _ALIGNMENT)
        if len(text) > MAX_HEADER:
            raise ValueError(f"names and metadata take {len(text)} bytes, of {MAX_HEADER}")
        self.header = len(text).to_bytes(SIZE_BYTES, "little") + text


def in_order(arrays: Mapping[str, Array]) -> list[str]:
    """Return the names of arrays in the order in which files have them."""
    return sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))


def described(array: Array) -> tuple[str, tuple[int, ...]]:
    """Return the dtype, by its name in files, and the shape of an array that `as_arrays` took."""
    name = to_name(array.dtype)
    assert name is not None
    return name, array.shape


def as_arrays(tensors: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Return tensors as arrays, of which a file can be written.

    Raises
    ------
    TypeError
        If a dtype is none of safetensors.
    ValueError
        If a name or a number of dimensions will not do.
    """
    if len(tensors) > MAX_TENSORS:
        raise ValueError(f"{len(tensors)} tensors are more than {MAX_TENSORS}")
    return dict(_as_arrays(tensors))


def _as_arrays(tensors: Mapping[str, npt.ArrayLike]) -> Iterator[tuple[str, Array]]:
    for name, value in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"names must be strings, got {name!r}")
        check_name(name)
        array = np.asarray(value)
        if to_name(array.dtype) is None:
            known = ", ".join(dtype.numpy for dtype in DTYPES.values() if dtype.numpy)
            raise TypeError(
                f"{shown(name)}: safetensors has no dtype {dtype_text(array.dtype)}; it has {known}"
            )
        if array.ndim > MAX_DIMENSIONS:
            raise ValueError(
                f"{shown(name)}: {array.ndim} dimensions are more than {MAX_DIMENSIONS}"
            )
        yield name, array


def as_bytes(array: Array) -> npt.NDArray[np.uint8]:
    """Return the bytes of an array as files have them; without a copy where it lies like that."""
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    flat: npt.NDArray[np.uint8] = little.reshape(-1).view(np.uint8)
    return flat


def _checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    for key, value in metadata.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TypeError(f"metadata must be strings by strings, got {key!r}: {value!r}")
    if len(metadata) > MAX_METADATA:
        raise ValueError(f"{len(metadata)} entries of metadata are more than {MAX_METADATA}")
    try:
        json.dumps(dict(metadata), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"metadata: a text has a lone surrogate: {error}") from None
    return dict(metadata)
