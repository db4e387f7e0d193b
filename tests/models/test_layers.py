"""Layers against naive float64 references, on every instruction set."""

from typing import Any

import numpy as np
import pytest

from pyoptim import _core

DTYPES = [np.float32, np.float64]
SHAPES = [(2, 1), (5, 3), (40, 70), (700, 65)]


def tanh_gelu(z: np.ndarray) -> np.ndarray:
    return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "gelu": tanh_gelu,
    "silu": lambda z: z / (1 + np.exp(-z)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", list(_core.Activation), ids=lambda a: a.name)
def test_layers(activation: Any, dtype: Any, instruction_set: str) -> None:
    rng = np.random.default_rng(0)
    naive = ACTIVATIONS[activation.name]
    near = {"rtol": 1e-6, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-13, "atol": 1e-14}
    for rows, columns in SHAPES:
        x = (4 * rng.normal(size=(rows, columns))).astype(dtype)
        bias = rng.normal(size=columns).astype(dtype)
        slope, a = x.copy(), np.empty_like(x)
        _core.layer_forward(activation, slope, bias, a)
        z = (x + bias).astype(float)
        np.testing.assert_allclose(a, naive(z), **near)
        in_place = x.copy()
        _core.layer_forward(activation, in_place, bias, in_place)
        assert np.array_equal(in_place, a)
        skip = rng.normal(size=x.shape).astype(dtype)
        skip.flags.writeable = False
        _core.layer_forward(activation, x.copy(), bias, in_place, skip)
        assert np.array_equal(in_place, a + skip)

        h = 1e-6
        exact = (naive(z + h) - naive(z - h)) / (2 * h)
        smooth = np.abs(z) > 1e-4  # relu is not differentiable at 0
        np.testing.assert_allclose(slope[smooth], exact[smooth], rtol=1e-5, atol=1e-5)
        d, by_z, bias_grad = rng.normal(size=x.shape).astype(dtype), slope.copy(), bias.copy()
        _core.layer_backward(d, by_z, bias_grad)
        assert np.array_equal(by_z, slope * d)
        sums = {"rtol": 1e-6, "atol": 1e-5 if dtype == np.float32 else 1e-12}
        np.testing.assert_allclose(bias_grad, by_z.sum(axis=0, dtype=float), **sums)
        _core.layer_backward(d, None, bias_grad)
        np.testing.assert_allclose(bias_grad, d.sum(axis=0, dtype=float), **sums)


@pytest.mark.parametrize("name", ["gelu", "silu", "leaky_relu"])
def test_gradients_of_large_inputs(name: str, instruction_set: str) -> None:
    z = np.array([[-1e30, -1e10, -50, 50, 1e10, 1e30]], np.float32)
    a = np.empty_like(z)
    below = 0.01 if name == "leaky_relu" else 0
    values = [below * x if x < 0 else x for x in z[0]]
    _core.layer_forward(_core.Activation[name], z, np.zeros(6, np.float32), a)
    np.testing.assert_allclose(a[0], values, rtol=1e-6, atol=1e-18)
    np.testing.assert_allclose(z[0], [below] * 3 + [1] * 3, atol=1e-18)


def dropped(rate: float, seed: int, draw: int, shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """Return a layer's outputs for ones after dropout."""
    z, a = np.ones(shape, dtype), np.empty(shape, dtype)
    bias = np.zeros(shape[1], dtype)
    _core.layer_forward(_core.Activation.identity, z, bias, a, None, rate, seed, draw)
    assert np.array_equal(z, a)  # the gradient is the dropout factor
    return a


def philox(counter: list[int], key: int) -> list[int]:
    """Return numbers of Philox4x32-10, implemented from the paper."""
    x, low, high = list(counter), key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        a, b = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [(b >> 32) ^ x[1] ^ low, b & 0xFFFFFFFF, (a >> 32) ^ x[3] ^ high, a & 0xFFFFFFFF]
        low, high = (low + 0x9E3779B9) & 0xFFFFFFFF, (high + 0xBB67AE85) & 0xFFFFFFFF
    return x


def test_generator_matches_philox() -> None:
    """The expected numbers are the known answers of the authors."""
    assert philox([0] * 4, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    assert philox([2**32 - 1] * 4, 2**64 - 1) == ones


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_depends_on_seed_draw_row_and_column(dtype: Any, instruction_set: str) -> None:
    seed, draw, rate = 2**40 + 7, 2**33 + 5, 0.3
    for shape in [(3, 1), (2, 130), (300, 100)]:
        found = dropped(rate, seed, draw, shape, dtype)
        assert set(np.unique(found)) <= {0, dtype(1 / 0.7)}
        for row in {0, 1, shape[0] - 1}:
            for column in {0, shape[1] // 2, shape[1] - 1}:
                place, lane = divmod(column, 64)
                words = philox([place * 16 + lane % 16, row, draw & 0xFFFFFFFF, draw >> 32], seed)
                assert (found[row, column] == 0) == (words[lane // 16] < int(rate * 2**32))
        assert np.array_equal(found[:2], dropped(rate, seed, draw, (2, shape[1]), dtype))
    many = [dropped(rate, *key, (400, 250), dtype) for key in [(0, 0), (0, 1), (1, 0)]]
    for each in many:  # five standard deviations
        assert (each == 0).mean() == pytest.approx(rate, abs=5 * (0.21 / 1e5) ** 0.5)
        assert (each == 0).mean(axis=0) == pytest.approx(rate, abs=5 * (0.21 / 400) ** 0.5)
        both = (each[:, 1:] == 0) & (each[:, :-1] == 0)
        assert both.mean() == pytest.approx(rate**2, abs=0.005)
    assert ((many[0] == 0) & (many[1] == 0)).mean() == pytest.approx(rate**2, abs=0.005)
    assert ((many[0] == 0) & (many[2] == 0)).mean() == pytest.approx(rate**2, abs=0.005)
    assert (dropped(1 - 2**-40, 0, 0, (20, 9), np.float64) == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1])
def test_norms(axis: int, dtype: Any, instruction_set: str) -> None:
    rng = np.random.default_rng(1)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    for shape in SHAPES:
        x = (3 + 5 * rng.normal(size=shape)).astype(dtype)
        gain = rng.normal(size=shape[1]).astype(dtype)
        normal, scaled = x.copy(), np.empty_like(x)
        factors = np.empty(shape[0] if axis else shape[1])
        running = np.full(shape[1], 7, dtype), np.full(shape[1], 2, dtype)
        wide = x.astype(float)
        mean, variance = wide.mean(axis, keepdims=True), wide.var(axis, keepdims=True)
        if axis:
            _core.layer_norm(normal, gain, scaled, factors, 1e-5)
            in_place = x.copy()
            _core.layer_norm(in_place, gain, in_place, None, 1e-5)
            assert np.array_equal(in_place, scaled)
        else:
            _core.batch_norm(normal, gain, scaled, factors, 1e-5, *running, 0.25)
            unbiased = variance[0] * shape[0] / (shape[0] - 1)
            np.testing.assert_allclose(running[0], 0.75 * 7 + 0.25 * mean[0], rtol=rtol)
            np.testing.assert_allclose(running[1], 0.75 * 2 + 0.25 * unbiased, rtol=rtol)
        exact = (wide - mean) / np.sqrt(variance + 1e-5)
        np.testing.assert_allclose(normal, exact, rtol=rtol, atol=rtol)
        np.testing.assert_allclose(scaled, exact * gain, rtol=rtol, atol=10 * rtol)

        d, gain_grad = rng.normal(size=shape).astype(dtype), np.empty_like(gain)
        before = d.astype(float)
        backward = _core.layer_norm_backward if axis else _core.batch_norm_backward
        backward(d, normal, gain, factors, gain_grad)
        np.testing.assert_allclose(gain_grad, (before * exact).sum(0), rtol=rtol, atol=300 * rtol)
        inner = before * gain
        inner -= inner.mean(axis, keepdims=True)
        inner -= exact * (before * gain * exact).mean(axis, keepdims=True)
        np.testing.assert_allclose(d, inner / np.sqrt(variance + 1e-5), rtol=rtol, atol=10 * rtol)


def test_invalid_arguments_are_rejected() -> None:
    x, gain, one = np.zeros((3, 4)), np.ones(4), np.zeros((1, 4))
    identity = _core.Activation.identity
    with pytest.raises(ValueError, match="bias: expected 4 values"):
        _core.layer_forward(identity, x, np.zeros(3), x)
    with pytest.raises(ValueError, match=r"rate: expected a number in \[0, 1\)"):
        _core.layer_forward(identity, x, gain, x, None, 1.0)
    with pytest.raises(ValueError, match="skip: "):
        _core.layer_forward(identity, x, gain, x, one)
    with pytest.raises(ValueError, match="factors: expected 3 values of float64"):
        _core.layer_norm(x, gain, x, np.zeros(3, np.float32), 1e-5)
    with pytest.raises(ValueError, match="weight: expected 4 values"):
        _core.layer_norm(x, gain[:3], x, None, 1e-5)
    with pytest.raises(ValueError, match="at least two rows"):
        _core.batch_norm(one, gain, one, gain, 1e-5, gain, gain, 0.1)
    with pytest.raises(ValueError, match="factors: expected 4 values of float64"):
        _core.batch_norm_backward(x, x.copy(), gain, np.zeros(3), gain)


def test_softmax_probabilities(instruction_set: str) -> None:
    scores = np.random.default_rng(0).normal(size=(50, 11)).astype(np.float32)
    expected = np.exp(scores.astype(float))
    expected /= expected.sum(axis=1, keepdims=True)
    _core.softmax(scores)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
