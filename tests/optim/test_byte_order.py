"""Arrays in the other byte order: converted where values are copied, refused elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import pyoptim as po
from pyoptim.data._csr import CSR

FLOATS = [np.dtype(kind) for kind in (np.float32, np.float64, ml_dtypes.bfloat16)]
RULES = ["SGD", "Adam", "Adafactor", "Muon", "Shampoo"]


def swapped(values: Any) -> np.ndarray:
    """Return the same numbers in the other byte order."""
    array = np.asarray(values)
    other = array.astype(array.dtype.newbyteorder("S"))
    assert not other.dtype.isnative
    assert other.astype(array.dtype).tolist() == array.tolist()
    return other


def ones(dtype: Any = np.float32) -> np.ndarray:
    return np.ones((3, 2), dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("before", [False, True])
def test_a_parameter_is_refused_whatever_ran_before(dtype: Any, before: bool) -> None:
    if before:
        po.SGD([ones(dtype)]).step([ones(dtype)])
    for params in ([swapped(ones(dtype))], {"w": swapped(ones(dtype))}):
        with pytest.raises(
            TypeError, match=r"dtype must be float32.* got \w+-endian \w+; .* native byte order"
        ):
            po.SGD(params)
    with pytest.raises(TypeError, match="dtype: expected float32, float64 or bfloat16, got "):
        po.Parameters({"w": swapped(ones(dtype))})
    with pytest.raises(TypeError, match="dtype: expected float32, float64 or bfloat16, got "):
        po.Parameters({"w": (3,)}, dtype=dtype.newbyteorder("S"))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("rule", RULES)
def test_a_gradient_is_refused_and_nothing_changes(rule: str, dtype: Any) -> None:
    w = ones(dtype)
    opt = getattr(po, rule)([w])
    with pytest.raises(TypeError, match=r"gradient of params\[0\]: dtype .* native byte order"):
        opt.step([swapped(ones(dtype))])
    assert opt.steps == 0
    assert (w == 1).all()


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_gradients_of_wrappers_and_of_rows_and_estimates_are_refused(dtype: Any) -> None:
    w = ones(dtype)
    accumulating = po.wrappers.GradientAccumulation(po.SGD([w]), 2)
    with pytest.raises(TypeError, match="native byte order"):
        accumulating.step([swapped(ones(dtype))])
    with pytest.raises(TypeError, match="native byte order"):
        po.SGD([w]).step([po.RowGrad([0, 2], swapped(ones(dtype)[:2]))])
    with pytest.raises(TypeError, match="native byte order"):
        po.Sophia([w]).update_hessian([swapped(ones(dtype))])
    assert (w == 1).all()


@pytest.mark.parametrize("rule", RULES)
def test_a_state_is_refused(rule: str) -> None:
    opt = getattr(po, rule)([ones()])
    opt.step([ones()])
    state = opt.state_dict()
    before = {key: np.array(value) for key, value in state.items()}
    for key, value in state.items():
        if isinstance(value, np.ndarray) and value.size > 0 and key.startswith("params."):
            with pytest.raises(TypeError, match="dtype"):
                opt.load_state_dict({**state, key: swapped(value)})
    after = opt.state_dict()
    assert all((before[key] == after[key]).all() for key in before)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_errors_name_the_byte_order_and_the_type(dtype: Any) -> None:
    other = swapped(ones(dtype))
    order = "big" if other.dtype.str.startswith(">") else "little"
    name = f"{order}-endian {dtype.name}"
    opt = po.SGD([ones(dtype)], momentum=0.9)
    opt.step([ones(dtype)])
    state = opt.state_dict()
    key = "params.0.momentum_buffer"
    kept = state[key].astype(dtype)
    wrong = {
        "parameter": lambda: po.SGD([other]),
        "gradient": lambda: opt.step([other]),
        "rows": lambda: opt.step([po.RowGrad([0], other[:1])]),
        "state": lambda: opt.load_state_dict({**state, key: swapped(kept)}),
        "labels": lambda: po.losses.softmax.cast_targets(other[0], np.float32),
        "codes": lambda: po.models.MatrixFactorization(3, 3, rank=2).scores(other),
    }
    for what, refused in wrong.items():
        with pytest.raises(TypeError, match=name):
            refused()
        assert what


@pytest.mark.parametrize("kind", ["i2", "i4", "i8", "u2", "u4", "u8"])
def test_row_numbers_are_converted(kind: str) -> None:
    w = ones()
    po.SGD([w], lr=1.0).step([po.RowGrad(swapped(np.array([2, 0], kind)), ones()[:2])])
    assert w.tolist() == [[0, 0], [1, 1], [0, 0]]


def of_the_same_kind(array: np.ndarray) -> list[np.ndarray]:
    return [array, swapped(array)]


def outcome(compute: Callable[[], Any]) -> Any:
    try:
        return np.asarray(compute()).tolist()
    except (TypeError, ValueError):
        return "refused"


X = np.array([[1.0, 0, 2], [0, 3, 0], [4, 0, 5], [0, 6, 7]])
Y = np.array([1.0, 2, 3, 4])
LABELS = np.array([0, 2, 1, 1])
WEIGHTS = np.array([1.0, 2, 3, 0.5])


def linear(x: Any, y: Any = Y, weights: Any = None) -> list[float]:
    model = po.models.Linear(3, dtype="float64")
    loss = model.loss_and_grad(model.cast_inputs(x), y, sample_weight=weights)
    return [loss, *model.params.flat_grad]


def factorization() -> po.models.MatrixFactorization:
    return po.models.MatrixFactorization(4, 4, rank=2, dtype="float64")


def softmax(y: Any) -> list[float]:
    model = po.models.Softmax(3, 3, dtype="float64")
    return [model.loss_and_grad(X, y), *model.params.flat_grad]


def sparse(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray) -> list[float]:
    return linear(CSR(data, indices, indptr, (4, 3)))


def taken(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray) -> list[float]:
    rows = CSR(data, indices, indptr, (4, 3))[np.array([3, 1])]
    return linear(rows, Y[:2])


PARTS = (
    np.array([1.0, 2, 3, 4, 5, 6, 7]),
    np.array([0, 2, 1, 0, 2, 1, 2], np.int64),
    np.array([0, 2, 3, 5, 7], np.int64),
)


@pytest.mark.parametrize(
    ("compute", "array"),
    [
        (linear, X),
        (linear, X.astype(np.int32)),
        (linear, X.astype(np.float32)),
        (linear, X.astype(ml_dtypes.bfloat16)),
        (lambda y: linear(X, y), Y),
        (lambda y: linear(X, y), Y.astype(np.int16)),
        (lambda w: linear(X, Y, w), WEIGHTS),
        (lambda w: linear(X, Y, w), WEIGHTS.astype(np.float32)),
        (softmax, LABELS),
        (softmax, LABELS.astype(np.int32)),
        (lambda y: list(po.losses.compute_class_weight("balanced", y).items()), LABELS),
        (lambda scores: po.losses.squared.value_and_grad(scores, X)[1], 2 * X),
        (lambda scores: po.losses.softmax.value_and_grad(scores, LABELS)[1], X),
        (lambda x: factorization().scores(x), np.array([[1, 2], [3, 0]])),
        (lambda x: factorization().scores(x), np.array([[1, 2]], np.int32)),
    ],
)
def test_data_gives_what_it_gives_in_the_machines_order(
    compute: Callable[[Any], Any], array: np.ndarray
) -> None:
    native = compute(array)
    assert outcome(lambda: compute(swapped(array))) in (np.asarray(native).tolist(), "refused")


@pytest.mark.parametrize("compute", [sparse, taken])
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_sparse_matrices_are_read_right_or_refused(
    compute: Callable[..., Any], part: int, kind: Any
) -> None:
    parts = [PARTS[0], PARTS[1].astype(kind), PARTS[2]]
    native = np.asarray(compute(*parts)).tolist()
    parts[part] = swapped(parts[part])
    assert outcome(lambda: compute(*parts)) in (native, "refused")


@pytest.mark.peers
@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
def test_sparse_matrices_of_scipy(part: str) -> None:
    matrix = pytest.importorskip("scipy.sparse").csr_array(X)
    native = linear(matrix)
    setattr(matrix, part, swapped(getattr(matrix, part)))
    assert outcome(lambda: linear(matrix)) == native


@pytest.mark.parametrize("dtype", [*FLOATS, np.dtype(np.int32), np.dtype(np.float16)], ids=str)
def test_a_checkpoint_keeps_the_numbers(dtype: Any, tmp_path: Path) -> None:
    values = np.arange(1, 5).astype(dtype)
    path = tmp_path / "tensors.safetensors"

    po.checkpoint.save_safetensors(path, {"a": swapped(values)})
    loaded = po.checkpoint.load_safetensors(path)["a"]
    assert loaded.dtype == dtype
    assert loaded.tolist() == values.tolist()


@pytest.mark.parametrize(
    "dtype",
    ["V2", [("x", "f4")], [("x", "V2")], [("bfloat16", "u2")], "g", "F", "e", "M8[s]", "O", "S4"],
    ids=str,
)
def test_types_that_are_no_numbers_are_refused(dtype: Any) -> None:
    array = np.zeros(3, dtype)
    with pytest.raises(TypeError, match=r"dtype must be float32, float64 or bfloat16|expected an"):
        po.SGD([array])
    w = np.zeros(3, np.float32)
    with pytest.raises(TypeError, match=r"dtype must be|expected"):
        po.SGD([w]).step([array])
    with pytest.raises(TypeError, match="rows: expected integers"):
        po.RowGrad(array, w)


def test_types_with_metadata_and_subclasses_are_numbers() -> None:
    w = np.zeros(3, np.dtype("f4", metadata={"unit": "m"}))
    po.SGD([w], lr=1.0).step([np.ones(3, "f4").view(np.recarray)])
    assert w.tolist() == [-1] * 3
