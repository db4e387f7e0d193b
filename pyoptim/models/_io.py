"""Models in safetensors files: parameters and buffers as tensors, configuration as metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

from pyoptim._utils.json_text import parse_json, shortened
from pyoptim._utils.ownership import check_replaceable
from pyoptim.checkpoint._safetensors import MappedFile, is_safetensors, save_safetensors
from pyoptim.errors import CheckpointError
from pyoptim.models._base import Model
from pyoptim.models.embedding import EmbeddingMLP
from pyoptim.models.factorization_machine import FactorizationMachine
from pyoptim.models.linear import Linear, Softmax
from pyoptim.models.matrix_factorization import MatrixFactorization
from pyoptim.models.mlp import MLP
from pyoptim.parameters._parameters import at_most

_CONFIG_KEY = "pyoptim.model"
_ALWAYS = 1024  # parameters, and numbers in them, that any file may ask for
_FAULTS = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,
    RecursionError,
)
_KINDS: dict[str, type[Model]] = {
    cls.kind: cls
    for cls in (MLP, Linear, Softmax, MatrixFactorization, FactorizationMachine, EmbeddingMLP)
}


def save(
    model: Model,
    path: str | PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a model to a safetensors file; an existing model is replaced in one move.

    Parameters
    ----------
    model : Model
    path : path
    metadata : mapping of str to str, optional
        Kept in the file beside the configuration; `read_metadata` returns it.
    overwrite : bool
        Whether to replace a file that is not a model of pyoptim.

    Raises
    ------
    FileExistsError
        If there is such a file, and `overwrite` is False.
    """
    check_replaceable(path, lambda file: is_safetensors(file, _CONFIG_KEY), overwrite)
    config = json.dumps({"kind": model.kind, **model.config()})
    tensors = {**model.params, **model.buffers}
    save_safetensors(path, tensors, {**(metadata or {}), _CONFIG_KEY: config}, overwrite=overwrite)


def load(path: str | PathLike[str]) -> Any:
    """Read a model that `Model.save` wrote.

    Raises
    ------
    CheckpointError
        If the file is not a model of this library, or damaged.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyoptim as po
    >>> model = po.models.MLP([4, 8, 3])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(os.path.join(folder, "model.safetensors"))
    ...     again = po.models.load(os.path.join(folder, "model.safetensors"))
    >>> again, bool((again.params.flat == model.params.flat).all())
    (MLP([4, 8, 3], activation='relu', loss='softmax', dtype='float32'), True)
    """
    file = MappedFile(path)
    tensors, metadata = file.arrays(), file.header.metadata
    if _CONFIG_KEY not in metadata:
        raise CheckpointError(f"{path}: not a model of pyoptim (no {_CONFIG_KEY!r} in metadata)")
    elements = sum(array.size for array in tensors.values())
    most = max(len(tensors), _ALWAYS), max(elements, _ALWAYS)
    try:
        config = parse_json(metadata[_CONFIG_KEY])
        with at_most(*most):
            model = _KINDS[config.pop("kind")](**config)
    except _FAULTS as error:
        fault = shortened(error) or type(error).__name__
        raise CheckpointError(f"{path}: unknown model configuration ({fault})") from error
    own = {**model.params, **model.buffers}
    expected = {name: (array.shape, array.dtype) for name, array in own.items()}
    found = {name: (array.shape, array.dtype) for name, array in tensors.items()}
    if expected != found:
        wrong = sorted(
            name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
        )
        names = shortened(wrong)
        raise CheckpointError(f"{path}: tensors do not fit the model's configuration: {names}")
    for name, array in tensors.items():
        own[name][...] = array
    return model


def read_metadata(path: str | PathLike[str]) -> dict[str, str]:
    """Return what `Model.save` was given as metadata."""
    metadata = MappedFile(path).header.metadata
    return {key: text for key, text in metadata.items() if key != _CONFIG_KEY}
