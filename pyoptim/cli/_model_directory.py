"""Loading of the model that `pyoptim train` wrote to a directory."""

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
    """A model, with the encodings of its inputs and outputs."""

    model: Any
    columns: Columns
    target: Labels | Amount


def read_trained(directory: Path) -> Trained:
    """Load the model that `pyoptim train` wrote to a directory.

    Raises
    ------
    CheckpointError
        If there is no model, or it is damaged, or `pyoptim train` did not write it.
    """
    path = directory / MODEL_FILE
    if not path.is_file():
        raise CheckpointError(
            f"{directory}: contains no {MODEL_FILE}; give the output directory of pyoptim train"
        )
    model = po.models.load(path)
    metadata = po.models.read_metadata(path)
    if COLUMNS_KEY not in metadata or TARGET_KEY not in metadata:
        raise CheckpointError(
            f"{path}: contains no column metadata; give a model written by pyoptim train"
        )
    try:
        columns = Columns.from_json(parse_json(metadata[COLUMNS_KEY]))
        target = target_from_json(parse_json(metadata[TARGET_KEY]))
        check_unique("columns and target", [*columns.names, target.target.column])
    except _FAULTS as error:
        fault = shortened(repr(error))
        raise CheckpointError(f"{path}: invalid column metadata ({fault})") from None
    if not isinstance(model, DenseModel) or model.loss.labels != isinstance(target, Labels):
        raise CheckpointError(f"{path}: the column metadata do not match the kind of model")
    if (columns.width, target.outputs) != (model.sizes[0], model.sizes[-1]):
        raise CheckpointError(f"{path}: the column metadata do not match the shapes of the weights")
    return Trained(model, columns, target)
