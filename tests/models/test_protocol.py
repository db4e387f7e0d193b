"""The model protocol: models without a base class, and errors for missing members."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import PoissonRegressor

import pyoptim as po
from pyoptim.models import Trainable
from pyoptim.parameters._types import Array
from pyoptim.train import Checkpoint, Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = RNG.poisson(np.exp(X @ [0.5, -0.3, 0.0] + 1))
W = RNG.uniform(0.1, 2, size=60)
PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


class Poisson:
    """A minimal model, which computes its own loss and takes sample weights."""

    def __init__(self) -> None:
        self.params = po.Parameters({"w": (3,), "b": (1,)}, dtype="float64")

    def loss_and_grad(self, x: Array, y: Array, sample_weight: Any = None) -> float:
        scores = x @ self.params["w"] + self.params["b"]
        shares = np.ones(len(y)) if sample_weight is None else sample_weight
        shares = shares / shares.sum()
        error = shares * (np.exp(scores) - y)
        self.params.grads["w"][...] = x.T @ error
        self.params.grads["b"][...] = error.sum()
        return float(shares @ (np.exp(scores) - y * scores))


class Complete(Poisson):
    """A model with all optional members and a loss of pyoptim."""

    weights = ("w",)
    loss = po.losses.get("poisson")
    dtype = np.dtype("float64")

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def scores(self, x: Array) -> Array:
        scores: Array = (x @ self.params["w"] + self.params["b"]).reshape(-1, 1)
        return scores

    def loss_and_grad(  # type: ignore[override]
        self, x: Array, y: Array, loss: Any, sample_weight: Any = None
    ) -> float:
        self.calls += 1
        value, grad = loss.value_and_grad(self.scores(x), y.reshape(-1, 1), sample_weight)
        self.params.grads["w"][...] = x.T @ grad[:, 0]
        self.params.grads["b"][...] = grad.sum()
        return float(value)

    def state_dict(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


def fit(model: Any, weights: Any = None, **keywords: Any) -> Trainer:
    keywords = {"epochs": 300, "batch_size": 60, **keywords}
    optimizer = po.SGD(model.params, lr=0.1, momentum=0.8)
    trainer = Trainer(model, optimizer=optimizer, progress=False, **keywords)
    trainer.fit(X, Y, sample_weight=weights)
    return trainer


@pytest.mark.parametrize("model", [Poisson, Complete])
@pytest.mark.parametrize("weights", [None, W])
def test_minimum_matches_scikit_learn(model: Any, weights: Any) -> None:
    trained = fit(model(), weights).model
    reference = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(X, Y, weights)
    np.testing.assert_allclose(trained.params["w"], reference.coef_, atol=1e-6)
    assert trained.params["b"][0] == pytest.approx(reference.intercept_, abs=1e-6)


def test_protocol_is_checked_by_structure() -> None:
    assert isinstance(Poisson(), Trainable)
    assert isinstance(po.models.Linear(1), Trainable)
    assert not isinstance(po.Parameters({"w": 1}), Trainable)


def test_every_option_works_with_all_parts(tmp_path: Path) -> None:
    def make(*callbacks: Any) -> tuple[Complete, Trainer]:
        model = Complete()
        trainer = Trainer(
            model,
            optimizer=po.wrappers.GradientAccumulation(po.Adam(model.params, lr=0.05), every=2),
            epochs=6,
            validation={"val": (X, Y, W), "plain": (X, Y)},
            metrics=["d2_absolute_error_score", mean_ratio],
            penalty=po.penalties.L1(0.3),
            callbacks=callbacks,
            progress=False,
        )
        return model, trainer

    def mean_ratio(true: Array, predicted: Array) -> float:
        return float(predicted.mean() / true.mean())

    model, trainer = make()
    history = trainer.fit(X, Y)
    loss = po.losses.get("poisson")
    scores = model.scores(X)
    assert history["plain_loss"][-1] == pytest.approx(loss(scores, Y.reshape(-1, 1)), rel=1e-12)
    assert history["val_loss"][-1] == pytest.approx(loss(scores, Y.reshape(-1, 1), W), rel=1e-12)
    assert history["plain_mean_ratio"][-1] == pytest.approx(np.exp(scores).mean() / Y.mean())
    assert model.calls == 6 * 2

    _, first = make(
        Checkpoint(tmp_path), po.train.Lambda(on_step_end=lambda t: t.step == 7 and t.stop())
    )
    first.fit(X, Y)
    again, resumed = make()
    resumed.resume(tmp_path).fit(X, Y)
    assert again.calls == model.calls
    assert np.array_equal(again.params.flat, model.params.flat)


def test_loss_of_the_trainer_is_passed_to_the_model() -> None:
    seen = []

    class Watched(Complete):
        loss = None  # type: ignore[assignment]

        def loss_and_grad(self, x: Array, y: Array, loss: Any) -> float:  # type: ignore[override]
            seen.append((loss, y.dtype))
            return super().loss_and_grad(x, y, loss)

    model = Watched()
    Trainer(model, "squared", epochs=1, validation=0.5, progress=False).fit(X, Y)
    assert seen == [(po.losses.get("squared"), np.float64)]
    assert list(Trainer(model, "squared", epochs=1, validation=0.5, progress=False).fit(X, Y)
                .columns)[:3] == ["epoch", "loss", "val_loss"]  # fmt: skip


def test_rows_and_targets_are_not_converted() -> None:
    """Rows and targets can be ids, words or dates."""
    seen = []

    class Words(Poisson):
        def loss_and_grad(self, x: Array, y: Array, sample_weight: Any = None) -> float:
            seen.append((x.dtype.kind, y.dtype.kind, x.shape))
            self.params.flat_grad[...] = 0
            return 0.0

    Trainer(Words(), epochs=1, batch_size=2, progress=False).fit([["a"], ["b"]], ["yes", "no"])
    assert seen == [("U", "U", (2, 1))]

    class Upper(Words):
        def cast_inputs(self, x: Any) -> Array:
            return np.char.upper(x)

        def loss_and_grad(self, x: Array, y: Array, sample_weight: Any = None) -> float:
            seen.append(sorted(x[:, 0].tolist()))
            return super().loss_and_grad(x, y)

    seen.clear()
    Trainer(Upper(), epochs=1, batch_size=2, progress=False).fit([["a"], ["b"]], ["yes", "no"])
    assert seen[0] == ["A", "B"]


def test_evaluate_can_return_further_numbers() -> None:
    class Judged(Poisson):
        def evaluate(self, x: Array, y: Array) -> Any:
            return {"loss": np.float32(2), "error": 3}

    history = fit(Judged(), epochs=1, validation=(X, Y)).history
    assert (history["val_loss"], history["val_error"]) == ([2.0], [3.0])

    class Wrong(Poisson):
        def evaluate(self, x: Array, y: Array) -> Any:
            return 0.5

    with pytest.raises(TypeError, match=r"Wrong.evaluate: expected a mapping .* got 0.5"):
        fit(Wrong(), epochs=1, validation=(X, Y))


@pytest.mark.parametrize("value", [None, "half", np.ones(2), (0.5, {}), [0.5]], ids=repr)
def test_results_that_are_not_numbers_are_rejected(value: Any) -> None:
    class Wrong(Poisson):
        def loss_and_grad(self, x: Array, y: Array, sample_weight: Any = None) -> Any:
            return value

    class Judged(Poisson):
        def evaluate(self, x: Array, y: Array) -> Any:
            return {"loss": 0.5, "error": value}

    with pytest.raises(TypeError, match=r"Wrong\.loss_and_grad: expected a number for the mean"):
        fit(Wrong(), epochs=1)
    with pytest.raises(TypeError, match=r"Judged\.evaluate: expected a number for error, got "):
        fit(Judged(), epochs=1, validation=(X, Y))


def test_evaluate_must_have_the_loss() -> None:
    class Wrong(Poisson):
        def evaluate(self, x: Array, y: Array) -> Any:
            return {"accuracy": 0.5}

    with pytest.raises(TypeError, match=r"Wrong\.evaluate: expected .*'loss' as the result, got"):
        fit(Wrong(), epochs=1, validation=(X, Y))


@pytest.mark.parametrize("weights", ["w", ("v",), ["w", "kernel"]])
def test_weights_are_names_of_parameters(weights: Any) -> None:
    model = Poisson()
    model.weights = weights  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"model\.weights: expected .* of parameters \(w, b\)"):
        Trainer(model, penalty=po.penalties.L1(0.1))


def test_scores_may_have_one_axis() -> None:
    class Flat(Complete):
        def scores(self, x: Array) -> Array:
            return super().scores(x)[:, 0]

        def loss_and_grad(self, x: Array, y: Array, loss: Any, sample_weight: Any = None) -> float:  # type: ignore[override]
            return Poisson.loss_and_grad(self, x, y)

    class Column(Flat):
        def scores(self, x: Array) -> Array:
            return super().scores(x)[:, np.newaxis]

    flat, column = (
        fit(model, epochs=2, validation=(X, Y), metrics=["r2"]).history
        for model in (Flat(), Column())
    )
    for name in ("val_loss", "val_r2"):
        assert flat[name] == column[name]


def test_rows_may_be_objects_but_not_a_single_value() -> None:
    class Words(Poisson):
        def loss_and_grad(self, x: Array, y: Array, sample_weight: Any = None) -> float:
            lengths = np.array([[len(word)] * 3 for word in x], float)
            return super().loss_and_grad(lengths / 10, y)

    words = np.array(["a" * (3 + i % 5) for i in range(len(Y))])
    texts, objects = (
        Trainer(Words(), epochs=2, progress=False).fit(x, Y)["loss"]
        for x in (words, words.astype(object))
    )
    assert texts == objects
    with pytest.raises(ValueError, match="x: expected rows, got a single value"):
        Trainer(Words(), progress=False).fit({"words": words}, Y)


def test_missing_members_are_named_before_training() -> None:
    model = Poisson()
    for keywords, message in (
        ({"validation": 0.2}, "validation: expected a model with evaluate.* got Poisson"),
        ({"validation": 0.2, "loss": "poisson"}, "validation: expected a model with evaluate"),
        ({"penalty": po.penalties.L2(0.1)}, "penalty: expected a model with weights"),
        ({"penalty": po.penalties.MaxNorm(1)}, "penalty: expected a model with weights"),
    ):
        with pytest.raises(TypeError, match=message):
            Trainer(model, **keywords)  # type: ignore[arg-type]

    class Judged(Poisson):
        def evaluate(self, x: Array, y: Array) -> dict[str, float]:
            return {"loss": 0.0}

    with pytest.raises(TypeError, match=r"metrics: expected a model with scores\(x\) and a loss"):
        Trainer(Judged(), validation=0.2, metrics=["r2"])

    class Other:
        params = {"w": X}  # noqa: RUF012

        def loss_and_grad(self, x: Array, y: Array) -> float:
            return 0.0

    with pytest.raises(TypeError, match=r"model.params: expected Parameters, got dict"):
        Trainer(Other())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"model: .* got 'model' without params and loss_and_grad"):
        Trainer("model")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"without loss_and_grad$"):
        Trainer(type("Half", (), {"params": model.params})())


def test_the_example_in_numpy_finds_the_rates() -> None:
    names: dict[str, Any] = {}
    exec(_blocks()[0], names)
    assert names["model"].params["w"] == pytest.approx([0.5, -0.3, 0], abs=0.05)
    assert names["history"]["val_error"][-1] < names["history"]["val_error"][0]


@pytest.mark.peers
@pytest.mark.skipif(find_spec("jax") is None, reason="needs jax")
def test_the_example_in_jax_learns() -> None:
    """JAX runs in a process of its own, because it forbids os.fork() after its import."""
    code = "\n".join([*_blocks(), "print(history['val_accuracy'][-1])"])
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=600, check=True
    )
    assert float(run.stdout) > 0.95


def _blocks() -> list[str]:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    return blocks
