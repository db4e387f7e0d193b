"""Names with control characters are escaped by every command, error and repr."""

from __future__ import annotations

import copy
import pickle
import re
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyoptim as po
from pyoptim._utils.text import listed, shown, shown_lines
from pyoptim.errors import CheckpointError
from pyoptim.train import Trainer

HOSTILE = [
    "red\x1b[31m", "bell\x07", "\x9b31mc1", "back\b\b\b", "\u202eright", "\u2066mark\u2069",
    "zero\u200bwidth", "line\u2028break", "line\nfeed", "return\rback", "\x7fdelete", "\ufeffbom",
]  # fmt: skip
IDS = [f"U+{ord(next(c for c in name if not c.isprintable())):04X}" for name in HOSTILE]
hostile = pytest.mark.parametrize("name", HOSTILE, ids=IDS)


def assert_harmless(text: str) -> None:
    wrong = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}
    assert not wrong, ascii(text)


@given(st.text(st.characters(codec=None)))
def test_shown_text_is_printable(text: str) -> None:
    assert shown(text).isprintable()
    assert_harmless(shown_lines(text))
    assert shown(shown(text)) == shown(text)
    assert listed([text, text]) == f"{shown(text)}, {shown(text)}"
    if text.isprintable():
        assert shown(text) == text


def messages(name: str, tmp_path: Path) -> Any:
    """Yield functions that raise an error or return a repr with a name."""
    params = po.Parameters({name: (2,)})
    optimizer = po.SGD(params, lr=0.1)
    x = np.zeros((8, 1))
    file = tmp_path / f"{name.replace('/', '')}.safetensors"
    yield lambda: params["w"]
    yield lambda: params.select("w")
    yield lambda: params.grads.__setitem__("w", 0)
    yield lambda: optimizer.step({"w": np.zeros(2)})
    yield lambda: optimizer.step({name: np.zeros(3)})
    yield lambda: optimizer.load_state_dict({})
    yield lambda: optimizer.load_state_dict({**optimizer.state_dict(), name: 1})
    yield lambda: po.SGD([{name: np.zeros(1)}])
    yield lambda: po.Parameters({name: (2,)}, dtype={})
    yield lambda: po.Parameters({name: (2,)}, row_sparse=["w"])
    yield lambda: po.models.load(file)
    yield lambda: po.checkpoint.load(tmp_path / name)
    yield lambda: po.checkpoint.load_safetensors(file)
    yield lambda: po.checkpoint.save_safetensors(file, {name: np.array(["a"])})
    yield lambda: po.models.EmbeddingMLP({name: 3}, [2]).predict({name: np.zeros((2, 2), int)})
    yield lambda: po.models.EmbeddingMLP({name: 3}, [2]).predict({name: np.full(2, 7)})
    yield lambda: po.models.EmbeddingMLP({"a": 3}, [2], numeric=[name]).predict(
        {"a": np.zeros(2, int), name: np.full(2, np.nan)}
    )
    yield lambda: Trainer(po.models.EmbeddingMLP({name: 3}, [2]), progress=False).fit(
        {name: np.full(2, 7)}, np.zeros(2)
    )
    yield lambda: Trainer(po.models.Linear(1), validation={name: (x * np.nan, x)}).fit(x, x)
    yield lambda: Trainer(
        po.models.Linear(1), validation=0.5, metrics={name: lambda y, p: 0.0}, progress=False,
        callbacks=[po.train.EarlyStopping("score")],
    ).fit(x, x)  # fmt: skip
    yield lambda: po.train.History.read_csv(tmp_path / name.replace("/", ""))
    yield lambda: po.train.CSVLogger(tmp_path / name).on_fit_begin(None)  # type: ignore[arg-type]
    yield lambda: repr(params)
    yield lambda: repr(params.select("*"))
    yield lambda: repr(optimizer)
    yield lambda: repr(po.models.EmbeddingMLP({name: 3}, [2]))


def allowed(name: str) -> str:
    """Return a name that safetensors allows, without control characters."""
    return "".join(char for char in name if ord(char) >= 32 and char != "\x7f")


@hostile
def test_messages_and_reprs(name: str, tmp_path: Path) -> None:
    raised = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (tmp_path / name).mkdir()
        for call in messages(name, tmp_path):
            try:
                text = call()
            except (ValueError, TypeError, KeyError, OSError, CheckpointError) as error:
                text = str(error)
                raised += 1
            if isinstance(text, str):
                assert_harmless(text)
                assert "\n" not in text
    assert raised >= 18


@hostile
def test_the_history(name: str) -> None:
    history = po.train.History()
    history.rows.append({"epoch": 1, name: 0.5})
    assert_harmless(repr(history))
    with pytest.raises(KeyError) as error:
        history["loss"]
    assert_harmless(str(error.value))


@hostile
def test_damaged_checkpoints_are_named(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    for step in (1, 2):
        po.checkpoint.save(folder, {allowed(name): np.ones(3)}, step=step)
    newest = max(folder.glob("step-*"))
    next(newest.glob("*.safetensors")).write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="damaged") as seen:
        po.checkpoint.load(folder)
    assert_harmless(str(seen[0].message))
    assert "\n" not in str(seen[0].message)


@hostile
def test_an_error_has_a_line_for_each_fault(name: str) -> None:
    error = CheckpointError(name, name)
    for each in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert str(each) == f"{shown(name)}\n{shown(name)}"
    assert str(CheckpointError()) == ""


@hostile
def test_commands(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    testing = pytest.importorskip("click.testing")
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    from pyoptim.cli._commands import pyoptim

    monkeypatch.chdir(tmp_path)
    plain = name.replace("\n", "").replace("\r", "")  # for which a file exists
    rows = 40
    labels = [f"{name}{i % 2}" for i in range(rows)]
    numbers = np.arange(float(rows))
    table = {f"n{name}": numbers, f"t{name}": labels, f"e{name}": [None] * rows, name: labels}
    parquet.write_table(pa.table(table), f"{plain}.parquet")
    po.checkpoint.save_safetensors(f"{plain}.safetensors", {allowed(name): np.ones(2)},
                                   metadata={name: name})  # fmt: skip

    def run(*arguments: Any, fails: bool = False) -> str:
        result = testing.CliRunner().invoke(pyoptim, [str(each) for each in arguments])
        assert (result.exit_code != 0) == fails, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert_harmless(result.output)
        if fails:
            assert result.stderr.splitlines()[-1].startswith("Error: ")
        return str(result.output)

    data = f"{plain}.parquet"
    out = ("--out", plain)
    output = run("train", data, "--target", name, "--epochs", 1, "--model", "softmax", *out)
    for line in output.splitlines()[:4]:
        assert re.match(r"data |target |left out |model ", line), output
    run("predict", plain, data, "--out", "predicted.csv")
    assert name in Path("predicted.csv").read_bytes().decode()  # data are not escaped
    run("train", data, "--target", f"{name}?", fails=True)
    run("train", data, "--target", f"t{name} > 3", fails=True)
    run("train", data, "--target", name, "--drop", f"{name}?", fails=True)
    run("train", data, "--target", name, "--optimizer", name, fails=True)
    run("train", data, "--target", name, f"--{name}", fails=True)
    run("train", f"{plain}.csv", "--target", name, fails=True)
    run("train", data, fails=True)
    run("info", name, fails=True)
    run(name, fails=True)
    run("inspect", f"{plain}.safetensors")
    run("inspect", f"{plain}.safetensors", "--json")
    run("verify", f"{plain}.safetensors")
    run("inspect", plain)
    Path(f"{plain}.safetensors").write_bytes(b"nothing")
    run("inspect", f"{plain}.safetensors", fails=True)
    result = testing.CliRunner().invoke(pyoptim, ["verify", f"{plain}.safetensors"])
    assert_harmless(result.output)
    Path(plain, "model.safetensors").unlink()
    run("predict", plain, data, fails=True)
    run("inspect", f"{plain}?", fails=True)


@hostile
def test_data_are_escaped_on_a_terminal_only(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("click")
    from pyoptim.cli._terminal import stdout_checked

    for terminal in (False, True):
        monkeypatch.setattr("sys.stdout.isatty", lambda terminal=terminal: terminal)
        with stdout_checked() as stdout:
            stdout.write(f"{name}1\n")
        written = capsys.readouterr().out
        assert written == (f"{shown_lines(name)}1\n" if terminal else f"{name}1\n")


def test_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = po.train.History()
    strange = [*HOSTILE, "$", "a$\\no_such$"]
    for epoch in (1, 2):
        history.rows.append(
            {"epoch": epoch, "loss": 1.0, **{f"val_{name}": 0.5 for name in strange}}
        )
    schedules = dict.fromkeys(strange, po.schedules.constant(0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history.plot(tmp_path / "history.png")
        po.plots.plot_schedule(schedules, 3, path=tmp_path / "schedule.svg")
    assert_harmless((tmp_path / "schedule.svg").read_text(encoding="utf-8"))


@hostile
def test_progress(name: str) -> None:
    import io

    x = np.zeros((8, 1))
    for terminal in (False, True):
        stream = io.StringIO()
        stream.isatty = lambda terminal=terminal: terminal  # type: ignore[method-assign]
        Trainer(
            po.models.Linear(1), epochs=2, validation={name: (x, x)},
            callbacks=[po.train.Progress(stream)], metrics={f"m{name}": lambda y, p: 0.0},
        ).fit(x, x)  # fmt: skip
        text = stream.getvalue()
        assert shown(name).split("\\")[0] in text
        for char in set(name) - {"\n", "\r"}:
            assert char.isprintable() or char == "\x1b" or char not in text
        assert "\x1b[31m" not in text
