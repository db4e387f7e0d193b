"""Tables: reading files, and encoding columns as inputs and targets of a model."""

from pyoptim._utils.dependencies import requires

with requires("pyoptim.tabular", "cli"):
    from pyoptim.tabular._columns import Columns, FitReport
    from pyoptim.tabular._read import read_table
    from pyoptim.tabular._table_error import TableError
    from pyoptim.tabular._target import (
        Amount,
        Labels,
        Target,
        find_target,
        fit_target,
        guess_task,
        target_from_json,
    )

__all__ = [
    "Amount",
    "Columns",
    "FitReport",
    "Labels",
    "TableError",
    "Target",
    "find_target",
    "fit_target",
    "guess_task",
    "read_table",
    "target_from_json",
]
