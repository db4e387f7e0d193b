"""Weights of samples and classes, in models and the trainer; what losses make models predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from differences import central_difference

import pyoptim as po
from pyoptim.losses import Loss
from pyoptim.models import MLP, Linear
from pyoptim.train import Trainer

LOSSES = [getattr(po.losses, name) for name in po.losses.__all__ if name.islower()]
LOSSES = [loss for loss in LOSSES if isinstance(loss, Loss)]


def rows_for(loss: Loss, rows: int = 103) -> tuple[Any, Any, int]:
    """Rows with targets that depend on them, and how many outputs a model of them needs."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4))
    signal = x @ [1.0, -1.0, 0.5, 0.0]
    if loss.labels:
        return x, np.digitize(signal, [-1, 1]), 3
    if loss.link in ("sign", "logistic"):
        return x, signal > 0, 1
    if loss.link == "exponential":
        return x, rng.poisson(np.exp(signal / 2)), 1
    return x, signal + 0.1 * rng.normal(size=rows), 1


def still(model: MLP) -> po.Optimizer:
    return po.SGD(model.params, lr=0.0)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_gradient_of_a_network_is_that_of_the_weighted_loss(loss: Loss) -> None:
    x, y, outputs = rows_for(loss, 23)
    model = MLP([4, 5, outputs], activation="tanh", loss=loss, dtype="float64", seed=1)
    weights = np.random.default_rng(1).integers(0, 3, len(x))
    value = model.loss_and_grad(x, y, sample_weight=weights)
    assert value == model.evaluate(x, y, sample_weight=weights)["loss"]
    grad, flat = model.params.flat_grad.copy(), model.params.flat

    def objective() -> float:
        return model.evaluate(x, y, sample_weight=weights)["loss"]

    for i in range(0, flat.size, 3):
        assert grad[i] == pytest.approx(central_difference(objective, flat, i), abs=1e-7)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_every_loss_trains_and_predicts(loss: Loss, tmp_path: Path) -> None:
    x, y, outputs = rows_for(loss, 400)
    model = MLP([4, 8, outputs], loss=loss, seed=1)
    opt = po.Adam(model.params, lr=0.02)
    history = Trainer(model, None, opt, epochs=25, validation=0.2, progress=False).fit(x, y)
    assert history["loss"][-1] < history["loss"][0]
    predicted = model.predict(x)
    assert predicted.shape == (400,)
    if loss.link in ("softmax", "sign", "logistic"):
        assert predicted.dtype == np.int64
        assert (predicted == y).mean() > 0.85
        assert history["val_accuracy"][-1] > 0.85
    else:
        assert "val_accuracy" not in history
        assert np.corrcoef(predicted, y)[0, 1] > 0.4
    if loss.link == "exponential":
        assert (predicted > 0).all()
        np.testing.assert_allclose(predicted, np.exp(model.scores(x)[:, 0]))
    model.save(tmp_path / "model.safetensors")
    again = po.models.load(tmp_path / "model.safetensors")
    assert again.loss == loss
    assert np.array_equal(again.predict(x), predicted)


def test_a_loss_with_parameters_is_saved_with_the_model(tmp_path: Path) -> None:
    model = MLP([2, 1], loss=po.losses.Quantile(0.9))
    model.save(tmp_path / "model.safetensors")
    again = po.models.load(tmp_path / "model.safetensors")
    assert again.loss == po.losses.Quantile(0.9)
    assert repr(again) == (
        "MLP([2, 1], activation='relu', loss=Quantile(quantile=0.9), dtype='float32')"
    )


def test_probabilities() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    model = MLP([3, 1], loss="logistic", dtype="float64")
    z = 40 * model.scores(x)
    model.params.flat[...] *= 40
    chances = model.predict_proba(x)
    assert chances.shape == (50, 2)
    np.testing.assert_allclose(chances, np.hstack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))]))
    assert np.array_equal(model.predict(x), chances.argmax(axis=1))
    several = MLP([3, 2], loss="focal", dtype="float64")
    z = several.scores(x)
    np.testing.assert_allclose(several.predict_proba(x), 1 / (1 + np.exp(-z)))
    assert np.array_equal(several.predict(x), z > 0)
    for name in ("hinge", "squared", "poisson"):
        with pytest.raises(AttributeError, match=f"'{name}' has no probabilities"):
            MLP([3, 1], loss=name).predict_proba(x)


def test_soft_targets_train_and_have_no_accuracy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), rng.dirichlet(np.ones(4), 60)
    model = MLP([3, 4])
    found = model.evaluate(x, y)
    assert found.keys() == {"loss"}
    Trainer(model, None, po.Adam(model.params), epochs=3, progress=False).fit(x, y)
    assert model.evaluate(x, y)["loss"] < found["loss"]
    assert MLP([3, 1], loss="logistic").evaluate(x, y[:, 0]).keys() == {"loss"}


@pytest.mark.parametrize("weights", [None, "some"])
def test_the_loss_of_an_epoch_is_the_mean_over_its_rows(weights: Any) -> None:
    x, y, _ = rows_for(po.losses.squared)  # 103 rows: the last batch is smaller
    if weights:
        weights = np.random.default_rng(0).integers(0, 4, len(x))
        weights[:20] = 0
    model = MLP([4, 3, 1], loss="squared", dtype="float64")
    trainer = Trainer(model, None, still(model), epochs=1, batch_size=10, progress=False)
    history = trainer.fit(x, y, sample_weight=weights)
    expected = model.evaluate(x, y, sample_weight=weights)["loss"]
    assert history["loss"][0] == pytest.approx(expected, rel=1e-12)


def test_whole_weights_are_repeated_rows() -> None:
    x, y, _ = rows_for(po.losses.squared)
    weights = np.random.default_rng(0).integers(0, 4, len(x))
    left = []
    for rows in (np.arange(len(x)), np.repeat(np.arange(len(x)), weights)):
        model = Linear(4, dtype="float64")
        opt = po.SGD(model.params, lr=0.1)
        trainer = Trainer(
            model, None, opt, epochs=30, batch_size=10**6, shuffle=False, progress=False
        )
        given = {"sample_weight": weights} if len(rows) == len(x) else {}
        trainer.fit(x[rows], y[rows], **given)
        left.append(model.params.flat.copy())
    np.testing.assert_allclose(*left, rtol=1e-12)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 1.0, 1: 7.5}])
def test_class_weights_are_weights_of_rows(class_weight: Any) -> None:
    x, y, _ = rows_for(po.losses.logistic)
    y[:50] = False
    own = np.random.default_rng(0).uniform(size=len(x))
    left = []
    for keywords in (
        {"class_weight": class_weight, "sample_weight": own},
        {"sample_weight": po.losses.compute_sample_weight(class_weight, y, own)},
    ):
        model = MLP([4, 1], loss="logistic", dtype="float64")
        opt = po.Adam(model.params, lr=0.01)
        trainer = Trainer(model, None, opt, epochs=3, validation=0.2, progress=False)
        history = trainer.fit(x, y, **keywords)
        left.append((model.params.flat.tolist(), history["loss"], history["val_loss"]))
    assert left[0] == left[1]


def test_rows_held_out_have_weights_too() -> None:
    x, y, _ = rows_for(po.losses.squared)
    weights = np.random.default_rng(0).uniform(size=len(x))
    model = MLP([4, 1], loss="squared", dtype="float64")
    trainer = Trainer(
        model, None, still(model), epochs=1, validation=(x, y, weights), progress=False
    )
    expected = model.evaluate(x, y, sample_weight=weights)
    assert trainer.fit(x, y)["val_loss"] == [expected["loss"]]
    assert expected["loss"] != model.evaluate(x, y)["loss"]
    labels = y > 0
    classes = MLP([4, 1], loss="logistic", dtype="float64")
    right = classes.predict(x) == labels
    found = classes.evaluate(x, labels, sample_weight=weights)
    assert found["accuracy"] == pytest.approx((right * weights).sum() / weights.sum())


def test_errors_name_what_is_wrong() -> None:
    x, y, _ = rows_for(po.losses.squared, 4)
    trainer = Trainer(Linear(4), progress=False)
    with pytest.raises(ValueError, match=r"sample_weight: expected shape \(4,\), got \(3,\)"):
        trainer.fit(x, y, sample_weight=[1, 2, 3])
    with pytest.raises(ValueError, match="sample_weight: expected at least one weight above 0"):
        trainer.fit(x, y, sample_weight=np.zeros(4))
    with pytest.raises(ValueError, match=r"sample_weight: expected finite .* got -1 at row \d"):
        trainer.fit(x, y, sample_weight=[1, -1, 1, 1])
    with pytest.raises(TypeError, match="sample_weight: expected numbers, got dtype <U1"):
        trainer.fit(x, y, sample_weight=list("abcd"))
    with pytest.raises(ValueError, match="class_weight must be a mapping or 'balanced'"):
        trainer.fit(x, y, class_weight="even")
    with pytest.raises(ValueError, match=r"class_weight: expected numbers as keys, .*got '1'"):
        trainer.fit(x, y, class_weight={"1": 5.0})
    assert po.losses.compute_sample_weight({"a": 5}, ["a", "b"]).tolist() == [5, 1]
    for weights in ([1.0, 2.0], [[1.0, 2.0, 3.0]]):
        with pytest.raises(ValueError, match=r"sample_weight: expected shape \(3,\), got \("):
            po.losses.compute_sample_weight("balanced", [0, 1, 1], weights)


def test_classes_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(0).integers(0, 5, size=100)
    whole = po.losses.compute_class_weight("balanced", labels)
    assert whole == {k: 100 / (5 * int((labels == k).sum())) for k in range(5)}
    monkeypatch.setattr("pyoptim.losses._class_weight._PART", 7)
    assert po.losses.compute_class_weight("balanced", labels) == whole
