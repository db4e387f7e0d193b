"""From a trained model and a table to predictions as CSV."""

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
    """Write a prediction a row, and on stderr how good they are if the table has the target."""
    trained = read_trained(directory)
    if probabilities and not isinstance(trained.target, Labels):
        raise UserError("--proba is for classification; this model predicts amounts")
    table = read_table(data, expected=trained.columns.names)
    inputs = trained.columns.encode(table)
    predicted = trained.model.predict(inputs)
    shares = trained.model.predict_proba(inputs) if probabilities else None
    if out is None:
        with stdout_checked() as stdout:
            _write(stdout, trained, predicted, shares)
    else:
        replace_text(out, lambda file: _write(file, trained, predicted, shares, marked=True))
    if trained.target.target.column in table.column_names:
        say(_measure(trained, table, predicted), err=True)


def _write(
    file: TextIO,
    trained: Trained,
    predicted: Array,
    shares: Array | None,
    *,
    marked: bool = False,
) -> None:
    writer = csv.writer(file, lineterminator="\n")
    if isinstance(trained.target, Labels):
        columns: list[Iterable[Any]] = [trained.target.decode(predicted)]
    else:
        columns = [[f"{amount:.7g}" for amount in trained.target.decode(predicted)]]
    header = ["prediction"]
    if shares is not None and isinstance(trained.target, Labels):
        header += [f"P({label})" for label in trained.target.values]
        columns += [[f"{share:.6f}" for share in column] for column in np.transpose(shares)]
    if marked and len(header) > 1:  # the name of a single column may be in anybody's quotes
        write_header(file, header)
    else:
        writer.writerow(header)
    writer.writerows(zip(*columns, strict=True))


def _measure(trained: Trained, table: Any, predicted: Array) -> str:
    """Say how good predictions are on the rows that have a target."""
    try:
        truth = trained.target.target.read(table)
        present = compute.is_valid(truth)
        truth = truth.filter(present)
        predicted = predicted[present.to_numpy()]
        if len(truth) == 0:
            return f"{trained.target.target}: missing in all rows"
        found = quality(trained.target, truth, predicted)
    except TableError as error:
        return f"no metric: {error}"
    return f"{trained.target.target}: {count(len(truth), 'row')}: {found}"
