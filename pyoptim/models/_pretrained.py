"""Pretrained weights from safetensors files of any library."""

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
"""A mapping or function from tensor names in a file to parameter names, or None to skip."""

_FLOAT_PREFIXES = ("F", "BF")  # of the names of floating-point dtypes in safetensors files


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
    """Load weights from safetensors files of any library into a model or into new Parameters.

    The file is mapped into memory, and only the loaded tensors are read. They are converted to the
    dtypes of the parameters. All checks are made before any parameter changes.

    Parameters
    ----------
    path : path
        A safetensors file, a directory of Hugging Face with ``model.safetensors`` or with several
        files and ``model.safetensors.index.json``, or an index file. See
        `pyoptim.checkpoint.load_safetensors`.
    model : model or Parameters, optional
        Model or parameters to load the weights into, including the model's buffers. By default new
        Parameters are created.
    map : mapping of str to str, or function, optional
        Mapping from a tensor name in the file to the name of the parameter. Tensors that are not in
        the mapping, or for which the function returns None, are not loaded. By default names are
        equal, and all tensors are loaded.
    transpose : str or sequence of str
        Patterns (``*``, ``?``, ``[...]``) of parameters whose matrices are transposed in the file.
        Weights of dense layers have the shape (inputs, outputs) in pyoptim, and (outputs, inputs)
        in PyTorch's ``nn.Linear``. Square matrices match either way, so they are not detected.
    skip : str or sequence of str
        Patterns of parameters that are not loaded, such as a new head. The file need not have them.
    strict : bool
        Whether the file and the model must have the same parameters, apart from `skip`. If False,
        parameters that the file lacks do not change, and tensors that the model lacks are ignored.
        Shapes must match in any case.
    dtype : {"float32", "float64", "bfloat16"}, optional
        Dtype of new Parameters. By default it is the dtype in the file, or float32 for other
        dtypes, such as float16.

    Returns
    -------
    params : Parameters
        The parameters of `model`, or new Parameters in the order of the file.

    Raises
    ------
    ValueError
        If names or shapes do not match (the message lists all faults), a pattern or a name in `map`
        matches nothing, or there is nothing to load.
    TypeError
        If a tensor to load is not of floating-point numbers, the tensors have several dtypes and
        `dtype` is None, or an argument has the wrong type.
    CheckpointError
        If a file is damaged, or the files do not match their index.
    FileNotFoundError
        If the file does not exist.

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
    transposed = set(match(sources, transpose, "transpose"))
    shapes = {name: _shape(file, source, name in transposed) for name, source in sources.items()}
    if params is None:
        _check_floats(file, sources)
        new_dtype = _common_dtype(file, sources.values()) if dtype is None else dtype
        params = Parameters(shapes, dtype=new_dtype)
        arrays = dict(params)
    else:
        if dtype is not None:
            raise ValueError(
                f"dtype: expected None with a model, whose dtypes do not change, got {dtype!r}"
            )
        expected = {name: array.shape for name, array in arrays.items() if name not in skipped}
        _check_match(file, shapes, expected, strict=strict)
        sources = {name: source for name, source in sources.items() if name in expected}
        _check_floats(file, sources)
    if not sources:
        raise ValueError(
            f"{shown(file.path)}: expected at least one tensor to load, got none; the file has "
            f"{listed(file.tensors)}"
        )
    for name, source in sources.items():
        array = file.array(source)
        arrays[name][...] = array.T if name in transposed else array
    return params


def _params_of(model: Trainable | Parameters | None) -> Parameters | None:
    if model is None or isinstance(model, Parameters):
        return model
    params = getattr(model, "params", None)
    if not isinstance(params, Parameters):
        value = f"the class {model.__name__}" if isinstance(model, type) else repr(model)
        raise TypeError(f"model: expected a model or Parameters, got {value}")
    return params


def _sources(file: TensorFile, names: NameMap | None) -> dict[str, str]:
    """Return the tensor name in the file for each parameter name, in the order of the file."""
    tensors = file.tensors
    if isinstance(names, Mapping):
        unknown = [name for name in names if name not in tensors]
        if unknown:
            reversed_map = any(name in tensors for name in names.values())
            raise ValueError(
                f"map: expected names of tensors in {shown(file.path)} ({listed(tensors)}), got "
                f"{listed(unknown)}"
                + ("; map names in the file to names of parameters" if reversed_map else "")
            )
        names = names.get
    elif names is not None and not callable(names):
        raise TypeError(f"map: expected a mapping of names or a function, got {names!r}")
    sources: dict[str, str] = {}
    for source in tensors:
        name = source if names is None else names(source)
        if not isinstance(name, str | None):
            raise TypeError(f"map: expected a str or None for {shown(source)}, got {name!r}")
        if name in sources:
            raise ValueError(
                f"map: expected different names for the tensors of {shown(file.path)}, got "
                f"{name!r} for {shown(sources[name])} and {shown(source)}"
            )
        if name is not None:
            sources[name] = source
    return sources


def _shape(file: TensorFile, source: str, transposed: bool) -> tuple[int, ...]:
    shape = file.tensors[source].shape
    if transposed and len(shape) > 2:
        raise ValueError(
            f"transpose: expected tensors with at most 2 axes, got {shown(source)} of shape "
            f"{shape} in {shown(file.path)}"
        )
    return shape[::-1] if transposed else shape


def _check_floats(file: TensorFile, sources: Mapping[str, str]) -> None:
    for name, source in sources.items():
        dtype = file.tensors[source].dtype
        if not dtype.startswith(_FLOAT_PREFIXES):
            raise TypeError(
                f"{shown(file.path)}: expected floating-point numbers, got {shown(source)} of "
                f"dtype {dtype}; leave it out with skip={name!r}"
            )


def _common_dtype(file: TensorFile, sources: Iterable[str]) -> str | None:
    """Return the dtype of new Parameters; unsupported dtypes become float32."""
    supported = {"F64": "float64", "BF16": "bfloat16"}
    dtypes = {supported.get(file.tensors[source].dtype, "float32") for source in sources}
    if len(dtypes) > 1:
        raise TypeError(
            f"dtype: expected one of {listed(sorted(dtypes))}, because {shown(file.path)} has "
            "several dtypes, got None"
        )
    return dtypes.pop() if dtypes else None


def _check_match(
    file: TensorFile,
    shapes: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    *,
    strict: bool,
) -> None:
    """Raise ValueError with all missing and unexpected names and all wrong shapes."""
    faults = []
    missing = [name for name in expected if name not in shapes]
    unexpected = [name for name in shapes if name not in expected]
    if strict and missing:
        faults.append(f"missing {listed(missing)}")
    if strict and unexpected:
        faults.append(f"unexpected {listed(unexpected)}")
    for name, shape in expected.items():
        if name in shapes and shapes[name] != shape:
            hint = ", pass it in transpose" if shapes[name][::-1] == shape else ""
            faults.append(f"{shown(name)}: expected shape {shape}, got {shapes[name]}{hint}")
    if faults:
        raise ValueError(f"{shown(file.path)}: tensors do not match the model: {'; '.join(faults)}")
