"""States in 8 bits at the ends of what float32 can hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim import _core


@pytest.fixture
def instruction_sets() -> Iterator[list[str]]:
    before = _core.instruction_set()
    yield _core.instruction_sets()
    _core.set_instruction_set(before)


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
