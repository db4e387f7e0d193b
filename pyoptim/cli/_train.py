"""The command `train`: a trained model from a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib  # noqa: F401 - so that a missing package is an error before training
import numpy as np
import pyarrow as pa
from pyarrow import compute

import pyoptim as po
from pyoptim._utils.atomic import make_directories
from pyoptim._utils.json_text import parse_json
from pyoptim._utils.text import shown
from pyoptim.checkpoint import _directory as directory
from pyoptim.checkpoint._removal import remove_checkpoints
from pyoptim.cli._metrics import quality
from pyoptim.cli._optimizers import find_rule
from pyoptim.cli._output_files import COLUMNS_KEY, TARGET_KEY, Out
from pyoptim.cli._terminal import say
from pyoptim.cli._user_error import UserError, settings_checked
from pyoptim.data import split_rows
from pyoptim.parameters._types import Array
from pyoptim.tabular import (
    Amount,
    Columns,
    FitReport,
    Labels,
    TableError,
    Target,
    find_target,
    fit_target,
    guess_task,
)
from pyoptim.tabular._table_error import count, listing, no_such_column
from pyoptim.tabular._target import Task
from pyoptim.train._interrupts import interrupts

_TASK_OF_MODEL: dict[str, Task] = {"linear": "regression", "softmax": "classification"}
_MAX_LISTED_CLASSES = 10
_SIGNAL_STATUS = 128  # plus the number of the signal, as shells expect
_INTERRUPTED = 130  # the status that shells expect after Ctrl-C


@dataclass(frozen=True)
class Settings:
    """The options of `pyoptim train` that describe model and training."""

    model: str = "mlp"
    hidden: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    optimizer: str = "adamw"
    lr: float | None = None
    epochs: int = 20
    batch_size: int | Literal["auto"] = 256
    validation: float = 0.1
    l1: float = 0.0
    l2: float = 0.0
    early_stop: int | None = None
    checkpoint_every: int | None = None
    resume: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Question:
    """The prediction task: target, task, and columns and rows to leave out."""

    target: str
    task: str = "auto"
    drop: tuple[str, ...] = ()
    drop_missing: bool = False


@dataclass(frozen=True)
class Problem:
    """An encoded table, split into training and validation rows."""

    columns: Columns
    target: Labels | Amount
    report: FitReport
    classes: Array  # of all rows; empty for regression
    dropped_rows: int
    inputs: tuple[Array, Array]
    targets: tuple[Any, Any]  # encoded
    held_out_target: Any  # not encoded

    @property
    def rows(self) -> int:
        """The number of training and validation rows."""
        return len(self.inputs[0]) + len(self.inputs[1])


def train_table(table: Any, name: str, question: Question, settings: Settings, out: Out) -> None:
    """Train on a table, write model, metrics and plot to a directory, and print a summary.

    Call `Out.check` before, to check that the outputs may be written.
    """
    problem = prepare(table, question, settings)
    with settings_checked("--hidden: " if settings.model == "mlp" else ""):
        model = _make_model(problem, settings)
    with settings_checked():
        trainer, saving = _make_trainer(model, problem, settings, out.checkpoints)
        previous: set[str] = set()
        if settings.resume:
            previous = set(directory.names(out.checkpoints))
            trainer.resume(out.checkpoints)
    _print_problem(name, problem)
    _print_model(model, trainer, settings.optimizer)

    with interrupts(None) as signals:
        # A signal after the last epoch waits until the model is written.
        trainer.callbacks.append(po.train.Lambda(on_fit_end=lambda _: signals.hold()))
        with np.errstate(over="ignore", invalid="ignore"):
            _fit(trainer, problem)
        _finish(trainer, saving, previous, problem, out)
        if signals.held:
            raise SystemExit(_SIGNAL_STATUS + signals.held.pop())


def _finish(
    trainer: po.train.Trainer,
    saving: po.train.Checkpoint,
    previous: set[str],
    problem: Problem,
    out: Out,
) -> None:
    """Write the model and remove the checkpoints, or print how to resume an interrupted run.

    `previous` are the names of the checkpoints from before this run was resumed.
    """
    model, history = trainer.model, trainer.history
    if history.stop_reason is po.train.StopReason.INTERRUPTED:
        _print("training", f"interrupted after {count(trainer.step, 'step')}")
        if saving.error is not None:
            raise UserError(f"cannot save the checkpoint to resume from ({saving.error})")
        _print("files", f"{out.checkpoints}; run the same command with --resume to continue")
        raise SystemExit(_INTERRUPTED)
    _check_finite(model, problem, trainer)

    written, faults = _write(out, model, problem, history)
    _print_result(model, problem, history)
    if written:
        _print("files", ", ".join(map(str, written)))
    if faults:
        raise UserError("; ".join(faults))
    with suppress(OSError):  # the checkpoints are no longer needed
        remove_checkpoints(out.checkpoints, previous | {path.name for path in saving.paths})


def _fit(trainer: po.train.Trainer, problem: Problem) -> po.train.History:
    if not trainer.epochs_done and not trainer.step:
        return trainer.fit(problem.inputs[0], problem.targets[0])
    with settings_checked():  # settings that differ from those of the saved run
        return trainer.fit(problem.inputs[0], problem.targets[0])


def prepare(table: Any, question: Question, settings: Settings) -> Problem:
    """Choose target and columns, split the rows, and encode both parts."""
    target = find_target(question.target, table.column_names)
    for name in question.drop:
        if name not in table.column_names:
            raise no_such_column(name, table.column_names)
    answers = target.read(table)
    table, answers, dropped_rows = _without_missing(table, answers, target, question.drop_missing)
    task = _choose_task(question.task, settings.model, answers)
    train, held_out = _split(len(answers), settings)
    encoded_target = fit_target(target, task, answers, train)
    features = [c for c in table.column_names if c != target.column and c not in question.drop]
    columns, report = Columns.fit(table.select(features), train)
    _check_texts(columns, encoded_target)
    inputs, targets = columns.encode(table), encoded_target.encode(answers)
    return Problem(
        columns,
        encoded_target,
        report,
        classes=targets if task == "classification" else targets[:0],
        dropped_rows=dropped_rows,
        inputs=(inputs[train], inputs[held_out]),
        targets=(targets[train], targets[held_out]),
        held_out_target=answers.take(pa.array(held_out)),
    )


def _check_texts(columns: Columns, target: Labels | Amount) -> None:
    """Reject texts that are too long for a model file, before training."""
    for part in (columns, target):
        text = json.dumps(part.to_json())
        try:
            parse_json(text)
        except ValueError as error:
            raise TableError(f"the texts of the columns are too long to save ({error})") from None


def _without_missing(
    table: Any, answers: Any, target: Target, drop_missing: bool
) -> tuple[Any, Any, int]:
    missing = answers.null_count
    if missing == 0:
        return table, answers, 0
    if missing == len(answers):
        raise TableError(f"target {str(target)!r}: missing in all {missing} rows")
    if not drop_missing:
        raise TableError(
            f"target {str(target)!r}: missing in {missing} of {len(answers)} rows; use "
            "--drop-missing to leave out these rows"
        )
    present = compute.is_valid(answers)
    return table.filter(present), answers.filter(present), missing


def _choose_task(requested: str, model: str, answers: Any) -> Task:
    of_model = _TASK_OF_MODEL.get(model)
    if requested == "auto":
        return of_model or guess_task(answers)
    task: Task = "classification" if requested == "classification" else "regression"
    if of_model not in (None, task):
        raise UserError(
            f"--model {model}: only for {of_model}, got task {task}; use --model mlp for both"
        )
    return task


def _split(rows: int, settings: Settings) -> tuple[Array, Array]:
    if settings.validation == 0:
        return np.arange(rows), np.arange(0)
    with settings_checked("--validation: "):
        return split_rows(rows, settings.validation, settings.seed)


def _make_model(problem: Problem, settings: Settings) -> Any:
    inputs, outputs = problem.columns.width, problem.target.outputs
    if settings.model == "linear":
        return po.models.Linear(inputs, outputs)
    if settings.model == "softmax":
        return po.models.Softmax(inputs, outputs)
    return po.models.MLP(
        [inputs, *settings.hidden, outputs],
        activation=settings.activation,
        loss="softmax" if isinstance(problem.target, Labels) else "squared",
        seed=settings.seed,
    )


def _make_trainer(
    model: Any, problem: Problem, settings: Settings, checkpoints: Path
) -> tuple[po.train.Trainer, po.train.Checkpoint]:
    rule = find_rule(settings.optimizer)
    optimizer_class: Callable[..., po.Optimizer] = getattr(po, rule.name)
    saving = po.train.Checkpoint(checkpoints, every_epochs=settings.checkpoint_every)
    callbacks: list[po.train.Callback] = [saving]
    if settings.early_stop is not None:
        callbacks.append(po.train.EarlyStopping(patience=settings.early_stop))
    with settings_checked("--lr: "):
        optimizer = optimizer_class(
            model.params, lr=rule.lr if settings.lr is None else settings.lr
        )
    trainer = po.train.Trainer(
        model,
        optimizer=optimizer,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        seed=settings.seed,
        validation=(problem.inputs[1], problem.targets[1]) if settings.validation else None,
        penalty=po.penalties.ElasticNet(settings.l1, settings.l2)
        if settings.l1 or settings.l2
        else None,
        callbacks=callbacks,
    )
    return trainer, saving


def _check_finite(model: Any, problem: Problem, trainer: po.train.Trainer) -> None:
    """Raise UserError if the current loss on any rows is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        for inputs, targets in zip(problem.inputs, problem.targets, strict=True):
            loss = model.evaluate(inputs, targets)["loss"] if len(inputs) else 0.0
            if not np.isfinite(loss):
                raise UserError(
                    f"training diverged: the loss after {count(trainer.step, 'step')} is {loss}; "
                    "try a smaller --lr. Nothing was written."
                )


def _write(
    out: Out, model: Any, problem: Problem, history: po.train.History
) -> tuple[list[Path], list[str]]:
    """Write every file even if others fail; return the written files and the error messages."""
    metadata = {
        COLUMNS_KEY: json.dumps(problem.columns.to_json()),
        TARGET_KEY: json.dumps(problem.target.to_json()),
    }
    writers: list[Callable[[Path], object]] = [
        lambda path: model.save(path, metadata, overwrite=True),
        lambda path: history.to_csv(path, overwrite=True),
        lambda path: po.plots.history(history, path, overwrite=True),
    ]
    written, faults = [], []
    for path, write in zip(out.files, writers, strict=True):
        try:
            make_directories(out.folder)
            write(path)
        except OSError as error:
            faults.append(f"{path}: cannot be written ({error.strerror or error})")
        else:
            written.append(path)
    return written, faults


# The summary


def _print(label: str, text: str) -> None:
    say(f"{label:<10}{shown(text)}")


def _print_problem(name: str, problem: Problem) -> None:
    dropped = f" ({problem.dropped_rows} without a target left out)" if problem.dropped_rows else ""
    _print(
        "data",
        f"{name}: {count(problem.rows, 'row')}{dropped}, "
        f"{count(len(problem.columns.names), 'column')}, {count(problem.columns.width, 'input')}",
    )
    _print("target", f"{problem.target.target}, {_target_text(problem)}")
    report = problem.report
    if report.dropped:
        reasons = [f"{column} ({reason})" for column, reason in report.dropped.items()]
        _print("left out", listing(reasons))
    if report.missing:
        counts = [f"{column} {missing}" for column, missing in report.missing.items()]
        _print("missing", f"{listing(counts)}; replaced by the mean")


def _target_text(problem: Problem) -> str:
    target = problem.target
    if isinstance(target, Amount):
        return f"regression: mean {target.mean:.6g}, standard deviation {target.scale:.6g}"
    counts = np.bincount(problem.classes, minlength=target.outputs)
    order: Iterable[int] = range(target.outputs)
    intro = ""
    if target.outputs > _MAX_LISTED_CLASSES:
        order = counts.argsort(kind="stable")[::-1][:_MAX_LISTED_CLASSES]
        intro = "most frequent "
    fractions = [f"{target.values[i]} {counts[i] / problem.rows:.1%}" for i in order]
    return f"classification: {target.outputs} classes, {intro}{', '.join(fractions)}"


def _print_model(model: Any, trainer: po.train.Trainer, rule: str) -> None:
    sizes = "-".join(map(str, model.sizes))
    activation = f" {model.activation}" if len(model.sizes) > 2 else ""
    rate = trainer.optimizer.param_groups[0]["lr"]
    name = find_rule(rule).name
    _print("model", f"{model.kind} {sizes}{activation}, {name} with lr {rate:g}")


def _reason(history: po.train.History) -> str:
    return str(history.stop_reason).replace("_", " ")


def _print_result(model: Any, problem: Problem, history: po.train.History) -> None:
    epochs = count(len(history), "epoch")
    if history.best_epoch is not None:
        _print(
            "training",
            f"{epochs} ({_reason(history)}), weights of epoch {history.best_epoch}",
        )
    else:
        _print("training", f"{epochs}, last loss {history['loss'][-1]:.4g}")
    inputs = problem.inputs[1]
    if len(inputs):
        metric = quality(problem.target, problem.held_out_target, model.predict(inputs))
        _print("held out", f"{count(len(inputs), 'row')}: {metric}")
