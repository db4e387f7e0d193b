"""``batch_size="auto"``: choosing the batch size by the measured time of training steps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyoptim._utils.threadpool import matmul_threads
from pyoptim.data import Rows, Source
from pyoptim.models._base import Model
from pyoptim.optim._base import Optimizer
from pyoptim.train._step import Step
from pyoptim.wrappers._base import Wrapper

_MIN_SIZE = 16
_MAX_SIZE = 2**16
_MAX_BATCH_BYTES = 2**28
_MIN_SPEEDUP = 0.05  # fraction of the epoch's time that a larger batch must save
_MIN_SECONDS = 0.02  # measured time for each size
_MIN_REPEATS = 3  # timings for each size
_PATIENCE = 2  # sizes in a row without a speedup before the search ends


@dataclass(frozen=True)
class BatchSizeReport:
    """The batch sizes that were measured, and the one that was chosen.

    Attributes
    ----------
    chosen : int
        Chosen batch size.
    seconds : dict of int to float
        Time of all steps of an epoch for each measured batch size, in seconds.
    """

    chosen: int
    seconds: dict[int, float]

    def __str__(self) -> str:
        times = ", ".join(f"{size}: {seconds:.3g} s" for size, seconds in self.seconds.items())
        return f"batch size {self.chosen}, chosen by time per epoch: {times}"


def candidate_sizes(rows: int, row_bytes: int) -> list[int]:
    """Return the batch sizes to measure: powers of two from 16, limited by rows and memory."""
    limit = min(rows, _MAX_BATCH_BYTES // max(row_bytes, 1))
    sizes = [_MIN_SIZE]
    while 2 * sizes[-1] <= limit:
        sizes.append(2 * sizes[-1])
    return sizes


def choose_batch_size(step: Step, source: Source, clock: Callable[[], float]) -> BatchSizeReport:
    """Measure batch sizes on the first rows of a source; see `measure_batch_sizes`."""
    rows = source.first_rows(_MAX_SIZE)
    return measure_batch_sizes(step, rows, source.row_bytes, source.size or rows.size, clock)


def measure_batch_sizes(
    step: Step, rows: Rows, row_bytes: int, epoch_rows: int, clock: Callable[[], float]
) -> BatchSizeReport:
    """Choose the largest batch size that still speeds up an epoch by 5 % or more.

    Model, optimizer and schedules are restored afterwards.

    Parameters
    ----------
    step : Step
        Training step to measure.
    rows : Rows
        Rows to measure with. A batch of size n consists of the first n rows.
    row_bytes : int
        Memory for one row, in bytes.
    epoch_rows : int
        Number of rows in an epoch.
    clock : callable
        Function that returns the current time in seconds.
    """
    seconds: dict[int, float] = {}
    chosen, without_speedup = _MIN_SIZE, 0
    with preserved_state(step.model, step.optimizer):
        for size in candidate_sizes(rows.size, row_bytes):
            batch = rows.take(slice(0, size))
            with matmul_threads(size * step.model.params.size):
                seconds[size] = _step_seconds(step, batch, clock) * epoch_rows / size
            if seconds[size] <= (1 - _MIN_SPEEDUP) * seconds[chosen]:
                chosen, without_speedup = size, 0
            elif size > _MIN_SIZE:
                without_speedup += 1
            if without_speedup == _PATIENCE:
                break
    return BatchSizeReport(chosen, seconds)


def _step_seconds(step: Step, batch: Rows, clock: Callable[[], float]) -> float:
    """Return the minimum time of a step, which other load on the machine disturbs least."""
    step(batch)  # the first step also allocates memory
    best, total, repeats = float("inf"), 0.0, 0
    while repeats < _MIN_REPEATS or total < _MIN_SECONDS:
        start = clock()
        for _ in range(step.window):
            step(batch)
        elapsed = clock() - start
        best = min(best, elapsed)
        total += elapsed
        repeats += 1
    return best / step.window


@contextmanager
def preserved_state(model: Model, optimizer: Optimizer | Wrapper) -> Iterator[None]:
    """Restore parameters, gradients, and the states of model and optimizer on exit."""
    optimizer.train()
    params, grads = (copy.deepcopy(dict(m)) for m in (model.params, model.params.grads))
    state = copy.deepcopy(optimizer.state_dict())
    stateful_model: Any = model
    has_state = hasattr(model, "state_dict")
    model_state = copy.deepcopy(stateful_model.state_dict()) if has_state else None
    stateful_schedules: list[Any] = [
        schedule
        for group in optimizer.param_groups
        for schedule in group.schedules.values()
        if hasattr(schedule, "state_dict")
    ]
    schedule_states = [copy.deepcopy(schedule.state_dict()) for schedule in stateful_schedules]
    try:
        yield
    finally:
        optimizer.train()
        optimizer.load_state_dict(state)
        for schedule, schedule_state in zip(stateful_schedules, schedule_states, strict=True):
            schedule.load_state_dict(schedule_state)
        for name in params:
            model.params[name], model.params.grads[name] = params[name], grads[name]
        if model_state is not None:
            stateful_model.load_state_dict(model_state)
