"""Pictures of training runs and schedules."""

import math
import sys

import pytest

pytest.importorskip("matplotlib")

import pyoptim as po
from pyoptim import plots
from pyoptim.train import History


def make_history(**columns):
    history = History()
    epochs = len(next(iter(columns.values())))
    for i in range(epochs):
        row = {name: values[i] for name, values in columns.items()}
        history.rows.append({"epoch": i + 1, **row, "lr": 0.1, "seconds": 0.5})
    return history


def labels(axes):
    return [line.get_label() for line in axes.lines]


def test_losses_and_accuracy_have_a_panel_each(tmp_path):
    history = make_history(loss=[3.0, 2.0], val_loss=[3.5, 2.5], val_accuracy=[0.5, 0.75])
    figure = plots.history(history, tmp_path / "a.png")
    losses, metrics = figure.axes
    assert labels(losses) == ["training", "validation"]
    assert list(losses.lines[1].get_xdata()) == [1, 2]
    assert list(losses.lines[1].get_ydata()) == [3.5, 2.5]
    assert (losses.get_xlabel(), losses.get_ylabel()) == ("epoch", "loss")
    assert labels(metrics) == ["validation accuracy"]
    assert list(metrics.lines[0].get_ydata()) == [0.5, 0.75]
    assert metrics.get_ylabel() == "accuracy"
    assert losses.get_legend() is not None
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_losses_of_all_sets_are_in_one_panel():
    columns = ["loss", "val_loss", "val_neg_log_loss", "test_loss", "test_interval_score"]
    history = make_history(**{name: [2.0, 1.0] for name in columns})
    losses, metrics = plots.history(history).axes
    assert labels(losses) == ["training", "validation", "test"]
    assert len({line.get_color() for line in losses.lines}) == 3
    assert labels(metrics) == ["validation neg log loss", "test interval score"]
    only = make_history(loss=[1.0], val_interval_score=[1.0])
    assert labels(plots.history(only).axes[1]) == ["validation interval score"]


def test_what_only_later_epochs_have_is_drawn_there():
    history = make_history(loss=[100.0, 1.0])
    history.rows[1]["val_loss"] = 2.0
    (axes,) = plots.history(history).axes
    assert axes.get_yscale() == "log"
    assert [math.isnan(y) for y in axes.lines[1].get_ydata()] == [True, False]


def test_without_metric_there_is_one_panel():
    (axes,) = plots.history(make_history(loss=[1.0])).axes
    assert labels(axes) == ["training"]


def test_a_loss_that_falls_far_is_drawn_on_a_logarithmic_axis():
    assert plots.history(make_history(loss=[1.0, 0.5])).axes[0].get_yscale() == "linear"
    assert plots.history(make_history(loss=[1.0, 0.01])).axes[0].get_yscale() == "log"
    assert plots.history(make_history(loss=[1.0, -0.1])).axes[0].get_yscale() == "linear"


def test_a_diverged_run_can_be_drawn(tmp_path):
    loss = [1.0, 1e30, float("inf"), float("nan")]
    plots.history(make_history(loss=loss), tmp_path / "a.png")
    plots.history(make_history(loss=[float("nan")] * 2), tmp_path / "a.png")


def test_the_best_epoch_is_marked():
    history = make_history(loss=[2.0, 1.0, 3.0], val_loss=[2.0, 1.0, 3.0])
    history.best_epoch = 2
    (axes,) = plots.history(history).axes
    assert labels(axes) == ["training", "validation", "best epoch"]
    assert list(axes.lines[2].get_xdata()) == [2, 2]


def test_an_empty_history_is_refused():
    with pytest.raises(ValueError, match="the history has no epochs to draw"):
        plots.history(History())


def test_a_schedule_is_a_line(tmp_path):
    schedule = po.schedules.cosine(0.1, steps=10)
    figure = po.plot_schedule(schedule, 12, tmp_path / "a.svg")
    (axes,) = figure.axes
    (line,) = axes.lines
    assert list(line.get_xdata()) == list(range(12))
    assert list(line.get_ydata()) == [schedule(step) for step in range(12)]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "rate")
    assert axes.get_legend() is None
    assert axes.get_ylim()[0] <= 0
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_several_schedules_have_names():
    figure = po.plot_schedule({"slow": lambda step: 1, "fast": po.schedules.step(1, 2)}, steps=5)
    (axes,) = figure.axes
    assert labels(axes) == ["slow", "fast"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["slow", "fast"]
    assert list(axes.lines[0].get_ydata()) == [1] * 5


@pytest.mark.parametrize(
    ("schedule", "steps", "error", "message"),
    [
        (po.schedules.constant(1), 0, ValueError, "steps must be a whole number of at least 1"),
        ({}, 5, ValueError, "schedule: expected at least one schedule"),
        (0.1, 5, TypeError, "schedule: expected a schedule, got float"),
        ({"a": 0.1}, 5, TypeError, "schedule: expected a schedule, got float"),
        (lambda step: None, 5, TypeError, r"schedule\(0\) must be a number, got None"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule, steps, error, message):
    with pytest.raises(error, match=message):
        po.plot_schedule(schedule, steps)


def test_pyplot_is_not_touched():
    plots.history(make_history(loss=[1.0]))
    po.plot_schedule(po.schedules.constant(1), 3)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
