"""States in 8 bits at the ends of what float32 can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim import _core


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("most", [2.0**-126, 2.0**-120, 1.5e38, 1.8e38, 3.4e38])
def test_float8_over_the_whole_range(
    most: float, sign: int, stochastic: bool, instruction_sets: list[str]
) -> None:
    """Blocks as small and as large as float32 has them, of one sign and of both."""
    for instruction_set in instruction_sets:
        _core.set_instruction_set(instruction_set)
        for size in (5, 256, 600):
            values = np.linspace(most / 100, most, size, dtype=np.float32)
            values[::2] *= np.float32(sign)
            param = np.zeros(size, np.float32)
            settings: dict[str, Any] = {"stochastic_rounding": stochastic, "seed": 3}
            optimizer = po.SGD([param], lr=1.0, momentum=0.5, state_dtype="float8", **settings)
            for grad in (values, np.zeros_like(values)):  # the state, and half of what it became
                param[:] = 0
                optimizer.step([grad])
            kept = -2 * param.astype(np.float64)
            if most < 2.0**-124:
                assert not kept.any()
            else:
                assert abs(kept - values).max() <= most / 8
                large = abs(values) > most / 8
                assert (np.sign(kept) == np.sign(values))[large].all()


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("spread", [1.0, 1e3, 2e4])
def test_small_gradients_beside_large_ones_are_followed(spread: float, stochastic: bool) -> None:
    """A quadratic whose gradients differ by `spread` within each block that shares a scale."""
    scales = np.tile(np.geomspace(1, 1 / spread, 64), 8).astype(np.float32)
    distances = {}
    for state_dtype in ("float32", "float8"):
        param = np.ones(scales.size, np.float32)
        options: dict[str, Any] = {"state_dtype": state_dtype, "stochastic_rounding": stochastic}
        optimizer = po.Adam([param], lr=po.schedules.linear(0.02, steps=400), **options)
        for _ in range(400):
            optimizer.step([scales * (param - 2)])
        distances[state_dtype] = np.abs(param - 2).max()
    assert distances["float8"] < distances["float32"] + 0.05, distances


def test_what_is_divided_by_is_never_0_beside_a_momentum(instruction_sets: list[str]) -> None:
    """A mean of squares that is too small for its block is kept as the least code."""
    for instruction_set in instruction_sets:
        _core.set_instruction_set(instruction_set)
        grad = np.geomspace(1, 1e-12, 256, dtype=np.float32)
        param = np.zeros(256, np.float32)
        optimizer = po.Adam([param], lr=1e-3, eps=0.0, state_dtype="float8")
        for _ in range(20):
            optimizer.step([grad])
            codes = optimizer.state["0"]["exp_avg_sq"]
            assert (codes > 0).all()
        assert np.isfinite(param).all()
        assert np.abs(param).max() <= 20 * 1e-3 * 1.5
