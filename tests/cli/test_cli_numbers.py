"""Invalid numbers and paths: each option rejects them with an error that names it."""

from pathlib import Path

import numpy as np
import pytest

import pyoptim as po

click = pytest.importorskip("click")
click_testing = pytest.importorskip("click.testing")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

from pyoptim.cli._commands import pyoptim  # noqa: E402

WRONG = ("nan", "inf", "-inf", "-1", "1e400", "-1e400", "", " ", "abc", "1;5", "0x10", "1" * 5000)
WORDS = (click.types.StringParamType, click.Choice, click.Path, click.types.BoolParamType)


def numeric_options() -> list[tuple[str, str]]:
    """Return each option with one or several numbers, and its command."""
    return [
        (name, option.opts[0])
        for name, command in sorted(pyoptim.commands.items())
        for option in command.params
        if isinstance(option, click.Option) and not isinstance(option.type, WORDS)
    ]


def test_numeric_options_exist() -> None:
    assert len(numeric_options()) > 10


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value[:8]))
@pytest.mark.parametrize(("command", "option"), numeric_options())
def test_invalid_numbers_are_rejected_with_the_name_of_the_option(
    command: str, option: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text("x,y\n1,2\n")
    monkeypatch.setattr("pyoptim.train.Trainer.fit", None)  # nothing runs
    if len(value) > 1000 and option not in ("--seed", "--validation"):
        value = f"-{value}"  # other counts are unlimited
    data = ("data.csv", "--target", "y") if command == "train" else ()
    result = click_testing.CliRunner().invoke(pyoptim, [command, *data, f"{option}={value}"])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert option in result.stderr
    assert not [path for path in Path().iterdir() if path.name != "data.csv"]


def test_no_path_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text("x,y\n1,2\n")
    for name, command in sorted(pyoptim.commands.items()):
        paths = [each for each in command.params if isinstance(each.type, click.Path)]
        for wrong in paths:
            words = [name]
            for each in paths:
                value = "" if each is wrong else "." if each.name == "directory" else "data.csv"
                if isinstance(each, click.Argument):
                    words.append(value)
                elif each is wrong:
                    words.append(f"{each.opts[0]}={value}")
            result = click_testing.CliRunner().invoke(pyoptim, words)
            assert result.exit_code == 2, words
            assert result.stderr.startswith("Error: Invalid value for "), words
            assert "expected a path, got ''" in result.stderr, words
    assert [path.name for path in Path().iterdir()] == ["data.csv"]


@pytest.mark.parametrize("fraction", [np.nan, np.inf, -1.0, 1e300, 2.0, "abc"])
def test_a_trainer_names_the_validation(fraction: object) -> None:
    x = np.ones((10, 1))
    with pytest.raises((TypeError, ValueError), match="validation"):
        po.train.Trainer(po.models.Linear(1), validation=fraction, progress=False).fit(x, x)
