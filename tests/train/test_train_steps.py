"""Training steps with weights, accumulation, wrappers and clipping; metrics of validation sets."""

import copy
import inspect
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, fbeta_score, get_scorer_names, log_loss, r2_score

import pyoptim as po
from pyoptim.models import MLP, Linear, Softmax
from pyoptim.train import EarlyStopping, EMAEvaluation, History, Trainer
from pyoptim.train._metrics import as_metrics
from pyoptim.train._scorers import find_scorer

wrap = po.wrappers
RNG = np.random.default_rng(1)
X = RNG.normal(size=(22, 3))
Y = X @ [1.0, -2.0, 0.5] + RNG.normal(size=22)
W = RNG.uniform(0.1, 3, size=22)


def naive_sgd(
    batch: int, every: int, weights: Any, lr: float, clip: float = np.inf, epochs: int = 3
) -> np.ndarray:
    """Return [w, b] of a linear model after one step for each accumulation window."""
    rows = np.c_[X, np.ones(len(X))]
    p = np.zeros(4)
    for _ in range(epochs):
        for start in range(0, len(X), batch * every):
            part = slice(start, start + batch * every)
            w = np.ones(len(Y[part])) if weights is None else weights[part]
            grad = 2 * (rows[part].T @ (w * (rows[part] @ p - Y[part]))) / w.sum()
            p -= lr * grad * min(1, clip / (np.linalg.norm(grad) + 1e-6))  # as torch
    return p


@pytest.mark.parametrize("weights", [None, W])
@pytest.mark.parametrize(("batch", "every"), [(4, 1), (4, 3), (5, 2), (22, 4), (3, 8)])
@pytest.mark.parametrize("clip", [np.inf, 0.7])
def test_accumulation_weights_all_rows_equally(
    batch: int, every: int, weights: Any, clip: float
) -> None:
    """With 22 rows, the last batch or window is smaller for all of these sizes."""
    expected = naive_sgd(batch, every, weights, 0.1, clip)
    limit = None if clip == np.inf else clip
    model = Linear(3, dtype="float64")
    optimizer = po.SGD(model.params, lr=0.1, clip_norm=limit)
    trainer = Trainer(
        model,
        optimizer=wrap.GradientAccumulation(optimizer, every=every),
        epochs=3,
        batch_size=batch,
        shuffle=False,
        progress=False,
    )
    trainer.fit(X, Y, sample_weight=weights)
    np.testing.assert_allclose(model.params.flat, expected, rtol=1e-12)


def test_rows_of_weight_zero_change_nothing() -> None:
    weights = np.where(np.arange(22) // 4 % 2 == 0, W, 0.0)  # every other batch
    trained = []
    for rows in (slice(None), weights > 0):
        model = Linear(3, dtype="float64")
        trainer = Trainer(
            model,
            optimizer=wrap.GradientAccumulation(po.SGD(model.params, lr=0.1), every=9),
            epochs=1,
            batch_size=4,
            shuffle=False,
            progress=False,
        )
        history = trainer.fit(X[rows], Y[rows], sample_weight=weights[rows])
        trained.append((*model.params.flat, *history["loss"]))
    np.testing.assert_allclose(*trained, rtol=1e-12)


WRAPPERS: dict[str, Any] = {
    "none": lambda o: o,
    "SAM": wrap.SAM,
    "ASAM": wrap.ASAM,
    "Lookahead": wrap.Lookahead,
    "EMA": lambda o: wrap.EMA(o, decay=0.9),
    "SWA": wrap.SWA,
    "EMA of SAM": lambda o: wrap.EMA(wrap.SAM(o), decay=0.9),
    "loss scale": wrap.DynamicLossScale,
    "loss scale of accumulation": lambda o: wrap.DynamicLossScale(
        wrap.GradientAccumulation(o, every=1)
    ),
    "AGC": lambda o: wrap.AGC(o) if hasattr(wrap, "AGC") else o,
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_the_trainer_steps_like_a_manual_loop(name: str) -> None:
    models = [MLP([3, 5, 1], loss="squared", dtype="float64", seed=2) for _ in range(2)]
    opts = [WRAPPERS[name](po.SGD(m.params, lr=0.05, skip_nonfinite=True)) for m in models]
    Trainer(
        models[0], optimizer=opts[0], epochs=2, batch_size=8, shuffle=False, progress=False
    ).fit(X, Y)
    model, opt = models[1], opts[1]
    for _ in range(2):
        for start in range(0, 22, 8):
            x, y = X[start : start + 8], Y[start : start + 8]
            if getattr(opt, "takes_closure", False):
                opt.step(lambda: model.loss_and_grad(x, y) and None)  # noqa: B023
            elif "scale" in name:
                model.loss_and_grad(x, y)
                model.params.flat_grad[...] *= opt.scale
                opt.step(**({"weight": len(x)} if "accumulation" in name else {}))
            else:
                model.loss_and_grad(x, y)
                opt.step()
    opt.eval()
    assert np.array_equal(models[0].params.flat, model.params.flat)
    assert not np.array_equal(
        model.params.flat, MLP([3, 5, 1], dtype="float64", seed=2).params.flat
    )


def test_an_error_in_the_second_pass_of_sam_restores_the_weights() -> None:
    class Failing(Linear):
        calls = 0

        def loss_and_grad(self, *args: Any, **keywords: Any) -> float:
            self.calls += 1
            if self.calls == 2:
                raise RuntimeError("power")
            return super().loss_and_grad(*args, **keywords)

    model = Failing(3)
    opt = wrap.SAM(po.SGD(model.params, lr=0.1))
    with pytest.raises(RuntimeError, match="power"):
        Trainer(model, optimizer=opt, progress=False).fit(X, Y)
    assert not model.params.flat.any()


def test_metrics_match_scikit_learn(tmp_path: Path) -> None:
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
    half = slice(0, 11)
    model = Softmax(3, 3)

    def f2(true: Any, predicted: Any, sample_weight: Any = None) -> float:
        return float(
            fbeta_score(true, predicted, beta=2, average="macro", sample_weight=sample_weight)
        )

    def count(true: Any, predicted: Any) -> int:
        return len(true)

    trainer = Trainer(
        model,
        epochs=3,
        validation={"val": (X[half], y[half], W[half]), "test": (X, y)},
        metrics={"f1": "f1_macro", "neg_log_loss": "neg_log_loss", "f2": f2, "rows": count},
        callbacks=[EarlyStopping("test_f1")],
        progress=False,
    )
    history = trainer.fit(X, y)
    names = ("loss", "accuracy", "f1", "neg_log_loss", "f2", "rows")
    columns = [f"{part}_{name}" for part in ("val", "test") for name in names]
    assert history.columns == ["epoch", "loss", *columns, "lr", "seconds"]
    best = history.rows[(history.best_epoch or 0) - 1]
    for name, rows, weights in (("val", half, W[half]), ("test", slice(None), None)):
        predicted, probabilities = model.predict(X[rows]), model.predict_proba(X[rows])
        f1 = f1_score(y[rows], predicted, average="macro", sample_weight=weights)
        loss = log_loss(y[rows], probabilities, sample_weight=weights)
        assert best[f"{name}_f1"] == pytest.approx(f1)
        assert best[f"{name}_neg_log_loss"] == pytest.approx(-loss, abs=1e-6)
        assert best[f"{name}_f2"] == pytest.approx(f2(y[rows], predicted, weights))
        assert best[f"{name}_rows"] == len(y[rows])
    assert best["test_f1"] == max(history["test_f1"])
    history.to_csv(tmp_path / "log.csv")
    assert History.read_csv(tmp_path / "log.csv").rows == history.rows


@pytest.mark.parametrize("metric", ["r2", "neg_mean_absolute_error"])
def test_metrics_of_regression(metric: str) -> None:
    model = Linear(3)
    history = Trainer(
        model, epochs=2, validation=(X, Y), metrics=[metric], progress=False
    ).fit(X, Y)  # fmt: skip
    predicted = model.predict(X)
    expected = {
        "r2": r2_score(Y, predicted),
        "neg_mean_absolute_error": -np.abs(Y - predicted).mean(),
    }
    assert history[f"val_{metric}"][-1] == pytest.approx(expected[metric], abs=1e-6)


def test_scorers_of_two_classes_with_one_output() -> None:
    y = (X[:, 0] + 0.3 * RNG.normal(size=22) > 0).astype(int)
    model = MLP([3, 1], loss="logistic")
    metrics = ["roc_auc", "average_precision", "f1", "balanced_accuracy", "neg_brier_score"]
    history = Trainer(
        model, epochs=40, validation=(X, y), metrics=metrics, progress=False
    ).fit(X, y)  # fmt: skip
    from sklearn.metrics import roc_auc_score

    expected = roc_auc_score(y, model.scores(X)[:, 0])
    assert history["val_roc_auc"][-1] == pytest.approx(expected)
    assert all(np.isfinite(history[f"val_{name}"]).all() for name in metrics)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weights", [None, W])
def test_scorers_of_two_classes_agree_for_one_and_two_outputs(weights: Any) -> None:
    y = (X[:, 0] > 0).astype(int)
    z = X[:, :1] + X[:, 1:2]
    forms = ((po.losses.logistic, z), (po.losses.softmax, np.c_[1 - z, np.ones_like(z)]))
    measured = 0
    for name in get_scorer_names():
        score = find_scorer(name)
        results: list[Any] = []
        for loss, scores in forms:
            try:
                results.append(score(scores, y, loss, weights))
            except ValueError as error:  # a scorer for regression or several labels
                results.append(str(error).partition("': ")[2])  # the reason, without the loss
        assert results[0] == pytest.approx(results[1]), name
        measured += isinstance(results[0], float)
    assert measured > 45


def test_a_trainer_with_metrics_can_be_pickled() -> None:
    y = (X[:, 0] > 0).astype(int)
    trainer = Trainer(
        Softmax(3, 2), epochs=2, validation=0.5, metrics=["roc_auc", f1_score], progress=False
    )
    again = pickle.loads(pickle.dumps(trainer))
    assert trainer.fit(X, y)["val_roc_auc"] == again.fit(X, y)["val_roc_auc"]


@pytest.mark.parametrize("cloned", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
@pytest.mark.parametrize(
    ("optimizer", "callbacks"),
    [
        (po.SGD, [EMAEvaluation(0.9)]),
        (po.ScheduleFreeAdamW, []),
        (po.ScheduleFreeAdamW, [EarlyStopping(patience=1)]),
        (lambda params: wrap.Lookahead(po.SGD(params)), [EarlyStopping(patience=1)]),
    ],
)
def test_a_trainer_can_be_copied_after_training(
    optimizer: Any, callbacks: list[Any], cloned: Any
) -> None:
    model = Linear(3)
    trainer = Trainer(model, optimizer=optimizer(model.params), epochs=2, validation=0.5,
                      batch_size=3, callbacks=copy.deepcopy(callbacks), progress=False)  # fmt: skip
    trainer.fit(X, Y)
    assert trainer.optimizer.evaluating
    before = model.params.flat.tobytes()
    again = cloned(trainer)
    assert model.params.flat.tobytes() == again.model.params.flat.tobytes() == before
    assert again.history.rows == trainer.history.rows
    assert trainer.fit(X, Y)["val_loss"] == again.fit(X, Y)["val_loss"]
    assert model.params.flat.tobytes() == again.model.params.flat.tobytes() != before


def test_a_metric_may_have_no_signature() -> None:
    with pytest.raises(ValueError, match="no signature"):
        inspect.signature(max)
    assert list(as_metrics([max])) == ["max"]


def test_invalid_metrics() -> None:
    for metrics, error, message in (
        (["f3"], ValueError, "metrics: .* got 'f3'; choose one of accuracy"),
        ([3], TypeError, "metrics: expected the name of a scorer .* or a function, got 3"),
        ("f1", TypeError, r"write \['f1'\]"),
        ([np.array_equal, np.array_equal], ValueError, "names, got array_equal, array_equal"),
    ):
        with pytest.raises(error, match=message):
            Trainer(Linear(3), validation=0.2, metrics=metrics, progress=False)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"metrics: .* got validation=None; pass validation="):
        Trainer(Linear(3), metrics=["r2"])


@pytest.mark.parametrize(
    ("model", "name", "metric"),
    [
        (Linear(3), "loss", r2_score),
        (Linear(3), "loss", "r2"),
        (Softmax(3, 2), "loss", f1_score),
        (Softmax(3, 2), "accuracy", f1_score),
        (Softmax(3, 2), "accuracy", "f1"),
        (MLP([3, 1], loss="logistic"), "accuracy", f1_score),
        (MLP([3, 1], loss="hinge"), "accuracy", f1_score),
    ],
)
def test_a_metric_cannot_have_the_name_of_a_builtin_metric(
    model: Any, name: str, metric: Any
) -> None:
    with pytest.raises(ValueError, match=f"metrics: {name!r} is the name of a built-in metric"):
        Trainer(model, validation=0.5, metrics={name: metric}, progress=False)


def test_columns_of_the_history_have_different_names() -> None:
    y = X[:, 0]
    sets, metrics = {"a": (X, y), "a_b": (X[:5], y[:5])}, {"b_loss": r2_score}
    with pytest.raises(ValueError, match=r"validation: .* columns .* got 2 named 'a_b_loss'"):
        Trainer(Linear(3), validation=sets, metrics=metrics, progress=False)
    trainer = Trainer(
        Linear(3), epochs=1, validation=sets, metrics={"b_r2": r2_score}, progress=False
    )
    assert {"a_loss", "a_b_r2", "a_b_loss", "a_b_b_r2"} <= set(trainer.fit(X, y).columns)


def test_metrics_with_the_name_accuracy() -> None:
    def accuracy(y: Any, predicted: Any) -> float:
        return 7.0

    y = (X[:, 0] > 0).astype(int)
    for model, metrics, expected in (
        (Linear(3), [accuracy], 7.0),
        (Softmax(3, 2), ["accuracy"], None),
    ):
        trainer = Trainer(model, epochs=1, validation=(X, y), metrics=metrics, progress=False)
        column = trainer.fit(X, y)["val_accuracy"]
        assert column == [expected or model.evaluate(X, y)["accuracy"]]


def test_a_metric_cannot_have_the_name_of_a_metric_of_the_model() -> None:
    class Own(Linear):
        def evaluate(self, *arguments: Any, **keywords: Any) -> dict[str, float]:
            return {**super().evaluate(*arguments, **keywords), "own": 1.0, "r2": 2.0}

    with pytest.raises(ValueError, match="metrics: 'own' is the name of a built-in metric"):
        Trainer(Own(3), validation=0.5, metrics={"own": r2_score}, progress=False).fit(X, Y)
    trainer = Trainer(Own(3), epochs=1, validation=0.5, metrics=["r2"], progress=False)
    assert trainer.fit(X, Y)["val_r2"] == [2.0]


def test_a_file_that_is_not_a_history(tmp_path: Path) -> None:
    for text, line in (("epoch,loss\n1,x\n", 2), ("epoch,loss\n1,2.0\n2\n", 3)):
        (tmp_path / "log.csv").write_text(text)
        with pytest.raises(ValueError, match=f"log.csv, line {line}: "):
            History.read_csv(tmp_path / "log.csv")


def test_a_batch_needs_few_python_frames() -> None:
    def count_calls(batches: int) -> int:
        x = np.zeros((8 * batches, 3), np.float32)
        y = np.zeros(8 * batches, np.int64)
        model = MLP([3, 4, 2])
        optimizer = po.Adam(model.params)
        trainer = Trainer(model, optimizer=optimizer, epochs=1, batch_size=8, progress=False)
        calls = 0

        def count(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal calls
            calls += event == "call"

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            trainer.fit(x, y)
        finally:
            sys.setprofile(before)
        return calls

    count_calls(1)  # imports modules
    training_calls = 5  # the step, its gradient, the model, the optimizer and a callback
    data_calls = 7  # two generators, a reader with two columns, and two tuples
    assert count_calls(120) - count_calls(20) <= 100 * (training_calls + data_calls + 0.5)
