"""Compare competitors in turns."""

from __future__ import annotations

import gc
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.workloads import Workload

Step = Callable[[], object]

# Rounds take about this long for every competitor: several steps if they are short.
_ROUND_SECONDS = 0.05
# Idle threads spin before they sleep, those of OpenMP for milliseconds, those of OpenBLAS for 100,
# and would keep a processor from the next competitor, whose threads are those of another pool.
_SETTLE_SECONDS = 0.15
# First steps create states and compile; RAdam takes its usual way from the sixth on.
_WARM_UP_STEPS = 6


@dataclass(frozen=True)
class Competitor:
    """A way to make a step. `make` allocates for a workload and returns a function that steps."""

    name: str
    make: Callable[[Workload], Step]


@dataclass(frozen=True)
class Comparison:
    """Seconds per step of every competitor, in each round."""

    seconds: dict[str, list[float]]

    def median(self, name: str) -> float:
        """Return a competitor's median time."""
        return statistics.median(self.seconds[name])

    def ratio(self, peer: str, ours: str) -> float:
        """Return how many times as long `peer` takes: the median over the rounds' ratios."""
        pairs = zip(self.seconds[peer], self.seconds[ours], strict=True)
        return statistics.median(theirs / own for theirs, own in pairs)

    def fastest(self, names: Iterable[str]) -> str:
        """Return which of these has the least median time."""
        return min(names, key=self.median)


def compare(competitors: Sequence[Competitor], shapes: Workload, repeats: int) -> Comparison:
    """Measure A, B, C, A, B, C ... over `repeats` rounds, all on arrays of the same shapes."""
    steps = {competitor.name: competitor.make(shapes) for competitor in competitors}
    counts = {name: _warm_up(step) for name, step in steps.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            time.sleep(_SETTLE_SECONDS)
            seconds[name].append(_time(step, counts[name]) / counts[name])
    steps.clear()
    gc.collect()  # a workload may take gigabytes
    return Comparison(seconds)


def _warm_up(step: Step) -> int:
    """Return how many steps make a round."""
    _time(step, _WARM_UP_STEPS)
    count = 1
    while (seconds := _time(step, count)) < _ROUND_SECONDS / 4:
        count *= 4
    return max(1, round(count * _ROUND_SECONDS / seconds))


def _time(step: Step, count: int) -> float:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in itertools.repeat(None, count):
            step()
        return time.perf_counter() - start
    finally:
        if was_enabled:
            gc.enable()
