"""Curves of trainings with every kind of states, by matplotlib."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.trials import WHOLE, Result

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pyoptim",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw a column for each problem: training losses, and their distance from float32's mean."""
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(4 * len(results), 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, len(results), squeeze=False, sharex="col")
        for column, result in enumerate(results):
            _draw_result(axes[0, column], axes[1, column], result)
        axes[0, 0].set_ylabel("training loss")
        axes[1, 0].set_ylabel("difference from float32")
        axes[0, 0].legend(frameon=False)
        if path.suffix == ".svg":
            path.write_text(_svg(figure), encoding="utf-8")
        else:
            figure.savefig(path)


def _draw_result(losses: Axes, differences: Axes, result: Result) -> None:
    """Draw means over seeds; around differences, a band of one standard deviation to both sides."""
    whole = np.mean([run.losses for run in result.runs[WHOLE]], axis=0)
    for kind, runs in result.runs.items():
        steps, values = runs[0].steps, np.array([run.losses for run in runs])
        mean, deviation = values.mean(axis=0), values.std(axis=0, ddof=1)
        (line,) = losses.plot(steps, mean, label=kind, linewidth=1.2)
        color, over = line.get_color(), mean - whole
        differences.plot(steps, over, color=color, linewidth=1.2)
        band = (over - deviation, over + deviation)
        differences.fill_between(steps, *band, color=color, alpha=0.15, linewidth=0)
    losses.set_title(result.name)
    differences.set_xlabel("step")


def _svg(figure: Figure) -> str:
    """Return a picture as SVG, the same text for the same figures, without what nobody sees."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    picture = re.sub(r"<!--.*?-->|[ \t]+$|^[ \t]+(?=<)", "", text.getvalue(), flags=re.MULTILINE)
    picture = re.sub(r"font-family: [^;]*;", "font-family: sans-serif;", picture)
    picture = re.sub(r"\n+(?=[LQz\"])", " ", picture)
    return re.sub(
        r' (?:d|x|y|transform)="[^"]*"',
        lambda found: re.sub(r"-?\d+\.\d+", lambda n: f"{float(n[0]):.2f}", found[0]),
        picture,
    )
