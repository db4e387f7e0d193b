"""Rows of weight 0 contribute nothing, whatever they hold: all is as if they were not there."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim import _core, losses
from pyoptim.train import Trainer

sparse = pytest.importorskip("scipy.sparse")

LOSSES = [losses.get(entry["name"]) for entry in _core.losses()]
ROWS = 40
GONE = np.arange(ROWS) % 5 == 2
WEIGHTS = np.where(GONE, 0.0, 1.0 + np.arange(ROWS) % 3)
NAN, HUGE = np.nan, 10**6


def spoiled(array: np.ndarray, value: Any) -> np.ndarray:
    """Return an array with this value in all rows of weight 0."""
    found = array.copy()
    found[GONE] = value
    return found


def cases(loss: losses.Loss) -> dict[str, tuple[Any, Any, Any]]:
    """Return, by name, a model, its rows, and a function that takes some of them."""
    rng = np.random.default_rng(0)
    x = spoiled(rng.normal(size=(ROWS, 3)), NAN)
    x[GONE, 0] = np.inf
    codes = spoiled(rng.integers(0, 4, (ROWS, 2)), HUGE)
    outputs = 3 if loss.labels else 1
    matrix = sparse.csr_array(rng.random((ROWS, 6)) * (rng.random((ROWS, 6)) < 0.5) + 1e-3)
    matrix.data[np.repeat(GONE, np.diff(matrix.indptr))] = NAN
    bags = matrix[:, :3].tocsr()

    def take(rows: Any, kept: Any) -> Any:
        if isinstance(rows, dict):
            return {name: column[kept] for name, column in rows.items()}
        return rows[kept]

    mlp = po.models.MLP
    embedded = {"a": codes[:, 0], "bag": bags, "x": x[:, 1]}
    found: dict[str, tuple[Any, Any, Any]] = {
        "mlp": (mlp([3, 5, outputs], loss=loss, dropout=0.3), x, take),
        "double": (mlp([3, 5, outputs], loss=loss, dtype="float64"), x, take),
        "batch norm": (mlp([3, 5, 5, outputs], norm="batch", loss=loss), x, take),
        "layer norm": (mlp([3, 5, outputs], norm="layer", loss=loss), x, take),
        "sparse": (mlp([6, 5, outputs], loss=loss), matrix, take),
        "embedding": (
            po.models.EmbeddingMLP({"a": 4}, [5], outputs, bags={"bag": 3}, numeric=["x"],
                                   loss=loss, l2=0.1),
            embedded, take,
        ),
    }  # fmt: skip
    if not loss.labels:
        found |= {
            "several": (mlp([3, 5, 2], loss=loss), x, take),
            "factorization": (po.models.FactorizationMachine([4, 4], loss=loss, l2=0.1), codes,
                              take),
            "values": (po.models.FactorizationMachine(3, loss=loss), x, take),
            "sparse values": (po.models.FactorizationMachine(6, loss=loss), matrix, take),
            "matrix": (po.models.MatrixFactorization(4, 4, loss=loss, l2=0.1), codes, take),
        }  # fmt: skip
    return found


def targets(loss: losses.Loss, model: Any) -> np.ndarray:
    """Return targets that are out of range where rows have no weight."""
    if loss.labels:
        return spoiled(np.arange(ROWS) % 3, HUGE)
    y = np.random.default_rng(1).integers(0, 2, (ROWS, model.outputs)).astype(float)
    return spoiled(y, NAN) if model.outputs > 1 else spoiled(y, NAN)[:, 0]


def gradients(model: Any) -> dict[str, Any]:
    """Return all gradients, those of rows as (rows, values)."""
    return {
        name: (np.asarray(grad.rows).copy(), np.array(grad.values))
        if isinstance(grad, po.RowGrad)
        else np.array(grad)
        for name, grad in model.params.grads.items()
    }


def assert_same(one: Any, other: Any) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_equal(value, other[name], name)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_batch_is_the_batch_without_them(loss: losses.Loss) -> None:
    for name, (model, x, take) in cases(loss).items():
        y, kept = targets(loss, model), np.flatnonzero(~GONE)
        other = copy.deepcopy(model)
        value = model.loss_and_grad(x, y, sample_weight=WEIGHTS)
        expected = other.loss_and_grad(take(x, kept), y[kept], sample_weight=WEIGHTS[kept])
        assert value == expected, name
        assert np.isfinite(value), name
        assert_same(gradients(model), gradients(other))
        assert_same(model.buffers, other.buffers)
        measured = model.evaluate(x, y, sample_weight=WEIGHTS)
        assert measured == other.evaluate(take(x, kept), y[kept], sample_weight=WEIGHTS[kept])


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_batch_of_nothing_else_has_the_gradient_0(loss: losses.Loss) -> None:
    for model, x, _ in cases(loss).values():
        y, nothing = targets(loss, model), np.zeros(ROWS)
        assert model.loss_and_grad(x, y, sample_weight=nothing) == 0
        for grad in gradients(model).values():
            assert not np.any(grad[1] if isinstance(grad, tuple) else grad)
        assert model.evaluate(x, y, sample_weight=nothing)["loss"] == 0
        with pytest.raises(ValueError, match="sample_weight: expected 40"):
            model.loss_and_grad(x, y, sample_weight=np.zeros(7))


def test_errors_have_the_numbers_of_the_whole_batch() -> None:
    model = po.models.Softmax(1, 3)
    x, y = np.zeros((4, 1)), np.array([9, 0, 1, 7])
    with pytest.raises(ValueError, match="labels from 0 to 2, got 7 at row 3"):
        model.loss_and_grad(x, y, sample_weight=np.array([0.0, 1, 1, 1]))
    pairs = po.models.MatrixFactorization(3, 3)
    codes = np.array([[9, 9], [0, 0], [1, 5]])
    with pytest.raises(ValueError, match="items from 0 to 2, got 5 at row 2"):
        pairs.loss_and_grad(codes, np.zeros(3), sample_weight=np.array([0.0, 1, 1]))
    with pytest.raises(ValueError, match="got nan at row 3"):
        model.loss_and_grad(x, y % 3, sample_weight=np.array([0.0, 1, 1, np.nan]))


def trained(model: Any, x: Any, y: Any, weights: Any, **keywords: Any) -> Any:
    mine = copy.deepcopy(model)
    seen: list[Any] = []

    def size(y: Any, predicted: Any) -> float:
        seen.append(len(y))
        return float(len(y))

    trainer = Trainer(mine, optimizer=po.Adam(mine.params, lr=po.schedules.linear(0.1, 9)),
                      epochs=2, progress=False, shuffle=False, metrics=[size],
                      validation=(x, y, weights), **keywords)  # fmt: skip
    history = trainer.fit(x, y, sample_weight=weights)
    return trainer, [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


@pytest.mark.parametrize("loss", ["squared", "softmax"])
def test_training_is_that_without_them(loss: str) -> None:
    chosen = losses.get(loss)
    kept = np.flatnonzero(~GONE)
    for model, x, take in cases(chosen).values():
        y = targets(chosen, model)
        one, history = trained(model, x, y, WEIGHTS, batch_size=ROWS)
        other, expected = trained(model, take(x, kept), y[kept], WEIGHTS[kept], batch_size=ROWS)
        assert history == expected
        assert history[0]["val_size"] == len(kept)
        assert (one.model.params.flat == other.model.params.flat).all()


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("kind", ["array", "mapped", "chunks"])
def test_a_batch_of_nothing_else_makes_no_step(kind: str, accumulate: int, tmp_path: Any) -> None:
    weights = np.repeat([0.0, 1, 1, 0, 1, 1, 0, 0, 1, 0], 4)
    x = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)
    y, kept = x @ [[1.0], [2.0], [3.0]], weights > 0
    x[~kept], y[~kept] = NAN, NAN
    model = po.models.MLP([3, 4, 1], loss="squared")
    data: Any = (x, y)
    if kind == "mapped":
        np.save(tmp_path / "x.npy", x)
        data = (np.load(tmp_path / "x.npy", mmap_mode="r"), y)

    def run(*rows: Any, **keywords: Any) -> Trainer:
        mine = copy.deepcopy(model)
        rate = po.schedules.linear(0.1, 20)
        optimizer: Any = po.Adam(mine.params, lr=rate)
        if accumulate > 1:
            optimizer = po.wrappers.GradientAccumulation(optimizer, every=accumulate)
        trainer = Trainer(mine, optimizer=optimizer, epochs=3, batch_size=4, shuffle=False,
                          progress=False)  # fmt: skip
        trainer.fit(*rows, **keywords)
        return trainer

    if kind == "chunks":
        one = run([(x[i : i + 8], y[i : i + 8], weights[i : i + 8]) for i in range(0, ROWS, 8)])
    else:
        one = run(*data, sample_weight=weights)
    other = run(x[kept], y[kept])
    assert (one.step, one.optimizer.steps) == (other.step, other.optimizer.steps)
    assert one.history["loss"] == other.history["loss"]
    assert one.history["lr"] == other.history["lr"]
    assert (one.model.params.flat == other.model.params.flat).all()


@pytest.mark.parametrize("balanced", [False, True])
def test_classes_of_weight_0(balanced: bool) -> None:
    x = np.random.default_rng(0).normal(size=(30, 2))
    y = np.arange(30) % 3
    x[y == 2] = NAN
    own = np.where(y == 2, 0.0, 1.0)
    model = po.models.Softmax(2, 3)
    trainer = Trainer(model, epochs=2, progress=False, shuffle=False)
    if balanced:
        trainer.fit(x, np.where(y == 2, HUGE, y), sample_weight=own, class_weight="balanced")
    else:
        trainer.fit(x, y, class_weight={2: 0})
    other = po.models.Softmax(2, 3)
    Trainer(other, epochs=2, progress=False, shuffle=False).fit(x[y < 2], y[y < 2])
    np.testing.assert_allclose(model.params.flat, other.params.flat, rtol=1e-5)
    assert np.isfinite(model.params.flat).all()


def test_batch_norm_leaves_out_batches_of_one_counted_row() -> None:
    x, y = np.random.default_rng(0).normal(size=(12, 2)), np.zeros(12)
    weights = np.array([1.0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1])
    model = po.models.MLP([2, 3, 1], norm="batch", loss="squared")
    trainer = Trainer(model, epochs=1, batch_size=4, shuffle=False, progress=False)
    trainer.fit(x, y, sample_weight=weights)
    assert trainer.step == 1


def test_a_model_of_ones_own_never_sees_them() -> None:
    class Mean:
        def __init__(self) -> None:
            self.params = po.Parameters({"mean": (1,)})

        def loss_and_grad(self, x: Any, y: Any, sample_weight: Any = None) -> float:
            assert np.isfinite(x).all()
            assert np.isfinite(y).all()
            assert sample_weight.all()
            self.params.grads["mean"][...] = 0
            return 0.0

        def evaluate(self, x: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
            return {"loss": self.loss_and_grad(x, y, sample_weight)}

    x = spoiled(np.zeros((ROWS, 1)), NAN)
    trainer = Trainer(Mean(), epochs=1, batch_size=8, validation=0.5, progress=False)
    trainer.fit(x, x[:, 0], sample_weight=WEIGHTS)
    assert trainer.step == 3
