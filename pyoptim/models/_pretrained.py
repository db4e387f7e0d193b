"""Weights that someone trained before, from any safetensors files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import TypeAlias

import numpy.typing as npt

from pyoptim._utils.text import listed, shown
from pyoptim.checkpoint._sharded import TensorFile, open_tensors
from pyoptim.models._protocol import Trainable
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._selection import Patterns, match

NameMap: TypeAlias = Mapping[str, str] | Callable[[str], str | None]
"""From names in a file to names here: those of a mapping, or what a function gives, None for no."""

_FLOATS = ("F", "BF")  # what the names of their types begin with in files


def load_pretrained(
    path: str | PathLike[str],
    model: Trainable | Parameters | None = None,
    *,
    map: NameMap | None = None,  # noqa: A002
    transpose: Patterns = (),
    skip: Patterns = (),
    strict: bool = True,
    dtype: npt.DTypeLike | None = None,
) -> Parameters:
    """Read weights from safetensors files, whoever wrote them, into a model or into Parameters.

    Of a file, which is mapped into memory, only what is taken is read. Floating-point types are
    converted; nothing else is. Everything is checked before anything is written.

    Parameters
    ----------
    path : path
        A safetensors file; a directory as Hugging Face writes it, with ``model.safetensors``, or
        with several files and ``model.safetensors.index.json``; or an index. See
        `pyoptim.checkpoint.load_safetensors`.
    model : model or Parameters, optional
        What is filled, buffers too if it has some. Without it there are new Parameters of what is
        taken.
    map : mapping of str to str, or function, optional
        From a name in the file to the name here. Tensors that are not in a mapping, or for which
        the function returns None, are left out. By default names are the same, and all are taken.
    transpose : str or sequence of str
        Patterns (``*``, ``?``, ``[...]``) of names here: these matrices lie in the file the other
        way round. Dense layers here have weights of shape (inputs, outputs); those of PyTorch's
        ``nn.Linear`` are (outputs, inputs). A square matrix fits both ways: nothing but this
        argument can tell.
    skip : str or sequence of str
        Patterns of names here that stay as they are, as a new head, whether the file has them or
        not.
    strict : bool
        Whether what is taken from the file must be all that the model has. Else parameters that
        the file lacks stay as they are, and what the model lacks is left out; shapes must fit all
        the same.
    dtype : {"float32", "float64", "bfloat16"}, optional
        Of new Parameters. By default that of the file, and float32 where that is none of these
        (float16).

    Returns
    -------
    params : Parameters
        The model's, or new ones, in the order of the file.

    Raises
    ------
    ValueError
        If names or shapes do not fit (the message lists all that do not), a pattern or a name of
        the mapping fits nothing, or nothing is left.
    TypeError
        If what is taken is not of floating-point numbers, or of several types and no dtype is
        given; or an argument is of another type.
    CheckpointError
        If a file is damaged, or files and their index do not fit.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, pyoptim as po
    >>> other = {"net.0.weight": np.ones((8, 4), np.float16), "net.0.bias": np.zeros(8, np.float16),
    ...          "net.1.weight": np.ones((2, 8), np.float16), "net.1.bias": np.zeros(2, np.float16)}
    >>> model = po.models.MLP([4, 8, 3])  # the same first layer, another head
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     po.checkpoint.save_safetensors(path, other)
    ...     _ = po.models.load_pretrained(
    ...         path, model, map=lambda name: name.replace("net", "layers"),
    ...         transpose="*.weight", skip="layers.1.*")
    ...     table = po.models.load_pretrained(path, map={"net.0.weight": "table"})
    >>> bool((model.params["layers.0.weight"] == 1).all())
    True
    >>> table
    Parameters(table: (8, 4); 32 of float32)
    """
    params = _params_of(model)
    file = open_tensors(path)
    sources = _sources(file, map)
    arrays = {**(params or {}), **getattr(model, "buffers", {})}
    skipped = set(match({**sources, **arrays}, skip, "skip"))
    sources = {name: source for name, source in sources.items() if name not in skipped}
    turned = set(match(sources, transpose, "transpose"))
    shapes = {name: _shape(file, source, name in turned) for name, source in sources.items()}
    if params is None:
        _check_floats(file, sources)
        chosen = _common_dtype(file, sources.values()) if dtype is None else dtype
        params = Parameters(shapes, dtype=chosen)
        arrays = dict(params)
    else:
        if dtype is not None:
            raise ValueError("dtype is for new Parameters, and there is a model")
        wanted = {name: array.shape for name, array in arrays.items() if name not in skipped}
        _check_fit(file, shapes, wanted, strict=strict)
        sources = {name: source for name, source in sources.items() if name in wanted}
        _check_floats(file, sources)
    if not sources:
        raise ValueError(f"{shown(file.path)}: nothing is taken; it has {listed(file.tensors)}")
    for name, source in sources.items():
        array = file.array(source)
        arrays[name][...] = array.T if name in turned else array
    return params


def _params_of(model: Trainable | Parameters | None) -> Parameters | None:
    if model is None or isinstance(model, Parameters):
        return model
    params = getattr(model, "params", None)
    if not isinstance(params, Parameters):
        given = f"the class {model.__name__}" if isinstance(model, type) else repr(model)
        raise TypeError(f"model must be a model or Parameters, got {given}")
    return params


def _sources(file: TensorFile, names: NameMap | None) -> dict[str, str]:
    """Return which tensor of the file is called how here, in the order of the file."""
    there = file.tensors
    if isinstance(names, Mapping):
        unknown = [name for name in names if name not in there]
        if unknown:
            turned = any(name in there for name in names.values())
            raise ValueError(
                f"{shown(file.path)}: map names {listed(unknown)}, and the file has {listed(there)}"
                + ("; map goes from names in the file to names here" if turned else "")
            )
        names = names.get
    elif names is not None and not callable(names):
        raise TypeError(f"map must be a mapping of names or a function, got {names!r}")
    sources: dict[str, str] = {}
    for source in there:
        name = source if names is None else names(source)
        if not isinstance(name, str | None):
            raise TypeError(f"map: the name of {source} must be text or None, got {name!r}")
        if name in sources:
            both = f"{shown(sources[name])} and {shown(source)}"
            raise ValueError(f"{shown(file.path)}: {both} would both be {name!r}")
        if name is not None:
            sources[name] = source
    return sources


def _shape(file: TensorFile, source: str, turned: bool) -> tuple[int, ...]:
    shape = file.tensors[source].shape
    if turned and len(shape) > 2:
        raise ValueError(
            f"{shown(file.path)}: {shown(source)} of shape {shape} is no matrix to transpose"
        )
    return shape[::-1] if turned else shape


def _check_floats(file: TensorFile, sources: Mapping[str, str]) -> None:
    for name, source in sources.items():
        dtype = file.tensors[source].dtype
        if not dtype.startswith(_FLOATS):
            raise TypeError(
                f"{shown(file.path)}: {shown(source)} is of {dtype}, not of floating-point "
                f"numbers; leave it out by skip={name!r}"
            )


def _common_dtype(file: TensorFile, sources: Iterable[str]) -> str | None:
    """Return the type of new Parameters: float32 in the place of what they cannot be."""
    names = {"F64": "float64", "BF16": "bfloat16"}
    found = {names.get(file.tensors[source].dtype, "float32") for source in sources}
    if len(found) > 1:
        raise TypeError(
            f"{shown(file.path)} has several dtypes ({listed(sorted(found))}): choose one with "
            "dtype="
        )
    return found.pop() if found else None


def _check_fit(
    file: TensorFile,
    shapes: Mapping[str, tuple[int, ...]],
    wanted: Mapping[str, tuple[int, ...]],
    *,
    strict: bool,
) -> None:
    """Raise ValueError that lists what is missing, too much, or of another shape."""
    faults = []
    missing = [name for name in wanted if name not in shapes]
    unexpected = [name for name in shapes if name not in wanted]
    if strict and missing:
        faults.append(f"it lacks {listed(missing)}")
    if strict and unexpected:
        faults.append(f"the model lacks {listed(unexpected)}")
    for name, shape in wanted.items():
        if name in shapes and shapes[name] != shape:
            turned = "; is it to be transposed?" if shapes[name][::-1] == shape else ""
            faults.append(f"{shown(name)} is {shapes[name]}, the model's {shape}{turned}")
    if faults:
        raise ValueError(f"{shown(file.path)} does not fit the model: " + "; ".join(faults))
