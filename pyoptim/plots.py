"""Pictures of training runs and schedules, by matplotlib without its windows and global state."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pyoptim._utils.atomic import replace_bytes
from pyoptim._utils.dependencies import requires
from pyoptim._utils.ownership import check_replaceable, has_marker
from pyoptim._utils.text import shown
from pyoptim._utils.validation import as_count, as_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKER = "pyoptim.plots"  # in the metadata of pictures
_TRAINING = "#1f77b4"
_VALIDATION = "#d95f02"
_OTHERS = ("C2", "C4", "C5", "C6", "C8", "C9")  # of further validation sets
_NOT_METRICS = ("epoch", "lr", "seconds")
_LOG_FROM = 10  # a loss that falls by this factor is drawn on a logarithmic axis


class EpochTable(Protocol):
    """A table with one row per epoch, such as `pyoptim.train.History`."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        ...

    @property
    def best_epoch(self) -> int | None:
        """Epoch whose weights were kept."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, column: str) -> list[float]: ...


def history(
    history: EpochTable, path: str | PathLike[str] | None = None, *, overwrite: bool = False
) -> Figure:
    """Draw the losses of each epoch and, in a second panel, the metrics if there are any.

    Losses are those of training and of every validation set.

    Parameters
    ----------
    history : pyoptim.train.History
        The history that `pyoptim.train.Trainer.fit` returned.
    path : path, optional
        Where to save the picture; its extension says what kind (png, svg, pdf).
    overwrite : bool
        Whether to replace a file that is not a picture of pyoptim.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    FileExistsError
        If there is a file of another kind, and `overwrite` is False.
    ValueError
        If the history has no epochs.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> trainer = po.train.Trainer(po.models.Linear(1), epochs=3, progress=False)
    >>> figure = po.plots.history(trainer.fit(x, x[:, 0]))
    >>> figure.axes[0].get_ylabel()
    'loss'
    """
    if len(history) == 0:
        raise ValueError("the history has no epochs to draw")
    losses = _losses(history.columns)
    metrics = [name for name in history.columns if name not in (*_NOT_METRICS, *losses)]
    panels = 2 if metrics else 1
    figure = _new_figure(1 + 5 * panels)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _draw_losses(axes[0], history, losses)
    if metrics:
        _draw_metrics(axes[1], history, metrics)
    for panel in axes:
        _finish(panel, history)
    if path is not None:
        save(figure, path, overwrite=overwrite)
    return figure


def plot_schedule(
    schedule: Callable[[int], float] | Mapping[str, Callable[[int], float]],
    steps: int,
    path: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Figure:
    """Draw the rate of a schedule, or of several, over the steps of a training run.

    Parameters
    ----------
    schedule : schedule, or mapping of names to schedules
        Any function of the step; of a mapping, each is a line with its name in the legend.
    steps : int, at least 1
        How many steps to draw, from 0 on.
    path : path, optional
        Where to save the picture; its extension says what kind (png, svg, pdf).
    overwrite : bool
        Whether to replace a file that is not a picture of pyoptim.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    FileExistsError
        If there is a file of another kind, and `overwrite` is False.
    ValueError
        If `steps` is out of range, or the mapping is empty.
    TypeError
        If a schedule is none, or gives no number.

    Examples
    --------
    >>> import pyoptim as po
    >>> cosine, linear = po.schedules.cosine(0.1, 100), po.schedules.linear(0.1, 100)
    >>> figure = po.plot_schedule({"cosine": cosine, "linear": linear}, steps=120)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['cosine', 'linear']
    """
    lines = schedule if isinstance(schedule, Mapping) else {"": schedule}
    if not lines:
        raise ValueError("schedule: expected at least one schedule, got none")
    range_of_steps = range(as_count("steps", steps))
    figure = _new_figure(6)
    axes = figure.subplots()
    for name, function in lines.items():
        if not callable(function):
            raise TypeError(f"schedule: expected a schedule, got {type(function).__name__}")
        rates = [as_number(f"schedule({step})", function(step)) for step in range_of_steps]
        axes.plot(range_of_steps, rates, label=_plain(str(name)), linewidth=1.6)
    axes.update_datalim([(0, 0)])  # so that a rate that hardly changes looks so
    axes.autoscale_view()
    axes.set_xlabel("step")
    axes.set_ylabel("rate")
    _clear(axes)
    if lines is schedule:
        axes.legend(frameon=False)
    if path is not None:
        save(figure, path, overwrite=overwrite)
    return figure


def save(figure: Figure, path: str | PathLike[str], *, overwrite: bool = False) -> None:
    """Write a picture in one move, with a marker by which `is_own` knows it."""
    place = Path(path)
    if not place.suffix:
        place = place.with_name(f"{place.name}.png")
    check_replaceable(place, is_own, overwrite)
    kind = place.suffix[1:].lower()
    field = {"png": "Software", "svg": "Creator", "pdf": "Creator", "eps": "Creator"}.get(kind)
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, metadata={field: _MARKER} if field else None)
    replace_bytes(place, picture.getbuffer())


def is_own(path: Path) -> bool:
    """Return whether a file is a picture that pyoptim drew."""
    return has_marker(path, _MARKER.encode())


def _new_figure(width: float) -> Figure:
    with requires("pyoptim.plots", "plot"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _losses(columns: Sequence[str]) -> list[str]:
    """Return the columns of losses: of training, and of each validation set.

    >>> _losses(["epoch", "loss", "val_loss", "val_neg_log_loss", "test_loss", "lr"])
    ['loss', 'val_loss', 'test_loss']
    """
    found = [name for name in columns if name.endswith("_loss")]
    sets = [name.removesuffix("loss") for name in found]
    # Of a set that is there, something else than its loss is a metric.
    own = [
        name for name in found if not any(name.startswith(s) and name != s + "loss" for s in sets)
    ]
    return ["loss", *own]


def _draw_losses(axes: Axes, history: EpochTable, losses: Sequence[str]) -> None:
    others = cycle(_OTHERS)
    for name in losses:
        label = _label(name).removesuffix(" loss")
        color = {"loss": _TRAINING, "val_loss": _VALIDATION}.get(name) or next(others)
        _draw_curve(axes, history, name, "training" if name == "loss" else label, color)
    values = [x for name in losses for x in history[name] if not math.isnan(x)]
    least, most = min(values, default=0), max(values, default=0)
    if least > 0 and most >= _LOG_FROM * least and math.isfinite(most):
        axes.set_yscale("log")
    axes.set_ylabel("loss")


def _label(column: str) -> str:
    """Return the name of a column for people.

    >>> _label("val_interval_score"), _label("test_accuracy")
    ('validation interval score', 'test accuracy')
    """
    name = f"validation_{column[4:]}" if column.startswith("val_") else column
    return name.replace("_", " ")


def _plain(label: str) -> str:
    """Return a label that is drawn as it is: dollar signs would begin a formula."""
    return shown(label).replace("$", r"\$")


def _draw_metrics(axes: Axes, history: EpochTable, metrics: list[str]) -> None:
    for name in metrics:
        _draw_curve(axes, history, name, _label(name), None if len(metrics) > 1 else _VALIDATION)
    axes.set_ylabel("accuracy" if metrics == ["val_accuracy"] else "metric")


def _draw_curve(
    axes: Axes, history: EpochTable, column: str, label: str, color: str | None
) -> None:
    marker = "o" if len(history) <= 30 else ""
    axes.plot(
        history["epoch"],
        history[column],
        label=_plain(label),
        color=color,
        marker=marker,
        markersize=3.5,
        linewidth=1.6,
    )


def _finish(axes: Axes, history: EpochTable) -> None:
    if history.best_epoch is not None:
        axes.axvline(history.best_epoch, color="0.45", linestyle=":", label="best epoch")
    axes.set_xlabel("epoch")
    _clear(axes)
    axes.legend(frameon=False)


def _clear(axes: Axes) -> None:
    """Leave of the frame what helps reading values; epochs and steps are whole numbers."""
    with requires("pyoptim.plots", "plot"):
        from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
