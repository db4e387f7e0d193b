"""Batch size "auto": measured on the model, its optimizer and its rows, before training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyoptim._utils.threadpool import product_threads
from pyoptim.data import Rows, Source
from pyoptim.models._base import Model
from pyoptim.optim._base import Optimizer
from pyoptim.train._step import Step
from pyoptim.wrappers._base import Wrapper

SMALLEST = 16
_MOST_ROWS = 2**16
_GAIN = 0.05  # of the time of an epoch; what gains less is not worth fewer steps
_MOST_BYTES = 2**28  # of the rows of a batch
_LEAST_SECONDS = 0.02  # that a size is measured for
_LEAST_TIMES = 3
_TRIES = 2  # sizes in a row that may gain nothing before the search ends


@dataclass(frozen=True)
class BatchSizeReport:
    """What batch sizes were measured, and which was chosen.

    Attributes
    ----------
    chosen : int
    seconds : dict of int to float
        How long the steps of an epoch take, by batch size.
    """

    chosen: int
    seconds: dict[int, float]

    def __str__(self) -> str:
        times = ", ".join(f"{size}: {seconds:.3g} s" for size, seconds in self.seconds.items())
        return f"batch size {self.chosen}, measured by epoch: {times}"


def sizes(rows: int, row_bytes: int) -> list[int]:
    """Return the batch sizes to try: powers of two from 16 on, as rows and memory allow."""
    most = min(rows, _MOST_BYTES // max(row_bytes, 1))
    found = [SMALLEST]
    while 2 * found[-1] <= most:
        found.append(2 * found[-1])
    return found


def choose(step: Step, source: Source, clock: Callable[[], float]) -> BatchSizeReport:
    """Measure batch sizes on the first rows of a source; see `measure`."""
    rows = source.first_rows(_MOST_ROWS)
    return measure(step, rows, source.row_bytes, source.size or rows.size, clock)


def measure(
    step: Step, rows: Rows, row_bytes: int, epoch_rows: int, clock: Callable[[], float]
) -> BatchSizeReport:
    """Find the largest batch that still speeds up an epoch, and leave all as it was.

    Parameters
    ----------
    step : Step
        The training step; its model and optimizer are brought back to what they were.
    rows : Rows
        The rows to measure with: batches are of the first of them.
    row_bytes : int
        Memory for a row.
    epoch_rows : int
        Rows of an epoch.
    clock : function
        Returns the time in seconds.
    """
    seconds: dict[int, float] = {}
    chosen, gainless = SMALLEST, 0
    with unchanged(step.model, step.optimizer):
        for size in sizes(rows.size, row_bytes):
            batch = rows.take(slice(0, size))
            with product_threads(size * step.model.params.size):
                seconds[size] = _seconds(step, batch, clock) * epoch_rows / size
            if seconds[size] <= (1 - _GAIN) * seconds[chosen]:
                chosen, gainless = size, 0
            elif size > SMALLEST:
                gainless += 1
            if gainless == _TRIES:
                break
    return BatchSizeReport(chosen, seconds)


def _seconds(step: Step, batch: Rows, clock: Callable[[], float]) -> float:
    """Return the shortest time of a step: what else the machine does makes others longer."""
    step(batch)  # the first one gets memory
    best, total, times = float("inf"), 0.0, 0
    while times < _LEAST_TIMES or total < _LEAST_SECONDS:
        began = clock()
        for _ in range(step.window):
            step(batch)
        taken = clock() - began
        best = min(best, taken)
        total += taken
        times += 1
    return best / step.window


@contextmanager
def unchanged(model: Model, optimizer: Optimizer | Wrapper) -> Iterator[None]:
    """Bring parameters, gradients, and the states of model and optimizer back afterwards."""
    optimizer.train()
    params, grads = (copy.deepcopy(dict(m)) for m in (model.params, model.params.grads))
    state = copy.deepcopy(optimizer.state_dict())
    of_model: Any = model
    model_state = copy.deepcopy(of_model.state_dict()) if hasattr(model, "state_dict") else None
    remembering: list[Any] = [
        schedule
        for group in optimizer.param_groups
        for schedule in group.schedules.values()
        if hasattr(schedule, "state_dict")
    ]
    schedules = [(schedule, copy.deepcopy(schedule.state_dict())) for schedule in remembering]
    try:
        yield
    finally:
        optimizer.train()
        optimizer.load_state_dict(state)
        for schedule, before in schedules:
            schedule.load_state_dict(before)
        for name in params:
            model.params[name], model.params.grads[name] = params[name], grads[name]
        if model_state is not None:
            of_model.load_state_dict(model_state)
