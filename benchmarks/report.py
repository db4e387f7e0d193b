"""Figures as tables with their targets, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.compare import Comparison
from benchmarks.workloads import Workload


@dataclass(frozen=True)
class Target:
    """The minimum of peer time / our time; if None, the fastest peer but not the bandwidth loop."""

    at_least: float
    ours: str
    peer: str | None = None


@dataclass(frozen=True)
class Ratio:
    """Time of a peer / time of ours, and what is wanted of it."""

    ours: str
    peer: str
    value: float
    target: float | None

    @property
    def verdict(self) -> str:
        """Return ok or below, and nothing where there is no target."""
        if self.target is None:
            return ""
        return "ok" if self.value >= self.target else "below"

    def __str__(self) -> str:
        if self.target is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} (>= {self.target:.2f} {self.verdict})"


@dataclass(frozen=True)
class Measurement:
    """One comparison, and which of its competitors are ours."""

    label: str
    shapes: Workload
    comparison: Comparison
    ours: tuple[str, ...]
    targets: tuple[Target, ...] = field(default=())

    @property
    def peers(self) -> list[str]:
        """The competitors that are not ours."""
        return [name for name in self.comparison.seconds if name not in self.ours]

    def ratio(self, peer: str, ours: str) -> Ratio:
        """Return the ratio of a pair, with its target if there is one."""
        target = None
        for candidate in self.targets:
            others = [name for name in self.peers if name != "bandwidth"]
            wanted = candidate.peer or self.comparison.fastest(others)
            if (wanted, candidate.ours) == (peer, ours):
                target = candidate.at_least
        return Ratio(ours, peer, self.comparison.ratio(peer, ours), target)

    def ratios(self) -> Iterator[Ratio]:
        """Yield the ratios of all pairs."""
        for ours in self.ours:
            for peer in self.peers:
                yield self.ratio(peer, ours)

    def as_json(self) -> dict[str, Any]:
        """Return all figures: seconds per step of every round, and the ratios."""
        return {
            "label": self.label,
            "workload": self.shapes.name,
            "arrays": len(self.shapes.shapes),
            "elements": self.shapes.elements,
            "seconds": self.comparison.seconds,
            "median_seconds": {
                name: self.comparison.median(name) for name in self.comparison.seconds
            },
            "ratios": [
                {
                    "ours": ratio.ours,
                    "peer": ratio.peer,
                    "ratio": ratio.value,
                    "target": ratio.target,
                    "verdict": ratio.verdict,
                }
                for ratio in self.ratios()
            ],
        }


def table_of_competitors(measurements: Sequence[Measurement]) -> str:
    """Return a table for each measurement: a line for everyone, a column for each of ours."""
    return "\n\n".join(map(_competitors, measurements))


def _competitors(measurement: Measurement) -> str:
    count = len(measurement.shapes.shapes)
    arrays = f"{count} array{'s' * (count > 1)}, {measurement.shapes.elements:,} elements"
    header = [measurement.label, "a step", *(f"/ {name}" for name in measurement.ours)]
    lines = []
    for name in measurement.comparison.seconds:
        ratios = [
            "" if name == ours else str(measurement.ratio(name, ours)) for ours in measurement.ours
        ]
        lines.append([name, _duration(measurement.comparison.median(name)), *ratios])
    return f"{measurement.shapes.name}: {arrays}\n{aligned(header, lines)}"


def table_of_rules(measurements: Sequence[Measurement]) -> str:
    """Return one table of measurements with the same peers: a measurement a line."""
    names = list(dict.fromkeys(name for m in measurements for name in m.comparison.seconds))
    lines = []
    for measurement in measurements:
        comparison = measurement.comparison
        line = [measurement.label]
        line += [
            _duration(comparison.median(name)) if name in comparison.seconds else ""
            for name in names
        ]
        if measurement.peers:
            wanted = [ratio for ratio in measurement.ratios() if ratio.target is not None]
            fastest = measurement.ratio(comparison.fastest(measurement.peers), measurement.ours[0])
            line.append(str(next(iter(wanted), fastest)))
        lines.append(line)
    return f"{measurements[0].shapes.name}\n" + aligned(["rule", *names, "ratio"], lines)


def summary(measurements: Sequence[Measurement]) -> str:
    """Return which targets are met, missed and not measured."""
    ratios = [(m, ratio) for m in measurements for ratio in m.ratios() if ratio.target is not None]
    below = [(m, ratio) for m, ratio in ratios if ratio.verdict == "below"]
    wanted = sum(len(m.targets) for m in measurements)
    lines = [f"{len(ratios) - len(below)} of {wanted} targets are met"]
    if len(ratios) < wanted:
        lines[0] += f", {wanted - len(ratios)} were not measured as their peer is missing"
    lines += [
        f"below: {m.label}, {m.shapes.name}: {ratio.peer} / {ratio.ours} = {ratio}"
        for m, ratio in below
    ]
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.2f} us"


def aligned(header: list[str], lines: list[list[str]]) -> str:
    """Align the first column left and the others right."""
    lines = [line + [""] * (len(header) - len(line)) for line in [header, *lines]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
