"""CSR matrices: multiplications and models, compared with SciPy and with dense arrays."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import pyoptim as po
from pyoptim import _core
from pyoptim.data._csr import CSR, CSRGather, as_csr, concatenate_csr
from pyoptim.models import MLP, FactorizationMachine, Linear, Softmax
from pyoptim.train import Trainer

RNG = np.random.default_rng(5)
DTYPES = ["float32", "float64"]


def random_csr(rows: int, columns: int, density: float, dtype: Any, index: Any = np.int32) -> Any:
    """Return a matrix with empty rows, unsorted columns and duplicate entries."""
    counts = RNG.binomial(columns, density, size=rows)
    counts[::3] = 0
    starts = np.r_[0, np.cumsum(counts)].astype(index)
    indices = RNG.integers(0, columns, size=starts[-1]).astype(index)
    values = RNG.normal(size=starts[-1]).astype(dtype)
    return sparse.csr_array((values, indices, starts), shape=(rows, columns))


def to_scipy(x: CSR) -> Any:
    values, indices, counts = x.values
    return sparse.csr_array((values, indices, np.r_[0, np.cumsum(counts)]), shape=x.shape)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("outputs", [1, 3, 16, 37])
@pytest.mark.parametrize("shape", [(1, 1), (0, 5), (30, 7), (65, 300)])
def test_products_match_scipy(shape: Any, outputs: int, index: Any, dtype: str) -> None:
    x = random_csr(*shape, 0.3, dtype, index)
    given = as_csr(x, dtype)
    assert given.indices.dtype == index
    exact = x.astype(np.float64)
    tolerance = {"rtol": 1e-6 if dtype == "float32" else 1e-13, "atol": 1e-14}
    w = RNG.normal(size=(shape[1], outputs)).astype(dtype)
    out = np.full((shape[0], outputs), 7, dtype)
    _core.spmm(given.data, given.indices, given.indptr, w, out)
    np.testing.assert_allclose(out, exact @ w.astype(np.float64), **tolerance)
    d = RNG.normal(size=(shape[0], outputs)).astype(dtype)
    out = np.full((shape[1], outputs), 7, dtype)
    _core.spmm_transposed(given.data, given.indices, given.indptr, d, out)
    np.testing.assert_allclose(out, exact.T @ d.astype(np.float64), **tolerance)


@pytest.mark.parametrize("outputs", [1, 21])
@pytest.mark.parametrize("dtype", DTYPES)
def test_products_have_the_same_bits_for_all_threads_and_instruction_sets(
    dtype: str, outputs: int, instruction_sets: list[str]
) -> None:
    """The matrices are large enough to use all threads."""
    size = 2**22 // outputs
    data = RNG.normal(size=size).astype(dtype)
    indices = RNG.integers(0, 3000, size=size).astype(np.int32)
    parts = data, indices, np.r_[0, np.sort(RNG.integers(0, size, size=799)), size]
    w, d = (RNG.normal(size=(rows, outputs)).astype(dtype) for rows in (3000, 800))
    found = []
    for isa in instruction_sets:
        _core.set_instruction_set(isa)
        for threads in (1, 3):
            po.set_num_threads(threads)
            one, other = np.empty_like(d), np.empty_like(w)
            _core.spmm(*parts, w, one)
            _core.spmm_transposed(*parts, d, other)
            found.append((one, other))
    for pair in found[1:]:
        assert all(map(np.array_equal, pair, found[0]))


def test_invalid_matrices_are_rejected() -> None:
    """Invalid indices are rejected before anything outside of the arrays is read."""
    data, indices = np.ones(3), np.array([0, 2, 1], np.int32)
    good = np.array([0, 2, 3])
    w, out = np.ones((3, 2)), np.zeros((2, 2))
    for wrong, message in (
        ((data, np.array([0, 3, 1], np.int32), good), "indices: expected numbers from 0 to 2"),
        ((data, np.array([0, -1, 1], np.int32), good), "indices: expected numbers from 0 to 2"),
        ((data, indices, np.array([0, 2, 4])), "indptr: expected rising numbers"),
        ((data, indices, np.array([-1, 2, 3])), "indptr: expected rising numbers"),
        ((data, indices, np.array([0, 3, 2])), "indptr: expected rising numbers"),
        ((data[:2], indices, good), "expected indices"),
        ((data, indices.astype("f4"), good), "expected indices"),
        ((data, indices, good.astype("i4")), "expected indices"),
    ):
        with pytest.raises(ValueError, match=message):
            _core.spmm(*wrong, w, out)
        with pytest.raises(ValueError, match=message):
            _core.spmm_transposed(*wrong, np.ones((2, 2)), np.zeros((3, 2)))
    for factor, into in ((w[:, :1].copy(), out), (w, out[:1]), (w.astype("f4"), out)):
        with pytest.raises(ValueError, match=r"expected|dtype"):
            _core.spmm(data, indices, good, factor, into)
    assert not out.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_a_matrix(dtype: str) -> None:
    x = random_csr(41, 13, 0.3, dtype)
    given = as_csr(x, dtype)
    assert np.shares_memory(given.data, x.data)
    for rows in (slice(5, 20), slice(None), slice(9, 9), slice(30, 2), slice(1, 30, 3),
                 np.array([40, 0, 3, 3]), np.array([], np.int64)):  # fmt: skip
        part = given[rows]
        assert (to_scipy(part) != x[rows]).nnz == 0
        assert part.shape == x[rows].shape
        assert part.nonzeros == x[rows].nnz
    assert np.shares_memory(given[5:20].data, x.data)
    gather = CSRGather(given)
    assert np.shares_memory(gather(np.arange(9)).data, gather(np.arange(8)).data)
    both = concatenate_csr([given[3:9], given[np.array([2, 1])]])
    assert (to_scipy(both) != sparse.vstack([x[3:9], x[[2, 1]]])).nnz == 0
    assert as_csr(x.tocsc(), dtype).shape == x.shape
    assert as_csr(x, "float64").dtype == np.float64
    for wrong in (np.array([41]), np.array([-1])):
        with pytest.raises(IndexError, match="there is no row"):
            given[wrong]


MODELS: dict[str, Any] = {
    "Softmax": lambda: Softmax(30, 3, dtype="float64"),
    "Linear": lambda: Linear(30, dtype="float64"),
    "MLP": lambda: MLP([30, 9, 3], dtype="float64"),
    "float32": lambda: MLP([30, 9, 3]),
}


@pytest.mark.parametrize("validation", [None, 0.2, "given"])
@pytest.mark.parametrize("shuffle", [True, False, "blocks"])
@pytest.mark.parametrize("name", MODELS)
def test_training_on_sparse_rows_matches_dense_rows(
    name: str, shuffle: Any, validation: Any
) -> None:
    x = sparse.random_array((120, 30), density=0.2, rng=RNG, format="csr")
    y = x.sum(axis=1) if name == "Linear" else np.argmax(x[:, [0, 1, 2]].toarray(), axis=1)
    ends = []
    for rows in (x.toarray(), x, sparse.csr_matrix(x), x.tocoo()):
        model = MODELS[name]()
        trainer = Trainer(
            model,
            optimizer=po.Adam(model.params, lr=0.01),
            epochs=2,
            batch_size=16,
            shuffle=shuffle,
            validation=(rows, y) if validation == "given" else validation,
            progress=False,
        )
        history = trainer.fit(rows, y, class_weight=None if name == "Linear" else "balanced")
        row = {k: v for k, v in history.rows[-1].items() if k != "seconds"}
        found = model.evaluate(rows, y)
        ends.append((model.params.flat.copy(), model.scores(rows), {**row, **found}))
    tolerance = 1e-4 if name == "float32" else 1e-9
    if shuffle == "blocks":  # the size of a row in bytes, and thus the blocks, differ
        ends = ends[1:]
    for params, scores, row in ends[1:]:
        np.testing.assert_allclose(params, ends[0][0], rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(scores, ends[0][1], rtol=tolerance, atol=tolerance)
        assert row == pytest.approx(ends[0][2], rel=tolerance, abs=tolerance)


def test_sparse_chunks_and_gradients() -> None:
    x = sparse.random_array((100, 30), density=0.2, rng=RNG, format="csr")
    y = RNG.integers(0, 3, size=100)
    ends = []
    for rows in (x.toarray(), x):
        model = MLP([30, 9, 3], dtype="float64")
        chunks = [(rows[:33], y[:33]), (rows[33:50], y[33:50]), (rows[50:], y[50:])]
        Trainer(model, epochs=2, batch_size=20, progress=False).fit(chunks)
        model.loss_and_grad(rows, y)
        ends.append([model.params.flat.copy(), model.params.flat_grad.copy()])
        model.predict_proba(rows)
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-12)
    with pytest.raises(ValueError, match=r"x: expected shape \(rows, 29\), got \(100, 30\)"):
        MLP([29, 3]).predict(x)


def test_scipy_is_not_imported() -> None:
    code = (
        "import sys, numpy as np, pyoptim as po\n"
        "po.train.Trainer(po.models.Linear(1), epochs=1, progress=False).fit([[1.0]], [1.0])\n"
        "assert not any(name.startswith('scipy') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


@pytest.mark.parametrize("make", [MLP, FactorizationMachine], ids=lambda make: make.__name__)
def test_sparse_arrays_with_one_axis_are_rejected(make: Any) -> None:
    model = make([4, 2]) if make is MLP else make(4)
    row = sparse.coo_array(np.ones(4))
    for use in (model.scores, lambda x: Trainer(model, progress=False).fit(x, np.zeros(4, int))):
        with pytest.raises(ValueError, match=r"expected .* got( shape)? \(4,\)"):
            use(row)
