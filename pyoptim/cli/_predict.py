"""The command `predict`: predictions of a trained model for a table, as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from pyarrow import compute

from pyoptim._utils.atomic import replace_text
from pyoptim._utils.ownership import write_header
from pyoptim.cli._metrics import quality
from pyoptim.cli._model_directory import Trained, read_trained
from pyoptim.cli._terminal import say, stdout_checked
from pyoptim.cli._user_error import UserError
from pyoptim.parameters._types import Array
from pyoptim.tabular import Labels, TableError, read_table
from pyoptim.tabular._table_error import count


def predict_table(directory: Path, data: Path, out: Path | None, probabilities: bool) -> None:
    """Write one prediction per row, and a metric to stderr if the table has the target."""
    trained = read_trained(directory)
    if probabilities and not isinstance(trained.target, Labels):
        raise UserError("--proba: only for classification, but this is a regression model")
    table = read_table(data, expected=trained.columns.names)
    inputs = trained.columns.encode(table)
    predicted = trained.model.predict(inputs)
    class_probabilities = trained.model.predict_proba(inputs) if probabilities else None
    if out is None:
        with stdout_checked() as stdout:
            _write(stdout, trained, predicted, class_probabilities)
    else:
        replace_text(
            out, lambda file: _write(file, trained, predicted, class_probabilities, marked=True)
        )
    if trained.target.target.column in table.column_names:
        say(_measure(trained, table, predicted), err=True)


def _write(
    file: TextIO,
    trained: Trained,
    predicted: Array,
    probabilities: Array | None,
    *,
    marked: bool = False,
) -> None:
    writer = csv.writer(file, lineterminator="\n")
    if isinstance(trained.target, Labels):
        columns: list[Iterable[Any]] = [trained.target.decode(predicted)]
    else:
        columns = [[f"{amount:.7g}" for amount in trained.target.decode(predicted)]]
    header = ["prediction"]
    if probabilities is not None and isinstance(trained.target, Labels):
        header += [f"P({label})" for label in trained.target.values]
        columns += [[f"{p:.6f}" for p in column] for column in np.transpose(probabilities)]
    if marked and len(header) > 1:  # the quotes of a single name do not identify pyoptim
        write_header(file, header)
    else:
        writer.writerow(header)
    writer.writerows(zip(*columns, strict=True))


def _measure(trained: Trained, table: Any, predicted: Array) -> str:
    """Return the metric on the rows that have a target, as a line of text."""
    try:
        truth = trained.target.target.read(table)
        present = compute.is_valid(truth)
        truth = truth.filter(present)
        predicted = predicted[present.to_numpy()]
        if len(truth) == 0:
            return f"{trained.target.target}: missing in all rows"
        metric = quality(trained.target, truth, predicted)
    except TableError as error:
        return f"cannot compute a metric: {error}"
    return f"{trained.target.target}: {count(len(truth), 'row')}: {metric}"
