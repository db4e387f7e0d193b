"""The linear engine compared with NumPy, bit-identical for all threads and ISAs."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import over

import pyoptim as po
from pyoptim import _core
from pyoptim.data._csr import CSR
from pyoptim.models import LinearObjective, column_moments

LOSSES = [entry["name"] for entry in _core.losses()]
RANGES = {entry["name"]: entry["targets"] for entry in _core.losses()}
SHAPES = [(1, 1), (7, 3), (100, 17), (3000, 40), (600, 130)]
SMOOTH = ("squared", "logistic", "softmax", "poisson", "gamma", "tweedie")


def csr(x: np.ndarray, index: Any = np.int32) -> CSR:
    rows, columns = np.nonzero(x)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(x)))])
    return CSR(x[rows, columns], columns.astype(index), indptr.astype(np.int64), x.shape)


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "C": lambda x: x,
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "CSR": csr,
    "CSR, int64": lambda x: csr(x, np.int64),
    "rows of a CSR": lambda x: csr(np.concatenate([x[:1], x]))[1:],
}


def problem(loss: str, shape: tuple[int, int], dtype: str, sparse: bool) -> dict[str, Any]:
    """Return random data for a loss. Every fifth row has weight 0, and NaN in dense inputs."""
    rows = shape[0]
    rng = np.random.default_rng(rows)
    outputs = 3 if loss == "softmax" else 1 + rows % 2
    x = rng.normal(size=shape).astype(dtype)
    weights = rng.uniform(0.1, 2, rows)
    weights[1::5] = 0
    if sparse:
        x *= rng.random(shape) < 0.3
    else:
        x[1::5] = np.nan
    if loss == "softmax":
        y = rng.integers(0, outputs, rows)
    elif RANGES[loss] == "0 or 1":
        y = rng.integers(0, 2, (rows, outputs)).astype(float)
    else:
        y = rng.uniform(0.1, 0.9, (rows, outputs))
    return {"x": x, "y": y, "sample_weight": weights, "outputs": outputs,
            "offset": rng.normal(size=(rows, outputs))}  # fmt: skip


def naive(
    data: dict[str, Any], loss: str, coef: np.ndarray, intercept: bool, l2: float
) -> tuple[float, np.ndarray]:
    x = np.where(np.isnan(data["x"]), 0, data["x"]).astype(float)
    split = data["outputs"] * x.shape[1]
    weights = coef[:split].reshape(data["outputs"], -1)
    z = x @ weights.T + (coef[split:] if intercept else 0) + data["offset"]
    value, grad = po.losses.get(loss).value_and_grad(z, data["y"], data["sample_weight"])
    parts = [(grad.T @ x).ravel() + l2 * coef[:split], grad.sum(axis=0) if intercept else []]
    return value + l2 / 2 * float(np.square(coef[:split]).sum()), np.concatenate(parts)


def objective(data: dict[str, Any], layout: str, **options: Any) -> LinearObjective:
    return LinearObjective(**{**data, "x": LAYOUTS[layout](data["x"])}, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_value_and_gradient(loss: str, layout: str, dtype: str) -> None:
    for shape in SHAPES:
        data = problem(loss, shape, dtype, "CSR" in layout)
        for intercept in (True, False):
            f = objective(data, layout, loss=loss, fit_intercept=intercept, l2=0.1)
            coef = 0.3 * np.random.default_rng(1).normal(size=f.size)
            value, grad = f.value_and_grad(coef)
            expected, expected_grad = naive(data, loss, coef, intercept, 0.1)
            assert value == pytest.approx(expected, rel=1e-12)
            assert f.value(coef) == value
            scale = np.abs(expected_grad).max()
            np.testing.assert_allclose(grad, expected_grad, rtol=1e-11, atol=1e-12 * scale)


@pytest.mark.parametrize("layout", ["C", "Fortran", "CSR"])
@pytest.mark.parametrize("loss", SMOOTH)
def test_the_hessian_is_the_derivative_of_the_gradient(loss: str, layout: str) -> None:
    for shape in ((7, 3), (600, 17), (900, 245)):
        data = problem(loss, shape, "float64", layout == "CSR")
        f = objective(data, layout, loss=loss, l2=0.1)
        rng = np.random.default_rng(1)
        coef, v = 0.2 * rng.normal(size=f.size), rng.normal(size=f.size)
        product = f.hessian_product(coef, v)
        grads = [f.value_and_grad(coef + step * v)[1] for step in (1e-6, -1e-6)]
        numeric = (grads[0] - grads[1]) / 2e-6
        scale = np.abs(product).max()
        np.testing.assert_allclose(product, numeric, rtol=1e-4, atol=1e-6 * scale)
        hessian = f.hessian(coef)
        np.testing.assert_allclose(hessian @ v, product, rtol=1e-9, atol=1e-10 * scale)
        assert np.array_equal(hessian, hessian.T)


def test_a_hessian_of_float32_data_is_summed_in_double() -> None:
    data = problem("squared", (5000, 20), "float32", False)
    f = objective(data, "C", loss="squared")
    wide = objective({**data, "x": data["x"].astype(float)}, "C", loss="squared")
    coef = np.zeros(f.size)
    np.testing.assert_allclose(f.hessian(coef), wide.hessian(coef), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layout", ["C", "Fortran", "CSR"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_bits_do_not_depend_on_threads_or_instruction_set(
    loss: str, dtype: str, layout: str, instruction_sets: list[str]
) -> None:
    data = problem(loss, (9000, 37), dtype, layout == "CSR")
    results = set()
    try:
        for isa in instruction_sets:
            _core.set_instruction_set(isa)
            for threads in (1, 2, 3, 5):
                po.set_num_threads(threads)
                f = objective(data, layout, loss=loss)
                coef = np.linspace(-0.3, 0.3, f.size)
                value, grad = f.value_and_grad(coef)
                arrays = grad, f.hessian_product(coef, coef[::-1].copy()), f.hessian(coef)
                results.add((value, *(array.tobytes() for array in arrays)))
    finally:
        po.set_num_threads(None)
    assert len(results) == 1


def test_all_dense_layouts_give_the_same_bits() -> None:
    data = problem("logistic", (3000, 40), "float32", False)
    coef = np.linspace(-0.3, 0.3, 2 * 41 if data["outputs"] == 2 else 41)
    results = {
        objective(data, layout, loss="logistic").value_and_grad(coef)[1].tobytes()
        for layout in ("C", "Fortran", "strided", "reversed")
    }
    assert len(results) == 1


def test_the_data_are_neither_copied_nor_written() -> None:
    data = problem("logistic", (100, 5), "float32", False)
    data["x"] = np.nan_to_num(data["x"])
    data["x"].flags.writeable = False
    f = objective(data, "C", loss="logistic", fit_intercept=False)
    coef = np.ones(f.size)
    before = f.value(coef)
    data["x"].flags.writeable = True
    data["x"] *= 2
    assert f.value(coef) != before


def test_scores_and_unpack() -> None:
    data = problem("squared", (50, 4), "float64", True)
    f = objective(data, "CSR", loss="squared")
    coef = np.arange(f.size, dtype=float)
    weights, bias = f.unpack(coef)
    used = data["sample_weight"] > 0
    expected = data["x"] @ weights.T + bias + data["offset"]
    np.testing.assert_allclose(f.scores(coef)[used], expected[used], rtol=1e-12)


@pytest.mark.parametrize("method", ["lbfgs", "newton", "newton_cg", "trust_region"])
@pytest.mark.parametrize("loss", ["logistic", "softmax", "poisson"])
def test_solvers_minimize_it_natively(loss: str, method: str) -> None:
    data = problem(loss, (400, 6), "float64", True)
    f = objective(data, "CSR", loss=loss, l2=0.01)
    result = po.minimize(f, np.zeros(f.size), method=method, tol=1e-9)
    by_python = po.minimize(f.value_and_grad, np.zeros(f.size), jac=True, tol=1e-9)
    assert result.success, result.message
    np.testing.assert_allclose(result.x, by_python.x, atol=1e-6)
    assert np.abs(f.value_and_grad(result.x)[1]).max() < 1e-8


def test_rows_of_softmax_may_be_probabilities() -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(40, 3)), rng.integers(0, 4, 40)
    labels[0] = 3
    by_label = LinearObjective(x, labels, loss="softmax")
    by_row = LinearObjective(x, np.eye(4)[labels], loss="softmax")
    coef = rng.normal(size=by_label.size)
    for name in ("value", "hessian"):
        pair = [getattr(f, name)(coef) for f in (by_label, by_row)]
        np.testing.assert_allclose(*pair, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layout", ["C", "Fortran", "CSR"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments_of_columns(dtype: str, layout: str) -> None:
    for rows, columns in [*SHAPES, (20000, 30)]:
        data = problem("squared", (rows, columns), dtype, layout == "CSR")
        x, weights = data["x"] + 0, data["sample_weight"]
        if layout != "CSR":
            x += 100
        mean, variance = column_moments(LAYOUTS[layout](x), weights)
        used = weights > 0
        wide, part = x[used].astype(float), weights[used] / weights.sum()
        np.testing.assert_allclose(mean, part @ wide, rtol=1e-10, atol=1e-12)
        expected = part @ np.square(wide - part @ wide)
        np.testing.assert_allclose(variance, expected, rtol=1e-9, atol=1e-12)


X, Y = np.ones((4, 2)), np.zeros(4)
ERRORS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "integers": ({"x": X.astype(int)}, TypeError, "x: expected float32 or float64, got int64"),
    "one axis": ({"x": X[0]}, ValueError, r"x: expected shape \(rows, columns\), got \(2,\)"),
    "no rows": ({"x": X[:0], "y": Y[:0]}, ValueError, "at least one row and one column"),
    "other rows": ({"y": Y[:3]}, ValueError, "y: expected 4 rows, like x"),
    "weights": ({"sample_weight": [1, 1, 1, -1]}, ValueError, "sample_weight: .*got -1 at row 3"),
    "no weight": ({"sample_weight": [0] * 4}, ValueError, "sample_weight: .*sum above 0, got 0"),
    "too few weights": ({"sample_weight": [1]}, ValueError, "sample_weight: expected 4"),
    "targets": ({"loss": "logistic", "y": Y - 1}, ValueError, "targets .*got -1 at row 0"),
    "offset": ({"offset": [1.0]}, ValueError, "offset: expected 4"),
    "loss": ({"loss": "nonsense"}, ValueError, "nonsense"),
    "l2": ({"l2": -1}, ValueError, "l2"),
    "indices": (
        {"x": CSR(np.ones(1), np.array([2], np.int32), np.array([0, 1, 1, 1, 1]), (4, 2))},
        ValueError, "x: expected indices from 0 to 1, got 2"),
    "indptr": (
        {"x": CSR(np.ones(1), np.array([0], np.int32), np.array([0, 1, 0, 1, 1]), (4, 2))},
        ValueError, "x: expected an indptr that does not decrease"),
}  # fmt: skip


@over("error", ERRORS)
def test_errors_name_the_argument(error: str) -> None:
    arguments, kind, message = ERRORS[error]
    given = {"x": X, "y": Y, **arguments}
    with pytest.raises(kind, match=message):
        LinearObjective(given.pop("x"), given.pop("y"), **given)


def test_coefficients_of_another_length_are_refused() -> None:
    f = LinearObjective(X, Y)
    with pytest.raises(ValueError, match=r"coef: expected shape \(3,\), got \(2,\)"):
        f.value(np.zeros(2))
    with pytest.raises(ValueError, match=r"v: expected shape \(3,\), got \(4,\)"):
        f.hessian_product(np.zeros(3), np.zeros(4))


def test_an_objective_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(LinearObjective(X, Y))
