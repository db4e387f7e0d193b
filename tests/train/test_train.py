"""The training loop."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from training import Terminal

import pyoptim as po
from pyoptim.data import batches, split_rows
from pyoptim.models import MLP, Linear, Softmax
from pyoptim.parameters._types import Array
from pyoptim.train import EarlyStopping, History, Progress, StopReason, Trainer


def digits() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return x / 16, y


def test_an_mlp_learns_digits() -> None:
    x, y = digits()
    model = MLP([64, 64, 10])
    opt = po.AdamW(model.params, lr=po.schedules.cosine(3e-3, steps=20 * 45))
    history = Trainer(model, optimizer=opt, epochs=20, validation=0.2, progress=False).fit(x, y)
    assert history["val_accuracy"][-1] > 0.95
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    assert history.columns == ["epoch", "loss", "val_loss", "val_accuracy", "lr", "seconds"]
    assert history["epoch"] == list(range(1, 21))
    assert history["lr"][-1] < 1e-4 < history["lr"][0]
    assert history.stop_reason is StopReason.FINISHED


def test_full_batches_reach_the_minimum_of_scikit_learn() -> None:
    x, y = load_iris(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    strength = 0.05
    reference = LogisticRegression(C=1 / (strength * len(x)), tol=1e-10, max_iter=1000).fit(x, y)
    model = Softmax(4, 3, dtype="float64")
    opt = po.SGD(model.params, lr=0.5, momentum=0.9)
    Trainer(
        model,
        None,
        opt,
        epochs=600,
        batch_size=150,
        shuffle=False,
        penalty=po.penalties.L2(strength),
        progress=False,
    ).fit(x, y)
    np.testing.assert_allclose(model.params["layers.0.weight"].T, reference.coef_, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(x), reference.predict_proba(x), atol=1e-5)


def test_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3))
    y = x @ [1.0, -2.0, 0.5] + 3 + 0.1 * rng.normal(size=100)
    model = Linear(3, dtype="float64")
    opt = po.SGD(model.params, lr=0.2)
    Trainer(
        model, None, opt, epochs=400, batch_size=100, penalty=po.penalties.L2(0.1), progress=False
    ).fit(x, y)
    reference = Ridge(alpha=0.1 * 100 / 2, tol=1e-12).fit(x, y)
    np.testing.assert_allclose(model.params["layers.0.weight"][:, 0], reference.coef_, atol=1e-8)
    assert model.params["layers.0.bias"][0] == pytest.approx(reference.intercept_, abs=1e-8)


def test_the_lasso_sets_weights_to_zero_but_not_the_bias() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5))
    y = 2 * x[:, 0] + 3
    model = Linear(5, dtype="float64")
    opt = po.SGD(model.params, lr=0.1)
    Trainer(
        model, None, opt, epochs=200, batch_size=200, penalty=po.penalties.L1(0.5), progress=False
    ).fit(x, y)
    weight = model.params["layers.0.weight"][:, 0]
    assert not weight[1:].any()
    assert weight[0] == pytest.approx(2 - 0.25, abs=0.1)
    assert model.params["layers.0.bias"][0] == pytest.approx(3, abs=0.1)


def test_runs_with_the_same_seed_are_bit_identical() -> None:
    x, y = digits()

    def run(seed: int) -> Array:
        model = MLP([64, 16, 10])
        Trainer(model, epochs=2, seed=seed, validation=0.1, progress=False).fit(x[:300], y[:300])
        return model.params.flat

    assert np.array_equal(run(1), run(1))
    assert not np.array_equal(run(1), run(2))


def test_each_epoch_has_every_row_once_in_a_different_order() -> None:
    orders = []
    for epoch in (1, 2):
        parts = list(batches(25, 10, shuffle=True, seed=3, epoch=epoch))
        assert [len(rows) for rows in parts] == [10, 10, 5]
        orders.append(np.concatenate(parts))
        assert sorted(orders[-1]) == list(range(25))
    assert orders[0].tolist() != orders[1].tolist()
    plain = batches(25, 10, shuffle=False, seed=3, epoch=1)
    assert np.concatenate([np.arange(25)[rows] for rows in plain]).tolist() == list(range(25))


def test_validation_rows_are_not_trained_on() -> None:
    train, held = split_rows(50, 0.2, seed=1)
    assert len(held) == 10
    assert sorted([*train, *held]) == list(range(50))
    assert held.tolist() != split_rows(50, 0.2, seed=2)[1].tolist()
    with pytest.raises(ValueError, match=r"got 50 and 0 with validation=0.001 of 50 rows"):
        split_rows(50, 0.001, seed=1)


class Scripted(MLP):
    """A model with scripted validation losses."""

    def __init__(self, losses: list[float]) -> None:
        super().__init__([1, 1], loss="squared")
        self.params.flat[...] = 0
        self.left = list(losses)

    def loss_and_grad(self, x: Any, y: Any, loss: Any = None) -> float:
        self.params.flat[...] += 1  # different weights in each epoch
        return 0.0

    def evaluate(self, x: Any, y: Any, loss: Any = None) -> dict[str, float]:
        return {"loss": self.left.pop(0)}


def run(losses: list[float], **stopping: Any) -> tuple[History, float]:
    model = Scripted(losses)
    x = np.zeros((2, 1))
    history = Trainer(
        model,
        optimizer=po.SGD(model.params, lr=0.0),
        epochs=len(losses),
        validation=(x, x),
        callbacks=[EarlyStopping(**stopping)],
        progress=False,
    ).fit(x, x)
    return history, float(model.params.flat[0])


def test_early_stopping_restores_the_best_epoch() -> None:
    history, weight = run([5, 4, 3, 3.5, 3.2, 9], patience=2)
    assert history.stop_reason is StopReason.EARLY_STOP
    assert (len(history), history.best_epoch, weight) == (5, 3, 3)
    assert "early_stop" in repr(history)


def test_the_best_epoch_is_restored_without_an_early_stop() -> None:
    history, weight = run([5, 1, 2], patience=9)
    assert history.stop_reason is StopReason.FINISHED
    assert (history.best_epoch, weight) == (2, 2)


def test_nan_is_never_an_improvement() -> None:
    history, weight = run([math.nan, 4, math.nan, 5, 6], patience=3)
    assert (len(history), history.best_epoch, weight) == (5, 2, 2)
    history, weight = run([math.nan] * 4, patience=2)
    assert (len(history), history.best_epoch, weight) == (2, None, 2)


def test_a_change_below_min_delta_is_not_an_improvement() -> None:
    history, _ = run([5, 4.9, 4.8, 4.7], patience=2, min_delta=0.5)
    assert (len(history), history.best_epoch) == (3, 1)


def test_the_error_for_an_unknown_metric_lists_the_columns() -> None:
    model = Linear(1)
    x = np.zeros((4, 1))
    trainer = Trainer(model, callbacks=[EarlyStopping("accuracy")], progress=False)
    with pytest.raises(ValueError, match="got 'accuracy'; choose one of epoch, loss, lr, seconds"):
        trainer.fit(x, x)
    trainer = Trainer(model, callbacks=[EarlyStopping("val_loss")], progress=False)
    with pytest.raises(ValueError, match="needs a validation set for 'val_loss'; pass validation="):
        trainer.fit(x, x)


def test_errors_name_the_argument_and_the_value() -> None:
    model = Linear(2)
    for keywords, message in [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"seed": -1}, "seed must be a whole number from 0 to 18446744073709551615, got -1"),
        ({"seed": None}, "seed must be a whole number"),
        ({"seed": 2**64}, "seed must be a whole number"),
        ({"prefetch": "yes"}, "prefetch must be True or False, got 'yes'"),
        ({"validation": 1.0}, r"validation: expected a fraction in \[0, 1\), got 1"),
        ({"validation": math.nan}, r"validation: expected a fraction in \[0, 1\), got nan"),
        ({"validation": -0.1}, r"validation: expected a fraction in \[0, 1\), got -0.1"),
    ]:
        with pytest.raises(ValueError, match=message):
            Trainer(model, **keywords)  # type: ignore[arg-type]
    x = np.zeros((3, 2))
    for keywords, message in [
        ({"penalty": 0.1}, "penalty: expected one of pyoptim.penalties, .* got 0.1"),
        ({"penalty": [0.1]}, "penalty: expected one of pyoptim.penalties"),
        ({"callbacks": EarlyStopping()}, "callbacks: expected a list, got EarlyStopping"),
        ({"validation": x}, "validation: expected a fraction of the rows, .* ndarray"),
        ({"validation": "0.2"}, "validation: expected a fraction of the rows, .* got str"),
        ({"validation": (x,)}, "validation: expected .* got tuple of 1"),
        ({"validation": (x, x, x, x)}, "validation: expected .* got tuple of 4"),
        ({"validation": {"test": x}}, r"validation\['test'\]: expected .* got ndarray"),
    ]:
        with pytest.raises(TypeError, match=message):
            Trainer(model, **keywords)  # type: ignore[arg-type]
    for optimizer in (po.SGD(Linear(2).params), po.SGD, "sgd"):
        with pytest.raises(ValueError, match="optimizer: expected an Optimizer or a Wrapper"):
            Trainer(model, optimizer=optimizer)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="y: expected 3 rows, like x, got 2"):
        Trainer(model, progress=False).fit(np.zeros((3, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="at least one row"):
        Trainer(model, progress=False).fit(np.zeros((0, 2)), np.zeros(0))
    with pytest.raises(TypeError, match="whole-number class labels"):
        Trainer(Softmax(2, 2), progress=False).fit(np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(KeyError, match=r"column: expected one of epoch, .* got 'accuracy'"):
        Trainer(model, epochs=1, progress=False).fit(np.zeros((3, 2)), np.zeros(3))["accuracy"]


def test_equivalent_forms_of_arguments() -> None:
    x = np.random.default_rng(0).normal(size=(20, 2))
    y = x.sum(axis=1)

    def losses(**keywords: Any) -> list[float]:
        trainer = Trainer(Linear(2), epochs=2, progress=False, **keywords)
        assert trainer.steps_per_epoch is None  # not known yet
        return trainer.fit(x, y)["val_loss"]

    for forms in (
        [0.25, np.float32(0.25), np.float64(0.25)],
        [(x, y), [x, y], {"val": (x, y)}, {"val": [x, y]}, (x, y, np.ones(20))],
    ):
        results = [losses(validation=form, seed=np.int64(3)) for form in forms]
        assert all(result == results[0] for result in results)
    for nothing in (None, 0, 0.0, {}):
        assert Trainer(Linear(2), validation=nothing).validation is None


def test_the_loss_can_differ_from_the_models_loss() -> None:
    x, y = digits()
    model = MLP([64, 10], loss="squared")
    opt = po.Adam(model.params, lr=0.01)
    trainer = Trainer(model, "softmax", opt, epochs=3, validation=0.2, progress=False)
    assert trainer.fit(x, y)["val_accuracy"][-1] > 0.9


def test_the_history_is_a_table(tmp_path: Path) -> None:
    history, _ = run([3, 2], patience=5)
    history.to_csv(tmp_path / "metrics.csv")
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines[0] == '"epoch",loss,val_loss,lr,seconds'
    assert lines[2].startswith("2,0.0,2,0.0,")
    assert "val_loss" in history
    assert "val_accuracy" not in history
    assert repr(History()) == "History(0 epochs; no epochs)"


def test_small_matrix_multiplications_use_one_thread() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def blas_threads() -> set[int]:
        pools = threadpoolctl.threadpool_info()
        return {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}

    seen = []

    class Watched(Linear):
        def loss_and_grad(self, x: Any, y: Any, loss: Any = None) -> float:
            seen.append(blas_threads())
            return super().loss_and_grad(x, y, loss)

    before = blas_threads()
    Trainer(Watched(1), epochs=1, progress=False).fit(np.zeros((3, 1)), np.zeros(3))
    assert seen == [{1}]
    assert blas_threads() == before


def test_progress_shows_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    x = np.zeros((4, 1))
    for stream, enabled in ((io.StringIO(), True), (Terminal(), True), (Terminal(), False)):
        callbacks = [Progress(stream)] if enabled else []
        trainer = Trainer(
            Linear(1), epochs=2, batch_size=2, callbacks=callbacks, progress=enabled and None
        )
        trainer.fit(x, x)
        text = stream.getvalue()
        if not enabled:
            assert text == ""
        elif isinstance(stream, Terminal):
            assert "4/4" in text
            assert "loss=0" in text
        else:
            assert text == "epoch 1/2  loss 0\nepoch 2/2  loss 0\n"


def test_averaged_weights_are_validated_and_returned() -> None:
    """A second fit continues from the training weights: two fits of 2 epochs equal one of 4."""
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    y = x @ np.array([1, -2, 3], np.float32)
    results = []
    for fits in (1, 2):
        model = po.models.Linear(3)
        optimizer = po.ScheduleFreeAdamW(model.params, lr=0.1)
        trainer = po.train.Trainer(
            model,
            optimizer=optimizer,
            epochs=4 // fits,
            validation=(x, y),
            shuffle=False,
            progress=False,
        )
        for _ in range(fits):
            history = trainer.fit(x, y)
            assert optimizer.evaluating
            assert history["val_loss"][-1] == model.evaluate(x, y)["loss"]
        results.append(model.params.flat.copy())
        optimizer.train()
        assert not np.array_equal(model.params.flat, results[-1])
    assert np.array_equal(*results)
