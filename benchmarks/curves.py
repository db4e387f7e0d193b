"""A picture of trainings with every kind of states, by matplotlib."""

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

from benchmarks.comparisons import WHOLE, Result
from benchmarks.workloads import Array
from pyoptim import plots
from pyoptim._utils.atomic import replace_text

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pyoptim",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw a column for each problem: training losses, and their difference from float32's."""
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(3.6 * len(results), 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, len(results), squeeze=False, sharex="col")
        for column, result in enumerate(results):
            _draw_losses(axes[0, column], result)
            _draw_differences(axes[1, column], result)
        for panel in axes.flat:
            panel.locator_params(nbins=4)
        axes[0, 0].set_ylabel("training loss")
        axes[1, 0].set_ylabel("difference from float32")
        axes[0, 0].legend(frameon=False)
        if path.suffix == ".svg":
            text = _svg(figure)
            replace_text(path, lambda file: file.write(text))
        else:
            plots.save(figure, path, overwrite=True)


def _losses(result: Result, kind: str) -> Array:
    return np.array([run.losses for run in result.runs[kind]])


def _draw_losses(axes: Axes, result: Result) -> None:
    """Draw the means over seeds."""
    for kind, runs in result.runs.items():
        axes.plot(runs[0].steps, _losses(result, kind).mean(axis=0), label=kind, linewidth=1.2)
    axes.set_title(result.name.replace(", ", "\n", 1))


def _draw_differences(axes: Axes, result: Result) -> None:
    """Draw differences from float32 of the same seed, in bands of one standard deviation.

    The gray band is one standard deviation of float32 over seeds.
    """
    whole = _losses(result, WHOLE)
    for index, (kind, runs) in enumerate(result.runs.items()):
        difference = _losses(result, kind) - whole
        mean = difference.mean(axis=0)
        spread = (whole if kind == WHOLE else difference).std(axis=0, ddof=1)
        color = "0.5" if kind == WHOLE else f"C{index}"
        if kind != WHOLE:
            axes.plot(runs[0].steps, mean, color=color, linewidth=1.2)
        band = (mean - spread, mean + spread)
        axes.fill_between(runs[0].steps, *band, color=color, alpha=0.2, linewidth=0)
    axes.set_xlabel("step")


def _svg(figure: Figure) -> str:
    """Return a picture as SVG, the same text for the same figures, without what nobody sees."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    picture = re.sub(r"<!--.*?-->|[ \t]+$|^[ \t]+(?=<)", "", text.getvalue(), flags=re.MULTILINE)
    picture = re.sub(r'font-family: [^;"]*', "font-family: sans-serif", picture)
    picture = re.sub(r"\n+(?=[LQz\"])", " ", picture)
    return re.sub(
        r' (?:d|x|y|transform)="[^"]*"',
        lambda found: re.sub(r"-?\d+\.\d+", lambda n: f"{float(n[0]):.1f}", found[0]),
        picture,
    )
