"""Arguments of wrappers beyond the range of float32: float64 results, or an error."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from reference import DTYPES, Array, all_dtypes

import pyoptim as po
from pyoptim import _core

W = po.wrappers
EXTREMES = (1e-300, 1e-46, 1e-39, 1e39, 1e300)
PARAMS = (0.0, 1.0, -2.0, 1e3, 1e20, -1e-20)
GRADS = (0.0, 1.0, -1e-10, 1e-30, 1e4, 2.0)
TOLERANCES = {"float32": 1e-5, "float64": 1e-14, "bfloat16": 2e-2}


def numbers_of(wrapper: Any) -> list[str]:
    """Return the arguments that are real numbers."""
    parameters = inspect.signature(wrapper).parameters.values()
    return [p.name for p in parameters if type(p.default) is float]


CASES = [
    (getattr(W, name), setting, value)
    for name in W.__all__
    for setting in numbers_of(getattr(W, name))
    for value in EXTREMES
] + [(W.GradientAccumulation, "weight", value) for value in EXTREMES]


def trained(wrapper: Any, setting: str, value: float, dtype: str, grad: Array) -> list[Array]:
    """Return the parameters at each gradient, and the averaged weights, in float64."""
    param = np.array(PARAMS).astype(DTYPES[dtype])
    counts = {"every": 2, "growth_interval": 2}
    settings = {n: c for n, c in counts.items() if n in inspect.signature(wrapper).parameters}
    weights = {"weight": value} if setting == "weight" else {}
    if not weights:
        settings[setting] = value
    opt = wrapper(po.SGD([param], lr=0.5, skip_nonfinite=True), **settings)
    seen = []

    def gradients() -> list[Array]:
        seen.append(param.astype(np.float64))
        return [grad.astype(param.dtype)]

    for _ in range(6):
        opt.step(gradients if opt.takes_closure else gradients(), **weights)
    seen.append(param.astype(np.float64))
    return seen + [kept.astype(np.float64) for kept in getattr(opt, "weights", {}).values()]


@all_dtypes
@pytest.mark.parametrize(
    ("wrapper", "setting", "value"), CASES, ids=lambda x: getattr(x, "__name__", str(x))
)
def test_extreme_numbers_act_as_in_float64(
    wrapper: Any, setting: str, value: float, dtype: str
) -> None:
    grad = np.array(GRADS).astype(DTYPES[dtype]).astype(np.float64)
    try:
        found = trained(wrapper, setting, value, dtype, grad)
    except ValueError as error:
        assert setting in str(error)  # noqa: PT017
        assert dtype != "float64" or setting not in ("rho", "weight", "eps")
        return
    expected = trained(wrapper, setting, value, "float64", grad)
    limit = float(np.finfo(np.float32).max) if dtype != "float64" else math.inf
    for a, b in zip(found, expected, strict=True):
        inside = np.isfinite(b) & (abs(b) <= limit)
        np.testing.assert_array_equal(np.isfinite(a), inside)
        np.testing.assert_allclose(a[inside], b[inside], rtol=TOLERANCES[dtype], atol=1e-12)


def result_of(kernel: str, x: Array, numbers: tuple[float, ...]) -> Array:
    """Return the result of a kernel for arrays filled with x, in the dtype of x."""
    params, wide = x.copy(), x.copy()
    if kernel in ("lerp", "lerp_and_store"):
        params *= 2
    arrays = {
        "set_scaled": (wide, x),
        "add_scaled": (wide, x),
        "lerp": (wide, params),
        "lerp_and_store": (wide, params),
        "round_scaled": (x, params),
        "scale": (params, x),
        "soft_threshold": (params,),
    }[kernel]
    getattr(_core, kernel)(*([array] for array in arrays), *numbers, 1)
    return (
        params if kernel in ("round_scaled", "scale", "soft_threshold", "lerp_and_store") else wide
    )


KERNELS = {
    "set_scaled": 1,
    "add_scaled": 1,
    "lerp": 1,
    "lerp_and_store": 1,
    "round_scaled": 1,
    "scale": 1,
    "soft_threshold": 2,
}


@pytest.mark.parametrize("value", EXTREMES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_holds_numbers_that_float32_cannot(kernel: str, value: float) -> None:
    x = np.array([0.0, 1.0, -1.0, 1e-20, -1e-5, 1e20, -1e30, 1e38], np.float32)
    for rest in (1.0, value):
        numbers = (value, rest)[: KERNELS[kernel]]
        found = result_of(kernel, x, numbers)
        expected = result_of(kernel, x.astype(np.float64), numbers)
        inside = abs(expected) <= np.finfo(np.float32).max
        np.testing.assert_array_equal(np.isfinite(found), inside)
        np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-6, atol=1.2e-38)
