"""Penalties compared with scikit-learn, with every optimizer, by hand and in the trainer."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.models import MLP, Linear
from pyoptim.penalties import L1, L2, ElasticNet, MaxNorm, Penalty
from pyoptim.train import Trainer

DTYPES = ["float32", "float64", "bfloat16"]


def regression(rows: int = 300, columns: int = 12) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, columns))
    weights = np.where(np.arange(columns) % 3 == 0, rng.normal(size=columns) * 2, 0)
    return x, x @ weights + 0.7 + 0.3 * rng.normal(size=rows)


def trained(penalty: Any, make: Any, epochs: int, lr: Any, **settings: Any) -> Linear:
    x, y = regression()
    model = Linear(x.shape[1], dtype="float64")
    optimizer = make(model.params, lr=lr, **settings)
    trainer = Trainer(
        model, None, optimizer, epochs=epochs, batch_size=len(x), shuffle=False,
        penalty=penalty, progress=False,
    )  # fmt: skip
    trainer.fit(x, y)
    return model


def check_minimum(model: Linear, reference: Any, near: float = 1e-9) -> None:
    weights = model.params["layers.0.weight"][:, 0]
    np.testing.assert_allclose(weights, reference.coef_, rtol=0, atol=near)
    assert np.array_equal(weights == 0, reference.coef_ == 0)
    assert (weights == 0).any()
    assert model.params["layers.0.bias"][0] == pytest.approx(reference.intercept_, abs=near)


# Rules that oscillate about a minimum unless the learning rate decreases.
FALLING = po.schedules.exponential(0.03, 0.9985)


@pytest.mark.parametrize(
    ("make", "lr", "settings"),
    [
        (po.SGD, 0.2, {}),
        (po.SGD, 0.05, {"momentum": 0.9}),
        (po.SGD, 0.05, {"momentum": 0.9, "nesterov": True}),
        (po.Adam, 0.02, {}),
        (po.AdamW, 0.02, {"weight_decay": 0.0}),
        (po.RMSprop, FALLING, {}),
        (po.Adagrad, 0.5, {}),
        (po.AdaBelief, FALLING, {}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_lasso_matches_scikit_learn_with_every_optimizer(make: Any, lr: Any, settings: Any) -> None:
    sklearn = pytest.importorskip("sklearn.linear_model")
    for alpha in (0.05, 0.4):
        model = trained(L1(2 * alpha), make, 6000, lr, **settings)
        x, y = regression()
        reference = sklearn.Lasso(alpha, tol=1e-15, max_iter=10**6).fit(x, y)
        check_minimum(model, reference, near=1e-5 if make in (po.RMSprop, po.AdaBelief) else 1e-9)


@pytest.mark.parametrize("make", [po.SGD, po.Adam])
def test_elastic_net_matches_scikit_learn(make: Any) -> None:
    sklearn = pytest.importorskip("sklearn.linear_model")
    alpha, ratio = 0.3, 0.4
    penalty = ElasticNet(l1=2 * alpha * ratio, l2=2 * alpha * (1 - ratio))
    model = trained(penalty, make, 4000, 0.1 if make is po.SGD else 0.02)
    x, y = regression()
    check_minimum(
        model, sklearn.ElasticNet(alpha, l1_ratio=ratio, tol=1e-15, max_iter=10**6).fit(x, y)
    )


@pytest.mark.parametrize("l2", [0.0, 0.36])
def test_proximal_gradient_steps_by_hand_reach_the_same_minimum(l2: float) -> None:
    sklearn = pytest.importorskip("sklearn.linear_model")
    x, y = regression()
    model = Linear(x.shape[1], dtype="float64")
    opt = po.SGD(model.params, lr=0.2)
    penalty = ElasticNet(0.24, l2)
    for _ in range(2000):
        model.loss_and_grad(x, y)
        opt.step()
        penalty.apply(model.params["layers.0.weight"], lr=0.2)
    alpha = (0.24 + l2) / 2
    reference = sklearn.ElasticNet(alpha, l1_ratio=0.24 / (2 * alpha), tol=1e-15, max_iter=10**6)
    check_minimum(model, reference.fit(x, y))


def test_plain_sgd_is_the_proximal_step_except_across_zero() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=1000)
    w[::4] = 0
    grad = 3 * rng.normal(size=1000)
    proximal, around = w.copy(), w.copy()
    penalty = L1(0.8)
    po.SGD([proximal], lr=0.1).step([grad])
    penalty.apply(proximal, 0.1)
    penalized = grad.copy()
    penalty.before_step(around, penalized)
    po.SGD([around], lr=0.1).step([penalized])
    penalty.after_step(around)
    through = proximal * w < 0
    assert through.sum() > 10
    assert (proximal == 0).sum() > 50
    assert not around[through].any()
    np.testing.assert_allclose(around[~through], proximal[~through], atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_any_shape_and_type(dtype: str) -> None:
    rng = np.random.default_rng(0)
    params = po.Parameters({"w": (50, 7), "b": (3,), "none": (0,)}, dtype=dtype)
    params["w"] = rng.normal(size=(50, 7))
    before = params["w"].astype(float)
    arrays = [params[name] for name in params]
    tolerance = 0.01 if dtype == "bfloat16" else 1e-6
    penalty = ElasticNet(0.5, 2.0)
    expected = 0.5 * np.abs(before).sum() + (before**2).sum()
    assert penalty.value(arrays) == pytest.approx(expected, rel=1e-6)
    params.flat_grad[...] = 0.25
    grads = [params.grads[name] for name in params]
    assert penalty.before_step(arrays, grads) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(
        params.grads["w"].astype(float), 0.25 + 0.5 * np.sign(before) + 2 * before,
        rtol=tolerance, atol=tolerance,
    )  # fmt: skip
    assert not params.grads["b"].any()  # 0 is a subgradient
    penalty.apply({"w": params["w"]}, 0.1)
    shrunk = np.sign(before) * np.maximum(np.abs(before) - 0.05, 0) / 1.2
    np.testing.assert_allclose(params["w"].astype(float), shrunk, rtol=tolerance, atol=tolerance)
    MaxNorm(0.5).apply(params["w"])
    norms = np.linalg.norm(params["w"].astype(float), axis=0)
    assert norms.max() <= 0.5 * (1 + tolerance)


def test_max_norm() -> None:
    w = np.random.default_rng(0).normal(size=(30, 5)) * [[0.01, 1, 1, 1, 1]]
    by_columns, by_rows, vector = w.copy(), w.T.copy(), w[:, 1].copy()
    MaxNorm(2.0).after_step(by_columns)
    MaxNorm(2.0, unit_axis=0).after_step(by_rows)
    MaxNorm(2.0).after_step(vector)
    np.testing.assert_allclose(by_rows.T, by_columns, rtol=1e-14)
    np.testing.assert_allclose(vector, by_columns[:, 1], rtol=1e-14)
    norms = np.linalg.norm(w, axis=0)
    np.testing.assert_allclose(np.linalg.norm(by_columns, axis=0), np.minimum(norms, 2))
    np.testing.assert_allclose(by_columns, w * np.minimum(1, 2 / norms))
    assert np.array_equal(by_columns[:, 0], w[:, 0])


def test_max_norm_while_training() -> None:
    x, y = regression()
    model = MLP([12, 8, 1], loss="huber", dtype="float64")
    opt = po.SGD(model.params, lr=0.1)
    penalties: list[Penalty] = [MaxNorm(0.7), L2(0.01)]
    history = Trainer(model, None, opt, epochs=5, penalty=penalties, progress=False).fit(x, y)
    for name in model.weights:
        assert np.linalg.norm(model.params[name], axis=0).max() <= 0.7 + 1e-12
    assert history["loss"][-1] < history["loss"][0]
    assert any(np.linalg.norm(model.params[n], axis=0).max() > 0.69 for n in model.weights)


def test_reported_loss_includes_the_penalty() -> None:
    x, y = regression()
    model = Linear(12, dtype="float64")
    model.params.flat[...] = 1
    plain = model.evaluate(x, y)["loss"]
    for penalty in ([L1(0.5), L2(0.1)], ElasticNet(0.5, 0.1)):
        opt = po.SGD(model.params, lr=0.0)
        trainer = Trainer(
            model, None, opt, epochs=1, batch_size=300, progress=False, penalty=penalty
        )
        shown = trainer.fit(x, y)["loss"][0]
        assert shown == pytest.approx(plain + 0.5 * 12 + 0.05 * 12)


def test_penalties_can_be_copied_and_compared() -> None:
    w, grad = np.ones(3), np.ones(3)
    for penalty in (L1(0.5), L2(0.5), ElasticNet(0.5, 0.25), MaxNorm(2.0, unit_axis=0)):
        penalty.before_step(w, grad)
        assert eval(repr(penalty), vars(po.penalties)).__dict__.keys() == penalty.__dict__.keys()
        for clone in (copy.deepcopy(penalty), pickle.loads(pickle.dumps(penalty))):
            assert repr(clone) == repr(penalty)
            one, other = np.array([2.0, -3.0]), np.array([2.0, -3.0])
            clone.apply(one, 0.1)
            penalty.apply(other, 0.1)
            assert np.array_equal(one, other)


def test_errors_name_what_is_wrong() -> None:
    w = np.ones(3)
    cases: list[tuple[type[Exception], str, Any]] = [
        (ValueError, "l1 must be at least 0 and finite, got -1", lambda: L1(-1)),
        (ValueError, "l2 must be at least 0 and finite, got inf", lambda: L2(np.inf)),
        (ValueError, "max_norm must be above 0 and finite, got 0", lambda: MaxNorm(0)),
        (ValueError, "unit_axis: expected -1 or 0, got 1", lambda: MaxNorm(1, unit_axis=1)),
        (ValueError, "lr must be at least 0 and finite, got -1", lambda: L1(1).apply(w, -1)),
        (ValueError, r"grads\[0\]: expected shape \(3,\), got \(2,\)",
         lambda: L1(1).before_step(w, np.ones(2))),
        (TypeError, r"grads\[0\]: expected dtype float64, got float32",
         lambda: L1(1).before_step(w, np.ones(3, np.float32))),
        (TypeError, r"params\[0\]: dtype must be float32, float64 or bfloat16, got int64",
         lambda: L1(1).apply(np.ones(3, int), 1)),
        (ValueError, "arrays, as many as params", lambda: L1(1).after_step(w)),
        (TypeError, "penalty: expected one of pyoptim.penalties, .* got 'l1'",
         lambda: Trainer(Linear(1), penalty="l1")),  # type: ignore[arg-type]
    ]  # fmt: skip
    for kind, message, action in cases:
        with pytest.raises(kind, match=message):
            action()
