"""Models in safetensors files, with parameters and buffers as tensors and a JSON configuration."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

from pyoptim import losses
from pyoptim._utils.json_text import parse_json, shortened
from pyoptim._utils.ownership import check_replaceable
from pyoptim._utils.text import listed, shown
from pyoptim.checkpoint._safetensors import MappedFile, is_safetensors, save_safetensors
from pyoptim.errors import CheckpointError
from pyoptim.models._base import Model
from pyoptim.models.embedding import EmbeddingMLP
from pyoptim.models.factorization_machine import FactorizationMachine
from pyoptim.models.linear import Linear, Softmax
from pyoptim.models.matrix_factorization import MatrixFactorization
from pyoptim.models.mlp import MLP
from pyoptim.parameters._parameters import size_limit
from pyoptim.parameters._types import Array

_CONFIG_KEY = "pyoptim.model"
_MIN_LIMIT = 1024  # number of parameters and of their elements that any file can have
_LISTED_TENSORS = 3  # maximum number of wrong tensors in a message
_JSON_TYPES = {list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
_CONFIG_ERRORS = (
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
    """Write a model to a safetensors file.

    Parameters
    ----------
    model : Model
        Model to save.
    path : path
        File to write. An existing model of pyoptim is replaced atomically.
    metadata : mapping of str to str, optional
        Additional metadata of the file, which `read_metadata` returns.
    overwrite : bool
        Whether to replace an existing file that is not a model of pyoptim.

    Raises
    ------
    FileExistsError
        If the file exists, is not a model of pyoptim, and `overwrite` is False.
    """
    check_replaceable(path, lambda file: is_safetensors(file, _CONFIG_KEY), overwrite)
    config = json.dumps({"kind": model.kind, **model.config()})
    tensors = {**model.params, **model.buffers}
    save_safetensors(path, tensors, {**(metadata or {}), _CONFIG_KEY: config}, overwrite=overwrite)


def load(path: str | PathLike[str]) -> Any:
    """Read a model that `Model.save` wrote.

    Parameters
    ----------
    path : path
        A safetensors file.

    Returns
    -------
    Model
        A new model of the saved class, with the saved parameters and buffers.

    Raises
    ------
    CheckpointError
        If the file is damaged or not a model of pyoptim. For an invalid configuration the message
        names the field, what was expected, and the value in the file.
    FileNotFoundError
        If the file does not exist.

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
        raise CheckpointError(
            f"{path}: expected a model of pyoptim, got a safetensors file without "
            f"{_CONFIG_KEY!r} in its metadata"
        )
    elements = sum(array.size for array in tensors.values())
    try:
        # A configuration cannot allocate more memory than the tensors of the file need.
        with size_limit(max(len(tensors), _MIN_LIMIT), max(elements, _MIN_LIMIT)):
            model = _make_model(metadata[_CONFIG_KEY])
    except _CONFIG_ERRORS as error:
        reason = shortened(error) or type(error).__name__
        raise CheckpointError(f"{path}: invalid model configuration: {reason}") from error
    arrays = {**model.params, **model.buffers}
    _check_tensors(path, arrays, tensors)
    for name, array in tensors.items():
        arrays[name][...] = array
    return model


def read_metadata(path: str | PathLike[str]) -> dict[str, str]:
    """Return the metadata that was passed to `Model.save`.

    Raises
    ------
    CheckpointError
        If the file is not a valid safetensors file.
    FileNotFoundError
        If the file does not exist.
    """
    metadata = MappedFile(path).header.metadata
    return {key: text for key, text in metadata.items() if key != _CONFIG_KEY}


def _make_model(text: str) -> Model:
    """Create a model from its JSON configuration; an error names the field and its value."""
    try:
        config = parse_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected valid JSON, got an error: {error}") from None
    if not isinstance(config, dict):
        raise TypeError(f"expected a JSON object, got {_JSON_TYPES.get(type(config), 'null')}")
    if "kind" not in config:
        raise ValueError(f"kind: expected one of {listed(_KINDS)}, but the field is missing")
    kind = config.pop("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"kind: expected one of {listed(_KINDS)}, got {shortened(repr(kind), 50)}")
    fields = _fields(_KINDS[kind])
    unknown = [name for name in config if name not in fields]
    if unknown:
        raise ValueError(
            f"{shown(shortened(unknown[0], 50))}: unknown field, expected fields of {kind} "
            f"({listed(fields)})"
        )
    missing = [name for name, required in fields.items() if required and name not in config]
    if missing:
        raise ValueError(f"{missing[0]}: expected a value, because {kind} requires the field")
    if "loss" in config:
        config["loss"] = _make_loss(config["loss"])
    return _KINDS[kind](**config)


def _make_loss(config: Any) -> losses.Loss:
    try:
        return losses.get(config)
    except (ValueError, TypeError) as error:
        message = str(error)
        raise ValueError(message if message.startswith("loss") else f"loss: {message}") from None


def _fields(cls: type[Model]) -> dict[str, bool]:
    """Return the constructor arguments of a model, and whether each is required."""
    parameters = inspect.signature(cls).parameters.values()
    fields = {
        parameter.name: parameter.default is parameter.empty
        for parameter in parameters
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    if len(fields) < len(parameters):  # keyword arguments that are passed to the base class
        base = _fields(cls.__mro__[1])
        fields |= {name: False for name, required in base.items() if not required} | fields
    return fields


def _check_tensors(
    path: str | PathLike[str], expected: Mapping[str, Array], tensors: Mapping[str, Array]
) -> None:
    """Raise CheckpointError unless names, shapes and dtypes of the tensors match the model."""
    faults = []
    for name in sorted(expected.keys() | tensors.keys()):
        texts = [
            f"shape {arrays[name].shape} and dtype {arrays[name].dtype}" if name in arrays else None
            for arrays in (expected, tensors)
        ]
        if texts[0] != texts[1]:
            faults.append(
                f"{shown(shortened(name, 50))}: expected {texts[0] or 'no such tensor'}, got "
                f"{texts[1] or 'no such tensor'}"
            )
    if faults:
        more = len(faults) - _LISTED_TENSORS
        raise CheckpointError(
            f"{path}: tensors do not match the model configuration: "
            f"{'; '.join(faults[:_LISTED_TENSORS])}" + (f"; and {more} more" if more > 0 else "")
        )
