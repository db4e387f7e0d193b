"""Gradient accumulation for row-sparse parameters, compared with one large batch."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedding_models import (
    SIZES,
    codes,
    columns,
    embedding_mlp,
    pairs_model,
    random,
    shaken,
    sparse_values,
)
from naive_rows import coalesced
from reference import DTYPES, Case, all_dtypes, same_bits
from row_grads import ROW_GRAD_CASES, make_params, row_grad
from snapshots import contents

import pyoptim as po
from pyoptim.models import FactorizationMachine, MatrixFactorization
from pyoptim.train import Checkpoint, Lambda, StopReason, Trainer

TABLES = ("users", "items")
wrap = po.wrappers


def grads_of(params: po.Parameters, seed: int) -> dict[str, Any]:
    """Return gradients; a table's gradient is sometimes missing or without rows."""
    grads: dict[str, Any] = {
        name: row_grad(10 * seed + i, params[name], (seed + 3 * i) % 7)
        for i, name in enumerate(TABLES)
    }
    grads["w"] = row_grad(seed, params["w"], 2).values
    if seed % 4 == 1:
        grads["users"] = None
    return grads


def weight_of(seed: int) -> float:
    return 1 + seed % 3


def window_of_one(params: po.Parameters, window: list[int]) -> dict[str, Any]:
    """Return the weighted mean of a window's gradients as dense float64 arrays."""
    total = sum(map(weight_of, window))
    found: dict[str, Any] = {}
    for name, array in params.items():
        given = [(weight_of(seed), grads_of(params, seed)[name]) for seed in window]
        given = [(weight, grad) for weight, grad in given if grad is not None]
        mean, touched = np.zeros(array.shape), np.zeros(len(array), bool)
        for weight, grad in given:
            rows, values = np.arange(2), grad
            if name in params.row_sparse:
                rows, values = grad.rows, grad.values
            for row, value in zip(rows, values, strict=True):
                mean[row] += weight / total * value.astype(float)
                touched[row] = True
        mean = mean.astype(array.dtype)
        if name in params.row_sparse:
            rows = np.flatnonzero(touched)
            found[name] = po.RowGrad(rows, mean[rows]) if given else None
        else:
            found[name] = mean
    return found


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.3}], ids=str)
@pytest.mark.parametrize("case", ROW_GRAD_CASES, ids=str)
def test_a_window_is_one_step_with_the_mean(case: Case, options: dict[str, Any]) -> None:
    params, expected = make_params(*TABLES, dtype="float64"), make_params(*TABLES, dtype="float64")
    wrapper = wrap.GradientAccumulation(case.make(params, lr=0.1, **options), every=3)
    whole = case.make(expected, lr=0.1, **options)
    for first in range(0, 9, 3):
        for seed in range(first, first + 3):
            info = wrapper.step(grads_of(params, seed), weight=weight_of(seed))
            assert (info is None) == (seed < first + 2)
        whole.step(window_of_one(expected, [first, first + 1, first + 2]))
    np.testing.assert_allclose(params.flat, expected.flat, rtol=1e-11, atol=1e-13)
    for seed in (9, 10):  # a last window that is not full
        wrapper.step(grads_of(params, seed), weight=weight_of(seed))
    assert wrapper.flush() is not None
    whole.step(window_of_one(expected, [9, 10]))
    np.testing.assert_allclose(params.flat, expected.flat, rtol=1e-11, atol=1e-13)
    assert wrapper.flush() is None
    assert wrapper.steps == whole.steps == 4
    for name, state in wrapper.state.items():
        for key, value in state.items():
            np.testing.assert_allclose(value, whole.state[name][key], rtol=1e-10, atol=1e-13)


@all_dtypes
def test_sums_are_rounded_once(dtype: str) -> None:
    """The sum 1 + 15 * 2^-8 would be rounded to 1 if each addition were rounded to bfloat16."""
    table, kind = po.Parameters({"t": (5, 2)}, dtype=dtype, row_sparse=["t"]), DTYPES[dtype]
    wrapper = wrap.GradientAccumulation(po.SGD(table, lr=1.0), every=16)
    small = np.full((1, 2), 2.0**-8).astype(kind)
    wrapper.step([po.RowGrad([3], np.ones((1, 2), kind))])
    for _ in range(15):
        wrapper.step([po.RowGrad([3], small)])
    expected = np.array([-(1 + 15 * 2.0**-8) / 16] * 2).astype(kind)
    assert same_bits(table["t"][3], expected)
    assert not table["t"][[0, 1, 2, 4]].any()
    table["t"] = 0
    wrapper = wrap.GradientAccumulation(po.SGD(table, lr=1.0), every=2)
    rng = np.random.default_rng(0)
    rows, values = rng.integers(0, 5, 12), rng.integers(-8, 8, (12, 2)).astype(kind)
    wrapper.step([po.RowGrad(rows[:7], values[:7])])
    wrapper.step([po.RowGrad(rows[7:], values[7:])])
    touched, sums = coalesced(rows, values)
    assert same_bits(table["t"][touched], (0 - sums.astype(float) / 2).astype(kind))


@all_dtypes
@pytest.mark.parametrize("case", ROW_GRAD_CASES, ids=str)
def test_a_window_of_one_batch_is_the_optimizer_alone(case: Case, dtype: str) -> None:
    params, expected = make_params(*TABLES, dtype=dtype), make_params(*TABLES, dtype=dtype)
    wrapper = wrap.GradientAccumulation(case.make(params, lr=0.1), every=1)
    alone = case.make(expected, lr=0.1)
    for seed in range(6):
        infos = wrapper.step(grads_of(params, seed)), alone.step(grads_of(expected, seed))
        assert infos[0] is not None
        assert infos[0].step == infos[1].step
        assert same_bits(params.flat, expected.flat)


# Models, against dense arithmetic and against large batches


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("batch", "every"), [(4, 3), (5, 2), (3, 20), (22, 3)])
def test_matrix_factorization_by_dense_arithmetic(batch: int, every: int, weighted: bool) -> None:
    x, y = codes(47, SIZES[:2]), random(1).normal(size=47)
    w = random(2).uniform(0.1, 3, 47) if weighted else np.ones(47)
    model = shaken(pairs_model(dtype="float64", l2=0.2))
    p = {name: array.copy() for name, array in model.params.items()}
    Trainer(
        model,
        optimizer=po.wrappers.GradientAccumulation(po.SGD(model.params, lr=0.1), every=every),
        epochs=2,
        batch_size=batch,
        shuffle=False,
        progress=False,
    ).fit(x, y, sample_weight=w if weighted else None)

    for _ in range(2):
        for begin in range(0, 47, batch * every):
            part = slice(begin, begin + batch * every)
            (u, i), share = x[part].T, w[part] / w[part].sum()
            users, items = np.eye(SIZES[0])[u], np.eye(SIZES[1])[i]
            a, b = p["users.factors"][u], p["items.factors"][i]
            scores = p["mean"] + p["users.bias"][u] + p["items.bias"][i] + (a * b).sum(axis=1)
            slope, decay = 2 * share * (scores - y[part]), 0.2 * share
            grads = {
                "mean": slope.sum(),
                "users.bias": users.T @ (slope + decay * p["users.bias"][u]),
                "items.bias": items.T @ (slope + decay * p["items.bias"][i]),
                "users.factors": users.T @ (slope[:, None] * b + decay[:, None] * a),
                "items.factors": items.T @ (slope[:, None] * a + decay[:, None] * b),
            }
            for name, grad in grads.items():
                p[name] = p[name] - 0.1 * grad
    for name, array in p.items():
        if not name.endswith("seen"):
            np.testing.assert_allclose(model.params[name], array, rtol=1e-10, err_msg=name)


def machine() -> Any:
    return shaken(FactorizationMachine(SIZES, rank=3, dtype="float64", l2=0.1))


def machine_of_numbers() -> Any:
    return shaken(FactorizationMachine(9, rank=3, dtype="float64", l2=0.1))


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "pairs": (
        lambda: shaken(pairs_model(dtype="float64", l2=0.1)),
        lambda: codes(30, SIZES[:2]),
    ),
    "machine": (machine, lambda: codes(30)),
    "machine of numbers": (machine_of_numbers, lambda: sparse_values(30, 9)),
    "embedding": (lambda: embedding_mlp(l2=0.1), columns),
}


def fitted(
    name: str, make: Any, batch: int, every: int, *callbacks: Any, resume: Any = None
) -> Trainer:
    make_model, rows = MODELS[name]
    model, x = make_model(), make_model().cast_inputs(rows())
    optimizer = make(model.params)
    if every > 1:
        optimizer = po.wrappers.GradientAccumulation(optimizer, every=every)
    trainer = Trainer(
        model,
        optimizer=optimizer,
        epochs=3,
        batch_size=batch,
        callbacks=callbacks,
        progress=False,
    )
    if resume is not None:
        trainer.resume(resume)
    trainer.fit(x, random(1).normal(size=30), sample_weight=random(2).uniform(0.1, 3, 30))
    return trainer


OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda p: po.SGD(p, lr=0.05, momentum=0.9),
    "Adagrad": lambda p: po.Adagrad(p, lr=0.05, clip_norm=0.5),
    "EMA": lambda p: wrap.EMA(po.Adam(p, lr=0.01), decay=0.5),
    "loss scale": lambda p: wrap.DynamicLossScale(po.Adam(p, lr=0.01, skip_nonfinite=True)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", MODELS)
def test_micro_batches_match_one_large_batch(name: str, optimizer: str) -> None:
    """The 30 rows are windows of 12, 12 and 6 rows with different sample weights."""
    make = OPTIMIZERS[optimizer]
    small, large = fitted(name, make, 4, 3), fitted(name, make, 12, 1)
    assert small.optimizer.steps == large.optimizer.steps == 9
    assert small.step > large.step
    np.testing.assert_allclose(
        small.model.params.flat, large.model.params.flat, rtol=1e-8, atol=1e-11
    )


@pytest.mark.parametrize("name", MODELS)
def test_run_stopped_at_every_step_resumes_bit_identically(name: str, tmp_path: Path) -> None:
    whole = fitted(name, OPTIMIZERS["loss scale"], 4, 3)
    for step in range(1, 9):  # within windows and between them; an epoch has 8
        folder = tmp_path / str(step)
        stop = Lambda(on_step_end=lambda t, n=step: t.step == n and t.stop(StopReason.INTERRUPTED))
        fitted(name, OPTIMIZERS["loss scale"], 4, 3, stop, Checkpoint(folder, every_epochs=None))
        again = fitted(name, OPTIMIZERS["loss scale"], 4, 3, resume=folder)
        assert again.step == whole.step
        assert same_bits(again.model.params.flat, whole.model.params.flat)
        assert contents(again.optimizer) == contents(whole.optimizer)


# States


def made(case: Case, dtype: str = "float32", every: int = 3) -> tuple[Any, po.Parameters]:
    params = make_params(*TABLES, dtype=dtype)
    return wrap.GradientAccumulation(case.make(params, lr=0.1), every=every), params


def train(wrapper: Any, params: po.Parameters, start: int, stop: int) -> None:
    for seed in range(start, stop):
        params.zero_grad()
        for name, grad in grads_of(params, seed).items():
            if grad is not None:
                params.grads[name] = grad
        wrapper.step(weight=weight_of(seed))


@all_dtypes
@pytest.mark.parametrize("case", ROW_GRAD_CASES, ids=str)
def test_state_resumes_bit_identically(case: Case, dtype: str) -> None:
    for at in range(5):
        wrapper, params = made(case, dtype)
        train(wrapper, params, 0, at)
        saved, then = wrapper.state_dict(), params.flat.copy()
        assert wrapper.count == at % 3
        rows = sum(len(saved[f"rows.{name}"]) for name in TABLES)
        assert (rows > 0) == (at % 3 > 0)
        train(wrapper, params, at, at + 5)
        again, other = made(case, dtype)
        train(again, other, 20, 22)  # is forgotten
        again.load_state_dict(saved)
        other.flat[...] = then
        train(again, other, at, at + 5)
        assert same_bits(params.flat, other.flat)
        assert contents(again) == contents(wrapper)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_are_independent(clone: Any) -> None:
    wrapper, params = made(ROW_GRAD_CASES[0])
    train(wrapper, params, 0, 2)
    twin, theirs = clone((wrapper, params))
    before = contents(twin)
    train(wrapper, params, 2, 5)
    assert contents(twin) == before
    train(twin, theirs, 2, 5)
    assert contents(twin) == contents(wrapper)
    assert same_bits(params.flat, theirs.flat)


SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "more values": (
        {"values.users": np.zeros((9, 3), np.float32)},
        "values.users: .* 5 .* got 9",
    ),
    "rows beyond": (
        {"rows.users": np.array([6] * 5)},
        "rows.users: expected .* 0 to 5",
    ),
    "rows below": (
        {"rows.users": np.array([-1] * 5)},
        "rows.users: expected .* 0 to 5",
    ),
    "type of rows": ({"rows.users": np.zeros(5)}, "rows.users: the state has dtype float64"),
    "width": ({"values.users": np.zeros((5, 2), np.float32)}, r"values.users: .* shape \(5, 2\)"),
    "number": ({"rows.users": np.array(5)}, r"rows.users: the state has shape \(\)"),
    "axes": ({"rows.users": np.zeros((5, 1), int)}, r"rows.users: the state has shape \(5, 1\)"),
    "dense": ({"sums.w": np.zeros((3, 2), np.float32)}, r"sums.w: the state has shape \(3, 2\)"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_mismatched_state_changes_nothing(name: str) -> None:
    wrapper, params = made(ROW_GRAD_CASES[0])
    train(wrapper, params, 10, 12)
    saved = wrapper.state_dict()
    assert len(saved["rows.users"]) == 3 + 4
    saved |= {key: saved[key][:5] for key in ("rows.users", "values.users")}
    train(wrapper, params, 12, 14)
    before = contents(wrapper)
    spoilt, message = SPOILT[name]
    with pytest.raises((ValueError, TypeError), match=message):
        wrapper.load_state_dict({**saved, **spoilt})
    assert contents(wrapper) == before
    wrapper.load_state_dict(saved)
    assert len(wrapper.state_dict()["rows.users"]) == 5


# Memory, threads, errors


def test_memory_grows_with_the_rows_of_a_window_and_is_reused() -> None:
    params = po.Parameters({"table": (1 << 18, 64), "w": (3,)}, row_sparse=["table"])
    wrapper = wrap.GradientAccumulation(po.SGD(params, lr=1.0), every=4)
    memory = []
    for step in range(12):
        rows = np.arange(50) + 7 * step
        params.grads["table"] = po.RowGrad(rows, np.ones((50, 64), np.float32))
        wrapper.step(weight=2)
        memory.append(wrapper._rows[0]._values)
    state = wrapper.state_dict()
    assert sum(value.nbytes for value in state.values() if isinstance(value, np.ndarray)) < 1000
    assert memory[-1].nbytes <= 2 * 200 * 64 * 4
    assert len({id(values) for values in memory}) == 3  # it doubles, then stays
    assert all(values is memory[-1] for values in memory[3:])
    assert params["table"][:140].sum() == -3 * 50 * 64


def test_values_that_are_used_again_are_copied() -> None:
    params = po.Parameters({"table": (4, 1)}, dtype="float64", row_sparse=["table"])
    wrapper = wrap.GradientAccumulation(po.SGD(params, lr=1.0), every=2)
    values, rows = np.ones((1, 1)), np.array([0])
    params.grads["table"] = po.RowGrad(rows, values)
    wrapper.step()
    values[...], rows[...] = 3, 2
    wrapper.step()
    assert params["table"].tolist() == [[-0.5], [0], [-1.5], [0]]


def test_the_same_bits_for_every_number_of_threads() -> None:
    found = []
    for threads in (1, 2, 3):
        params = po.Parameters({"table": (3000, 40)}, row_sparse=["table"])
        wrapper = wrap.GradientAccumulation(po.Adam(params, num_threads=threads), every=2)
        for seed in range(4):
            params.grads["table"] = row_grad(seed, params["table"], 2000)
            wrapper.step(weight=weight_of(seed))
        found.append(params.flat)
    assert all(same_bits(found[0], other) for other in found)


def test_windows_of_windows() -> None:
    params, expected = make_params(*TABLES, dtype="float64"), make_params(*TABLES, dtype="float64")
    inner = wrap.GradientAccumulation(po.Adagrad(params), every=2)
    wrapper = wrap.GradientAccumulation(inner, every=2)
    for seed in range(4):
        wrapper.step(grads_of(params, seed), weight=weight_of(seed), grad_scale=2.0)
    plain = wrap.GradientAccumulation(po.Adagrad(expected), every=4)
    for pair in ((0, 1), (2, 3)):
        total = sum(map(weight_of, pair))
        for seed in pair:
            weight = weight_of(seed) / total
            plain.step(grads_of(expected, seed), weight=weight, grad_scale=2.0)
    assert wrapper.steps == plain.steps == 1
    np.testing.assert_allclose(params.flat, expected.flat, rtol=1e-12)


def test_dtypes_can_be_mixed() -> None:
    """Means are rounded to the dtype of a bfloat16 table next to float32 parameters."""
    dtypes = {"users": "bfloat16", "w": "float32", "items": "float64"}
    spec = {"users": (6, 3), "w": (2, 2), "items": (40,)}
    params = po.Parameters(spec, dtype=dtypes, row_sparse=TABLES)
    expected = po.Parameters(spec, dtype=dtypes, row_sparse=TABLES)
    wrapper = wrap.GradientAccumulation(po.SGD(params, lr=1.0), every=3)
    for seed in range(2, 5):
        wrapper.step(grads_of(params, seed), weight=weight_of(seed))
    po.SGD(expected, lr=1.0).step(window_of_one(expected, [2, 3, 4]))
    for name, bound in (("users", 2**-7), ("w", 1e-6), ("items", 1e-12)):
        near, far = params[name].astype(float), expected[name].astype(float)
        np.testing.assert_allclose(near, far, rtol=bound, atol=bound)


def test_invalid_gradients_change_nothing() -> None:
    params = make_params(*TABLES)
    wrapper = wrap.GradientAccumulation(po.SGD(params, lr=1.0), every=2)
    wrapper.step(grads_of(params, 2), weight=3)
    before = contents(wrapper)
    good, wrong = grads_of(params, 3), np.zeros((1, 3), np.float32)
    for name, grad, kind, message in (
        ("users", po.RowGrad([6], wrong), IndexError, r"params\['users'\], rows: .* 6 rows"),
        ("users", po.RowGrad([0, 1], wrong), ValueError, r"\['users'\], values: expected shape"),
        ("users", po.RowGrad([0], wrong.astype(float)), TypeError, "expected dtype float32"),
        (
            "users",
            np.zeros((6, 3), np.float32),
            TypeError,
            "RowGrad, because .* row-sparse",
        ),
        ("users", po.RowGrad([0], params["users"][:1]), ValueError, "overlaps a parameter"),
        ("w", po.RowGrad([0], wrong[:, :2]), TypeError, "'w'.*: expected an array of all elem"),
    ):
        with pytest.raises(kind, match=message):
            wrapper.step({**good, name: grad})
        assert contents(wrapper) == before
    wrapper.step(good)
    assert wrapper.steps == 1


def test_table_without_gradients_does_not_change() -> None:
    """A table without a gradient in a window has no step; a gradient without rows is a step."""
    params = make_params(*TABLES)
    wrapper = wrap.GradientAccumulation(po.Adam(params, lr=1.0), every=2)
    before = {name: params[name].copy() for name in TABLES}
    for _ in range(2):
        grads = {"users": None, "items": row_grad(0, params["items"], 0), "w": params["w"] * 0 + 1}
        wrapper.step(grads)
    assert all(same_bits(params[name], before[name]) for name in TABLES)
    assert [wrapper.state[name]["step"] for name in params] == [0, 1, 1]


def test_the_batch_size_is_measured_with_windows() -> None:
    model = MatrixFactorization(*SIZES[:2], rank=2)
    optimizer = po.wrappers.GradientAccumulation(po.AdamW(model.params), every=2)
    trainer = Trainer(model, None, optimizer, batch_size="auto", epochs=1, progress=False)
    trainer.fit(codes(100, SIZES[:2]), random(1).normal(size=100))
    assert trainer.batch_size_report is not None
    assert trainer.optimizer.steps == -(-trainer.step // 2)
