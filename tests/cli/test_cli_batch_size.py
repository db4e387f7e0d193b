"""`pyoptim train --batch-size auto`: measured, reported, and kept by --resume."""

import re

import pytest

pytest.importorskip("click.testing")
pytest.importorskip("pyarrow")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

from command_line import interrupted_at

import pyoptim as po
from pyoptim.train._batch_size import BatchSizeReport, candidate_sizes

REPORT = BatchSizeReport(64, {16: 0.5, 32: 0.375, 64: 0.25, 128: 0.25})
FAST = ("--epochs", 4, "--hidden", 8, "--lr", 0.01)


@pytest.fixture
def measured(monkeypatch):
    """Let the measured batch size be 64, and return a list with an entry per measurement."""
    calls = []

    def choose(*arguments):
        calls.append(arguments)
        return REPORT

    monkeypatch.setattr("pyoptim.train._trainer.choose_batch_size", choose)
    return calls


def test_the_measurement_is_reported_on_stderr(run, flights, tmp_path, measured):
    base = ("train", flights, "--target", "delay >= 5", *FAST)
    result = run(*base, "--out", "auto", "--batch-size", "auto")
    assert len(measured) == 1
    assert result.stderr.startswith(f"{REPORT}\nepoch 1/4  loss ")
    assert "batch size 64, chosen by time per epoch: 16: 0.5 s, 32: 0.375 s" in result.stderr
    assert "chosen by time" not in result.stdout
    plain = run(*base, "--out", "plain", "--batch-size", 64)
    assert "chosen by time" not in plain.stderr
    assert len(measured) == 1
    models = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("auto", "plain")]
    assert models[0] == models[1]


def test_on_real_times(run, flights):
    result = run("train", flights, "--target", "delay", *FAST, "--batch-size", "auto")
    found = re.match(r"batch size (\d+), chosen by time per epoch: 16: \S+ s", result.stderr)
    assert found is not None
    assert int(found[1]) in candidate_sizes(360, 3 * 4)


@pytest.mark.usefixtures("ctrl_c")
def test_a_resumed_run_keeps_the_size(run, refused, flights, tmp_path, monkeypatch, measured):
    base = ("train", flights, "--target", "delay >= 5", *FAST)
    auto = (*base, "--batch-size", "auto", "--out", "parts")
    run(*base, "--batch-size", 64, "--out", "whole")
    with monkeypatch.context() as patch:
        interrupted_at(patch, 9)
        assert "interrupted after 9 steps" in run(*auto, status=130).stdout
    assert len(measured) == 1
    saved = po.checkpoint.load(tmp_path / "parts" / "checkpoints").metadata["trainer"]
    assert saved["data"]["batch_size"] == 64
    wrong = refused(*base, "--out", "parts", "--resume")  # with the default size
    assert "batch_size is 256, but the saved run used 64" in wrong
    result = run(*auto, "--resume")
    assert "chosen by time" not in result.stderr
    assert len(measured) == 1
    models = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("whole", "parts")]
    assert models[0] == models[1]


@pytest.mark.parametrize("size", ["large", "0", "-4", "2.5", "AUTO", ""])
def test_other_words_are_rejected(size, run, flights, tmp_path):
    result = run("train", flights, "--target", "delay", "--batch-size", size, status=2)
    message = f"{size!r} is neither a whole number of at least 1 nor auto"
    assert f"Error: Invalid value for '--batch-size': {message}" in result.stderr
    assert not (tmp_path / "pyoptim-model").exists()


def test_help_describes_numbers_and_auto(run):
    text = re.sub(r"\s+", " ", run("train", "--help").stdout)
    assert "--batch-size ROWS|AUTO Rows per step. auto: the largest size that still" in text
    assert "[default: 256]" in text
