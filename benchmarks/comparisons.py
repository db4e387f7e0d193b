"""Training problems, what came out of training them, and the table of that."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

import pyoptim as po
from benchmarks.competitors import is_installed
from benchmarks.report import aligned

WHOLE = "float32"  # the kind that others are compared with
LOSSES = ("training", "validation")


@dataclass(frozen=True)
class Run:
    """One training: losses of its batches, means over parts of it, and of what is left at its end.

    `training` and `validation` are measured after the last step over many rows, the same for all.
    """

    steps: list[int]
    losses: list[float]
    training: float
    validation: float


@dataclass(frozen=True)
class Problem:
    """A model and its data; `train` takes settings of AdamW and a seed."""

    name: str
    train: Callable[[Mapping[str, Any], int], Run]


@dataclass(frozen=True)
class Final:
    """A loss over the seeds of one kind of states, beside that of float32 states."""

    mean: float
    deviation: float
    difference: float  # from the mean of float32, in standard deviations of float32

    @property
    def verdict(self) -> str:
        """Return ok if the means are within one standard deviation of float32, else below."""
        return "ok" if abs(self.difference) <= 1 else "below"


@dataclass(frozen=True)
class Result:
    """All trainings of a problem: a run a seed, for every kind of states."""

    name: str
    runs: Mapping[str, list[Run]]

    def final(self, kind: str, loss: str) -> Final:
        """Return the final "training" or "validation" loss of a kind of states."""
        mean, deviation = self._moments(kind, loss)
        whole, unit = self._moments(WHOLE, loss)
        return Final(mean, deviation, (mean - whole) / unit)

    def _moments(self, kind: str, loss: str) -> tuple[float, float]:
        values = [getattr(run, loss) for run in self.runs[kind]]
        return statistics.mean(values), statistics.stdev(values)

    def as_json(self) -> dict[str, Any]:
        """Return the runs and their comparison."""
        finals = {kind: {loss: self.final(kind, loss) for loss in LOSSES} for kind in self.runs}
        return {
            "problem": self.name,
            "runs": {kind: [asdict(run) for run in runs] for kind, runs in self.runs.items()},
            "final": {
                kind: {
                    loss: asdict(final) | {"verdict": final.verdict} for loss, final in of.items()
                }
                for kind, of in finals.items()
            },
        }


def table(result: Result) -> str:
    """Return a line for each kind of states: mean and deviation of losses, and the difference."""
    header = ["states"]
    for loss in LOSSES:
        header += [f"{loss} loss", "sd", "difference / sd"]
    lines = []
    for kind in result.runs:
        line = [kind]
        for final in (result.final(kind, loss) for loss in LOSSES):
            line += [f"{final.mean:.4f}", f"{final.deviation:.4f}"]
            line.append("" if kind == WHOLE else f"{final.difference:+.2f} {final.verdict}")
        lines.append(line)
    seeds = len(result.runs[WHOLE])
    return f"{result.name}, {seeds} seeds\n{aligned(header, lines)}"


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, so that results are the same on every machine with one BLAS."""
    before = po.get_num_threads()
    po.set_num_threads(1)
    if is_installed("torch"):
        import_module("torch").set_num_threads(1)
    try:
        if is_installed("threadpoolctl"):
            with import_module("threadpoolctl").threadpool_limits(limits=1, user_api="blas"):
                yield
        else:
            yield
    finally:
        po.set_num_threads(before)
