"""Conversion of the arguments of `fit` to data sources for training and validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pyoptim._utils.validation import as_number
from pyoptim.data._arrays import Table
from pyoptim.data._batch import (
    Cast,
    Rows,
    as_rows,
    as_targets,
    check_counts,
    map_parts,
    parts_of,
)
from pyoptim.data._checks import Check
from pyoptim.data._chunks import Chunks
from pyoptim.data._csr import as_csr, is_sparse
from pyoptim.data._mmap import is_mapped
from pyoptim.data._sampler import Shuffle, split_blocks, split_rows
from pyoptim.data._source import Source
from pyoptim.losses._class_weight import (
    ClassWeight,
    as_sample_weight,
    compute_class_weight,
    drop_zero_weights,
)

if TYPE_CHECKING:
    from pyoptim.losses import Loss
    from pyoptim.models._base import Model

Validation: TypeAlias = float | tuple[Any, ...] | Mapping[str, tuple[Any, ...]] | None

_CHECKED_TARGETS = 2**16  # number of targets that are checked at a time
_MAX_CONVERTED_BYTES = 2**30  # larger arrays are converted batch by batch


def as_validation(validation: Any) -> Validation:
    """Return the argument `validation` in its canonical form, or None without validation rows.

    The arrays of validation sets are not checked.

    Raises
    ------
    ValueError
        If a fraction is not in [0, 1).
    TypeError
        If `validation` is not a fraction, a validation set, or a mapping of validation sets.

    Examples
    --------
    >>> as_validation(0.0), as_validation(0.25), as_validation([[[1.0]], [2.0]])
    (None, 0.25, ([[1.0]], [2.0]))
    """
    if validation is None or isinstance(validation, Mapping):
        sets = {name: _as_set(f"validation[{name!r}]", s) for name, s in (validation or {}).items()}
        return sets or None
    if isinstance(validation, tuple | list):
        return _as_set("validation", validation)
    try:
        fraction = as_number("validation", validation)
    except TypeError:
        raise TypeError(
            "validation: expected a fraction of the rows, (x, y), (x, y, sample_weight), or a "
            f"mapping of names to such tuples, got {type(validation).__name__}"
        ) from None
    if not 0 <= fraction < 1:
        raise ValueError(f"validation: expected a fraction in [0, 1), got {validation}")
    return fraction or None


def _as_set(name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, tuple | list) and len(value) in (2, 3):
        return tuple(value)
    length = f" of {len(value)} items" if isinstance(value, tuple | list) else ""
    raise TypeError(
        f"{name}: expected (x, y) or (x, y, sample_weight), got {type(value).__name__}{length}"
    )


def prepare(
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: ClassWeight | None,
    *,
    validation: Validation,
    shuffle: Shuffle,
    seed: int,
    loss: Loss,
    model: Model,
    allow_nonfinite: bool = False,
) -> tuple[Source, dict[str, Rows | Table]]:
    """Return the source of training data, and the validation sets by name.

    Arrays in memory are converted to the model's format and checked once. The inputs of large
    arrays and of memory-mapped files are converted and checked when they are read. Their targets
    and weights are checked here.

    Parameters
    ----------
    x : object
        Inputs, or chunks if `y` is None.
    y : array or None
        Targets.
    sample_weight : array or None
        Weights of the rows.
    class_weight : mapping of class to weight, "balanced" or None
        Weights of the classes.
    validation : Validation
        Result of `as_validation`.
    shuffle : {True, False, "blocks"}
        Order of the mini-batches. With "blocks" whole blocks are held out.
    seed : int
        Seed for the choice of held-out rows.
    loss : Loss
        Loss that converts and checks targets.
    model : Model
        Model that converts and checks inputs.
    allow_nonfinite : bool
        Whether inputs and targets can contain NaN and infinities.

    Raises
    ------
    ValueError
        If there are no rows, shapes do not match, a value is not finite or out of range, or no
        weight is above 0.
    TypeError
        If `y` is None and `x` is not chunks.
    """
    check = Check(model, loss, allow_nonfinite)
    if y is None:
        return _prepare_chunks(x, sample_weight, class_weight, validation, check)
    cast: Cast = partial(
        as_rows,
        class_weight=(
            None if class_weight is None else _class_weight(class_weight, y, sample_weight)
        ),
        loss=loss,
        model=model,
    )
    table = _table(x, y, sample_weight, cast, check)
    if table.size == 0:
        raise ValueError("x: expected at least one row, got none")
    weights = table.rows.weights
    if table.cast is None and weights is not None and not weights.any():
        raise ValueError("sample_weight: expected at least one weight above 0, got only 0")
    if not isinstance(validation, float | int):
        return table, _validation_sets(validation, cast, check)
    split: Any
    if shuffle == "blocks":
        split = split_blocks(table.size, table.block_rows, validation, seed)
    else:
        split = split_rows(table.size, validation, seed)
    train, held_out = split
    rows: Rows | Table = table.select(held_out)
    if table.cast is None:
        rows = table.rows.take(held_out[:])
    return table.select(train), {"val": rows}


def _prepare_chunks(
    chunks: Any,
    sample_weight: Any,
    class_weight: ClassWeight | None,
    validation: Validation,
    check: Check,
) -> tuple[Source, dict[str, Rows | Table]]:
    if hasattr(chunks, "dtype") or is_sparse(chunks) or isinstance(chunks, Mapping):
        raise TypeError(
            "y: expected targets, because x is not chunks, got None; pass y, or chunks (x, y)"
        )
    if sample_weight is not None:
        raise ValueError(
            "sample_weight: expected None with chunks, got weights; pass chunks "
            "(x, y, sample_weight)"
        )
    if isinstance(class_weight, str):
        raise ValueError(
            "class_weight: expected a mapping of classes to weights with chunks, got "
            f"{class_weight!r}, which needs all targets before the first step"
        )
    if isinstance(validation, float | int):
        raise ValueError(
            "validation: expected (x, y) or a mapping of names to (x, y) with chunks, got the "
            f"fraction {validation}"
        )
    cast: Cast = partial(as_rows, class_weight=class_weight, loss=check.loss, model=check.model)
    return Chunks(chunks, cast, check), _validation_sets(validation, cast, check)


def _class_weight(class_weight: ClassWeight, y: Any, sample_weight: Any) -> dict[Any, float]:
    """Return the weight of each class, computed from the rows with a nonzero weight."""
    if sample_weight is not None:
        _, y, _ = drop_zero_weights((), y, as_sample_weight(sample_weight))
    return compute_class_weight(class_weight, y)


def _validation_sets(
    validation: tuple[Any, ...] | Mapping[str, tuple[Any, ...]] | None, cast: Cast, check: Check
) -> dict[str, Rows | Table]:
    sets = validation if isinstance(validation, Mapping) else {"val": validation}
    tables: dict[str, Rows | Table] = {}
    for name, arrays in sets.items():
        if arrays is None:
            continue
        x, y, *weights = arrays
        prefix = f"validation[{name!r}]: " if isinstance(validation, Mapping) else "validation: "
        table = _table(x, y, weights[0] if weights else None, cast, replace(check, prefix=prefix))
        tables[name] = table.rows if table.cast is None else table
    return tables


def _table(x: Any, y: Any, sample_weight: Any, cast: Cast, check: Check) -> Table:
    """Return a table that is converted and checked now, or when its rows are read."""
    model = check.model
    columns = model.columns(x)
    arrays = [*parts_of(columns), y, *([] if sample_weight is None else [sample_weight])]
    if not any(map(is_mapped, arrays)) and not _is_large(columns, model):
        rows = cast(x, y, sample_weight)
        check.rows(rows)
        return Table(rows)
    weights = None if sample_weight is None else np.asarray(sample_weight)
    inputs = (
        model.cast_inputs(x) if is_sparse(x) else map_parts(partial(_indexable, model), columns)
    )
    rows = Rows(inputs, np.asarray(y), weights)
    check_counts(*rows)
    table = Table(rows, cast, check=check)
    for start in range(0, rows.size, _CHECKED_TARGETS):
        part = rows._replace(x=()).take(slice(start, start + _CHECKED_TARGETS))
        check.targets(as_targets(part.y, part.weights, **cast.keywords), start)
    return table


def _indexable(model: Model, part: Any) -> Any:
    """Return a part of x as an array or CSR matrix; lists of lists become an array of lists."""
    if is_sparse(part):
        return as_csr(part, model.dtype)
    try:
        return np.asarray(part)
    except ValueError:  # lists of different lengths
        return np.fromiter(part, object, len(part))


def _is_large(x: Any, model: Model) -> bool:
    """Whether converting x to the model's dtype would take too much memory."""
    arrays = [part for part in parts_of(x) if isinstance(part, np.ndarray)]
    size = sum(part.size for part in arrays if part.dtype != model.dtype)
    return size * model.dtype.itemsize > _MAX_CONVERTED_BYTES
