"""Losses and layers against naive float64 references, at extremes, on every instruction set."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim import _core

DTYPES = [np.float32, np.float64]
LOSSES = [po.losses.get(name) for name, _, _ in _core.losses()]


@pytest.fixture(params=_core.instruction_sets())
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.instruction_set()
    _core.set_instruction_set(request.param)
    yield request.param
    _core.set_instruction_set(before)


def squared(scores: np.ndarray, targets: np.ndarray) -> float:
    return float(np.mean((scores.astype(float) - targets) ** 2))


def softmax(scores: np.ndarray, targets: np.ndarray) -> float:
    z = scores.astype(float)
    z = z - z.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), targets]))


NAIVE = {"squared": squared, "softmax": softmax}


def problem(loss: po.losses.Loss, rows: int, columns: int, dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(rows * 100 + columns)
    scores = (3 * rng.normal(size=(rows, columns))).astype(dtype)
    if loss.labels:
        return scores, rng.integers(0, columns, rows)
    return scores, rng.normal(size=(rows, columns)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (7, 10), (300, 33), (5000, 10), (3, 9000)])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_value_and_slope(loss: Any, shape: tuple[int, int], dtype: Any) -> None:
    scores, targets = problem(loss, *shape, dtype)
    value, slope = loss.value_and_slope(scores, targets)
    rtol = 1e-6 if dtype == np.float32 else 1e-13
    assert value == pytest.approx(NAIVE[loss.name](scores, targets), rel=rtol)
    assert value == loss(scores, targets)
    assert slope.dtype == dtype
    # Along a random direction the slope predicts the change of the loss in float64.
    rng = np.random.default_rng(1)
    direction = rng.normal(size=shape)
    z, h = scores.astype(float), 1e-5
    numeric = (
        NAIVE[loss.name](z + h * direction, targets) - NAIVE[loss.name](z - h * direction, targets)
    ) / (2 * h)
    scale = float(np.abs(slope.astype(float) * direction).sum()) + 1e-12
    assert abs(float((slope * direction).sum()) - numeric) < (1e-5 if rtol > 1e-9 else 1e-8) * scale


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_same_bits_on_every_instruction_set_and_thread_count(loss: Any, dtype: Any) -> None:
    scores, targets = problem(loss, 21000, 13, dtype)
    results = set()
    before = _core.instruction_set()
    try:
        for name in _core.instruction_sets():
            _core.set_instruction_set(name)
            for threads in (1, 2, 5):
                po.set_num_threads(threads)
                value, slope = loss.value_and_slope(scores, targets)
                results.add((value, slope.tobytes()))
    finally:
        _core.set_instruction_set(before)
        po.set_num_threads(None)
    assert len(results) == 1


def test_extreme_scores_give_finite_losses(instruction_set: str) -> None:
    for dtype in DTYPES:
        scores = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype=dtype)
        value, slope = po.losses.softmax.value_and_slope(scores, np.array([1, 0]))
        assert value == pytest.approx((2e4 + np.log(3)) / 2, rel=1e-6)
        assert slope[0].tolist() == [0.5, -0.5, 0]
        assert slope[1] == pytest.approx([-1 / 3, 1 / 6, 1 / 6], rel=1e-6)


def test_nan_and_infinity_are_not_hidden(instruction_set: str) -> None:
    labels = np.array([0, 0])
    for bad in (np.nan, np.inf):
        scores = np.array([[0.0, bad], [0.0, 1.0]])
        value, slope = po.losses.softmax.value_and_slope(scores, labels)
        assert not np.isfinite(value)
        assert not np.isfinite(slope[0]).all()
        assert np.isfinite(slope[1]).all()
        assert not np.isfinite(po.losses.squared(scores, np.zeros((2, 2))))


def test_bad_targets_are_refused() -> None:
    softmax, scores = po.losses.softmax, np.zeros((3, 4))
    with pytest.raises(ValueError, match=r"labels from 0 to 3, got 4 at row 1"):
        softmax(scores, np.array([0, 4, 1]))
    with pytest.raises(ValueError, match=r"labels from 0 to 3, got -1 at row 2"):
        softmax(scores, np.array([0, 3, -1]))
    with pytest.raises(ValueError, match="expected 3 contiguous int64 labels"):
        softmax(scores, np.array([0, 1]))
    with pytest.raises(TypeError, match="whole-number class labels, got dtype float64"):
        softmax(scores, np.array([0.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match=r"targets: expected shape \(3, 4\), got \(4, 3\)"):
        po.losses.squared(scores, np.zeros((4, 3)))
    with pytest.raises(ValueError, match="there is no loss 'hinges'; there are squared, softmax"):
        po.losses.get("hinges")
    with pytest.raises(TypeError, match="scores: dtype must be float32, float64"):
        softmax(scores.astype(int), np.array([0, 1, 2]))


def tanh_gelu(z: np.ndarray) -> np.ndarray:
    return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "gelu": tanh_gelu,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", list(_core.Activation), ids=lambda a: a.name)
def test_layers(activation: Any, dtype: Any, instruction_set: str) -> None:
    rng = np.random.default_rng(0)
    naive = ACTIVATIONS[activation.name]
    for rows, columns in [(1, 1), (5, 3), (40, 70), (700, 65)]:
        x = (4 * rng.normal(size=(rows, columns))).astype(dtype)
        bias = rng.normal(size=columns).astype(dtype)
        z, a = x.copy(), np.empty_like(x)
        _core.layer_forward(activation, z, bias, a)
        assert np.array_equal(z, x + bias)
        exact = naive(z.astype(float))
        tolerance = (
            {"rtol": 1e-6, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-13, "atol": 1e-14}
        )
        np.testing.assert_allclose(a, exact, **tolerance)
        in_place = x.copy()
        _core.layer_forward(activation, in_place, bias, in_place)
        assert np.array_equal(in_place, a)

        d = rng.normal(size=x.shape).astype(dtype)
        back, bias_grad = d.copy(), np.empty_like(bias)
        _core.layer_backward(activation, back, z, a, bias_grad)
        h = 1e-6
        slope = (naive(z.astype(float) + h) - naive(z.astype(float) - h)) / (2 * h)
        smooth = np.abs(z) > 1e-4  # relu has a corner
        np.testing.assert_allclose(back[smooth], (d * slope)[smooth], rtol=1e-4, atol=2e-5)
        np.testing.assert_allclose(
            bias_grad,
            back.sum(axis=0, dtype=float),
            rtol=1e-6,
            atol=1e-5 if dtype == np.float32 else 1e-12,
        )


def test_penalty(instruction_set: str) -> None:
    w = np.array([[-2.0, 0.0, 3.0]])
    grad = np.ones((1, 3))
    assert _core.add_penalty(w, grad, 0.5, 0.1) == pytest.approx(0.5 * 5 + 0.05 * 13)
    assert grad[0] == pytest.approx([1 - 0.5 - 0.2, 1, 1 + 0.5 + 0.3])


def test_softmax_probabilities(instruction_set: str) -> None:
    scores = np.random.default_rng(0).normal(size=(50, 11)).astype(np.float32)
    expected = np.exp(scores.astype(float))
    expected /= expected.sum(axis=1, keepdims=True)
    _core.softmax(scores)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
