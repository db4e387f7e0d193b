"""Tables of data: reading them, and turning their columns into numbers for a model."""

from pyoptim.dependencies import requires

with requires("pyoptim.tabular", "cli"):
    from pyoptim.tabular.columns import Columns, FitReport
    from pyoptim.tabular.errors import TableError
    from pyoptim.tabular.read import read_table
    from pyoptim.tabular.target import (
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
