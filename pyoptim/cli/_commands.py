"""The commands of ``pyoptim`` and their options."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pyoptim as po
from pyoptim.cli._optimizers import all_rules, find_rule
from pyoptim.cli._terminal import escaped_errors, show, stdout_checked
from pyoptim.cli._user_error import UserError, files_checked, settings_checked


class _Path(click.Path):
    """A path that is not empty, since an unset shell variable gives an empty path."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if value == "":
            self.fail("expected a path, got ''", param, ctx)
        return super().convert(value, param, ctx)


_FILE = _Path(exists=True, dir_okay=False, path_type=Path)
_PATH = _Path(exists=True, path_type=Path)
_FOLDER = _Path(file_okay=False, path_type=Path)
_EXISTING_FOLDER = _Path(exists=True, file_okay=False, path_type=Path)
_COUNT = click.IntRange(min=1)
_SEED = click.IntRange(min=0, max=2**64 - 1)
_seed = click.option(
    "--seed",
    type=_SEED,
    default=0,
    show_default=True,
    help="Seed for initial weights, validation split and shuffling.",
)
_force = click.option(
    "--force", is_flag=True, help="Replace files that pyoptim did not write, except inputs."
)


if TYPE_CHECKING:
    _RowsOrAuto = click.ParamType[int | str]
    _SomeSizes = click.ParamType[tuple[int, ...]]
else:  # ParamType is generic only from click 8.4 on
    _RowsOrAuto = _SomeSizes = click.ParamType


class _Number(click.FloatRange):
    """A finite number of at least 0."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


_NOT_NEGATIVE = _Number(min=0)
_FRACTION = _Number(min=0, max=1, max_open=True)


class _Sizes(_SomeSizes):
    """Layer sizes, separated by commas."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the sizes."""
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            sizes = (0,)
        if min(sizes) < 1:
            expected = "whole numbers of at least 1 such as 128,64"
            self.fail(f"expected {expected}, got {value!r}", param, ctx)
        return sizes


class _BatchSize(_RowsOrAuto):
    """A number of rows, or `auto`."""

    name = "rows|auto"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return a number or `auto`."""
        if value == "auto":
            return "auto"
        try:
            return _COUNT.convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is neither a whole number of at least 1 nor auto.", param, ctx)


def _show_help(ctx: click.Context, _: click.Parameter, requested: bool) -> None:
    if requested and not ctx.resilient_parsing:
        show(ctx.get_help())
        ctx.exit()


def _show_version(ctx: click.Context, _: click.Parameter, requested: bool) -> None:
    if requested and not ctx.resilient_parsing:
        show(f"pyoptim, version {po.__version__}")
        ctx.exit()


class _Command(click.Command):
    """A command whose `--help` fails with an error if stdout cannot be written."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return the option --help."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
        return option


class _Commands(_Command, click.Group):
    """The group of commands, whose errors are escaped."""

    command_class = _Command

    def make_context(self, *arguments: Any, **keywords: Any) -> click.Context:
        """Parse the arguments before the name of a command."""
        with escaped_errors():
            return super().make_context(*arguments, **keywords)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with escaped_errors():
            return super().invoke(ctx)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="For C and C++, python -m pyoptim --cmake-dir, --include-dir or --lib-dir prints the "
    "installed paths.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def pyoptim() -> None:
    """Train and use models with the optimizers of pyoptim."""


@pyoptim.command()
@click.option(
    "--out",
    type=_FOLDER,
    default=Path("pyoptim-demo"),
    show_default=True,
    metavar="DIR",
    help="Output directory.",
)
@_seed
@click.option("--epochs", type=_COUNT, default=30, show_default=True, help="Number of epochs.")
@_force
def demo(out: Path, seed: int, epochs: int, force: bool) -> None:
    """Train a network on handwritten digits.

    The digits are from scikit-learn, and training takes a few seconds. Prints the accuracy on
    held-out digits, and writes model.safetensors, metrics.csv and loss.png to DIR.
    """
    import pyarrow as pa
    from sklearn.datasets import load_digits

    from pyoptim.cli._output_files import Out
    from pyoptim.cli._train import Question, Settings, train_table

    output = Out(out, force=force)
    with files_checked():
        output.check(resume=False)
    digits = load_digits()
    columns = dict(zip(digits.feature_names, digits.data.T, strict=True))
    table = pa.table({**columns, "digit": digits.target})
    settings = Settings(epochs=epochs, batch_size=32, validation=0.2, l2=1e-3, seed=seed)
    with files_checked():
        train_table(table, "handwritten digits", Question("digit"), settings, output)


@pyoptim.command()
@click.argument("data", type=_FILE)
@click.option(
    "--target",
    metavar="COLUMN",
    help="The column to predict, or a comparison to predict as yes or no, such as 'delay > 15'"
    " (also >=, <, <=, ==, !=).  [default: y for NPZ and svmlight files]",
)
@click.option(
    "--task",
    type=click.Choice(["auto", "classification", "regression"]),
    default="auto",
    show_default=True,
    help="auto: classification for text, booleans, and up to 20 different whole numbers; regression"
    " for other numbers.",
)
@click.option(
    "--model",
    type=click.Choice(["linear", "softmax", "mlp"]),
    default="mlp",
    show_default=True,
    help="linear for regression, softmax for classification, mlp for both.",
)
@click.option("--hidden", type=_Sizes(), help="Sizes of the hidden layers.  [default: 128,64]")
@click.option(
    "--activation",
    type=click.Choice(["relu", "tanh", "sigmoid", "gelu"]),
    help="Activation of the hidden layers.  [default: relu]",
)
@click.option(
    "--optimizer",
    default="adamw",
    show_default=True,
    help="An optimizer from the list of pyoptim info.",
)
@click.option("--lr", type=_NOT_NEGATIVE, help="Learning rate.  [default: the optimizer's default]")
@click.option(
    "--epochs", type=_COUNT, default=20, show_default=True, help="Maximum number of epochs."
)
@click.option(
    "--batch-size",
    type=_BatchSize(),
    default=256,
    show_default=True,
    help="Rows per step. auto: the largest size that still makes an epoch faster. It is measured"
    " before training and reported on stderr, and --resume keeps it.",
)
@click.option(
    "--validation",
    type=_FRACTION,
    default=0.1,
    show_default=True,
    help="Fraction of the rows to hold out for validation.",
)
@click.option("--l1", type=_NOT_NEGATIVE, default=0.0, help="L1 penalty on the weights.")
@click.option("--l2", type=_NOT_NEGATIVE, default=0.0, help="L2 penalty on the weights.")
@click.option(
    "--early-stop",
    type=_COUNT,
    metavar="PATIENCE",
    help="Stop after PATIENCE epochs without a smaller validation loss, and keep the best weights.",
)
@click.option(
    "--checkpoint-every",
    type=_COUNT,
    metavar="EPOCHS",
    help="Save a checkpoint to DIR/checkpoints every EPOCHS epochs.",
)
@click.option("--resume", is_flag=True, help="Resume the run in DIR/checkpoints.")
@_seed
@click.option("--drop", metavar="COLUMN", multiple=True, help="Ignore a column; repeatable.")
@click.option("--drop-missing", is_flag=True, help="Leave out rows without a target.")
@click.option(
    "--out",
    type=_FOLDER,
    default=Path("pyoptim-model"),
    show_default=True,
    metavar="DIR",
    help="Output directory.",
)
@_force
def train(
    data: Path,
    target: str | None,
    task: str,
    drop: tuple[str, ...],
    drop_missing: bool,
    out: Path,
    force: bool,
    **options: Any,
) -> None:
    """Train a model on a table.

    DATA is a .csv, .csv.gz, .parquet, .npz, .svm, .svmlight or .libsvm file.

    Numbers are standardised, and missing numbers are replaced by the mean. Dates and times become
    numbers. Text is one-hot encoded. Writes model.safetensors, metrics.csv and loss.png to DIR.

    Ctrl-C, SIGTERM or a closed terminal ends training after the current step and saves a
    checkpoint. The same command with --resume continues as if it had not been interrupted. After
    the last epoch, a signal waits until the model is written. Then the checkpoints are removed.

    If rows are held out for validation, the model has the weights of the epoch with the smallest
    validation loss.

    If a file of these names exists that pyoptim train did not write, nothing runs.
    """
    from pyoptim.cli._output_files import Out
    from pyoptim.cli._train import Question, train_table
    from pyoptim.tabular import read_table

    settings = _settings(**options)
    output = Out(out, data, force)
    with files_checked():
        output.check(settings.resume)
        table = read_table(data)
        question = Question(_target(target, data, table), task, drop, drop_missing)
        train_table(table, data.name, question, settings, output)


def _target(target: str | None, data: Path, table: Any) -> str:
    if target is not None:
        return target
    if data.suffix.lower() != ".csv" and "y" in table.column_names:
        return "y"
    from pyoptim.tabular._table_error import listing

    raise UserError(
        f"--target: expected a column to predict; the columns are {listing(table.column_names)}"
    )


def _settings(hidden: tuple[int, ...] | None, activation: str | None, **options: Any) -> Any:
    """Return the options as Settings, checked before any file is read."""
    from pyoptim.cli._train import Settings

    for name, value in (("hidden", hidden), ("activation", activation)):
        if value is not None and options["model"] != "mlp":
            raise UserError(
                f"--{name}: only for --model mlp, but {options['model']} has no hidden layers"
            )
    if options["early_stop"] is not None and options["validation"] == 0:
        raise UserError("--early-stop: needs validation data; set --validation above 0")
    with settings_checked():
        find_rule(options["optimizer"])
    if hidden is not None:
        options["hidden"] = hidden
    if activation is not None:
        options["activation"] = activation
    return Settings(**options)


@pyoptim.command()
@click.argument("directory", type=_EXISTING_FOLDER, metavar="DIR")
@click.argument("data", type=_FILE)
@click.option(
    "--out",
    type=_Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write the predictions.  [default: stdout]",
)
@click.option("--proba", is_flag=True, help="Write the probability of each class, too.")
@_force
def predict(directory: Path, data: Path, out: Path | None, proba: bool, force: bool) -> None:
    """Predict the rows of a table.

    DIR is the output directory of pyoptim train, and DATA is a file with the same columns. Writes
    CSV with one prediction per row. If DATA has the target, a metric is printed to stderr.
    """
    from pyoptim.cli._output_files import MODEL_FILE, check_predictions
    from pyoptim.cli._predict import predict_table

    with files_checked():
        if out is not None:
            check_predictions(out, [data, directory / MODEL_FILE], force)
        predict_table(directory, data, out, proba)


@pyoptim.command()
@click.argument("name", required=False)
def info(name: str | None) -> None:
    """Show version and optimizers.

    Also shows the instruction set and the number of threads. With the NAME of an optimizer, shows
    its hyperparameters and state.
    """
    if name is not None:
        with settings_checked():
            rule = find_rule(name)
        with stdout_checked():
            _show_rule(rule)
        return
    with stdout_checked():
        po.show_config()
        _show_rules()


def _show_rules() -> None:
    click.echo("\nOptimizers (pyoptim info NAME shows details):")
    width = 1 + max(len(rule.name) for rule in all_rules())
    for rule in all_rules():
        defaults = [f"lr={rule.lr:g}"]
        defaults += [f"{field.name}={_shown(field.default)}" for field in rule.fields]
        defaults += [f"weight_decay={rule.weight_decay:g}"]
        text = textwrap.fill(" ".join(defaults), width=76 - width)
        click.echo(f"  {rule.name:<{width}}" + text.replace("\n", "\n" + " " * (2 + width)))


@pyoptim.command()
@click.argument("path", type=_PATH)
def verify(path: Path) -> None:
    """Check checkpoints for damage.

    PATH is a checkpoint, a directory of checkpoints, the output directory of pyoptim train, or a
    .safetensors file. A .safetensors file has no checksums, so only its structure is checked.
    Prints the damage, and exits with status 1 if there is any.
    """
    from pyoptim.cli._checkpoints import verify_path

    with files_checked():
        undamaged = verify_path(path)
    if not undamaged:
        raise SystemExit(1)


@pyoptim.command()
@click.argument("path", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Write everything as JSON.")
def inspect(path: Path, as_json: bool) -> None:
    """Show what checkpoints contain.

    PATH is a checkpoint, a directory of checkpoints, the output directory of pyoptim train, or a
    .safetensors file. For a directory of checkpoints, the latest is shown. For the output of
    pyoptim train, the model is shown, or the latest checkpoint of an unfinished run. Shows tensors,
    shapes, sizes, step and metadata.
    """
    from pyoptim.cli._checkpoints import inspect_path

    with files_checked():
        inspect_path(path, as_json)


def _show_rule(rule: po.Rule) -> None:
    click.echo(f"{rule.name}\n\n{rule.doc}\n\nHyperparameters:")
    click.echo(f"  lr = {rule.lr:g}\n      Learning rate, or a schedule.")
    for field in rule.fields:
        click.echo(f"  {field.name} = {_shown(field.default)}, {field.range}\n      {field.doc}")
    kind = "decoupled" if rule.decoupled_weight_decay else "added to the gradient"
    click.echo(f"  weight_decay = {rule.weight_decay:g}\n      Weight decay, {kind}.")
    click.echo(f"\nState: {', '.join(rule.states) or 'none'}")


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
