"""The files of a trained model's directory, and reading them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pyoptim as po
from pyoptim._utils.json_text import parse_json, shortened
from pyoptim.cli._output_files import COLUMNS_KEY, MODEL_FILE, TARGET_KEY
from pyoptim.errors import CheckpointError
from pyoptim.models._dense import DenseModel
from pyoptim.tabular import Amount, Columns, Labels, target_from_json
from pyoptim.tabular._column_values import check_unique

_FAULTS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


class Trained(NamedTuple):
    """A model, and what its inputs and outputs mean."""

    model: Any
    columns: Columns
    target: Labels | Amount


def read_trained(directory: Path) -> Trained:
    """Read what `pyoptim train` wrote.

    Raises
    ------
    CheckpointError
        If there is no such model, or it was not written by `pyoptim train`.
    """
    path = directory / MODEL_FILE
    if not path.is_file():
        raise CheckpointError(f"{directory} has no {MODEL_FILE}: not a directory of pyoptim train")
    model = po.models.load(path)
    metadata = po.models.read_metadata(path)
    if COLUMNS_KEY not in metadata or TARGET_KEY not in metadata:
        raise CheckpointError(f"{path}: its columns are not known: not written by pyoptim train")
    try:
        columns = Columns.from_json(parse_json(metadata[COLUMNS_KEY]))
        target = target_from_json(parse_json(metadata[TARGET_KEY]))
        check_unique("columns and target", [*columns.names, target.target.column])
    except _FAULTS as error:
        fault = shortened(repr(error))
        raise CheckpointError(f"{path}: its columns cannot be read ({fault})") from None
    if not isinstance(model, DenseModel) or model.loss.labels != isinstance(target, Labels):
        raise CheckpointError(f"{path}: its columns do not fit its kind of model")
    if (columns.width, target.outputs) != (model.sizes[0], model.sizes[-1]):
        raise CheckpointError(f"{path}: its columns do not fit its weights")
    return Trained(model, columns, target)
