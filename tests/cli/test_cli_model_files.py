"""Model files whose parts are undamaged but do not match."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

click_testing = pytest.importorskip("click.testing")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

import pyoptim as po  # noqa: E402
from pyoptim.cli._commands import pyoptim  # noqa: E402
from pyoptim.tabular import Columns, target_from_json  # noqa: E402

COLUMN = {"name": "a", "kind": "number", "mean": 0.0, "scale": 1.0}
SUBJECT = {"column": "y", "sign": "", "number": 0.0}
AMOUNT = {"task": "regression", **SUBJECT, "mean": 0.0, "scale": 1.0}
LABELS = {"task": "classification", **SUBJECT, "values": ["no", "yes"]}


@pytest.mark.parametrize(
    ("mean", "scale"), [(0.0, 0.0), (0.0, -1.0), (0.0, math.nan), (0.0, math.inf), (math.nan, 1.0)]
)
def test_mean_and_scale_must_standardise(mean: float, scale: float) -> None:
    with pytest.raises(ValueError, match="expected a finite mean and a finite scale above 0, got"):
        Columns.from_json([{**COLUMN, "mean": mean, "scale": scale}])
    with pytest.raises(ValueError, match="expected a finite mean and a finite scale above 0, got"):
        target_from_json({**AMOUNT, "mean": mean, "scale": scale})


def predict(model: Any, target: object, folder: Path, columns: object = (COLUMN,)) -> Any:
    """Run predict with a model that has this target and these columns."""
    texts = [part if isinstance(part, str) else json.dumps(part) for part in (columns, target)]
    metadata = dict(zip(("pyoptim.columns", "pyoptim.target"), texts, strict=True))
    model.save(folder / "model.safetensors", metadata)
    data = folder / "data.csv"
    data.write_text("a\n1\n2\n")
    return click_testing.CliRunner().invoke(pyoptim, ["predict", str(folder), str(data)])


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (po.models.MLP([1, 3, 2], loss="squared"), LABELS),
        (po.models.Linear(1, 2), LABELS),
        (po.models.MLP([1, 3, 1], loss="softmax"), AMOUNT),
        (po.models.FactorizationMachine(1), AMOUNT),
        (po.models.MatrixFactorization(1, 1), AMOUNT),
        (po.models.EmbeddingMLP({"a": 1}), AMOUNT),
    ],
    ids=["amounts", "linear", "classes", "factorization machine", "factorization", "embedding"],
)
def test_a_model_of_another_kind_is_one_line(
    model: Any, target: dict[str, Any], tmp_path: Path
) -> None:
    result = predict(model, target, tmp_path)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    assert "the column metadata do not match the " in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (po.models.MLP([1, 3, 2]), LABELS),
        (po.models.Softmax(1, 2), LABELS),
        (po.models.MLP([1, 3, 1], loss="squared"), AMOUNT),
        (po.models.Linear(1, 1), AMOUNT),
    ],
    ids=["classes", "softmax", "amounts", "linear"],
)
def test_matching_models_are_read(model: Any, target: dict[str, Any], tmp_path: Path) -> None:
    assert predict(model, target, tmp_path).exit_code == 0


CATEGORY = {"name": "a", "kind": "text", "values": ["1", "2"]}
TWO_COLUMNS = [COLUMN, {**COLUMN, "name": "b"}]


@pytest.mark.parametrize(
    ("columns", "target", "fault"),
    [
        ([COLUMN, COLUMN], LABELS, "columns: expected distinct texts, got 'a' twice"),
        (
            [{**CATEGORY, "values": ["1", "1"]}],
            LABELS,
            "values: expected distinct texts, got '1' twice",
        ),
        (
            TWO_COLUMNS,
            {**LABELS, "values": ["no", "no"]},
            "values: expected distinct texts, got 'no' twice",
        ),
        (
            TWO_COLUMNS,
            {**LABELS, "column": "b"},
            "columns and target: expected distinct texts, got 'b' twice",
        ),
        (TWO_COLUMNS, json.dumps(LABELS)[:-1] + ', "task": "x"}', "duplicate key 'task'"),
        (TWO_COLUMNS, {**LABELS, "values": "no"}, "values: expected a list of texts"),
        (TWO_COLUMNS, {**LABELS, "values": [0, 1]}, "values: expected a list of texts"),
        (TWO_COLUMNS, {**LABELS, "values": ["no"]}, "values: expected at least 2, got 1"),
        (TWO_COLUMNS, {**LABELS, "task": "guess"}, "task: expected "),
        (TWO_COLUMNS, {**LABELS, "column": 7}, "column: expected text, got 7"),
        (TWO_COLUMNS, {**LABELS, "sign": ">", "number": math.nan}, "number: expected a number"),
        ([COLUMN, {**COLUMN, "name": None}], LABELS, "name: expected text, got None"),
        (
            [COLUMN, {**COLUMN, "name": "b", "kind": "other"}],
            LABELS,
            "kind: expected one of number, ",
        ),
    ],
    ids=str,
)
def test_columns_and_labels_are_distinct_texts(
    columns: object, target: object, fault: str, tmp_path: Path
) -> None:
    result = predict(po.models.MLP([2, 3, 2]), target, tmp_path, columns)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    assert f"{tmp_path / 'model.safetensors'}: invalid column metadata (" in result.output
    assert fault in result.output
    assert result.output.count("\n") == 1


def test_a_model_file_has_each_key_of_its_configuration_once(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = po.models.EmbeddingMLP({"a": 3}, hidden=[2])
    config = json.dumps({"kind": model.kind, **model.config()}).replace(
        '"a": [', '"a": [9, 3], "a": ['
    )
    tensors = {**model.params, **model.buffers}
    po.checkpoint.save_safetensors(path, tensors, {"pyoptim.model": config})
    with pytest.raises(po.CheckpointError, match="duplicate key 'a'"):
        po.models.load(path)
