"""From a table to a trained model on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib  # noqa: F401 - if it is missing, that is an error before training
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
_SHOWN_CLASSES = 10
_SIGNALLED = 128  # and the number of a signal: the status that shells expect
_INTERRUPTED = 130  # the status that shells expect after Ctrl-C


@dataclass(frozen=True)
class Settings:
    """How to train, as the options of `pyoptim train` say it."""

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
    """What to learn from a table."""

    target: str
    task: str = "auto"
    drop: tuple[str, ...] = ()
    drop_missing: bool = False


@dataclass(frozen=True)
class Problem:
    """A table as a model sees it, in two parts: rows to train on, and rows held out."""

    columns: Columns
    target: Labels | Amount
    report: FitReport
    classes: Array  # of all rows; empty for regression
    dropped_rows: int
    inputs: tuple[Array, Array]
    targets: tuple[Any, Any]  # encoded
    held_out_target: Any  # as it stands in the table

    @property
    def rows(self) -> int:
        """The number of rows that are used."""
        return len(self.inputs[0]) + len(self.inputs[1])


def train_table(table: Any, name: str, question: Question, settings: Settings, out: Out) -> None:
    """Train on a table, write model, metrics and picture to a directory, and print a summary.

    What may be written has been checked by `Out.check`.
    """
    problem = prepare(table, question, settings)
    with settings_checked("--hidden: " if settings.model == "mlp" else ""):
        model = _make_model(problem, settings)
    with settings_checked():
        trainer, saving = _make_trainer(model, problem, settings, out.checkpoints)
        former: set[str] = set()
        if settings.resume:
            former = set(directory.names(out.checkpoints))
            trainer.resume(out.checkpoints)
    _print_problem(name, problem)
    _print_model(model, trainer, settings.optimizer)

    with interrupts(None) as signals:
        # A signal after the last epoch waits until the model is written.
        trainer.callbacks.append(po.train.Lambda(on_fit_end=lambda _: signals.hold()))
        with np.errstate(over="ignore", invalid="ignore"):
            _fit(trainer, problem)
        _finish(trainer, saving, former, problem, out)
        if signals.held:
            raise SystemExit(_SIGNALLED + signals.held.pop())


def _finish(
    trainer: po.train.Trainer,
    saving: po.train.Checkpoint,
    former: set[str],
    problem: Problem,
    out: Out,
) -> None:
    """Write the model, or say how to go on with a run that was interrupted.

    The run's checkpoints, `former` ones among them, go once the model is there.
    """
    model, history = trainer.model, trainer.history
    if history.stop_reason is po.train.StopReason.INTERRUPTED:
        _print("training", f"interrupted after {count(trainer.step, 'step')}")
        if saving.error is not None:
            raise UserError(f"the checkpoint to go on with could not be saved ({saving.error})")
        _print("files", f"{out.checkpoints}; the same command with --resume goes on")
        raise SystemExit(_INTERRUPTED)
    _check_finite(model, problem, trainer)

    written, faults = _write(out, model, problem, history)
    _print_result(model, problem, history)
    if written:
        _print("files", ", ".join(map(str, written)))
    if faults:
        raise UserError("; ".join(faults))
    with suppress(OSError):  # nothing is left to go on with
        remove_checkpoints(out.checkpoints, former | {path.name for path in saving.paths})


def _fit(trainer: po.train.Trainer, problem: Problem) -> po.train.History:
    if not trainer.epochs_done and not trainer.step:
        return trainer.fit(problem.inputs[0], problem.targets[0])
    with settings_checked():  # other settings than those of the run to go on with
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
    """Refuse texts that a model file would not have room for, before training."""
    for part in (columns, target):
        text = json.dumps(part.to_json())
        try:
            parse_json(text)
        except ValueError as error:
            raise TableError(f"the texts of the columns are too long to keep: {error}") from None


def _without_missing(
    table: Any, answers: Any, target: Target, drop_missing: bool
) -> tuple[Any, Any, int]:
    missing = answers.null_count
    if missing == 0:
        return table, answers, 0
    if missing == len(answers):
        raise TableError(f"the target {str(target)!r} is missing in all {missing} rows")
    if not drop_missing:
        raise TableError(
            f"the target {str(target)!r} is missing in {missing} of {len(answers)} rows; "
            "--drop-missing leaves them out"
        )
    present = compute.is_valid(answers)
    return table.filter(present), answers.filter(present), missing


def _choose_task(wanted: str, model: str, answers: Any) -> Task:
    of_model = _TASK_OF_MODEL.get(model)
    if wanted == "auto":
        return of_model or guess_task(answers)
    task: Task = "classification" if wanted == "classification" else "regression"
    if of_model not in (None, task):
        raise UserError(f"--model {model} is for {of_model}, not for {task}; --model mlp does both")
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
    optimizer: Callable[..., po.Optimizer] = getattr(po, rule.name)
    saving = po.train.Checkpoint(checkpoints, every_epochs=settings.checkpoint_every)
    callbacks: list[po.train.Callback] = [saving]
    if settings.early_stop is not None:
        callbacks.append(po.train.EarlyStopping(patience=settings.early_stop))
    with settings_checked("--lr: "):
        made = optimizer(model.params, lr=rule.lr if settings.lr is None else settings.lr)
    trainer = po.train.Trainer(
        model,
        optimizer=made,
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
    """Refuse a model whose losses, as it is now, are no numbers."""
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
    """Write each file, whatever becomes of the others; return those written, and what is wrong."""
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
    without = f" ({problem.dropped_rows} without a target left out)" if problem.dropped_rows else ""
    _print(
        "data",
        f"{name}: {count(problem.rows, 'row')}{without}, "
        f"{count(len(problem.columns.names), 'column')}, {count(problem.columns.width, 'input')}",
    )
    _print("target", f"{problem.target.target}, {_target_text(problem)}")
    report = problem.report
    if report.dropped:
        why = [f"{column} ({reason})" for column, reason in report.dropped.items()]
        _print("left out", listing(why))
    if report.missing:
        counts = [f"{column} {missing}" for column, missing in report.missing.items()]
        _print("missing", f"{listing(counts)}; the mean is taken for them")


def _target_text(problem: Problem) -> str:
    target = problem.target
    if isinstance(target, Amount):
        return f"regression: mean {target.mean:.6g}, standard deviation {target.scale:.6g}"
    counts = np.bincount(problem.classes, minlength=target.outputs)
    order: Iterable[int] = range(target.outputs)
    intro = ""
    if target.outputs > _SHOWN_CLASSES:
        order = counts.argsort(kind="stable")[::-1][:_SHOWN_CLASSES]
        intro = "most are "
    shares = [f"{target.values[i]} {counts[i] / problem.rows:.1%}" for i in order]
    return f"classification: {target.outputs} classes, {intro}{', '.join(shares)}"


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
        found = quality(problem.target, problem.held_out_target, model.predict(inputs))
        _print("held out", f"{count(len(inputs), 'row')}: {found}")
