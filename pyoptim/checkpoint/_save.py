"""Atomic saving of checkpoints: a crash at any moment leaves a complete checkpoint."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pyoptim._utils.atomic import create_file, make_directories, sync_directory, write
from pyoptim._utils.temporary import temporary_name
from pyoptim.checkpoint import _directory as folder
from pyoptim.checkpoint import _staging as disk
from pyoptim.checkpoint._load import read_checkpoint
from pyoptim.checkpoint._manifest import (
    MANIFEST,
    STEP_KEY,
    FileEntry,
    Manifest,
    TensorEntry,
    checksum,
    checksum_of_file,
)
from pyoptim.checkpoint._retention import Keep, Saved, as_policy
from pyoptim.checkpoint._safetensors import (
    Layout,
    as_arrays,
    as_bytes,
    dtype_and_shape,
    names_in_order,
)
from pyoptim.checkpoint._tree import encode
from pyoptim.parameters._types import Array


def save(
    directory: str | PathLike[str],
    tensors: Mapping[str, npt.ArrayLike],
    *,
    step: int,
    metadata: Any = None,
    score: float | None = None,
    keep: int | Keep | None = None,
    max_shard_size: int = 4 * 2**30,
) -> Path:
    """Save a checkpoint atomically in a directory of checkpoints.

    All files are written to a temporary directory, flushed to disk, and read back to compare
    checksums. Then the directory is renamed, and older checkpoints are removed last. So a crash or
    a power failure at any moment leaves either the new checkpoint or the previous ones.

    Parameters
    ----------
    directory : path
        Directory of checkpoints, created if missing. The checkpoint becomes
        `directory/step-00000123`. Saving a step again replaces its previous checkpoint.
    tensors : mapping of str to array
        Tensors by name, such as ``model.params``. They are stored in safetensors files.
    step : int
        Training step, from 0 to 10^18 - 1.
    metadata : optional
        Any nesting of dicts with str keys, lists, None, bool, int, float, str and arrays, such as
        ``{"optimizer": opt.state_dict(), "epoch": 3}``. Arrays are stored as tensors. `load`
        returns bit-identical values, including NaN and infinities. Tuples become lists, and NumPy
        numbers become Python numbers. Nesting is limited to 100 levels. Nothing is pickled.
    score : float, optional
        Score of the checkpoint, such as a validation loss, for `Keep.best`.
    keep : int or Keep, optional
        Number of the newest checkpoints to keep, including this one, or a retention policy. By
        default, all checkpoints are kept.
    max_shard_size : int
        Maximum number of bytes of tensors in one file. A larger tensor has a file to itself.

    Returns
    -------
    Path
        Path of the checkpoint.

    Raises
    ------
    CheckpointError
        If the data read back differ from the data written, or `directory` is itself a checkpoint.
    OSError
        If the directory cannot be written to. Existing checkpoints are unchanged.
    TypeError, ValueError
        If an argument is out of range, or a name, dtype or value cannot be saved.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, pyoptim as po
    >>> params = po.Parameters({"w": (2,)})
    >>> opt = po.AdamW(params, lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     state = {"optimizer": opt.state_dict(), "best": float("nan")}
    ...     path = po.checkpoint.save(folder, params, step=7, metadata=state, keep=3)
    ...     checkpoint = po.checkpoint.load(folder)
    >>> path.name, checkpoint.step, checkpoint.tensors
    ('step-00000007', 7, {'w': array([0., 0.], dtype=float32)})
    >>> opt.load_state_dict(checkpoint.metadata["optimizer"])
    """
    step = operator.index(step)
    if step < 0:
        raise ValueError(f"step must be at least 0, got {step}")
    if step >= 10**18:
        raise ValueError(f"step must be below 10^18, got {step}")
    if max_shard_size < 1:
        raise ValueError(f"max_shard_size must be at least 1, got {max_shard_size}")
    policy = None if keep is None else as_policy(keep)
    all_tensors = dict(tensors)
    encoded = encode(metadata, all_tensors)
    arrays = as_arrays(all_tensors)
    as_float = None if score is None else float(score)

    root = Path(directory)
    folder.check_root(root)
    make_directories(root)
    with disk.locked(root), temporary_name() as temporary:
        disk.remove_temporaries(root)
        names, manifests = folder.names(root), folder.manifests(root)
        saves = 1 + max((manifest.saves for manifest in manifests.values()), default=0)
        try:
            with disk.new_directory(root / temporary) as descriptor:
                writer = _Writer(descriptor, step, max_shard_size)
                manifest = writer.write(arrays, encoded, as_float, saves)
            read_checkpoint(root / temporary)
            path = _rename_to_free_name(root, temporary, step)
        except BaseException:
            with suppress(OSError):
                disk.remove(root / temporary)
            raise
        sync_directory(root)
        folder.point_to(root, path.name)
        removed = _superseded(path.name, names, {**manifests, path.name: manifest}, policy)
        disk.remove_atomically(root, [name for name in removed if folder.is_removable(root / name)])
    return path


def _rename_to_free_name(root: Path, temporary: str, step: int) -> Path:
    """Rename a new checkpoint, and try the next name if another process has taken the first."""
    while True:
        path = root / folder.free_name(root, step)
        try:
            return (root / temporary).rename(path)
        except OSError:
            if not os.path.lexists(path):
                raise


class _Writer:
    """A writer of the files of one checkpoint into an open directory."""

    def __init__(self, directory: int, step: int, max_shard_size: int) -> None:
        self.directory = directory
        self.step = step
        self.max_shard_size = max_shard_size

    def write(
        self, arrays: Mapping[str, Array], metadata: Any, score: float | None, saves: int
    ) -> Manifest:
        """Write the tensors' files and then the manifest, and return the manifest."""
        files: dict[str, FileEntry] = {}
        tensors: dict[str, TensorEntry] = {}
        shards = list(_shards(arrays, self.max_shard_size))
        for number, names in enumerate(shards, start=1):
            file = f"tensors-{number:05}-of-{len(shards):05}.safetensors"
            files[file] = self.write_shard(file, {name: arrays[name] for name in names}, tensors)
        saved = datetime.now(UTC).isoformat(timespec="microseconds")
        manifest = Manifest(self.step, saves, score, saved, files, tensors, metadata)
        content = manifest.to_bytes()
        create_file(MANIFEST, lambda descriptor: write(descriptor, content), self.directory)
        return manifest

    def write_shard(
        self, file: str, arrays: Mapping[str, Array], entries: dict[str, TensorEntry]
    ) -> FileEntry:
        """Write one file, with the checksums of the data in memory instead of the written data."""
        layout = Layout(arrays, {STEP_KEY: str(self.step)})
        checksums: list[str] = []

        def fill(descriptor: int) -> None:
            write(descriptor, layout.header)
            with ThreadPoolExecutor(max_workers=1) as executor:
                for name in layout.names:
                    data = as_bytes(arrays[name])
                    future = executor.submit(checksum, data)
                    write(descriptor, data.data)
                    checksums.append(future.result())

        create_file(file, fill, self.directory)
        for name, digest in zip(layout.names, checksums, strict=True):
            dtype, shape = dtype_and_shape(arrays[name])
            entries[name] = TensorEntry(file, dtype, list(shape), digest)
        size = len(layout.header) + sum(array.nbytes for array in arrays.values())
        return FileEntry(size, checksum_of_file(layout.header, checksums))


def _shards(arrays: Mapping[str, Array], limit: int) -> Iterator[list[str]]:
    """Yield the names of the tensors of each file, and one empty list if there are none."""
    names: list[str] = []
    size = 0
    for name in names_in_order(arrays):
        if names and size + arrays[name].nbytes > limit:
            yield names
            names, size = [], 0
        names.append(name)
        size += arrays[name].nbytes
    yield names


def _superseded(
    new: str, names: Iterable[str], manifests: Mapping[str, Manifest], policy: Keep | None
) -> list[str]:
    """Return the names of the checkpoints to remove among those that existed before the save.

    Unreadable checkpoints are kept for inspection, except for those of the same step.
    """
    step = folder.step_of(new)
    removed = {name for name in names if folder.step_of(name) == step}
    if policy is not None:
        saved = [
            Saved(name, folder.Age.of(name, manifest), manifest.score)
            for name, manifest in manifests.items()
            if name not in removed
        ]
        removed |= {checkpoint.name for checkpoint in saved} - policy.chosen(saved) - {new}
    return sorted(removed)
