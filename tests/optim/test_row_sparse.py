"""Parameters of which some have gradients by rows, and who takes them."""

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pyoptim.cython_optim import Stepper
from reference import Case, all_dtypes, each_rule, same_bits
from row_grads import ROW_GRAD_CASES, make_params, row_grad, some_rows

import pyoptim as po
from pyoptim.optim import matrix

TAKERS = [rule for rule in po.rules() if rule.supports_row_grad]
OTHERS = [rule.name for rule in po.rules() if not rule.supports_row_grad]


def set_grads(params: po.Parameters, seed: int) -> None:
    """Set gradients that are the same whether they are by rows or not."""
    for name, array in params.items():
        grad = row_grad(seed, array)
        if name in params.row_sparse:
            params.grads[name] = grad
        else:
            params.grads[name][...] = 0
            np.add.at(params.grads[name], grad.rows, grad.values)


def test_row_sparse_ones_have_no_memory_for_gradients() -> None:
    params = make_params("items", "users")
    assert params.row_sparse == ("users", "items")
    assert params.flat.size == 18 + 4 + 40
    assert params.flat_grad.size == 4
    assert np.shares_memory(params.flat_grad, params.grads["w"])
    assert list(params.grads) == ["users", "w", "items"]
    assert len(params.grads) == 3
    for name in params.row_sparse:
        assert params.grads[name].rows.size == 0
        assert params.grads[name].values.shape == (0, *params[name].shape[1:])
    assert make_params("users", "w", "items").flat_grad.shape == (0,)
    assert po.Parameters({"items": 5}, row_sparse="items").row_sparse == ("items",)
    assert "row-sparse users, items" in repr(params)


def test_a_huge_table_takes_its_own_memory_only() -> None:
    params = po.Parameters({"table": (1 << 22, 16), "w": (3,)}, row_sparse=["table"])
    assert params.flat_grad.nbytes == 12
    opt = po.SGD(params, lr=1.0)
    params.grads["table"] = po.RowGrad([(1 << 22) - 1], np.ones((1, 16), np.float32))
    opt.step()
    assert (params["table"][-1] == -1).all()


def test_gradients_are_set_and_reset() -> None:
    params = make_params("users")
    grad = row_grad(0, params["users"])
    params.grads["users"] = grad
    params.grads["w"] = 2.0
    assert params.grads["users"] is grad
    assert params.flat_grad[:4].tolist() == [2] * 4
    before = grad.values.copy()
    params.scale_grad(0.5)
    assert same_bits(params.grads["users"].values, before * np.float32(0.5))
    assert same_bits(grad.values, before), "those of the caller are not written"
    assert params.grads["w"].tolist() == [[1, 1], [1, 1]]
    params.zero_grad()
    assert params.grads["users"].rows.size == 0
    assert not params.flat_grad.any()


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="row_sparse: no parameter 'v'; the parameters are w, b"):
        po.Parameters({"w": (3,), "b": ()}, row_sparse=["v"])
    with pytest.raises(ValueError, match="row_sparse: expected parameters with rows, got 'b'"):
        po.Parameters({"w": (3,), "b": ()}, row_sparse=["b"])
    params = make_params("users")
    with pytest.raises(TypeError, match="gradient of 'users': expected a RowGrad"):
        params.grads["users"] = np.zeros((6, 3), np.float32)
    with pytest.raises(TypeError, match="gradient of 'w': expected an array"):
        params.grads["w"] = po.RowGrad([0], np.zeros((1, 2), np.float32))
    with pytest.raises(KeyError, match="no parameter 'v'"):
        params.grads["v"] = 1
    opt = po.SGD(params)
    params.grads["users"] = po.RowGrad([6], np.zeros((1, 3), np.float32))
    before = params.flat.copy()
    with pytest.raises(IndexError, match=r"gradient of params\['users'\], rows: .* 6 rows.* got 6"):
        opt.step()
    params.grads["users"] = po.RowGrad([0], np.zeros((1, 3)))
    with pytest.raises(TypeError, match=r"params\['users'\], values: expected dtype float32"):
        opt.step()
    assert opt.steps == 0
    assert same_bits(params.flat, before)


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.3}, {"skip_nonfinite": True}], ids=str)
@each_rule(ROW_GRAD_CASES)
def test_a_step_without_arguments_is_that_with_them(case: Case, options: dict[str, Any]) -> None:
    bound, given = make_params("users", "items"), make_params("users", "items")
    opts = [case.make(params, lr=0.1, **options) for params in (bound, given)]
    for seed in range(5):
        set_grads(bound, seed)
        set_grads(given, seed)
        grads = copy.deepcopy(dict(given.grads))
        given.zero_grad()
        infos = opts[0].step(), opts[1].step(grads)
        assert infos[0].grad_norm == infos[1].grad_norm
        assert same_bits(bound.flat, given.flat)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
def test_the_same_as_dense_gradients(name: str, dtype: str) -> None:
    """Where a gradient of 0 moves nothing."""
    by_rows, dense = make_params("users", "items", dtype=dtype), make_params(dtype=dtype)
    opts = [getattr(po, name)(params, lr=0.5) for params in (by_rows, dense)]
    for seed in range(8):
        for params, opt in zip((by_rows, dense), opts, strict=True):
            for table, array in params.items():
                grad = po.RowGrad([4, 1], row_grad(seed, array, 2).values[: len(array)])
                if table == "w":
                    params.grads["w"][...] = grad.values
                elif table in params.row_sparse:
                    params.grads[table] = grad
                else:
                    params.grads[table][...] = 0
                    params.grads[table][grad.rows] = grad.values
            opt.step()
    assert same_bits(by_rows.flat, dense.flat)


@pytest.mark.parametrize("name", OTHERS)
def test_rules_that_take_no_rows_refuse_at_once(name: str) -> None:
    with pytest.raises(TypeError, match=rf"gradient of params\['users'\]: {name} takes no RowGrad"):
        getattr(po, name)(make_params("users"))
    getattr(po, name)(make_params())


@pytest.mark.parametrize("name", [rule.name for rule in matrix.RULES])
def test_matrix_rules_refuse_at_once(name: str) -> None:
    with pytest.raises(TypeError, match=rf"gradient of params\['users'\]: {name} takes no RowGrad"):
        getattr(po, name)(make_params("users"))


@pytest.mark.parametrize(
    "extra", [{"state_dtype": "bfloat16"}, {"ema_decay": 0.9}, {"zero_grads": True}], ids=str
)
def test_what_is_done_around_every_element_is_refused_at_once(extra: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="AdamW takes no RowGrad together with state_dtype"):
        po.AdamW(make_params("users"), **extra)


GIVING: dict[str, Callable[[po.Optimizer], Any]] = {"AGC": po.wrappers.AGC}


@pytest.mark.parametrize("name", GIVING)
def test_wrappers_that_work_on_gradients_refuse_at_once(name: str) -> None:
    message = f"{name} does not support row-sparse parameters, got 'users'"
    with pytest.raises(TypeError, match=message):
        GIVING[name](po.SGD(make_params("users")))
    with pytest.raises(TypeError, match=message):
        GIVING[name](po.wrappers.EMA(po.SGD(make_params("users"))))
    GIVING[name](po.SGD(make_params()))


@pytest.mark.parametrize("name", sorted(set(po.wrappers.__all__) - GIVING.keys()))
def test_other_wrappers_pass_them_on(name: str) -> None:
    wrap = getattr(po.wrappers, name)
    if name == "GradientAccumulation":
        wrap = functools.partial(wrap, every=1)
    by_rows, dense = make_params("users", "items"), make_params()
    opts = [wrap(po.Adagrad(p, skip_nonfinite=True, lr=0.5)) for p in (by_rows, dense)]
    for seed in range(5):
        for params in (by_rows, dense):
            grads = {name: row_grad(seed, params[name], 1) for name in params}
            for key, grad in grads.items():
                if key in params.row_sparse:
                    params.grads[key] = grad
                else:
                    params.grads[key][...] = 0
                    params.grads[key][grad.rows] = grad.values
        for opt in opts:
            opt.step((lambda: None) if opt.takes_closure else None)
    with opts[0].evaluation(), opts[1].evaluation():
        assert same_bits(by_rows.flat, dense.flat)


SHARP: list[Callable[[po.Optimizer], Any]] = [
    po.wrappers.SAM,
    functools.partial(po.wrappers.SAM, rho=0.5, adaptive=True, eta=0.1),
    po.wrappers.ASAM,
]


@all_dtypes
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("make", SHARP)
def test_sam_moves_the_rows_that_come(make: Any, maximize: bool, dtype: str) -> None:
    """Rows that come twice, or never: as the dense gradient does that is 0 elsewhere."""
    by_rows, dense = make_params("users", "items", dtype=dtype), make_params(dtype=dtype)
    opts = [make(po.Adagrad(p, lr=0.1, maximize=maximize)) for p in (by_rows, dense)]
    points: list[Any] = []

    def came(table: np.ndarray, seed: int, name: str) -> np.ndarray:
        rows = some_rows(seed, len(table), 3 * (seed % 3) if name == "items" else 4)
        return np.concatenate([rows, rows[:1]])

    def grads(params: po.Parameters, seed: int) -> dict[str, Any]:
        points.append(params.flat.astype(float))
        found: dict[str, Any] = {"w": 2 * params["w"]}
        for name in by_rows.row_sparse:
            rows = came(params[name], seed, name)
            if seed % 4 == 3 and name == "users":
                found[name] = None
            elif params is by_rows:
                found[name] = po.RowGrad(rows, 2 * params[name][rows])
            else:
                found[name] = np.zeros_like(params[name])
                np.add.at(found[name], rows, 2 * params[name][rows])
        return found

    close = {"bfloat16": 0.02, "float32": 1e-5, "float64": 1e-12}[dtype]
    for seed in range(8):
        before = {name: array.copy() for name, array in by_rows.items()}
        for params, opt in zip((by_rows, dense), opts, strict=True):
            opt.step(lambda params=params, seed=seed: grads(params, seed))
        start, moved, *_ = points[-4:]
        assert not np.array_equal(start, moved)
        for rowwise, whole in zip(points[-4:-2], points[-2:], strict=True):
            np.testing.assert_allclose(rowwise, whole, rtol=close, atol=close)
        for name in by_rows.row_sparse:
            others = np.setdiff1d(np.arange(len(by_rows[name])), came(by_rows[name], seed, name))
            assert same_bits(by_rows[name][others], before[name][others])
    np.testing.assert_allclose(by_rows.flat.astype(float), dense.flat.astype(float), close, close)


@pytest.mark.parametrize("make", SHARP)
def test_sam_brings_rows_back(make: Any) -> None:
    params = make_params("users", "items")
    before = params.flat.copy()
    opt = make(po.SGD(params))

    def failing() -> None:
        set_grads(params, 1)
        if not same_bits(params.flat, before):
            raise KeyError

    with pytest.raises(KeyError):
        opt.step(failing)
    assert same_bits(params.flat, before)
    set_grads(params, 1)
    opt.first_step()
    assert not same_bits(params.flat, before)
    opt.restore()
    assert same_bits(params.flat, before)
    params.grads["users"] = po.RowGrad([2], np.full((1, 3), np.nan, np.float32))
    opt.first_step()
    assert same_bits(params.flat, before)
    opt.restore()
    with pytest.raises(IndexError):
        opt.first_step({"users": po.RowGrad([6], np.ones((1, 3), np.float32)),
                        "items": None, "w": None})  # fmt: skip
    opt.first_step({name: np.ones_like(array) for name, array in params.items()})
    assert (params.flat != before).all()
    opt.restore()
    assert same_bits(params.flat, before)


def test_compiled_code_gets_no_gradients_of_rows_by_itself() -> None:
    stepper = Stepper(po.SGD(make_params("users")))
    assert stepper.grads is None
    with pytest.raises(ValueError, match="none of them row-sparse"):
        stepper.run(1)


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_go_on_for_themselves(clone: Any) -> None:
    params = make_params("users", "items")
    set_grads(params, 3)
    again = clone(params)
    assert again.row_sparse == params.row_sparse
    for name, grad in params.grads.items():
        if name in params.row_sparse:
            assert same_bits(again.grads[name].values, grad.values)
            assert not np.shares_memory(again.grads[name].values, grad.values)
            assert np.array_equal(again.grads[name].rows, grad.rows)
        else:
            assert same_bits(again.grads[name], grad)
    before = params.flat.copy()
    po.SGD(again, lr=1.0).step()
    assert same_bits(params.flat, before)
    assert not same_bits(again.flat, before)


def test_an_optimizer_and_its_copy_make_the_same_steps() -> None:
    params = make_params("users", "items")
    opt = po.Adam(params, lr=0.1)
    set_grads(params, 1)
    opt.step()
    again = pickle.loads(pickle.dumps(opt))
    theirs = again._groups[0]
    assert again.updates(theirs)
    for seed in (2, 3):
        set_grads(params, seed)
        set_grads(theirs, seed)
        opt.step()
        again.step()
    assert same_bits(params.flat, theirs.flat)


def test_groups_of_parameters() -> None:
    body, head = make_params("users", "items"), make_params("users")
    opt = po.SGD([{"params": body, "lr": 1.0}, {"params": {f"h.{k}": v for k, v in head.items()}}])
    set_grads(body, 0)
    with pytest.raises(ValueError, match="gradients are needed"):
        opt.step()


def test_groups_of_selections_and_what_is_frozen() -> None:
    params, whole = make_params("users", "items"), make_params("users", "items")
    groups = [{"params": params.select("users"), "lr": 0.5}, {"params": params.select("w")}]
    opt, expected = po.Adagrad(groups, lr=0.1), po.Adagrad(whole, lr=0.5)
    frozen = params["items"].copy()
    for seed in range(4):
        set_grads(params, seed)
        set_grads(whole, seed)
        opt.step()
        expected.step()
    assert same_bits(params["users"], whole["users"])
    assert same_bits(params["items"], frozen)
    assert not same_bits(params["w"], whole["w"])
    with pytest.raises(TypeError, match="AGC does not support row-sparse parameters, got 'users'"):
        po.wrappers.AGC(opt)
    po.wrappers.AGC(po.SGD([{"params": params.select("w")}]))
