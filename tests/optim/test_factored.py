"""Rules with states for the rows and columns of matrices, over arrays of two axes and more."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from reference import (
    DTYPES,
    VARIANTS,
    Array,
    Case,
    all_dtypes,
    assert_same_state,
    references,
    same_bits,
    some_numbers,
    step_together,
)

import pyoptim as po
from pyoptim import _core
from pyoptim.optim._options import native_options

FACTORED = [case for case in VARIANTS if case.rule.factored]
all_factored = pytest.mark.parametrize("case", FACTORED, ids=str)

# Whole tiles and parts of them, tiles of one row, long ones, and of many matrices.
SHAPES = [
    (1, 1),
    (7, 3),
    (1, 40),
    (40, 1),
    (129, 515),
    (65, 8200),
    (300, 31),
    (3, 17_000),
    (2, 3, 5, 7),
    (1200, 6, 5),
    (2, 130, 9),
    (17, 1, 3),
]


def numbers(seed: int, shape: tuple[int, ...], dtype: str) -> Array:
    flat = some_numbers(seed, int(np.prod(shape)), dtype, zeros=seed > 0)
    return flat.reshape(shape).copy()


def stepped(case: Case, dtype: str, **options: Any) -> po.Optimizer:
    params = [numbers(0, shape, dtype) for shape in SHAPES]
    optimizer = case.make(params, lr=0.5, weight_decay=0.1, **options)
    for t in (1, 2, 3):
        optimizer.step([numbers(t, shape, dtype) for shape in SHAPES])
    return optimizer


def everything(optimizer: po.Optimizer) -> list[Array]:
    states = optimizer.state_dict().values()
    arrays = [value for value in states if isinstance(value, np.ndarray)]
    return [*optimizer.param_groups[0]["params"], *arrays]


@pytest.mark.parametrize("decoupled", [False, True])
@all_dtypes
@all_factored
def test_equals_reference(case: Case, dtype: str, decoupled: bool) -> None:
    params = [numbers(0, shape, dtype) for shape in SHAPES]
    # In the third step the rate of Adafactor is 1 / sqrt(3), which is below lr.
    optimizer = case.make(params, lr=0.6, weight_decay=0.1, decoupled_weight_decay=decoupled)
    expected = references(optimizer)
    for t in (1, 2, 3):
        before = [param.copy() for param in params]
        grads = [numbers(t, shape, dtype) for shape in SHAPES]
        optimizer.step(grads)
        step_together(expected, grads)
        for i, (param, wanted) in enumerate(zip(params, expected, strict=True)):
            assert same_bits(param, wanted.param), SHAPES[i]
            assert_same_state(optimizer, str(i), wanted)
            assert np.count_nonzero(param != before[i]) > param.size / 2 or param.size == 1


@all_dtypes
@all_factored
def test_instruction_sets_and_threads_agree(
    case: Case, dtype: str, instruction_sets: list[str]
) -> None:
    runs = []
    for name, threads in itertools.product(instruction_sets, (1, 2, 5)):
        _core.set_instruction_set(name)
        runs.append(everything(stepped(case, dtype, num_threads=threads, clip_norm=3.0)))
    for run in runs[1:]:
        assert all(same_bits(a, b) for a, b in zip(runs[0], run, strict=True))


@all_factored
def test_nothing_is_written_outside(case: Case) -> None:
    for shape in SHAPES:
        frame = np.full(int(np.prod(shape)) + 64, 7.0, np.float32)
        param = frame[32:-32].reshape(shape)
        param[...] = numbers(0, shape, "float32")
        grad = numbers(1, shape, "float32")
        kept = grad.copy()
        case.make([param]).step([grad])
        assert (frame[:32] == 7).all()
        assert (frame[-32:] == 7).all()
        assert same_bits(grad, kept)


@all_factored
def test_waves_agree_with_single_arrays(case: Case) -> None:
    """Arrays of one optimizer, more than stay in cache together, as if each had its own."""
    shapes = [(700, 900), (1000,), (500, 1100), (3, 3), (900, 40, 10)]
    together = [numbers(0, shape, "float32") for shape in shapes]
    alone = [param.copy() for param in together]
    grads = [numbers(1, shape, "float32") for shape in shapes]
    optimizer = case.make(together, num_threads=2)
    single = [case.make([param], num_threads=1) for param in alone]
    for _ in range(2):
        optimizer.step(grads)
        for own, grad in zip(single, grads, strict=True):
            own.step([grad])
    for a, b in zip(together, alone, strict=True):
        assert same_bits(a, b)


@all_factored
def test_state_survives(case: Case) -> None:
    """States have their shapes in state_dict, and an optimizer that loads it goes on alike."""
    first = stepped(case, "float32")
    second = case.make([p.copy() for p in first.param_groups[0]["params"]])
    second.load_state_dict(first.state_dict())
    grads = [numbers(9, shape, "float32") for shape in SHAPES]
    for optimizer in (first, second):
        optimizer.step(grads)
    for a, b in zip(everything(first), everything(second), strict=True):
        assert same_bits(a, b)
    wrong = first.state_dict()
    name = next(key for key, value in wrong.items() if np.ndim(value) > 0)
    wrong[name] = wrong[name][..., None]
    with pytest.raises(ValueError, match="shape"):
        second.load_state_dict(wrong)


def test_shapes_of_states() -> None:
    shapes = {
        name: {
            state: np.shape(value)
            for state, value in getattr(po, name)([np.zeros((4, 3, 2))]).state["0"].items()
            if state != "step"
        }
        for name in ("Adafactor", "SM3", "RowwiseAdagrad")
    }
    assert shapes == {
        "Adafactor": {"row_var": (4, 3, 1), "col_var": (4, 1, 2)},
        "SM3": {
            "row_accumulator": (4,),
            "column_accumulator": (3, 2),
            "momentum_buffer": (4, 3, 2),
        },
        "RowwiseAdagrad": {"row_sum": (4,)},
    }


@all_factored
def test_extreme_gradients(case: Case) -> None:
    """Zeros and tiny ones leave parameters where they are, huge ones move them a little."""
    for size in (0.0, 1e-30, 1e-18, 1e15):
        param = np.ones((30, 20), np.float32)
        optimizer = case.make([param], lr=0.1)
        for _ in range(3):
            optimizer.step([np.full_like(param, size)])
        assert np.isfinite(param).all()
        assert (param == 1).all() == (size < 1)


@all_factored
def test_nan_stays_in_its_array(case: Case) -> None:
    params = [np.ones((30, 20), np.float32), np.ones((30, 20), np.float32)]
    grads = [np.ones_like(param) for param in params]
    grads[0][3, 4] = np.nan
    case.make(params).step(grads)
    assert np.isnan(params[0][3, 4])
    assert np.isfinite(params[1]).all()


@all_factored
def test_extras_are_refused(case: Case) -> None:
    with pytest.raises(TypeError, match="no argument 'ema_decay'"):
        case.make([np.zeros(3)], ema_decay=0.5)
    options = {**native_options({}), "ema_decay": 0.5}
    with pytest.raises(ValueError, match="nothing can be done around"):
        _core.Optimizer(case.rule.name, [([], [("p", np.zeros(3), None)])], **options)


def test_sums_are_right_for_every_dtype() -> None:
    """The references' order of adding up apart: means against NumPy's."""
    for dtype in DTYPES:
        param, grad = numbers(0, (513, 1030), dtype), numbers(1, (513, 1030), dtype)
        optimizer = po.Adafactor([param])
        optimizer.step([grad])
        square = grad.astype(np.float64) ** 2
        state = optimizer.state["0"]
        np.testing.assert_allclose(state["row_var"], square.mean(1, keepdims=True), rtol=1e-6)
        np.testing.assert_allclose(state["col_var"], square.mean(0, keepdims=True), rtol=1e-6)
