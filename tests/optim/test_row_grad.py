"""Steps with gradients of some rows: the dense rule on these rows, and nothing anywhere else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from naive_rows import LazyReference, coalesced
from option_mixes import MIXES, RATES
from reference import (
    DTYPES,
    Array,
    Case,
    all_dtypes,
    assert_same_state,
    clip_factor,
    each_rule,
    norm,
    same_bits,
)
from row_grads import ROW_GRAD_CASES, numbers, row_grads
from snapshots import contents, through_pickle

import pyoptim as po
from pyoptim import _core

all_cases = each_rule(ROW_GRAD_CASES)
one_of_each = pytest.mark.parametrize(
    "case", list({case.rule.name: case for case in reversed(ROW_GRAD_CASES)}.values()), ids=str
)


def bits(param: Array, optimizer: po.Optimizer) -> list[bytes]:
    """Return the parameter and all that is kept for it."""
    return [param.tobytes(), *(np.asarray(x).tobytes() for x in optimizer.state["0"].values())]


@pytest.mark.parametrize("mix", MIXES)
@all_dtypes
@all_cases
def test_equals_the_dense_rule_on_the_touched_rows(case: Case, dtype: str, mix: str) -> None:
    options, scale = MIXES[mix]
    param = numbers(1, (40, 7), dtype).copy()
    optimizer = case.make([param], lr=RATES[0], **options)
    expected = LazyReference(optimizer)
    for lr, grad in zip(RATES, row_grads(10, 25, (40, 7), dtype), strict=True):
        optimizer.param_groups[0]["lr"] = lr
        info = optimizer.step([grad], grad_scale=scale)
        touched, sums = coalesced(grad.rows, grad.values)
        factor = scale
        if "clip_norm" in options:
            assert info.grad_norm == norm([sums]) * scale
            factor = scale * clip_factor(info.grad_norm, options["clip_norm"])
        bound = options.get("clip_value", np.inf)
        expected.step(touched, sums, lr=lr, scale=factor, bound=bound)
        assert same_bits(param, expected.whole.param)
        assert_same_state(optimizer, "0", expected.whole)


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.7}, {"clip_value": 0.1}], ids=str)
@all_dtypes
@all_cases
def test_all_rows_once_are_the_dense_gradient(
    case: Case, dtype: str, options: dict[str, float]
) -> None:
    shape = (700, 60)
    sparse, dense = (numbers(1, shape, dtype).copy() for _ in range(2))
    by_rows, whole = (case.make([p], weight_decay=0.1, **options) for p in (sparse, dense))
    for t in range(4):
        rows = np.random.default_rng(t).permutation(shape[0]) if t > 0 else np.arange(shape[0])
        grad = numbers(10 + t, shape, dtype)
        infos = by_rows.step([po.RowGrad(rows, grad[rows])]), whole.step([grad])
        assert infos[0].grad_norm == infos[1].grad_norm
        assert bits(sparse, by_rows) == bits(dense, whole)


def run(case: Case, dtype: str, **options: Any) -> list[bytes]:
    """Make steps large enough for several threads; some rows come often."""
    shape = (3000, 65)
    param = numbers(1, shape, dtype).copy()
    optimizer = case.make([param], weight_decay=0.1, **options)
    for t, grad in enumerate(row_grads(3, 2500, shape, dtype)):
        rows = np.where(np.arange(2500) % 3 == 0, grad.rows % 7, grad.rows)
        optimizer.step(po.RowGrad(rows if t < 2 else np.sort(rows), grad.values))
    return bits(param, optimizer)


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.7}], ids=str)
@all_dtypes
@one_of_each
def test_threads_and_instruction_sets_agree(
    case: Case, dtype: str, options: dict[str, float], instruction_sets: list[str]
) -> None:
    runs = [run(case, dtype, num_threads=n, **options) for n in (1, 2, 3, 7)]
    for name in instruction_sets:
        _core.set_instruction_set(name)
        runs.append(run(case, dtype, num_threads=2, **options))
    assert all(other == runs[0] for other in runs)


@all_dtypes
@all_cases
def test_other_rows_stay_as_they_are(case: Case, dtype: str) -> None:
    param = numbers(1, (30, 5), dtype).copy()
    optimizer = case.make([param], weight_decay=0.1, lr=0.5)
    optimizer.step([numbers(2, (30, 5), dtype)])
    before = [param.copy(), *(np.array(x) for x in optimizer.state["0"].values())]
    optimizer.step([po.RowGrad([4, 9, 4], numbers(3, (3, 5), dtype))])
    after = [param, *(np.asarray(x) for x in optimizer.state["0"].values())]
    others = np.delete(np.arange(30), [4, 9])
    for old, new in zip(before, after, strict=True):
        if new.ndim == 2:
            assert same_bits(old[others], new[others])
            assert (old[[4, 9]] != new[[4, 9]]).any(axis=1).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_of_a_row_are_added_in_the_order_given(dtype: str) -> None:
    kind = DTYPES[dtype]
    large = 2.0**60
    found = set()
    for order in permutations([large, 1.0, -large, 3.0]):
        param = np.zeros((3, 1), kind)
        values = np.array(order, kind)[:, None]
        po.SGD([param], lr=1.0).step([po.RowGrad([2] * 4, values)])
        wide = np.float64 if dtype == "float64" else np.float32
        total = wide(0)
        for value in order:
            total = total + wide(value)
        assert param[2, 0] == -total
        found.add(float(total))
    assert len(found) > 2


def test_sums_of_bfloat16_are_rounded_once() -> None:
    param = np.zeros((1, 1), DTYPES["bfloat16"])
    # One by one 256 + 1 would stay 256.
    values = np.array([256.0, 1.0, 1.0, 1.0], param.dtype)[:, None]
    po.SGD([param], lr=1.0).step([po.RowGrad([0] * 4, values)])
    assert param[0, 0] == -260  # 259 to nearest, ties to even


@all_dtypes
@one_of_each
@pytest.mark.parametrize("shape", [(50,), (20, 1, 3), (9, 2, 2, 2), (5, 3000), (4, 0), (0, 3)])
def test_shapes(case: Case, dtype: str, shape: tuple[int, ...]) -> None:
    param = numbers(1, shape, dtype).copy()
    optimizer = case.make([param])
    expected = LazyReference(optimizer)
    count = 30 if shape[0] > 0 else 0
    rows = np.arange(count) ** 2 % max(shape[0], 1)
    for t in range(3):
        values = numbers(t, (count, *shape[1:]), dtype)
        optimizer.step(po.RowGrad(rows, values))
        expected.step(*coalesced(rows, values))
    assert same_bits(param, expected.whole.param)
    assert_same_state(optimizer, "0", expected.whole)


@all_cases
def test_a_gradient_of_no_rows_is_a_step(case: Case) -> None:
    param = numbers(1, (6, 2), "float32").copy()
    before = param.copy()
    optimizer = case.make([param], weight_decay=0.1, clip_norm=1.0)
    expected = LazyReference(optimizer)
    nothing = po.RowGrad([], np.zeros((0, 2), np.float32))
    info = optimizer.step([nothing])
    assert (info.step, info.grad_norm, optimizer.state["0"]["step"]) == (1, 0.0, 1)
    assert same_bits(param, before)
    expected.step(nothing.rows, nothing.values)
    grad = po.RowGrad([3], np.full((1, 2), 0.25, np.float32))
    optimizer.step([grad])
    expected.step(grad.rows, grad.values)
    assert same_bits(param, expected.whole.param)
    assert_same_state(optimizer, "0", expected.whole)


@one_of_each
@pytest.mark.parametrize("named", [False, True])
def test_rows_stand_beside_dense_gradients_and_none(case: Case, named: bool) -> None:
    shapes = [(30, 4), (17,), (3, 3), (25, 2)]

    def made() -> tuple[list[Array], po.Optimizer]:
        params = [numbers(i, shape, "float64").copy() for i, shape in enumerate(shapes)]
        groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.5}]
        if named:
            groups = [{**g, "params": dict(zip("ab" if i == 0 else "cd", g["params"], strict=True))}
                      for i, g in enumerate(groups)]  # fmt: skip
        return params, case.make(groups, lr=0.1, weight_decay=0.1)

    def grads_at(t: int) -> list[Any]:
        first, last = (row_grads(1, 12, shapes[i], "float64", seed=t)[0] for i in (0, 3))
        return [first, numbers(t, (17,), "float64"), None, last]

    together, optimizer = made()
    for t in range(4):
        grads = grads_at(t)
        optimizer.step(dict(zip("abcd", grads, strict=True)) if named else grads)
    for i, lr in enumerate((0.1, 0.1, 0.5, 0.5)):
        alone = numbers(i, shapes[i], "float64").copy()
        single = case.make([alone], lr=lr, weight_decay=0.1)
        for t in range(4 if i != 2 else 0):
            single.step([grads_at(t)[i]])
        assert same_bits(together[i], alone)
        key = "abcd"[i] if named else str(i)
        assert optimizer.state[key]["step"] == (4 if i != 2 else 0)


def test_the_norm_is_of_all_gradients_together() -> None:
    rows, dense = np.zeros((10, 2)), np.zeros(3)
    optimizer = po.SGD([rows, dense], lr=1.0, clip_norm=1.0)
    grad = po.RowGrad([7, 2, 7], np.array([[1.0, 0.0], [0.0, 4.0], [2.0, 0.0]]))
    info = optimizer.step([grad, np.array([0.0, 12.0, 0.0])])
    assert info.grad_norm == 13
    assert np.allclose(rows[[2, 7]], [[0, -4 / 13], [-3 / 13, 0]])
    assert np.allclose(dense, [0, -12 / 13, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@one_of_each
def test_a_row_that_is_not_finite_is_skipped_if_asked(case: Case, bad: float) -> None:
    param = numbers(1, (8, 3), "float32").copy()
    optimizer = case.make([param], skip_nonfinite=True)
    grads = row_grads(2, 6, (8, 3), "float32")
    optimizer.step([grads[0]])
    before = bits(param, optimizer)
    values = grads[1].values.copy()
    values[4, 1] = bad
    assert optimizer.step([po.RowGrad(grads[1].rows, values)]).skipped
    assert bits(param, optimizer) == before
    assert not optimizer.step([grads[1]]).skipped


def test_a_sum_that_overflows_is_not_finite() -> None:
    param = np.zeros((4, 1), np.float32)
    optimizer = po.SGD([param], skip_nonfinite=True)
    values = np.full((2, 1), 3e38, np.float32)
    assert optimizer.step([po.RowGrad([1, 1], values)]).skipped
    assert not optimizer.step([po.RowGrad([1, 2], values)]).skipped


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.int32, np.uint64, ">i4", list])
def test_rows_may_be_of_any_integer_type(kind: Any) -> None:
    rows = [5, 2, 5, 0]
    values = numbers(1, (4, 2), "float64")
    wanted, param = np.zeros((6, 2)), np.zeros((6, 2))
    po.SGD([wanted]).step(po.RowGrad(np.array(rows), values))
    given = rows if kind is list else np.array(rows, kind)
    po.SGD([param]).step(po.RowGrad(given, values))
    assert same_bits(param, wanted)


@all_dtypes
def test_rows_and_values_may_be_strided_and_read_only(dtype: str) -> None:
    values, rows = numbers(1, (20, 3), dtype), np.array([1, 3, 1, 0, 2])
    wanted = np.zeros((5, 3), DTYPES[dtype])
    po.SGD([wanted]).step(po.RowGrad(rows, values[:5]))
    wide, apart = np.zeros((10, 6), DTYPES[dtype]), np.repeat(rows, 2)
    wide[::2, ::2] = values[:5]
    for array in (wide, apart):
        array.flags.writeable = False
    for strided in (wide[::2, ::2], np.asfortranarray(values[:5]), values[4::-1][::-1]):
        param = np.zeros((5, 3), DTYPES[dtype])
        po.SGD([param]).step(po.RowGrad(apart[::2], strided))
        assert same_bits(param, wanted)


def test_a_row_gradient_is_never_written() -> None:
    rows, values = np.array([3, 3, 0]), numbers(1, (3, 2), "float32").copy()
    grad = po.RowGrad(rows, values)
    kept = rows.copy(), values.copy()
    po.Adam([np.zeros((4, 2), np.float32)], clip_norm=0.1, weight_decay=0.1).step(grad)
    assert np.array_equal(rows, kept[0])
    assert same_bits(values, kept[1])
    with pytest.raises(AttributeError):
        grad.rows = rows  # type: ignore[misc]


@pytest.mark.parametrize("through", [copy.deepcopy, through_pickle])
@all_cases
def test_states_go_on(case: Case, through: Callable[[Any], Any]) -> None:
    grads = row_grads(6, 9, (12, 3), "float32")
    param = numbers(1, (12, 3), "float32").copy()
    optimizer = case.make({"table": param})
    for grad in grads[:3]:
        optimizer.step([grad])
    twin = through(optimizer)
    loaded = param.copy()
    fresh = case.make({"table": loaded})
    fresh.load_state_dict(optimizer.state_dict())
    for grad in grads[3:]:
        for stepped in (optimizer, twin, fresh):
            stepped.step({"table": grad})
    assert contents(fresh) == contents(optimizer)
    assert contents(twin) == contents(optimizer)


def test_parameters_take_rows() -> None:
    params = po.Parameters({"table": (10, 2), "bias": (3,)})
    po.Adagrad(params, lr=1.0).step(
        {"table": po.RowGrad([4], np.ones((1, 2), np.float32)), "bias": None}
    )
    assert params["table"].sum() == -2
    assert (params["table"][4] == -1).all()
