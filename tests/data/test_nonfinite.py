"""Nonfinite data, data out of range, and training that diverges."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim._utils import finite
from pyoptim._utils.finite import find_nonfinite, is_finite
from pyoptim.data import _prepare as inputs
from pyoptim.train import EarlyStopping, LRSchedule, StopReason, Trainer

ROWS = 60
VALUES = [np.nan, np.inf, -np.inf]


def data(dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(dtype)
    return x, (x @ np.arange(4)).astype(dtype)


def fitted(
    x: Any,
    y: Any = None,
    *,
    model: Any = None,
    weights: Any = None,
    class_weight: Any = None,
    **keywords: Any,
) -> Any:
    model = po.models.Linear(4) if model is None else model
    before = {name: array.copy() for name, array in model.params.items()}
    trainer = Trainer(model, batch_size=8, progress=False, **keywords)
    try:
        trainer.fit(x, y, sample_weight=weights, class_weight=class_weight)
    except ValueError:
        if trainer.step == 0:
            for name, array in model.params.items():
                assert (array == before[name]).all()
        raise
    return trainer


@pytest.mark.parametrize("block", [1, 7, 2**16])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "int32", "?", "O"])
def test_first_nonfinite_number_is_found(
    dtype: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    monkeypatch.setattr(finite, "_BLOCK", block)
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    x = np.ones((9, 3)).astype(kind)
    assert is_finite(x)
    assert find_nonfinite(x) is None
    if dtype in ("int32", "?", "O"):
        return
    x[4, 2], x[7, 0] = np.inf, np.nan
    assert not is_finite(x)
    assert not is_finite(x.T[::2])
    assert find_nonfinite(x) == (4, 2, np.inf)
    weights = np.ones(9)
    weights[4] = 0
    row, column, value = find_nonfinite(x, weights) or (0, 0, 0)
    assert (row, column, np.isnan(value)) == (7, 0, True)
    assert find_nonfinite(x[:, 0], weights) is not None
    weights[7] = 0
    assert find_nonfinite(x, weights) is None


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("shuffle", [True, False, "blocks"])
@pytest.mark.parametrize("validation", [None, 0.3])
def test_nonfinite_inputs_are_rejected_with_row_and_column(
    value: float, shuffle: Any, validation: Any
) -> None:
    x, y = data()
    x[37, 2] = value
    with pytest.raises(ValueError, match=rf"^x: .* got {value:g} at row 37, column 2; .*allow"):
        fitted(x, y, shuffle=shuffle, validation=validation)
    x[37, 2], y[41] = 0, value
    with pytest.raises(ValueError, match=rf"^y: .* got {value:g} at row 41; "):
        fitted(x, y, shuffle=shuffle, validation=validation)
    with pytest.raises(ValueError, match=rf"^y: .* got {value:g} at row 41, column 0; "):
        fitted(x, y.reshape(-1, 1), shuffle=shuffle, validation=validation)


def test_values_beyond_the_models_dtype_are_rejected_without_a_warning() -> None:
    x, y = data("float64")
    x[5, 1] = 1e300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="x: expected finite numbers in float32, got inf at r"):
            fitted(x, y)
    fitted(x, y, model=po.models.Linear(4, dtype="float64"), epochs=1, stop_on_nan=False)


@pytest.mark.parametrize("value", VALUES)
def test_sparse_rows_chunks_and_files(value: float, tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x, y = data()
    x[37, 2] = value
    place = rf"got {value:g} at row 37, column 2"
    for matrix in (sparse.csr_array(x), sparse.csc_matrix(x)):
        with pytest.raises(ValueError, match=place):
            fitted(matrix, y)
    chunks = [(x[:30], y[:30]), (x[30:], y[30:])]
    for given in (chunks, lambda: iter(chunks)):
        with pytest.raises(ValueError, match=rf"chunk 1: x: .* got {value:g} at row 7, column 2"):
            fitted(given)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for shuffle in (True, False, "blocks"):
        for validation in (None, 0.3):
            with pytest.raises(ValueError, match=place):
                fitted(mapped, y, shuffle=shuffle, validation=validation)
    with pytest.raises(ValueError, match=rf"validation: x: .* {place}"):
        fitted(np.zeros((8, 4)), np.zeros(8), validation=(mapped, y))


def test_targets_and_weights_of_a_file_are_checked_before_the_first_step(tmp_path: Path) -> None:
    x, y = data()
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for row, value in ((59, np.nan), (12, np.inf)):
        wrong = y.copy()
        wrong[row] = value
        with pytest.raises(ValueError, match=f"y: .* at row {row}"):
            fitted(mapped, wrong)
        weights = np.ones(ROWS)
        weights[row] = value
        with pytest.raises(ValueError, match=f"sample_weight: .* at row {row}"):
            fitted(mapped, y, weights=weights)


def test_large_arrays_are_checked_as_files_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_MAX_CONVERTED_BYTES", 0)
    monkeypatch.setattr(inputs, "_CHECKED_TARGETS", 7)
    x, y = data("float64")
    x[37, 2] = np.nan
    with pytest.raises(ValueError, match=r"x: .* got nan at row 37, column 2"):
        fitted(x, y)
    model = po.models.Softmax(4, 3)
    labels = np.arange(ROWS) % 3
    labels[50] = 3
    with pytest.raises(ValueError, match="labels from 0 to 2, got 3 at row 50"):
        fitted(x, labels, model=model)


def test_validation_sets_and_weights() -> None:
    x, y = data()
    wrong = x.copy()
    wrong[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"^validation: x: .* at row 3, column 1"):
        fitted(x, y, validation=(wrong, y))
    with pytest.raises(ValueError, match=r"^validation\['late'\]: x: .* at row 3, column 1"):
        fitted(x, y, validation={"early": (x, y), "late": (wrong, y)})
    for value in (np.nan, np.inf, -1.0):
        weights = np.ones(ROWS)
        weights[44] = value
        with pytest.raises(ValueError, match=f"^sample_weight: .* got {value:g} at row 44"):
            fitted(x, y, weights=weights)
        with pytest.raises(ValueError, match=f"^validation: sample_weight: .* {value:g} at row 44"):
            fitted(x, y, validation=(x, y, weights))


@pytest.mark.parametrize("shuffle", [True, False])
def test_labels_are_found_before_the_first_step(shuffle: bool) -> None:
    x, _ = data()
    for model, wrong in ((po.models.Softmax(4, 3), 3), (po.models.MLP([4, 1], loss="logistic"), 2),
                         (po.models.MLP([4, 1], loss="poisson"), -1)):  # fmt: skip
        y = np.zeros(ROWS, np.int64)
        y[53] = wrong
        for validation in (None, 0.5, (x, y)):
            with pytest.raises(ValueError, match=f"got {wrong} at row 53"):
                fitted(x, y, model=model, shuffle=shuffle, validation=validation)
        with pytest.raises(ValueError, match=f"chunk 2: targets.* got {wrong} at row 3"):
            fitted([(x[i : i + 25], y[i : i + 25]) for i in range(0, ROWS, 25)], model=model)
    with pytest.raises(ValueError, match=r"targets: expected 2 values a row, got shape \(60,\)"):
        fitted(x, y, model=po.models.Linear(4, 2))


@pytest.mark.parametrize("shuffle", [True, False])
def test_codes_are_found_before_the_first_step(shuffle: bool, tmp_path: Path) -> None:
    codes = np.zeros((ROWS, 2), np.int64)
    codes[29, 1] = 5
    y = np.zeros(ROWS)
    bags = [[0]] * ROWS
    embedding = po.models.EmbeddingMLP({"a": 4, "b": 3}, [4], bags={"c": 2}, numeric=["d", "e"])
    for model, given, what in (
        (po.models.MatrixFactorization(4, 4), codes, "items from 0 to 3"),
        (po.models.FactorizationMachine([4, 3]), codes, "codes of field 1 from 0 to 2"),
        (embedding, {"a": codes[:, 0], "b": codes[:, 1], "c": bags, "d": y, "e": y}, "b from 0 t"),
        (embedding, {"a": codes[:, 0], "b": codes[:, 0], "c": [[0]] * 29 + [[1, 5]] + [[0]] * 30,
                     "d": y, "e": y}, "c from 0 to 1"),
    ):  # fmt: skip
        for validation in (None, 0.5, (given, y)):
            with pytest.raises(ValueError, match=f"{what}.*, got 5 at row 29"):
                fitted(given, y, model=model, shuffle=shuffle, validation=validation)
    np.save(tmp_path / "codes.npy", codes)
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    with pytest.raises(ValueError, match="items from 0 to 3, got 5 at row 29"):
        fitted(mapped, y, model=po.models.MatrixFactorization(4, 4), shuffle=shuffle)


def test_columns_are_named_by_the_users_names() -> None:
    model = po.models.EmbeddingMLP({"a": 4}, [4], numeric={"pair": 2, "one": 1})
    x = {"a": np.zeros(9, int), "pair": np.zeros((9, 2)), "one": np.zeros(9)}
    for name, place in (("pair", (4, 1)), ("one", 4)):
        wrong = {**x, name: x[name].copy()}
        wrong[name][place] = np.nan
        at = "row 4, column 1" if name == "pair" else "row 4;"
        with pytest.raises(ValueError, match=f"^{name}: expected finite .* got nan at {at}"):
            fitted(wrong, np.zeros(9), model=model)


class Own:
    """A model of the protocol that accepts NaN."""

    def __init__(self) -> None:
        self.params = po.Parameters({"mean": (1,)})
        self.seen = 0

    def loss_and_grad(self, x: Any, y: Any) -> float:
        self.seen += int(np.isnan(x).sum())
        self.params.grads["mean"][...] = 0
        return 1.0


def test_models_of_the_protocol() -> None:
    x, y = data()
    x[5, 3] = np.nan
    with pytest.raises(ValueError, match=r"x: .* got nan at row 5, column 3"):
        Trainer(Own(), progress=False).fit(x, y)
    model = Own()
    Trainer(model, progress=False, epochs=3, allow_nonfinite=True).fit(x, y)
    assert model.seen == 3


@pytest.mark.parametrize("which", ["x", "y"])
def test_allowed_data_stop_training_at_the_loss(which: str) -> None:
    x, y = data()
    (x if which == "x" else y)[5] = np.nan
    trainer = fitted(x, y, allow_nonfinite=True, shuffle=False)
    assert (trainer.stop_reason, trainer.step) == (StopReason.NAN, 1)
    trainer = fitted(x, y, allow_nonfinite=True, shuffle=False, stop_on_nan=False, epochs=3)
    assert (trainer.stop_reason, len(trainer.history)) == (StopReason.FINISHED, 3)


def with_missing(values: list[Any], kind: str) -> Any:
    """Return numbers with a missing fourth number, as a pandas series or an object array."""
    if kind == "object":
        return np.array([*values[:3], None, *values[4:]], object)
    pandas = pytest.importorskip("pandas")
    array = pandas.array([*values[:3], None, *values[4:]], dtype=kind)
    return pandas.Series(array, index=range(10, 10 + len(values)))


MISSING = pytest.mark.parametrize("kind", ["object", "Int64", "Float64", "UInt8", "boolean"])


@MISSING
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_missing_targets_are_rejected_with_row(kind: str, class_weight: Any) -> None:
    x, _ = data()
    y = with_missing([0, 1] * (ROWS // 2), kind)
    messages = {"squared": r"y: expected finite numbers.* got nan at row 3; correct or drop"}
    messages["logistic"] = r"targets of the loss logistic must be in \[0, 1\], got nan at row 3"
    for loss, message in messages.items():
        with pytest.raises(ValueError, match=f"^{message}"):
            fitted(x, y, model=po.models.MLP([4, 1], loss=loss), class_weight=class_weight)
    message = r"^targets: expected whole-number class labels, got a missing value at row 3; drop"
    with pytest.raises(ValueError, match=message):
        fitted(x, y, model=po.models.Softmax(4, 2))


@MISSING
def test_missing_inputs_weights_and_codes_are_rejected_with_row_and_column(kind: str) -> None:
    x, y = data()
    column = with_missing([0, 1] * (ROWS // 2), kind)
    table = np.stack([*x.astype(object).T[:3], np.asarray(column, object)], axis=1)
    with pytest.raises(ValueError, match=r"^x: expected finite .* got nan at row 3, column 3;"):
        fitted(table, y)
    with pytest.raises(ValueError, match=r"^sample_weight: .* got nan at row 3"):
        fitted(x, y, weights=column)
    codes = np.stack([np.zeros(ROWS, object), np.asarray(column, object)], axis=1)
    with pytest.raises(ValueError, match=r"^x: expected integers, .* missing .* row 3, column 1;"):
        fitted(codes, y, model=po.models.MatrixFactorization(2, 2))
    model = po.models.EmbeddingMLP({"a": 2}, [4], 1, numeric=["b"], loss="squared")
    with pytest.raises(ValueError, match=r"^a: expected integers, got a missing value at row 3;"):
        fitted({"a": column, "b": x[:, 0]}, y, model=model)
    with pytest.raises(ValueError, match=r"^b: expected finite numbers.* got nan at row 3"):
        fitted({"a": np.zeros(ROWS, int), "b": column}, y, model=model)
    weights = np.ones(ROWS)
    weights[3] = 0
    assert fitted(table, y, weights=weights, epochs=1).step > 0


@pytest.mark.parametrize("value", [2**63, 2**64 - 1])
def test_labels_and_codes_above_int64_are_not_shown_as_negative(value: int) -> None:
    x, y = data()
    large = np.zeros(ROWS, np.uint64)
    large[3] = value
    shown = r"9223372036854775807 or more at row 3"
    with pytest.raises(ValueError, match=f"^targets: expected labels from 0 to 1, got {shown}"):
        fitted(x, large, model=po.models.Softmax(4, 2))
    with pytest.raises(ValueError, match=f"from 0 to 1, got {shown}"):
        po.losses.softmax.value_and_grad(np.zeros((ROWS, 2)), large)
    pairs = np.stack([large, large], axis=1)
    of_pairs = po.models.MatrixFactorization(2, 2)
    with pytest.raises(ValueError, match=f"from 0 to 1, got {shown}"):
        fitted(pairs, y, model=of_pairs)
    with pytest.raises(ValueError, match=f"from 0 to 1, got {shown}"):
        of_pairs.scores(pairs)
    for given in (large, [[code] for code in large]):
        table: Any = {"a": (2, 2)}
        tables = {"fields": table} if given is large else {"fields": {}, "bags": table}
        model = po.models.EmbeddingMLP(**tables, hidden=[4], outputs=1, loss="squared")
        with pytest.raises(ValueError, match=r"from 0 to 1, got 9223372036854775807 or more"):
            fitted({"a": given}, y, model=model)


def diverging(**keywords: Any) -> Trainer:
    """Return a trainer whose loss grows in each epoch until it is not finite."""
    x, y = data()
    model = po.models.Linear(4)
    trainer = Trainer(model, optimizer=po.SGD(model.params, lr=40.0), epochs=50, batch_size=ROWS,
                      progress=False, **keywords)  # fmt: skip
    with np.errstate(all="ignore"):
        trainer.fit(x, y)
    return trainer


def test_training_that_diverges_stops_and_keeps_the_best_epoch() -> None:
    x, y = data()
    for validation in ((x, y), {"a": (x, y), "b": (x, y)}, 0.3):
        trainer = diverging(validation=validation)
        assert trainer.stop_reason is StopReason.NAN
        assert trainer.history.stop_reason is StopReason.NAN
        assert 1 < len(trainer.history) < 50
        assert trainer.history.best_epoch == 1
        assert np.isfinite(trainer.model.params.flat).all()
    assert diverging().history.best_epoch is None


def test_best_epoch_is_restored_unless_restore_best_is_false() -> None:
    x, y = data()
    best = fitted(x, y, epochs=1, validation=(x, y), optimizer=None)
    found = []
    stopping = EarlyStopping(patience=99), EarlyStopping(patience=99, restore_best=False)
    choices: list[Any] = [{}, {"restore_best": True}, {"restore_best": False},
                          *({"callbacks": [each]} for each in stopping)]  # fmt: skip
    for keywords in choices:
        model = po.models.Linear(4)
        rate = LRSchedule(lambda epoch: 1e-3 if epoch == 0 else 1e4)
        callbacks = [rate, *keywords.pop("callbacks", [])]
        trainer = Trainer(model, epochs=4, batch_size=8, validation=(x, y), callbacks=callbacks,
                          progress=False, **keywords)  # fmt: skip
        found.append(trainer.fit(x, y).best_epoch)
        assert (model.params.flat == best.model.params.flat).all() == (found[-1] == 1)
    assert found == [1, 1, None, 1, None]
    with pytest.raises(ValueError, match="restore_best: expected False or None without"):
        Trainer(po.models.Linear(1), restore_best=True)


def test_nonfinite_parameters_after_the_last_step_stop_training() -> None:
    x, y = data()
    model = po.models.Linear(4)

    class Spoil(po.train.Callback):
        def on_step_end(self, trainer: Trainer) -> None:
            if trainer.step == 3:
                trainer.model.params["layers.0.weight"][0] = np.nan

    trainer = Trainer(model, epochs=3, batch_size=ROWS, validation=(x, y), callbacks=[Spoil()],
                      progress=False)  # fmt: skip
    assert trainer.fit(x, y).stop_reason is StopReason.NAN
    assert trainer.history.best_epoch == 2
    assert np.isfinite(model.params.flat).all()


def test_steps_that_the_optimizer_skips_do_not_stop() -> None:
    x, y = data()
    x[5] = np.nan
    model = po.models.Linear(4)
    trainer = Trainer(
        model,
        optimizer=po.Adam(model.params, skip_nonfinite=True),
        epochs=3,
        batch_size=8,
        shuffle=False,
        progress=False,
        allow_nonfinite=True,
    )
    history = trainer.fit(x, y)
    assert history.stop_reason is StopReason.FINISHED
    assert np.isfinite(history["loss"]).all()
    x[...] = np.nan
    model = po.models.Linear(4)
    trainer = Trainer(model, optimizer=po.Adam(model.params, skip_nonfinite=True), epochs=3,
                      progress=False, allow_nonfinite=True)  # fmt: skip
    assert trainer.fit(x, y).stop_reason is StopReason.NAN
    assert len(trainer.history) == 1


def test_predictions_reject_the_same_inputs_as_training() -> None:
    x, _ = data()
    models: list[Any] = [po.models.Softmax(4, 3), po.models.Linear(4),
                         po.models.FactorizationMachine(4, loss="logistic")]  # fmt: skip
    for model in models:
        wrong = x.copy()
        wrong[7, 2] = np.nan
        methods = [model.predict]
        if model.loss.link in ("softmax", "logistic"):
            methods.append(model.predict_proba)
        for method in methods:
            method(x)
            with pytest.raises(ValueError, match=r"x: .* got nan at row 7, column 2"):
                method(wrong)
        assert len(model.scores(wrong)) == ROWS
    for model in models[::2]:
        for name in model.params:
            model.params[name][...] = np.nan
        for method in (model.predict, model.predict_proba):
            with pytest.raises(ValueError, match=r"scores: .* got nan at row 0"):
                method(x)


def test_metrics_of_scores_that_are_not_finite_are_nan() -> None:
    x, y = data()
    labels = (y > 0).astype(int)
    model = po.models.Softmax(4, 2)
    called = []

    def own(y: Any, predicted: Any) -> float:
        called.append(1)
        return 1.0

    trainer = Trainer(model, epochs=1, validation=(x, labels), metrics=[own, "f1"],
                      stop_on_nan=False, progress=False)  # fmt: skip
    model.params["layers.0.bias"][...] = np.nan
    history = trainer.fit(x, labels)
    assert np.isnan([history["val_own"], history["val_f1"], history["val_loss"]]).all()
    assert history["val_accuracy"] == [0.0]
    assert called == []
