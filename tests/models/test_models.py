"""Models: gradients, predictions, files."""

import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from differences import central_difference
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

import pyoptim as po
from pyoptim.models import (
    MLP,
    EmbeddingMLP,
    FactorizationMachine,
    Linear,
    MatrixFactorization,
    Softmax,
)


def rows_and_targets(model: MLP, rows: int = 11) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, model.sizes[0]))
    outputs = model.sizes[-1]
    return x, rng.integers(0, outputs, rows) if model.loss.labels else rng.normal(
        size=(rows, outputs)
    )


@pytest.mark.parametrize("loss", ["softmax", "squared"])
@pytest.mark.parametrize("hidden", [(), (7,), (6, 5, 4)])
def test_the_gradient_is_that_of_the_loss(hidden: tuple, loss: str) -> None:
    model = MLP([4, *hidden, 3], activation="tanh", loss=loss, dtype="float64", seed=3)
    x, y = rows_and_targets(model)
    value = model.loss_and_grad(x, y)
    assert value == pytest.approx(model.evaluate(x, y)["loss"], rel=1e-14)
    grad, flat = model.params.flat_grad.copy(), model.params.flat
    for i in range(flat.size):
        expected = central_difference(lambda: model.evaluate(x, y)["loss"], flat, i)
        assert grad[i] == pytest.approx(expected, abs=1e-8)


def test_batches_of_changing_size_share_buffers() -> None:
    model = MLP([4, 6, 3], dtype="float64")
    x, y = rows_and_targets(model, 50)
    whole = model.loss_and_grad(x, y)
    grad = model.params.flat_grad.copy()
    parts = [model.loss_and_grad(x[:1], y[:1]), model.loss_and_grad(x[1:], y[1:])]
    assert parts[0] / 50 + parts[1] * 49 / 50 == pytest.approx(whole)
    assert model.loss_and_grad(x, y) == whole
    assert np.array_equal(grad, model.params.flat_grad)


def test_predictions() -> None:
    model = MLP([4, 6, 3], seed=2)
    x = np.random.default_rng(0).normal(size=(9001, 4))
    probability = model.predict_proba(x)
    assert probability.shape == (9001, 3)
    assert probability.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(model.predict(x), probability.argmax(axis=1))
    regression = Linear(4)
    assert regression.predict(x).shape == (9001,)
    assert Linear(4, 2).predict(x).shape == (9001, 2)
    assert model.predict(x[:0]).shape == (0,)
    with pytest.raises(AttributeError, match="'squared' has no probabilities"):
        regression.predict_proba(x)


def test_rows_of_any_layout_and_type() -> None:
    model = MLP([4, 6, 3], dtype="float64")
    x, y = rows_and_targets(model)
    expected = model.loss_and_grad(x, y)
    assert model.loss_and_grad(np.asfortranarray(x), y.astype(np.uint8)) == expected
    assert model.loss_and_grad(np.repeat(x, 2, axis=0)[::2], y.tolist()) == expected
    assert model.loss_and_grad(x.tolist(), y) == expected


def unaligned(values: Any) -> np.ndarray:
    """Return the values in memory at an odd address, like arrays of `numpy.frombuffer`."""
    array = np.asarray(values)
    memory = np.frombuffer(bytearray(array.nbytes + 1), array.dtype, array.size, offset=1)
    moved = memory.reshape(array.shape)
    moved[...] = array
    assert not moved.flags.aligned
    return moved


def test_arrays_need_not_be_aligned() -> None:
    rng = np.random.default_rng(0)
    x, codes = rng.normal(size=(12, 5)).astype(np.float32), rng.integers(0, 4, (12, 2))
    matrix = csr_matrix(x * (x > 0))
    sparse = csr_matrix(matrix, copy=True)
    for part in ("data", "indices", "indptr"):
        setattr(sparse, part, unaligned(getattr(sparse, part)))
    values, labels = rng.normal(size=12).astype(np.float32), rng.integers(0, 3, 12)
    weight = rng.random(12)
    columns = {"a": codes[:, 0], "n": x}
    models: list[tuple[Any, Any, Any, Any]] = [
        (MLP([5, 4, 3]), x, unaligned(x), labels),
        (MLP([5, 4, 3]), matrix, sparse, labels),
        (MLP([5, 4, 1], loss="squared"), x, unaligned(x), values),
        (FactorizationMachine(5), x, unaligned(x), values),
        (FactorizationMachine(5), matrix, sparse, values),
        (FactorizationMachine([4, 4]), codes, unaligned(codes), values),
        (MatrixFactorization(4, 4), codes, unaligned(codes), values),
        (
            EmbeddingMLP({"a": 4}, numeric={"n": 5}),
            columns,
            {name: unaligned(column) for name, column in columns.items()},
            values,
        ),
    ]
    for model, rows, moved, y in models:
        right = model.scores(rows)
        np.testing.assert_array_equal(model.scores(moved), right)
        value = model.loss_and_grad(rows, y, sample_weight=weight)
        assert model.loss_and_grad(moved, unaligned(y), sample_weight=unaligned(weight)) == value
        assert model.loss(unaligned(right), y) == model.loss(right, y)


def test_threads_can_share_a_model_for_scores() -> None:
    rng = np.random.default_rng(0)
    counts = (1, 7, 100, 3000, 6000)
    codes = [rng.integers(0, 20, (n, 2)) for n in counts]
    numbers = [rng.normal(size=(n, 5)).astype(np.float32) for n in counts]
    columns = [{"a": c[:, 0], "n": x} for c, x in zip(codes, numbers, strict=True)]
    for make, inputs in (
        (lambda: MLP([5, 32, 3]), numbers),
        (lambda: EmbeddingMLP({"a": 20}, numeric={"n": 5}), columns),
        (lambda: FactorizationMachine([20, 20]), codes),
        (lambda: FactorizationMachine(5), numbers),
    ):
        model: Any = make()
        right = [make().scores(x) for x in inputs]  # type: ignore[attr-defined]
        with ThreadPoolExecutor(4) as threads:
            for expected, scores in zip(
                20 * right, threads.map(model.scores, 20 * inputs), strict=True
            ):
                np.testing.assert_array_equal(scores, expected)


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="sizes: expected at least two numbers"):
        MLP([4])
    with pytest.raises(ValueError, match=r"activation must be 'relu', .* got 'swish'"):
        MLP([4, 3], activation="swish")
    model = MLP([4, 3])
    with pytest.raises(ValueError, match=r"x: expected shape \(rows, 4\), got \(2, 5\)"):
        model.loss_and_grad(np.zeros((2, 5)), np.zeros(2, int))
    with pytest.raises(ValueError, match="at least one row"):
        model.loss_and_grad(np.zeros((0, 4)), np.zeros(0, int))
    with pytest.raises(ValueError, match="labels from 0 to 2, got 3 at row 1"):
        model.loss_and_grad(np.zeros((2, 4)), np.array([0, 3]))


@pytest.mark.parametrize("seed", [None, 1.5, "1", -1, 2**64])
@pytest.mark.parametrize("make", [MLP, lambda sizes, **of: EmbeddingMLP({"a": 3}, sizes, **of)])
def test_invalid_seeds_are_rejected(make: Any, seed: Any) -> None:
    with pytest.raises(ValueError, match=f"seed must be a whole number from 0 to .*, got {seed!r}"):
        make([3, 4, 2], seed=seed, dropout=0.1)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    "model",
    [
        MLP([3, 2]),
        MLP([3, 2], dtype="float64"),
        Linear(3),
        Softmax(3, 2),
        FactorizationMachine(3),
        EmbeddingMLP({}, bags={"x": 3}),
        EmbeddingMLP({"a": 2}, numeric={"x": 3}),
    ],
    ids=repr,
)
def test_complex_inputs_are_rejected(model: Any, sparse: bool, tmp_path: Path) -> None:
    rows: Any = np.ones((4, 3), np.complex64)
    np.save(tmp_path / "x.npy", rows)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    forms = [pytest.importorskip("scipy.sparse").csr_array(rows)] if sparse else [rows, mapped]
    if isinstance(model, EmbeddingMLP):
        if sparse == (model.tables[0].name == "a"):
            return  # numeric columns are dense; bags are lists of integers or sparse
        forms = [{"a": [0, 1, 0, 1], "x": form} for form in forms]
    for form in forms:
        calls = (
            lambda form=form: model.scores(form),
            lambda form=form: model.loss_and_grad(form, np.zeros(4, int)),
            lambda form=form: po.train.Trainer(model, progress=False).fit(form, np.zeros(4, int)),
        )
        for call in calls:
            with pytest.raises(TypeError, match="x: expected real numbers, got complex64"):
                call()
    if not isinstance(model, EmbeddingMLP) and not sparse:
        with pytest.raises(TypeError, match="x: expected real numbers, got complex128"):
            model.scores(rows.tolist())


@pytest.mark.parametrize("dtype", ["M8[D]", "m8[s]"])
@pytest.mark.parametrize("model", [po.models.Linear(3), po.models.MLP([3, 4, 2])], ids=repr)
def test_dates_and_durations_are_rejected(model: Any, dtype: str) -> None:
    """NumPy would cast the missing value NaT to a large number."""
    rows = np.arange(12).reshape(4, 3).astype(dtype)
    rows[1, 1] = "NaT"
    y = np.zeros(4, int)
    for call in (
        lambda: model.scores(rows),
        lambda: model.loss_and_grad(rows, y),
        lambda: po.train.Trainer(model, progress=False).fit(rows, y),
    ):
        with pytest.raises(TypeError, match=r"x: expected real numbers, got (date|timedelta)"):
            call()


NO_COUNTS = [None, 3.7, 0, -1, "3", [3], np.float64(3.0)]


@pytest.mark.parametrize("bad", NO_COUNTS, ids=repr)
@pytest.mark.parametrize(
    ("name", "make"),
    [
        (r"sizes\[0\]", lambda bad: MLP([bad, 2])),
        (r"sizes\[2\]", lambda bad: MLP([2, 3, bad])),
        ("inputs", Linear),
        ("outputs", lambda bad: Linear(3, bad)),
        ("inputs", lambda bad: Softmax(bad, 2)),
        ("classes", lambda bad: Softmax(3, bad)),
        (r"hidden\[1\]", lambda bad: EmbeddingMLP({"a": 3}, [4, bad])),
        ("outputs", lambda bad: EmbeddingMLP({"a": 3}, outputs=bad)),
        ("users", lambda bad: MatrixFactorization(bad, 2)),
        ("items", lambda bad: MatrixFactorization(2, bad)),
        ("rank", lambda bad: MatrixFactorization(2, 2, rank=bad)),
        ("rank", lambda bad: FactorizationMachine(2, rank=bad)),
        (r"features\[0\]", lambda bad: FactorizationMachine([bad, 2])),
    ],
)
def test_numbers_that_are_not_whole_are_rejected(name: str, make: Any, bad: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a whole number of at least 1, got"):
        make(bad)


@pytest.mark.parametrize("bad", ["32", b"32", 32, None, np.array(32)], ids=repr)
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sizes", MLP),
        ("hidden", lambda bad: EmbeddingMLP({"a": 3}, bad)),
    ],
)
def test_text_is_rejected_as_sizes(name: str, make: Any, bad: Any) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be a sequence of whole numbers, got"):
        make(bad)


def test_sizes_of_any_sequence() -> None:
    for sizes in ([3, 2], (3, 2), np.array([3, 2]), iter([3, 2]), np.array([3, 2], np.uint8)):
        assert MLP(sizes).sizes == (3, 2)  # type: ignore[arg-type]


def test_initial_weights_depend_only_on_the_seed() -> None:
    first, again, other = MLP([8, 16, 2], seed=1), MLP([8, 16, 2], seed=1), MLP([8, 16, 2], seed=2)
    assert np.array_equal(first.params.flat, again.params.flat)
    assert not np.array_equal(first.params.flat, other.params.flat)
    assert not first.params["layers.0.bias"].any()
    wide = MLP([1000, 1000, 1], seed=0).params["layers.0.weight"]
    assert wide.std() == pytest.approx((2 / 1000) ** 0.5, rel=0.01)
    assert not Softmax(3, 2).params.flat.any()


@pytest.mark.parametrize(
    "model",
    [
        MLP([4, 5, 3], activation="gelu", dtype="float64", seed=7),
        MLP([4, 5, 1], loss="squared"),
        Linear(3, 2),
        Softmax(4, 3),
    ],
    ids=repr,
)
def test_saved_and_loaded(model: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model.params.flat[...] = rng.normal(size=model.params.flat.size)
    path = tmp_path / "model.safetensors"
    model.save(path, {"note": "a word"})
    again = po.models.load(path)
    assert type(again) is type(model)
    assert again.config() == model.config()
    assert np.array_equal(again.params.flat, model.params.flat)
    assert po.models.read_metadata(path) == {"note": "a word"}
    assert load_file(path).keys() == dict(model.params).keys()
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]
    for clone in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        x = rng.normal(size=(5, model.sizes[0]))
        assert np.array_equal(clone.scores(x), model.scores(x))
        clone.params.flat[...] = 0
        assert model.params.flat.any()


def test_files_that_are_not_models_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(FileNotFoundError, match="no such file"):
        po.models.load(path)
    path.write_bytes(b"not safetensors at all")
    with pytest.raises(po.CheckpointError, match=r"model\.safetensors: not a valid safetensors"):
        po.models.load(path)
    save_file({"w": np.zeros(3)}, path)
    with pytest.raises(po.CheckpointError, match="expected a model of pyoptim"):
        po.models.load(path)
    MLP([4, 3]).save(path, overwrite=True)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(po.CheckpointError, match="not a valid safetensors file"):
        po.models.load(path)
    config = json.dumps({"kind": "MLP", "sizes": [4, 3]})
    tensors = {"layers.0.weight": np.zeros((4, 2), np.float32),
               "layers.0.bias": np.zeros(3, np.float32)}  # fmt: skip
    save_file(tensors, path, {"pyoptim.model": config})
    with pytest.raises(po.CheckpointError, match=r"0.weight: .* \(4, 3\) .* got shape \(4, 2\)"):
        po.models.load(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "expected valid JSON, got an error: Expecting"),
        ("[]", "expected a JSON object, got array"),
        ("null", "expected a JSON object, got null"),
        ("{}", "kind: expected one of MLP, Linear, .*, but the field is missing"),
        ('{"kind": "Forest"}', "kind: expected one of MLP, Linear, .*, got 'Forest'"),
        ('{"kind": ["MLP"]}', r"kind: expected one of MLP, Linear, .*, got \['MLP'\]"),
        ('{"kind": "MLP"}', "sizes: expected a value, because MLP requires the field"),
        ('{"kind": "MLP", "sizes": [4, 3], "depth": 3}', r"depth: unknown field, .*\(sizes, act"),
        ('{"kind": "EmbeddingMLP", "sizes": [4, 3]}', r"sizes: unknown .*\(fields, .*, residual"),
        ('{"kind": "EmbeddingMLP", "fields": {"a": 2}, "norm": 3}', "norm must be .* got 3"),
        ('{"kind": "EmbeddingMLP", "fields": [2]}', r"fields: expected a mapping .* got \[2\]"),
        ('{"kind": "EmbeddingMLP", "fields": {"a": 2}, "numeric": [[]]}', "numeric: expected a"),
        ('{"kind": "MLP", "sizes": [4, 3], "loss": "mse"}', "loss: expected one of .* got 'mse'"),
        ('{"kind": "MLP", "sizes": [4, 3], "loss": {"name": "huber", "delta": "x"}}',
         "loss: delta must be a number, got 'x'"),
        ('{"kind": "MLP", "sizes": [4, 3], "dtype": "int"}', "dtype: expected float32, .* got int"),
        ('{"kind": "MLP", "sizes": [4, 3], "dtype": []}', r"dtype: expected float32, .* got"),
        ('{"kind": "Linear", "inputs": "x"}', "inputs must be a whole number .* got 'x'"),
        ('{"kind": "MatrixFactorization", "users": 2, "items": 3, "l2": null}',
         "l2 must be a number, got None"),
        ('{"kind": "FactorizationMachine", "features": []}', "features: expected a number of"),
    ],
)  # fmt: skip
def test_errors_of_a_configuration_name_the_field(
    config: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"w": np.zeros(3)}, path, {"pyoptim.model": config})
    with pytest.raises(
        po.CheckpointError, match=rf"model\.safetensors: invalid model configuration: {message}"
    ):
        po.models.load(path)
