"""From what `fit` is given to rows to train on, and rows to validate on."""

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
    of_each,
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

_CHECKED_AT_ONCE = 2**16  # targets
_CONVERTED_AT_ONCE = 2**30  # bytes; what is larger is converted batch by batch


def as_validation(validation: Any) -> Validation:
    """Return what to validate on, None where it is nothing; sets are not looked into.

    Raises
    ------
    ValueError
        If a share is not at least 0 and below 1.
    TypeError
        If it is none of a share, a set, and a mapping of sets.

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
        share = as_number("validation", validation)
    except TypeError:
        raise TypeError(
            "validation must be a share of the rows, (x, y), (x, y, sample_weight), or a mapping "
            f"of names to these tuples, got {type(validation).__name__}"
        ) from None
    if not 0 <= share < 1:
        raise ValueError(f"validation must be in [0, 1), got {validation}")
    return share or None


def _as_set(what: str, given: Any) -> tuple[Any, ...]:
    if isinstance(given, tuple | list) and len(given) in (2, 3):
        return tuple(given)
    of = f" of {len(given)}" if isinstance(given, tuple | list) else ""
    raise TypeError(
        f"{what}: expected (x, y) or (x, y, sample_weight), got {type(given).__name__}{of}"
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
    """Return what to train on, and sets to validate on, by name.

    What lies in memory is converted once, to what the model takes, and checked; files that are
    mapped, and what is large, when it is taken, but for its targets and weights.

    Raises
    ------
    ValueError
        If there are no rows, they do not fit, a value is not finite or out of range, or no weight
        is above 0.
    TypeError
        If y is missing, and x is not chunks.
    """
    check = Check(model, loss, allow_nonfinite)
    if y is None:
        return _prepare_chunks(x, sample_weight, class_weight, validation, check)
    cast: Cast = partial(
        as_rows,
        of_class=None if class_weight is None else _class_weight(class_weight, y, sample_weight),
        loss=loss,
        model=model,
    )
    found = _table(x, y, sample_weight, cast, check)
    if found.size == 0:
        raise ValueError("x: expected at least one row")
    weights = found.rows.weights
    if found.cast is None and weights is not None and not weights.any():
        raise ValueError("sample_weight: at least one must be above 0")
    if not isinstance(validation, float | int):
        return found, _validation_sets(validation, cast, check)
    split: Any
    if shuffle == "blocks":
        split = split_blocks(found.size, found.block_rows, validation, seed)
    else:
        split = split_rows(found.size, validation, seed)
    train, held_out = split
    rows: Rows | Table = found.select(held_out)
    if found.cast is None:
        rows = found.rows.take(held_out[:])
    return found.select(train), {"val": rows}


def _prepare_chunks(
    chunks: Any,
    sample_weight: Any,
    class_weight: ClassWeight | None,
    validation: Validation,
    check: Check,
) -> tuple[Source, dict[str, Rows | Table]]:
    if hasattr(chunks, "dtype") or is_sparse(chunks) or isinstance(chunks, Mapping):
        raise TypeError("y is missing: only chunks (x, y) are given without it")
    if sample_weight is not None:
        raise ValueError("sample_weight: chunks bring their own: (x, y, sample_weight)")
    if isinstance(class_weight, str):
        raise ValueError(
            f"class_weight={class_weight!r} needs all of y before the first step; for chunks give "
            "a mapping of classes to weights"
        )
    if isinstance(validation, float | int):
        raise ValueError(
            f"validation={validation}: no share of chunks can be held out; give (x, y)"
        )
    cast: Cast = partial(as_rows, of_class=class_weight, loss=check.loss, model=check.model)
    return Chunks(chunks, cast, check), _validation_sets(validation, cast, check)


def _class_weight(class_weight: ClassWeight, y: Any, sample_weight: Any) -> dict[Any, float]:
    """Return the weight of each class, of the rows that count."""
    if sample_weight is not None:
        _, y, _ = drop_zero_weights((), y, as_sample_weight(sample_weight))
    return compute_class_weight(class_weight, y)


def _validation_sets(
    validation: tuple[Any, ...] | Mapping[str, tuple[Any, ...]] | None, cast: Cast, check: Check
) -> dict[str, Rows | Table]:
    sets = validation if isinstance(validation, Mapping) else {"val": validation}
    found: dict[str, Rows | Table] = {}
    for name, given in sets.items():
        if given is None:
            continue
        x, y, *weights = given
        what = f"validation[{name!r}]: " if isinstance(validation, Mapping) else "validation: "
        table = _table(x, y, weights[0] if weights else None, cast, replace(check, what=what))
        found[name] = table.rows if table.cast is None else table
    return found


def _table(x: Any, y: Any, sample_weight: Any, cast: Cast, check: Check) -> Table:
    """Return a table that is converted and checked here, or when rows are taken from it."""
    model = check.model
    columns = model.columns(x)
    given = [*parts_of(columns), y, *([] if sample_weight is None else [sample_weight])]
    if not any(map(is_mapped, given)) and not _is_large(columns, model):
        whole = cast(x, y, sample_weight)
        check.rows(whole)
        return Table(whole)
    weights = None if sample_weight is None else np.asarray(sample_weight)
    inputs = model.cast_inputs(x) if is_sparse(x) else of_each(partial(_part, model), columns)
    rows = Rows(inputs, np.asarray(y), weights)
    check_counts(*rows)
    table = Table(rows, cast, check=check)
    for start in range(0, rows.size, _CHECKED_AT_ONCE):
        part = rows._replace(x=()).take(slice(start, start + _CHECKED_AT_ONCE))
        check.targets(as_targets(part.y, part.weights, **cast.keywords), start)
    return table


def _part(model: Model, given: Any) -> Any:
    """Return what rows of a part can be taken of: an array, also of lists, or a matrix."""
    if is_sparse(given):
        return as_csr(given, model.dtype)
    try:
        return np.asarray(given)
    except ValueError:  # lists of different lengths
        return np.fromiter(given, object, len(given))


def _is_large(x: Any, model: Model) -> bool:
    """Whether a copy of x in the model's type would be large."""
    arrays = [part for part in parts_of(x) if isinstance(part, np.ndarray)]
    copied = sum(part.size for part in arrays if part.dtype != model.dtype)
    return copied * model.dtype.itemsize > _CONVERTED_AT_ONCE
