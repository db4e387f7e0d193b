"""Metrics of validation sets, for all losses and shapes of targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim import _core, losses
from pyoptim.train import EarlyStopping, Trainer
from pyoptim.train.callbacks._monitor import improves

LOSSES = [losses.get(entry["name"]) for entry in _core.losses()]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def models(loss: losses.Loss) -> dict[str, tuple[Any, Any]]:
    """Return models with a loss, each with 12 rows of inputs."""
    codes = rng().integers(0, 3, (12, 2))
    x = rng().normal(size=(12, 2))
    embedded = {"a": codes[:, 0], "x": x[:, 0]}
    outputs = 3 if loss.labels else 1
    result: dict[str, tuple[Any, Any]] = {
        "mlp": (po.models.MLP([2, 4, outputs], loss=loss), x),
        "embedding": (po.models.EmbeddingMLP({"a": 3}, [4], outputs, numeric=["x"], loss=loss),
                      embedded),
    }  # fmt: skip
    if loss.labels:
        return result
    return result | {
        "several": (po.models.MLP([2, 4, 3], loss=loss), x),
        "factorization": (po.models.FactorizationMachine([3, 3], loss=loss), codes),
        "matrix": (po.models.MatrixFactorization(3, 3, loss=loss), codes),
    }


def targets(loss: losses.Loss, name: str) -> list[Any]:
    """Return targets in every shape that a model accepts."""
    if loss.labels:
        labels = np.arange(12) % 3
        return [labels, np.eye(3)[labels]]
    y = (np.arange(12) % 2).astype(float)
    return [np.stack([y, 1 - y, y], axis=1)] if name == "several" else [y, y.reshape(-1, 1)]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_metric_gets_targets_and_predictions_of_the_same_shape(loss: losses.Loss) -> None:
    for name, (model, x) in models(loss).items():
        for y in targets(loss, name):
            seen: list[Any] = []

            def difference(y: Any, predicted: Any, seen: list[Any] = seen) -> float:
                seen.append((y.copy(), predicted))
                return float(np.abs(y - predicted).mean())

            Trainer(model, epochs=1, validation=(x, y), metrics=[difference],
                    progress=False).fit(x, y)  # fmt: skip
            ((true, predicted),) = seen
            assert true.shape == predicted.shape == (12, 3)[: predicted.ndim]
            flat = y.argmax(axis=1) if loss.labels and y.ndim == 2 else y
            assert (true == flat.reshape(true.shape)).all()


def test_the_mean_squared_error_is_the_loss_for_every_shape_of_y() -> None:
    x = rng().normal(size=(50, 2))
    y = x @ [[1.0], [2.0]]

    def mse(y: Any, predicted: Any) -> float:
        return float(((y - predicted) ** 2).mean())

    for shaped in (y, y[:, 0]):
        history = Trainer(po.models.Linear(2), epochs=2, validation=0.4, metrics=[mse],
                          progress=False).fit(x, shaped)  # fmt: skip
        assert history["val_mse"] == pytest.approx(history["val_loss"], rel=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_accuracy_of_several_logistic_outputs_matches_scikit_learn(weighted: bool) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    x = rng().normal(size=(60, 3))
    y = (x @ rng().normal(size=(3, 4)) > 0).astype(int)
    weights = rng().integers(0, 3, 60).astype(float) if weighted else None
    held_out = (x, y) if weights is None else (x, y, weights)
    model = po.models.MLP([3, 4], loss="logistic")
    for metrics in ([], ["accuracy"]):
        history = Trainer(model, epochs=1, validation=held_out, metrics=metrics,
                          progress=False).fit(x, y)  # fmt: skip
        expected = sklearn.accuracy_score(y, model.predict(x), sample_weight=weights)
        assert history["val_accuracy"] == [pytest.approx(expected)]


SCORED = {
    "several labels": (lambda: po.models.MLP([3, 2], loss="logistic"), 2),
    "one label": (lambda: po.models.MLP([3, 1], loss="logistic"), 1),
    "classes": (lambda: po.models.Softmax(3, 4), 4),
    "values": (lambda: po.models.MLP([3, 2], loss="poisson"), 2),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.filterwarnings("ignore:.*(sum to one|pos_label|probabilities)")
@pytest.mark.parametrize("case", SCORED)
def test_each_scorer_works_or_is_rejected_by_name_before_training(case: str) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    make, outputs = SCORED[case]
    x = rng().normal(size=(24, 3))
    y: Any = np.arange(24) % 4
    if case != "classes":
        y = (y[:, None] + np.arange(outputs)) % 2
    works = 0
    errors = {}
    for name in metrics.get_scorer_names():
        model: Any = make()
        try:
            trainer = Trainer(model, epochs=1, validation=(x, y), metrics=[name], progress=False)
        except ValueError as error:
            errors[name] = str(error)
            continue
        history = trainer.fit(x, y)
        assert isinstance(history[f"val_{name}"][0], float)
        works += 1
    for name, message in errors.items():
        assert f"scikit-learn's scorer {name!r} cannot score" in message
    assert works >= 5


def test_roc_auc_of_several_labels_matches_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    x = rng().normal(size=(24, 3))
    y = (np.arange(24)[:, None] + np.arange(2)) % 2
    model = po.models.MLP([3, 2], loss="logistic")
    trainer = Trainer(model, epochs=1, validation=(x, y), metrics=["roc_auc"], progress=False)
    expected = metrics.roc_auc_score
    assert trainer.fit(x, y)["val_roc_auc"] == [pytest.approx(expected(y, model.predict_proba(x)))]


def test_predictions_of_another_shape_are_rejected() -> None:
    model = po.models.MLP([2, 3], loss="squared")
    with pytest.raises(ValueError, match=r"y: expected shape \(4, 3\), .* got \(4, 1\)"):
        model.loss.like_predictions(np.zeros((4, 1)), np.zeros((4, 3)))


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("best", "change"), [(1.0, 0.1), (0.3, 0.1), (5.0, 0.5), (1e9, 0.1)])
def test_a_change_of_exactly_min_delta_is_an_improvement(
    mode: Any, best: float, change: float
) -> None:
    sign = -1 if mode == "min" else 1
    assert improves(round(best + sign * change, 3), best, mode, change)
    assert not improves(round(best + sign * change, 3), best, mode, 1.01 * change)
    assert not improves(best, best, mode, 0.0)
    assert not improves(round(best - sign * change, 3), best, mode, change)


def test_early_stopping_counts_a_change_of_exactly_min_delta() -> None:
    stopping = EarlyStopping("score", patience=1, min_delta=0.1, mode="min")
    trainer = Trainer(po.models.Linear(1), progress=False)
    stopping.on_fit_begin(trainer)
    for value in (0.5, 0.4, 0.3, 0.2, 0.1):
        trainer.history.rows.append({"score": value})
        stopping.on_epoch_end(trainer)
        assert (stopping.best, trainer.stop_reason) == (value, None)


@pytest.mark.parametrize("value", ["x", 1j, None, [1.0]])
def test_a_metric_must_return_a_number(value: object) -> None:
    def distance(y: object, predicted: object) -> object:
        return value

    x = np.ones((8, 1))
    trainer = po.train.Trainer(
        po.models.Linear(1), epochs=1, validation=0.5, metrics=[distance], progress=False
    )
    with pytest.raises(TypeError, match="metrics: the value of distance must be a number, got"):
        trainer.fit(x, x)
