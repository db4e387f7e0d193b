"""Matrix multiplications: bit-identical to sums in a fixed order, for any number of threads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim import _core
from pyoptim.parameters._types import Array

DEPTH = 256  # terms of a block, at most

# (n, k, m): full and partial tiles, one or several blocks of terms, and halves by threads.
SHAPES = [
    (1, 1, 1),
    (5, 3, 7),
    (8, 256, 48),
    (9, 257, 49),
    (3, 0, 4),
    (0, 3, 4),
    (4, 3, 0),
    (1, 300, 100),
    (100, 300, 1),
    (32, 784, 100),
    (64, 1024, 130),
    (33, 2049, 17),
    (300, 10, 100),
    (130, 600, 513),
    (1500, 520, 9),
]
DTYPES = [np.float32, np.float64]


def expected(a: Array, b: Array) -> Array:
    """Return the product in NumPy, summed term by term, then over blocks, then over two halves."""
    terms = a.shape[1]
    count = max(1, -(-terms // DEPTH))
    depth = -(-terms // count)
    sums = np.zeros((count, a.shape[0], b.shape[1]), a.dtype)
    for block, total in enumerate(sums):
        for k in range(block * depth, min((block + 1) * depth, terms)):
            total += np.multiply.outer(a[:, k], b[k])
    half = (count + 1) // 2
    total = sums[0]
    for each in sums[1:half]:
        total = total + each
    if half == count:
        return total
    second = sums[half]
    for each in sums[half + 1 :]:
        second = second + each
    return np.asarray(total + second)


def matrices(n: int, k: int, m: int, dtype: Any) -> tuple[Array, Array]:
    rng = np.random.default_rng(n + k + m)
    return rng.normal(size=(n, k)).astype(dtype), rng.normal(size=(k, m)).astype(dtype)


def layouts(array: Array) -> Iterator[Array]:
    """Return the values in contiguous, transposed, strided and reversed memory."""
    yield array
    yield np.asfortranarray(array)
    wide = np.zeros((array.shape[0] * 2, array.shape[1] * 3), array.dtype)
    wide[::2, 1::3] = array
    yield wide[::2, 1::3]
    yield array[::-1, ::-1].copy()[::-1, ::-1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_in_a_fixed_order(
    shape: tuple[int, int, int], dtype: Any, instruction_sets: list[str]
) -> None:
    a, b = matrices(*shape, dtype)
    right = expected(a, b)
    for isa in instruction_sets:
        _core.set_instruction_set(isa)
        for threads in (1, 2, 3, 5):
            po.set_num_threads(threads)
            out = np.full(right.shape, np.nan, dtype)
            _core.matmul(a, b, out)
            assert out.tobytes() == right.tobytes(), (isa, threads)
    np.testing.assert_allclose(right, a.astype(float) @ b.astype(float), rtol=0, atol=2e-4)


@pytest.mark.parametrize("shape", [(5, 3, 7), (32, 784, 100), (130, 600, 513)], ids=str)
def test_any_strides(shape: tuple[int, int, int]) -> None:
    a, b = matrices(*shape, np.float32)
    right = expected(a, b)
    for left in layouts(a):
        for factor in layouts(b):
            out = np.full(right.shape, np.nan, np.float32)
            _core.matmul(left, factor, out)
            assert out.tobytes() == right.tobytes(), (left.strides, factor.strides)
    broadcast = np.broadcast_to(a[:1], a.shape)
    out = np.empty(right.shape, np.float32)
    _core.matmul(broadcast, b, out)
    assert out.tobytes() == expected(broadcast, b).tobytes()


def test_only_the_product_is_written() -> None:
    a, b = matrices(13, 40, 29, np.float32)
    for columns in range(1, 30):
        memory = np.full(13 * columns + 64, 7, np.float32)
        out = memory[32 : 32 + 13 * columns].reshape(13, columns)
        _core.matmul(a, b[:, :columns], out)
        assert (memory[:32] == 7).all()
        assert (memory[-32:] == 7).all()


def test_nonfinite_values_stay_in_their_row_and_column() -> None:
    a, b = matrices(20, 300, 70, np.float32)
    a[3, 7], b[200, 60] = np.nan, np.inf
    out = np.empty((20, 70), np.float32)
    _core.matmul(a, b, out)
    strange = ~np.isfinite(out)
    assert np.isnan(out[3]).all()
    assert strange[:, 60].all()
    assert strange.sum() == 70 + 19


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(64, 1024, 130), (8, 4096, 600), (16, 5000, 511)], ids=str)
def test_nan_of_both_signs_are_bit_identical_for_all_threads(
    shape: tuple[int, int, int], dtype: Any, instruction_sets: list[str]
) -> None:
    a, b = matrices(*shape, dtype)
    _, k, m = shape
    a[0, k // 2], b[k // 3, m // 2], b[k - 1, 0] = np.nan, -dtype(np.nan), np.nan
    found = set()
    for isa in instruction_sets:
        _core.set_instruction_set(isa)
        for threads in (1, 2, 3):
            po.set_num_threads(threads)
            out = np.empty((shape[0], m), dtype)
            _core.matmul(a, b, out)
            found.add(out.tobytes())
    assert len(found) == 1


def test_errors() -> None:
    a, b = matrices(4, 3, 5, np.float32)
    out = np.zeros((4, 5), np.float32)
    shapes = "expected a, b and out of shapes (n, k), (k, m) and (n, m), got "
    for arguments, error, text in (
        ((a, a, out), ValueError, shapes + "(4, 3), (4, 3) and (4, 5)"),
        ((a, b, out[:3]), ValueError, shapes + "(4, 3), (3, 5) and (3, 5)"),
        ((a[0], b, out), ValueError, "a: expected 2 axes, got 1"),
        ((a.astype(float), b, out), TypeError, "a: expected the dtype of out"),
        ((a, b, np.asfortranarray(out)), ValueError, "out: expected a C-contiguous"),
        ((out[:, :3], b, out), ValueError, "out: overlaps a or b in memory"),
        ((a, out[1:4], out), ValueError, "out: overlaps a or b in memory"),
    ):
        with pytest.raises(error, match=re.escape(text)):
            _core.matmul(*arguments)
    assert (out == 0).all()
