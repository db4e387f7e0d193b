"""The command line: output, files and rejected input."""

import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("click.testing")
pa = pytest.importorskip("pyarrow")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

from command_line import interrupted_at, make_table  # noqa: E402
from pyarrow import parquet  # noqa: E402

import pyoptim as po  # noqa: E402
from pyoptim.cli._optimizers import all_rules  # noqa: E402


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


FAST = ("--epochs", 15, "--batch-size", 16, "--hidden", 16, "--lr", 0.01)


def test_demo(run, tmp_path):
    result = run("demo", "--epochs", 12)
    accuracy = re.search(r"359 rows: accuracy (0\.\d+), majority-class baseline", result.stdout)
    assert float(accuracy[1]) > 0.97
    folder = tmp_path / "pyoptim-demo"
    assert sorted(path.name for path in folder.iterdir()) == [
        "loss.png",
        "metrics.csv",
        "model.safetensors",
    ]
    rows = read_csv((folder / "metrics.csv").read_text())
    assert len(rows) == 12
    best = int(re.search(r"12 epochs \(finished\), weights of epoch (\d+)", result.stdout)[1])
    assert best == 1 + min(range(12), key=lambda i: float(rows[i]["val_loss"]))
    assert float(rows[best - 1]["val_accuracy"]) == pytest.approx(float(accuracy[1]), abs=1e-4)
    assert "epoch 12/12" in result.stderr
    assert "epoch 1/12" not in result.stdout
    assert po.models.load(folder / "model.safetensors").sizes == (61, 128, 64, 10)


def test_demo_is_reproducible(run):
    first, again = (run("demo", "--epochs", 1, "--seed", 3).output for _ in range(2))
    assert first == again
    assert first != run("demo", "--epochs", 1, "--seed", 4).output


def test_train_and_predict_a_question(run, flights, tmp_path):
    result = run("train", flights, "--target", "delay > 5", *FAST, "--out", "late")
    lines = result.stdout.splitlines()
    assert lines[0] == "data      flights.csv: 400 rows, 2 columns, 4 inputs"
    assert re.fullmatch(
        r"target    delay > 5, classification: 2 classes, no \d\d\.\d%, yes \d\d\.\d%", lines[1]
    )
    assert lines[2] == "left out  year (constant)"
    assert lines[3] == "missing   distance 8; replaced by the mean"
    assert lines[4] == "model     MLP 4-16-2 relu, AdamW with lr 0.01"
    held_out = re.fullmatch(
        r"held out  40 rows: accuracy (\S+), majority-class baseline (\S+)", lines[6]
    )
    assert float(held_out[1]) > 0.85 > float(held_out[2])
    assert lines[7] == "files     late/model.safetensors, late/metrics.csv, late/loss.png"

    result = run("predict", "late", flights, "--proba")
    rows = read_csv(result.stdout)
    assert list(rows[0]) == ["prediction", "P(no)", "P(yes)"]
    for row in rows:
        assert row["prediction"] == ("yes" if float(row["P(yes)"]) > 0.5 else "no")
        assert float(row["P(no)"]) + float(row["P(yes)"]) == pytest.approx(1, abs=1e-5)
    truth = ["yes" if delay > 5 else "no" for delay in make_table()["delay"].to_pylist()]
    accuracy = np.mean([row["prediction"] == label for row, label in zip(rows, truth, strict=True)])
    assert result.stderr.startswith(f"delay > 5: 400 rows: accuracy {accuracy:.4f}, ")


def test_train_and_predict_amounts(run, flights, tmp_path):
    result = run("train", flights, "--target", "delay", *FAST)
    assert re.search(r"target    delay, regression: mean -?\d\S+, standard dev", result.stdout)
    found = re.search(r"held out  40 rows: RMSE (\S+), R\^2 (\S+)", result.stdout)
    assert float(found[1]) < 5
    assert float(found[2]) > 0.85

    result = run("predict", "pyoptim-model", flights, "--out", "p.csv")
    assert result.stdout == ""
    predicted = [float(row["prediction"]) for row in read_csv((tmp_path / "p.csv").read_text())]
    error = np.array(predicted) - make_table()["delay"].to_numpy()
    assert result.stderr.startswith(f"delay: 400 rows: RMSE {np.sqrt(np.mean(error**2)):.4g}"[:25])


def test_prediction_needs_no_target_and_ignores_the_order_of_columns(run, flights, tmp_path):
    run("train", flights, "--target", "carrier", *FAST)
    with_target = run("predict", "pyoptim-model", flights)
    table = make_table().select(["year", "distance", "delay"])
    parquet.write_table(table, tmp_path / "new.parquet")
    without = run("predict", "pyoptim-model", "new.parquet")
    assert without.stdout == with_target.stdout
    assert without.stderr == ""
    assert with_target.stderr.startswith("carrier: 400 rows: accuracy")


def test_prediction_with_unknown_or_missing_labels(run, flights, tmp_path):
    run("train", flights, "--target", "carrier", *FAST)
    (tmp_path / "new.csv").write_text("carrier,distance,delay\nAA,1,1\nZZ,1,1\n,1,1\n")
    assert run("predict", "pyoptim-model", "new.csv").stderr.endswith(
        "; 1 label unknown to the model\n"
    )
    (tmp_path / "new.csv").write_text("carrier,distance,delay\n,1,1\n,1,1\n")
    assert run("predict", "pyoptim-model", "new.csv").stderr == "carrier: missing in all rows\n"


@pytest.mark.parametrize(
    ("model", "options", "kind"),
    [
        ("linear", ("--target", "delay"), "Linear 4-1"),
        ("softmax", ("--target", "delay < 0"), "Softmax 4-2"),
        ("mlp", ("--target", "delay", "--hidden", "8,4", "--activation", "gelu"), "MLP 4-8-4-1"),
    ],
)
def test_models(run, flights, tmp_path, model, options, kind):
    out = ("--epochs", 3, "--out", model)
    result = run("train", flights, "--model", model, *options, *out, "--optimizer", "LION")
    assert f"model     {kind}" in result.stdout
    assert "Lion with lr 0.0001" in result.stdout
    assert po.models.load(tmp_path / model / "model.safetensors").kind.lower() == model
    run("predict", model, flights)


def test_npz_svmlight_and_parquet(run, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = (x[:, 0] > x[:, 2]).astype(int)
    np.savez(tmp_path / "a.npz", X=x, y=y)
    from sklearn.datasets import dump_svmlight_file

    dump_svmlight_file(x, y, str(tmp_path / "a.svm"), zero_based=False)
    parquet.write_table(pa.table({"y": y, **{f"c{i}": x[:, i] for i in range(3)}}), "a.parquet")
    for name, options in (("a.npz", ()), ("a.svm", ()), ("a.parquet", ("--target", "y"))):
        result = run("train", name, *options, *FAST)
        assert "y, classification: 2 classes, 0 51.5%, 1 48.5%\n" in result.stdout
        assert float(re.search(r"accuracy (\S+),", result.stdout)[1]) >= 0.9
        assert set(run("predict", "pyoptim-model", name).stdout.split()) == {"prediction", "0", "1"}
    np.savez(tmp_path / "new.npz", X=x[:5])
    refused = run("predict", "pyoptim-model", "new.npz", status=2)
    assert (
        "columns that the model needs are missing: c0, c1, c2; the table has X[0]" in refused.stderr
    )


def test_task_and_drop(run, flights):
    base = ("train", flights, "--epochs", 1)
    assert "delay, regression" in run(*base, "--target", "delay").stdout
    result = run(*base, "--target", "distance > 1000", "--drop-missing", "--drop", "delay")
    assert "flights.csv: 392 rows (8 without a target left out), 1 column, 3" in result.stdout
    assert "distance > 1000, classification" in result.stdout


def test_few_whole_numbers_are_classes_by_default(run, tmp_path):
    text = "a,stars\n" + "".join(f"{i},{i % 5}\n" for i in range(100))
    (tmp_path / "s.csv").write_text(text)
    base = ("train", "s.csv", "--target", "stars", "--epochs", 1)
    assert "stars, classification: 5 classes, 0 20.0%, 1 20.0%" in run(*base).stdout
    assert "stars, regression" in run(*base, "--task", "regression").stdout
    assert "stars, regression" in run(*base, "--model", "linear").stdout


def test_early_stopping_and_no_validation(run, flights):
    base = ("train", flights, "--target", "delay", "--batch-size", 16, "--hidden", 4)
    result = run(*base, "--epochs", 200, "--lr", 0.1, "--early-stop", 2)
    found = re.search(
        r"training  (\d+) epochs \(early stop\), weights of epoch (\d+)", result.stdout
    )
    assert int(found[1]) == int(found[2]) + 2 < 200
    result = run(*base, "--epochs", 1, "--validation", 0)
    assert "held out" not in result.stdout
    assert "val_loss" not in result.stderr


def test_the_encoding_is_stored_in_the_model(run, flights, tmp_path):
    run("train", flights, "--target", "delay >= 5", "--epochs", 1)
    metadata = po.models.read_metadata(tmp_path / "pyoptim-model" / "model.safetensors")
    assert json.loads(metadata["pyoptim.target"]) == {
        "task": "classification",
        "column": "delay",
        "sign": ">=",
        "number": 5.0,
        "values": ["no", "yes"],
    }
    columns = json.loads(metadata["pyoptim.columns"])
    assert columns[0] == {"name": "carrier", "kind": "text", "values": ["AA", "UA", "WN"]}
    assert (columns[1]["name"], columns[1]["kind"]) == ("distance", "number")


def test_info(run):
    result = run("info").stdout
    assert f"version:                {po.__version__}\n" in result
    assert "threads:" in result
    width = max(len(rule.name) for rule in all_rules())
    for rule in all_rules():
        assert f"\n  {rule.name:<{width}} lr={rule.lr:g}" in result
    assert max(map(len, result.splitlines())) <= 80
    result = run("info", "adamw").stdout
    assert result.startswith("AdamW\n\n")
    assert "  beta2 = 0.999, in [0, 1)\n" in result
    assert "State: exp_avg, exp_avg_sq\n" in result
    assert po.__version__ in run("--version").stdout


# Rejected input


def test_seeds_have_the_range_of_models(run, flights):
    for command in (("train", flights, "--target", "delay"), ("demo",)):
        for seed in (-1, 2**64, 1.5):
            result = run(*command, "--seed", seed, status=2)
            assert "Invalid value for '--seed'" in result.stderr


def test_wrong_settings(refused, flights):
    base = ("train", flights, "--target", "delay")
    for hidden in ("abc", "8,", "8,0", ""):
        assert refused(*base, "--hidden", hidden) == (
            "Error: Invalid value for '--hidden': expected whole numbers of at least 1 such as "
            f"128,64, got {hidden!r}\n"
        )
    assert "unknown optimizer 'adamm'; choose one of SGD, " in refused(
        *base, "--optimizer", "adamm"
    )
    assert "unknown optimizer 'adamm'" in refused("info", "adamm")
    assert "--lr: AdamW: lr: too large for parameters of float32" in refused(*base, "--lr", 1e39)
    assert "--hidden: 6000000000000000001" in refused(*base, "--hidden", 10**18)
    assert "--hidden: only for --model mlp, but linear has no hidden layers" in refused(
        *base, "--model", "linear", "--hidden", 8
    )
    assert "--activation: only for --model mlp" in refused(
        *base, "--model", "softmax", "--activation", "relu"
    )
    assert "--early-stop: needs validation data" in refused(
        *base, "--early-stop", 2, "--validation", 0
    )
    assert (
        "--model linear: only for regression, got task classification; use --model mlp"
        in refused(*base, "--model", "linear", "--task", "classification")
    )
    assert "got 400 and 0 with validation=0.001 of 400 rows" in refused(
        *base, "--validation", 0.001
    )
    assert "flights.csv is not a directory" in refused(*base, "--out", flights / "x")


def test_wrong_columns(refused, flights):
    message = refused("train", flights, "--target", "dealy")
    assert message == (
        "Error: there is no column 'dealy' (did you mean 'delay'?); the columns are delay, "
        "carrier, distance, year\n"
    )
    assert "did you mean 'carrier'" in refused(
        "train", flights, "--target", "delay", "--drop", "Carier"
    )
    assert "--target: expected a column to predict; the columns are delay, " in refused(
        "train", flights
    )
    assert "target 'delay > x': expected a number after >" in refused(
        "train", flights, "--target", "delay > x"
    )
    assert "target 'carrier': expected numbers for regression, got text" in refused(
        "train", flights, "--target", "carrier", "--model", "linear"
    )


def test_missing_targets_are_counted_and_rejected(refused, flights):
    assert refused("train", flights, "--target", "distance") == (
        "Error: target 'distance': missing in 8 of 400 rows; use --drop-missing to leave out these "
        "rows\n"
    )
    flights.write_text("a,b\n1,\n2,NaN\n")
    assert "target 'b > 1': missing in all 2 rows" in refused(
        "train", flights, "--target", "b > 1", "--drop-missing"
    )


def test_bad_files(refused, tmp_path):
    path = tmp_path / "a.csv"
    for text, message in (
        ("", "a.csv is empty"),
        ("a,b\n1,2\n3\n", "a.csv, line 3: expected 2 fields as in the header, got 1 (3)"),
        ("a,b\n1,2\n3,4,5\n", "a.csv, line 3: expected 2 fields as in the header, got 3 (3,4,5)"),
        ("a,b\n1,2.5\ninf,4\n", "column 'a': 1 value is infinite, the first in row 2 of the table"),
        ("a,b\n1,2.5\n3,inf\n", "column 'b': 1 value is infinite, the first in row 2 of the table"),
        ("a,b\n1,x\n2,x\n", "target 'b': expected at least two different values, got only x"),
    ):
        path.write_text(text)
        assert message in refused("train", path, "--target", "b", "--validation", 0)
    path.rename(tmp_path / "a.xls")
    assert "unknown file extension" in refused("train", tmp_path / "a.xls", "--target", "b")


def test_nothing_is_unpickled(refused, tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 2)), y=np.array([{}, 1]))
    assert "array 'y': cannot be read (Python objects are not supported)" in refused(
        "train", tmp_path / "a.npz"
    )


def test_training_that_diverges_writes_nothing(run, flights, tmp_path):
    sgd = ("--optimizer", "sgd", "--lr", 1e30, "--epochs", 2, "--out", "x")
    result = run("train", flights, "--target", "delay", *sgd, status=2)
    assert result.stderr.splitlines()[-1] == (
        "Error: training diverged: the loss after 2 steps is nan; try a smaller --lr. "
        "Nothing was written."
    )
    assert not (tmp_path / "x").exists()


def test_impossible_predictions(run, refused, flights, tmp_path):
    assert "contains no model.safetensors" in refused("predict", tmp_path, flights)
    run("train", flights, "--target", "delay", "--epochs", 1)
    assert "--proba: only for classification" in refused(
        "predict", "pyoptim-model", flights, "--proba"
    )
    (tmp_path / "b.csv").write_text("carrier\nAA\n")
    assert "columns that the model needs are missing: distance; the table has carrier" in refused(
        "predict", "pyoptim-model", "b.csv"
    )
    assert "no/where.csv: No such file or directory" in refused(
        "predict", "pyoptim-model", flights, "--out", "no/where.csv"
    )


def test_unreadable_models(run, refused, flights, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"no")
    assert "not a valid safetensors file" in refused("predict", tmp_path, flights)
    model = po.models.Linear(2)
    model.save(path, overwrite=True)
    assert "contains no column metadata" in refused("predict", tmp_path, flights)
    target = '{"task": "regression", "column": "y", "sign": "", "number": 0, "mean": 0, "scale": 1}'
    for columns, message in (
        ("{", "invalid column metadata"),
        ("[{}]", "invalid column metadata (KeyError('kind'))"),
        ("[]", "the column metadata do not match the shapes of the weights"),
    ):
        metadata = {"pyoptim.columns": columns, "pyoptim.target": target}
        model.save(path, metadata, overwrite=True)
        assert message in refused("predict", tmp_path, flights)


# The program itself


def python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("package", ["click", "matplotlib", "pyarrow"])
def test_a_missing_package_is_one_line(package, flights):
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from pyoptim.cli import main; sys.argv[0] = 'pyoptim'; main()"
    )
    result = python(code, "train", str(flights), "--target", "delay")
    assert result.returncode == 1
    assert result.stderr == (
        f"pyoptim: the command line needs {package}, which is not installed; "
        "run pip install 'pyoptim-native[cli]'\n"
    )


def test_info_imports_nothing_heavy():
    code = (
        "import sys; from pyoptim.cli._commands import pyoptim\n"
        "pyoptim(['info'], standalone_mode=False)\n"
        "print(sorted({'pyarrow', 'sklearn', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    assert python(code).stdout.endswith("\n[]\n")


def test_an_interrupt_leaves_cleanly(flights, tmp_path, monkeypatch, run):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pyoptim.train.Trainer.fit", interrupt)
    result = run("train", flights, "--target", "delay", "--out", "x", status=1)
    assert result.stderr.strip() == "Aborted!"
    assert not (tmp_path / "x").exists()


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_a_resumable_run(flights, tmp_path, monkeypatch, run, refused):
    base = ("train", flights, "--target", "delay >= 5", *FAST, "--early-stop", 9)
    run(*base, "--out", "whole")
    with monkeypatch.context() as patch:
        interrupted_at(patch, 31)
        stopped = run(*base, "--out", "parts", status=130)
    assert "interrupted after 31 steps" in stopped.stdout
    assert "--resume to continue" in stopped.stdout
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["checkpoints"]
    assert "contains checkpoints of an unfinished run" in refused(*base, "--out", "parts")
    assert "batch_size is 8, but the saved run used 16" in refused(
        *base, "--out", "parts", "--resume", "--batch-size", 8
    )
    run(*base, "--out", "parts", "--resume")
    names = {path.name for path in (tmp_path / "parts").iterdir()}
    assert names == {"model.safetensors", "metrics.csv", "loss.png"}
    model = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("whole", "parts")]
    assert model[0] == model[1]
    assert "contains no checkpoint" in refused(*base, "--out", "parts", "--resume")


def test_checkpoints_every_few_epochs(flights, tmp_path, monkeypatch, run):
    saved = []
    plain = po.train.Trainer.save

    def save(self, *arguments, **keywords):
        saved.append(self.epochs_done)
        return plain(self, *arguments, **keywords)

    monkeypatch.setattr("pyoptim.train.Trainer.save", save)
    run("train", flights, "--target", "delay", "--epochs", 5, "--checkpoint-every", 2)
    assert saved == [2, 4]
