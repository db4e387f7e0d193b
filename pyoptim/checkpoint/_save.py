"""Writing a checkpoint, so that a crash at any moment leaves a whole one."""

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
from pyoptim.checkpoint._safetensors import Layout, as_arrays, as_bytes, described, in_order
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
    """Save a checkpoint in a directory of checkpoints; an older one goes only when it is whole.

    Everything is written into a temporary directory beside its place and brought to disk, read
    again and compared with its checksums, and then renamed. A process that is killed, or a machine
    that stops, at any moment leaves this checkpoint or the ones before.

    Parameters
    ----------
    directory : path
        Made if it is missing. The checkpoint becomes `directory/step-00000123`; a step that is
        saved again replaces its former one.
    tensors : mapping of str to array
        Such as ``model.params``. They are in safetensors files, under their names.
    step : int
        At least 0.
    metadata : optional
        Any nesting of dicts (by str), lists, None, bool, int, float and str, and of arrays, which
        become tensors, too: ``{"optimizer": opt.state_dict(), "epoch": 3}``. It comes back as it
        was, to the bit (tuples as lists, NumPy's numbers as Python's), NaN and infinities
        included. There may be 100 levels of lists and dicts. Nothing is pickled.
    score : float, optional
        How good it is, for `Keep.best`.
    keep : int or Keep, optional
        How many of the newest checkpoints, this one included, to keep, or a policy. By default all.
    max_shard_size : int
        Bytes of tensors in one file, if it has more than one tensor.

    Returns
    -------
    Path
        Of the checkpoint.

    Raises
    ------
    CheckpointError
        If what is read again is not what was written.
    OSError
        If the directory cannot be written to. Former checkpoints are as they were.
    TypeError, ValueError
        If a name, a dtype or a value cannot be saved.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, pyoptim as po
    >>> params = po.Parameters({"w": (2,)})
    >>> opt = po.AdamW(params, lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     state = {"optimizer": opt.state_dict(), "best": float("nan")}
    ...     path = po.checkpoint.save(folder, params, step=7, metadata=state, keep=3)
    ...     found = po.checkpoint.load(folder)
    >>> path.name, found.step, found.tensors
    ('step-00000007', 7, {'w': array([0., 0.], dtype=float32)})
    >>> opt.load_state_dict(found.metadata["optimizer"])
    """
    step = operator.index(step)
    if step < 0:
        raise ValueError(f"step must be at least 0, got {step}")
    if step >= 10**18:
        raise ValueError(f"step must be below 10^18, got {step}")
    if max_shard_size < 1:
        raise ValueError(f"max_shard_size must be at least 1, got {max_shard_size}")
    policy = None if keep is None else as_policy(keep)
    everything = dict(tensors)
    encoded = encode(metadata, everything)
    arrays = as_arrays(everything)
    number = None if score is None else float(score)

    root = Path(directory)
    folder.check_root(root)
    make_directories(root)
    with disk.locked(root), temporary_name() as temporary:
        disk.remove_temporaries(root)
        names, before = folder.names(root), folder.manifests(root)
        saves = 1 + max((manifest.saves for manifest in before.values()), default=0)
        try:
            with disk.new_directory(root / temporary) as descriptor:
                writer = _Writer(descriptor, step, max_shard_size)
                manifest = writer.write(arrays, encoded, number, saves)
            read_checkpoint(root / temporary)
            path = _moved_into_place(root, temporary, step)
        except BaseException:
            with suppress(OSError):
                disk.remove(root / temporary)
            raise
        sync_directory(root)
        folder.point_to(root, path.name)
        removed = _superseded(path.name, names, {**before, path.name: manifest}, policy)
        disk.remove_at_once(root, [name for name in removed if folder.is_own(root / name)])
    return path


def _moved_into_place(root: Path, temporary: str, step: int) -> Path:
    """Rename a new checkpoint, by another name where another process was faster."""
    while True:
        path = root / folder.free_name(root, step)
        try:
            return (root / temporary).rename(path)
        except OSError:
            if not os.path.lexists(path):
                raise


class _Writer:
    """Writes the files of a checkpoint into a directory."""

    def __init__(self, directory: int, step: int, max_shard_size: int) -> None:
        self.directory = directory
        self.step = step
        self.max_shard_size = max_shard_size

    def write(
        self, arrays: Mapping[str, Array], metadata: Any, score: float | None, saves: int
    ) -> Manifest:
        """Write the tensors' files, and the manifest last; return it."""
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
        """Write one file; checksums are of what is in memory, not of what has become of it."""
        layout = Layout(arrays, {STEP_KEY: str(self.step)})
        checksums: list[str] = []

        def fill(descriptor: int) -> None:
            write(descriptor, layout.header)
            with ThreadPoolExecutor(max_workers=1) as beside:
                for name in layout.names:
                    data = as_bytes(arrays[name])
                    found = beside.submit(checksum, data)
                    write(descriptor, data.data)
                    checksums.append(found.result())

        create_file(file, fill, self.directory)
        for name, found in zip(layout.names, checksums, strict=True):
            dtype, shape = described(arrays[name])
            entries[name] = TensorEntry(file, dtype, list(shape), found)
        size = len(layout.header) + sum(array.nbytes for array in arrays.values())
        return FileEntry(size, checksum_of_file(layout.header, checksums))


def _shards(arrays: Mapping[str, Array], limit: int) -> Iterator[list[str]]:
    """Yield the names for each file, at least one list."""
    names: list[str] = []
    size = 0
    for name in in_order(arrays):
        if names and size + arrays[name].nbytes > limit:
            yield names
            names, size = [], 0
        names.append(name)
        size += arrays[name].nbytes
    yield names


def _superseded(
    new: str, names: Iterable[str], manifests: Mapping[str, Manifest], policy: Keep | None
) -> list[str]:
    """Return the names of checkpoints to remove, of those that were there when saving began.

    Checkpoints that cannot be read are left for people to see, unless they are of the same step.
    """
    step = folder.step_of(new)
    removed = {name for name in names if folder.step_of(name) == step}
    if policy is not None:
        saved = [
            Saved(name, folder.Age.of(name, manifest), manifest.score)
            for name, manifest in manifests.items()
            if name not in removed
        ]
        removed |= {each.name for each in saved} - policy.chosen(saved) - {new}
    return sorted(removed)
