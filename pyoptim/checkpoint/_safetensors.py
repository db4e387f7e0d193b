"""A single safetensors file, written atomically and read as views of the mapped file."""

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

_ALIGNMENT = 64  # of the data in written files, in bytes


def save_safetensors(
    path: str | PathLike[str],
    tensors: Mapping[str, npt.ArrayLike],
    metadata: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write arrays to a safetensors file, which any reader of the format can open.

    The file is written under a temporary name, flushed to disk and renamed. So a crash at any
    moment leaves either the complete old file or the complete new file. You can replace a file
    while it is mapped, because existing mappings keep the old data.

    Parameters
    ----------
    path : path
        Path of the file.
    tensors : mapping of str to array
        Arrays by name, of any memory layout and byte order. The file stores little-endian,
        C-contiguous data.
    metadata : mapping of str to str, optional
        Metadata to store in the file's header.
    overwrite : bool
        Whether to replace an existing file that is not a safetensors file.

    Raises
    ------
    FileExistsError
        If a file of another kind exists, and `overwrite` is False.
    TypeError
        If safetensors does not support the dtype of an array, or `metadata` are not strings.
    ValueError
        If the name of a tensor is empty, has control characters, or is a path such as `../../x`.
    OSError
        If the file cannot be written. An existing file is unchanged.

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
    """Return whether a file is a valid safetensors file whose metadata contain `key`, if given."""
    try:
        metadata = MappedFile(path).header.metadata
    except (CheckpointError, OSError):
        return False
    return key is None or key in metadata


def map_file(path: str | PathLike[str], max_size: int | None = None) -> bytes | mmap.mmap:
    """Map a file privately.

    Raises
    ------
    CheckpointError
        If the path is not a regular file, or the file has more than `max_size` bytes.
    FileNotFoundError
        If the file does not exist.
    """
    # Do not wait for a pipe.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise FileNotFoundError(f"{shown(path)}: no such file") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CheckpointError(f"{path}: not a file")
        if max_size is not None and status.st_size > max_size:
            raise CheckpointError(
                f"{path}: expected at most {max_size} bytes, got {status.st_size}"
            )
        if status.st_size == 0:
            return b""
        return mmap.mmap(descriptor, status.st_size, access=mmap.ACCESS_COPY)
    except ValueError as error:  # truncated by another process
        raise CheckpointError(f"{path}: {error}") from None
    finally:
        os.close(descriptor)


class MappedFile:
    """A safetensors file with a valid header, mapped privately.

    Attributes
    ----------
    path : Path
        Path of the file.
    header : Header
        Parsed header.
    size : int
        Size of the whole file in bytes.

    Raises
    ------
    CheckpointError
        If the file is not a valid safetensors file.
    FileNotFoundError
        If the file does not exist.
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
        """The tensors' descriptions by name, in the order of their data."""
        return self.header.tensors

    def fault(self, description: str) -> CheckpointError:
        """Return an error that names the file and describes its fault."""
        return CheckpointError(f"{self.path}: not a valid safetensors file: {description}")

    def arrays(self) -> dict[str, Array]:
        """Return all tensors."""
        return {name: self.array(name) for name in self.header.tensors}

    def array(self, name: str) -> Array:
        """Return one tensor, as a view of the file if its data are aligned."""
        info = self.header.tensors[name]
        dtype = to_numpy(info.dtype)
        if dtype is None:
            raise CheckpointError(
                f"{self.path}: tensor {name!r}: NumPy has no dtype for {info.dtype}"
            )
        if info.nbytes == 0:
            return np.empty(info.shape, dtype)
        data = self.data(name)
        if info.dtype == "BOOL" and data.max() > 1:
            raise self.fault(f"tensor {name!r}: expected booleans of 0 or 1, got {data.max()}")
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
    """The layout of arrays in a file, widest elements first, so that all arrays are aligned.

    Attributes
    ----------
    header : bytes
        Header, including the size field.
    names : list of str
        Names of the arrays in the order of their data.

    Raises
    ------
    TypeError, ValueError
        If `metadata` are not strings that UTF-8 can encode, or the header would be too large.
    """

    def __init__(self, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
        self.names = names_in_order(arrays)
        header: dict[str, Any] = {METADATA: _checked_metadata(metadata)} if metadata else {}
        offset = 0
        for name in self.names:
            end = offset + arrays[name].nbytes
            info = TensorInfo(*dtype_and_shape(arrays[name]), offset, end)
            header[name] = {
                "dtype": info.dtype,
                "shape": list(info.shape),
                "data_offsets": [info.begin, info.end],
            }
            offset = end
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-(SIZE_BYTES + len(text)) % _ALIGNMENT)
        if len(text) > MAX_HEADER:
            raise ValueError(
                f"names and metadata: expected at most {MAX_HEADER} bytes, got {len(text)}"
            )
        self.header = len(text).to_bytes(SIZE_BYTES, "little") + text


def names_in_order(arrays: Mapping[str, Array]) -> list[str]:
    """Return the names of arrays in the order of their data in a file."""
    return sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))


def dtype_and_shape(array: Array) -> tuple[str, tuple[int, ...]]:
    """Return the safetensors dtype and the shape of an array that `as_arrays` returned."""
    name = to_name(array.dtype)
    assert name is not None
    return name, array.shape


def as_arrays(tensors: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Return tensors as arrays that can be written to a file.

    Raises
    ------
    TypeError
        If a name is not a string, or safetensors does not support a dtype.
    ValueError
        If a name is rejected, or there are too many tensors or dimensions.
    """
    if len(tensors) > MAX_TENSORS:
        raise ValueError(f"tensors: expected at most {MAX_TENSORS}, got {len(tensors)}")
    return dict(_as_arrays(tensors))


def _as_arrays(tensors: Mapping[str, npt.ArrayLike]) -> Iterator[tuple[str, Array]]:
    for name, value in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"tensors: expected names of type str, got {name!r}")
        check_name(name)
        array = np.asarray(value)
        if to_name(array.dtype) is None:
            choices = ", ".join(dtype.numpy for dtype in DTYPES.values() if dtype.numpy)
            raise TypeError(
                f"{shown(name)}: safetensors does not support dtype {dtype_text(array.dtype)}; "
                f"use one of {choices}"
            )
        if array.ndim > MAX_DIMENSIONS:
            raise ValueError(
                f"{shown(name)}: expected at most {MAX_DIMENSIONS} dimensions, got {array.ndim}"
            )
        yield name, array


def as_bytes(array: Array) -> npt.NDArray[np.uint8]:
    """Return the little-endian, C-contiguous bytes of an array, without a copy if possible."""
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    flat: npt.NDArray[np.uint8] = little.reshape(-1).view(np.uint8)
    return flat


def _checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    for key, value in metadata.items():
        if not (isinstance(key, str) and isinstance(value, str)):
            raise TypeError(f"metadata: expected str keys and values, got {key!r}: {value!r}")
    if len(metadata) > MAX_METADATA:
        raise ValueError(f"metadata: expected at most {MAX_METADATA} entries, got {len(metadata)}")
    try:
        json.dumps(dict(metadata), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"metadata: a text has a lone surrogate: {error}") from None
    return dict(metadata)
