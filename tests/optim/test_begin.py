"""States before the first step: what is written or loaded then stays, what is not begins then."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from reference import Array, all_variants, same_bits

import pyoptim as po
from pyoptim import _core
from pyoptim.optim._base import native_options
from pyoptim.optim._options import native_extras

ENGINE_OPTIONS = {**native_options({}), **native_extras({})}
FORMATS = [None, "bfloat16", "float8"]


def gradient(t: int, shape: tuple[int, ...] = (6, 5)) -> Array:
    return np.random.default_rng([t, *shape]).normal(size=shape).astype(np.float32)


def begun(case: Any, lr: float = 0.125, **options: Any) -> tuple[Array, po.Optimizer]:
    """An optimizer that has made no step, whose states begin from numbers other than 0."""
    own = {field.name for field in case.rule.fields}
    start = {name: 0.5 for name in ("initial_accumulator_value",) if name in own}
    param = gradient(99)
    return param, case.make([param], lr=lr, **{**start, **options})


def options_for(case: Any, state_dtype: str | None) -> list[dict[str, Any]]:
    """The options to test, or none where a rule has no states in fewer bits."""
    if case.rule.factored:
        return [] if state_dtype else [{}]
    return [{"state_dtype": state_dtype, "ema_decay": 0.5}]


def result(optimizer: po.Optimizer, param: Array) -> dict[str, Any]:
    return {**optimizer.state_dict(), "param": param.copy()}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether results are the same to the bit."""
    return a.keys() == b.keys() and all(
        same_bits(a[key], b[key]) if isinstance(a[key], np.ndarray) else a[key] == b[key]
        for key in a
    )


@pytest.mark.parametrize("state_dtype", FORMATS)
@all_variants
def test_a_round_trip_before_the_first_step_changes_nothing(
    case: Any, state_dtype: str | None
) -> None:
    """Also where parameters and the rate change after construction: states begin from those."""
    for options in options_for(case, state_dtype):
        results = []
        for when in ("never", "read", "loaded", "elsewhere"):
            param, optimizer = begun(case, **options)
            if when == "read":
                assert optimizer.state["0"]
                assert optimizer.state_dict()
            if when == "loaded":
                optimizer.load_state_dict(optimizer.state_dict())
            param *= 2
            optimizer.param_groups[0]["lr"] = 0.25
            if when == "elsewhere":
                state = optimizer.state_dict()
                param, optimizer = begun(case, **options)
                param *= 2
                optimizer.load_state_dict(state)
            for t in range(3):
                optimizer.step([gradient(t)])
            results.append(result(optimizer, param))
        for other in results[1:]:
            assert same(results[0], other)


@pytest.mark.parametrize("state_dtype", FORMATS)
@all_variants
def test_a_state_loaded_before_the_first_step_is_kept(case: Any, state_dtype: str | None) -> None:
    """To the bit, and what a step makes of it differs from what it makes of none."""
    for options in options_for(case, state_dtype):
        _, donor = begun(case, **options)
        for t in range(3):
            donor.step([gradient(t)])
        state = {key: 0 if key.endswith("step") else x for key, x in donor.state_dict().items()}
        results = []
        for loaded in (state, None):
            param, optimizer = begun(case, **options)
            if loaded is not None:
                optimizer.load_state_dict(loaded)
                assert same(optimizer.state_dict(), loaded)
                assert optimizer.state["0"]
                assert same(optimizer.state_dict(), loaded)
            optimizer.step([gradient(5)])
            results.append(result(optimizer, param))
        kept = [key for key in state if key.startswith("params.") and not key.endswith(".step")]
        assert not kept or not same(*results)


@all_variants
def test_a_state_written_before_the_first_step_is_kept(case: Any) -> None:
    """As `state_memory` hands it out to torch, and the C interface to its users."""
    param = gradient(99)
    native = _core.Optimizer(
        case.rule.name,
        [([("lr", 0.125), *case.settings], [("p", param, None)])],
        **ENGINE_OPTIONS,
    )
    expected = {}
    for name, memory in native.state_memory(0).items():
        if name == "step":
            continue
        memory[...] = expected[name] = np.linspace(0.25, 0.75, memory.size).reshape(memory.shape)
    for name, wanted in expected.items():
        assert np.array_equal(native.state(0)[name], np.float32(wanted)), name
    state = native.snapshot()[1][0]
    other_param = param.copy()
    other = _core.Optimizer(
        case.rule.name,
        [([("lr", 0.125), *case.settings], [("p", other_param, None)])],
        **ENGINE_OPTIONS,
    )
    other.load([[]], [state], 0)
    native.set(0, "lr", 0.5)
    other.set(0, "lr", 0.5)
    native.step([gradient(1)], 1.0)
    other.step([gradient(1)], 1.0)
    assert same_bits(param, other_param)


def test_adagrads_sum_is_what_was_written() -> None:
    """The sum of squares of torch: 8 + 1, not 0.1 + 1."""
    param = np.zeros(3, np.float32)
    optimizer = po.Adagrad([param], initial_accumulator_value=0.1)
    state = optimizer.state_dict()
    assert np.array_equal(state["params.0.sum"], np.full(3, 0.1, np.float32))
    state["params.0.sum"].fill(8)
    optimizer.load_state_dict(state)
    optimizer.step([np.ones(3, np.float32)])
    assert optimizer.state["0"]["sum"].tolist() == [9, 9, 9]


def test_a_sum_of_0_is_kept_where_another_one_is_the_first() -> None:
    param = np.zeros(3, np.float32)
    optimizer = po.Adagrad([param], initial_accumulator_value=5.0)
    state = optimizer.state_dict()
    state["params.0.sum"].fill(0)
    optimizer.load_state_dict(state)
    optimizer.step([np.ones(3, np.float32)])
    assert optimizer.state["0"]["sum"].tolist() == [1, 1, 1]


def test_states_of_rows_are_kept() -> None:
    table = np.zeros((4, 2), np.float32)
    optimizer = po.Adagrad([table], initial_accumulator_value=0.1)
    state = optimizer.state_dict()
    state["params.0.sum"].fill(8)
    optimizer.load_state_dict(state)
    optimizer.step([po.RowGrad(np.array([1]), np.ones((1, 2), np.float32))])
    assert optimizer.state["0"]["sum"].tolist() == [[8, 8], [9, 9], [8, 8], [8, 8]]


def test_master_weights_are_kept() -> None:
    """Where they are still rounded to the parameters."""
    param = np.ones(3, ml_dtypes.bfloat16)
    optimizer = po.SGD([param], lr=0.0, master_weights="float32")
    state = optimizer.state_dict()
    assert state["params.0.master"].tolist() == [1, 1, 1]
    state["params.0.master"][:2] = [1.001, 7]
    optimizer.load_state_dict(state)
    optimizer.step([np.ones(3, ml_dtypes.bfloat16)])
    assert np.array_equal(optimizer.state["0"]["master"], np.float32([1.001, 1, 1]))


def test_schedule_free_evaluates_where_a_written_state_says() -> None:
    param = np.array([1.0, 2.0])
    optimizer = po.ScheduleFreeSGD([param], momentum=0.5)
    with optimizer.evaluation():
        assert param.tolist() == [1, 2]
    state = optimizer.state_dict()
    state["params.0.z"][:] = [2, 4]
    optimizer.load_state_dict(state)
    with optimizer.evaluation():
        assert param.tolist() == [0, 0]  # x = (y - 0.5 z) / 0.5
    assert param.tolist() == [1, 2]
    assert optimizer.state["0"]["z"].tolist() == [2, 4]


def test_the_first_gradient_is_damped_where_there_is_momentum() -> None:
    """As in torch, which takes the gradient as it is only where there is no buffer yet."""
    param = np.zeros(2)
    optimizer = po.SGD([param], lr=1.0, momentum=0.5, dampening=0.25)
    state = optimizer.state_dict()
    state["params.0.momentum_buffer"][0] = 8
    optimizer.load_state_dict(state)
    optimizer.step([np.ones(2)])
    assert param.tolist() == [-4.75, -0.75]
