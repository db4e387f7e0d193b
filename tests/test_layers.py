"""Layers against naive float64 references, on every instruction set."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pyoptim import _core

DTYPES = [np.float32, np.float64]


@pytest.fixture(params=_core.instruction_sets())
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.instruction_set()
    _core.set_instruction_set(request.param)
    yield request.param
    _core.set_instruction_set(before)


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


def test_softmax_probabilities(instruction_set: str) -> None:
    scores = np.random.default_rng(0).normal(size=(50, 11)).astype(np.float32)
    expected = np.exp(scores.astype(float))
    expected /= expected.sum(axis=1, keepdims=True)
    _core.softmax(scores)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
