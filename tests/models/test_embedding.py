"""EmbeddingMLP: embedding tables, bags and numeric columns before dense layers."""

import copy
import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from differences import central_difference
from embedding_models import BAGS, FIELDS, ROWS, columns, dense_grads, embedding_mlp
from reference import same_bits

import pyoptim as po
from pyoptim import _core
from pyoptim.data import prepare
from pyoptim.models import EmbeddingMLP


def weights_of(x: dict[str, Any], name: str, size: int, mean: bool) -> np.ndarray:
    """Return the matrix that maps a table to its inputs of the first layer."""
    if name in FIELDS:
        return np.eye(size)[x[name]]
    counts = np.array([np.bincount(np.array(bag, int), minlength=size) for bag in x[name]], float)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return counts / totals if mean else counts


def naive_inputs(model: EmbeddingMLP, x: dict[str, Any]) -> np.ndarray:
    parts = [
        weights_of(x, name, size, model.bag == "mean") @ model.params[f"tables.{name}"]
        for name, (size, _) in {**FIELDS, **BAGS}.items()
    ]
    return np.concatenate([*parts, x["carat"][:, None], x["pixels"]], axis=1)


def inner(model: EmbeddingMLP) -> po.models.MLP:
    """Return an MLP with the dense layers of a model."""
    mlp = po.models.MLP(model.sizes, loss=model.loss, dtype="float64")
    for name in mlp.params:
        mlp.params[name] = model.params[name]
    return mlp


@pytest.mark.parametrize("bag", ["mean", "sum"])
def test_the_scores_are_those_of_the_layers_over_looked_up_rows(bag: str) -> None:
    model, x = embedding_mlp(bag=bag), columns()
    expected = inner(model).scores(naive_inputs(model, x))
    np.testing.assert_allclose(model.scores(x), expected, rtol=1e-11, atol=1e-13)
    assert model.predict(x).shape == (ROWS,)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("bag", ["mean", "sum"])
def test_the_gradient_is_that_of_loss_and_penalty(bag: str, weighted: bool) -> None:
    model, x = embedding_mlp(bag=bag, l2=0.3, loss="logistic", activation="tanh"), columns()
    y = np.random.default_rng(1).integers(0, 2, ROWS)
    weights = np.arange(ROWS) % 3 if weighted else np.ones(ROWS)
    keywords = {"sample_weight": weights} if weighted else {}

    def objective() -> float:
        squares = np.zeros(ROWS)
        for name, (size, _) in {**FIELDS, **BAGS}.items():
            norms = np.square(model.params[f"tables.{name}"]).sum(axis=1)
            squares += weights_of(x, name, size, mean=False) @ norms
        penalty = model.l2 / 2 * (weights * squares).sum() / weights.sum()
        return float(model.evaluate(x, y, **keywords)["loss"] + penalty)

    value = model.loss_and_grad(x, y, **keywords)
    assert value == pytest.approx(objective(), rel=1e-12)
    grads = dense_grads(model.params)
    for name, array in model.params.items():
        for place in list(np.ndindex(array.shape))[::5]:
            expected = central_difference(objective, array, place)
            assert grads[name][place] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("wrap", [lambda opt: opt, po.wrappers.SAM, po.wrappers.ASAM])
def test_training_is_that_with_dense_gradients(wrap: Callable[[Any], Any]) -> None:
    by_rows = embedding_mlp()
    dense = copy.deepcopy(by_rows)
    opts = [wrap(po.Adagrad(p, lr=0.1)) for p in (by_rows.params, dict(dense.params))]
    x, y = by_rows.cast_inputs(columns()), np.random.default_rng(1).normal(size=ROWS)
    for step in range(5):
        rows = np.arange(6) + 6 * step
        batch = tuple(part[rows] for part in x)
        values: list[list[float]] = [[], []]

        def grads(number: int, batch: Any = batch, y: Any = y[rows], values: Any = values) -> Any:
            model = (by_rows, dense)[number]
            values[number].append(model.loss_and_grad(batch, y))
            return None if model is by_rows else dense_grads(model.params)

        for number, opt in enumerate(opts):
            takes_closure = isinstance(opt, po.wrappers.SAM)
            opt.step(functools.partial(grads, number) if takes_closure else grads(number))
        assert values[0] == pytest.approx(values[1], rel=1e-12)
    np.testing.assert_allclose(by_rows.params.flat, dense.params.flat, rtol=1e-10, atol=1e-12)


def test_bags_may_be_sparse_matrices_with_weights() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    model, x = embedding_mlp(bag="sum"), columns()
    y = np.random.default_rng(1).normal(size=ROWS)
    expected = model.loss_and_grad(x, y), dense_grads(model.params)
    matrices = {n: weights_of(x, n, size, mean=False) for n, (size, _) in BAGS.items()}
    for kind in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        given = {**x, **{name: kind(matrix) for name, matrix in matrices.items()}}
        assert model.loss_and_grad(given, y) == pytest.approx(expected[0], rel=1e-12)
        for name, grad in dense_grads(model.params).items():
            np.testing.assert_allclose(grad, expected[1][name], rtol=1e-9, atol=1e-13)


def test_a_mean_of_weights_that_sum_to_zero_is_zero() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    model, x = embedding_mlp(), columns(2)
    weights = sparse.csr_array(np.array([[1.0, -1, 0, 0, 0, 0]] * 2))
    empty = model.scores({**x, "tags": [[], []]})
    assert same_bits(model.scores({**x, "tags": weights}), empty)


def test_slices_and_many_rows() -> None:
    model = embedding_mlp()
    x = model.cast_inputs(columns(5000))
    scores = model.scores(x)
    for part in (slice(20, 30), np.arange(4090, 4100)):
        rows = tuple(column[part] for column in x)
        np.testing.assert_allclose(model.scores(rows), scores[part], rtol=1e-12)
    y = np.zeros(10)
    parts = (slice(20, 30), np.arange(20, 30))
    values = [model.loss_and_grad(tuple(column[p] for column in x), y) for p in parts]
    assert values[0] == values[1]


def trained(rows: int = 200, **settings: Any) -> tuple[EmbeddingMLP, po.train.History]:
    x = columns(rows)
    y = x["carat"] + (x["cut"] == 2) + np.array([float(3 in bag) for bag in x["tags"]])
    model = embedding_mlp(**settings)
    trainer = po.train.Trainer(model, optimizer=po.Adam(model.params, lr=0.01), epochs=40,
                               batch_size=16, validation=0.2, progress=False)  # fmt: skip
    return model, trainer.fit(x, y)


def test_the_trainer_trains_it() -> None:
    _, history = trained()
    assert history["val_loss"][-1] < 0.3 * history["val_loss"][0]


@pytest.mark.parametrize("settings", [{}, {"norm": "batch", "dropout": 0.2}], ids=str)
def test_a_resumed_run_is_the_same(settings: dict[str, Any], tmp_path: Path) -> None:
    x, y = columns(60), np.random.default_rng(1).normal(size=60)

    def trainer(epochs: int) -> po.train.Trainer:
        model = embedding_mlp(**settings)
        return po.train.Trainer(model, optimizer=po.Adam(model.params), epochs=epochs,
                                batch_size=8, validation=0.2, penalty=po.penalties.L2(0.01),
                                progress=False)  # fmt: skip

    whole = trainer(4)
    whole.fit(x, y)
    first = trainer(2)
    first.fit(x, y)
    first.save(tmp_path)
    resumed = trainer(4).resume(tmp_path)
    resumed.fit(x, y)
    assert same_bits(resumed.model.params.flat, whole.model.params.flat)
    assert resumed.history["val_loss"] == whole.history["val_loss"]


def test_saved_loaded_and_copied(tmp_path: Path) -> None:
    model, x = embedding_mlp(), columns()
    model.save(tmp_path / "model.safetensors")
    again = po.models.load(tmp_path / "model.safetensors")
    assert type(again) is EmbeddingMLP
    assert again.config() == model.config()
    scores = model.scores(x)
    for clone in (again, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert same_bits(clone.scores(x), scores)
        clone.loss_and_grad(x, np.zeros(ROWS))
        clone.params.flat[...] = 0
        assert same_bits(model.scores(x), scores)


@pytest.mark.parametrize("numeric", [{"carat": 1, "pixels": 2}, {"pixels": 2}, {}], ids=len)
def test_columns_of_mapped_files_are_read_by_batches(
    numeric: dict[str, int], tmp_path: Path
) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    rows = 300
    x, y = columns(rows), np.random.default_rng(1).normal(size=rows)
    # Bags are not in a file: a sparse matrix, and lists of different lengths.
    x["words"] = sparse.csr_array(weights_of(x, "words", 9, False))
    x = {name: x[name] for name in [*FIELDS, *BAGS, *numeric]}
    files = {}
    for name, column in x.items():
        if isinstance(column, np.ndarray):
            np.save(tmp_path / f"{name}.npy", column)
            files[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    unused = {"unused": 7}
    forms = [{**x, **unused}, {**x, **files, **unused}, tuple({**x, **files}.values())]
    runs: list[Any] = []
    measured: list[list[float]] = []
    for form in forms:
        model = embedding_mlp(numeric=numeric, loss="squared")
        trainer = po.train.Trainer(model, validation=0.2, epochs=2, metrics=["r2"], progress=False)
        source, _ = prepare(form, y, None, None, validation=None, shuffle=True, seed=0,
                            loss=model.loss, model=model)  # fmt: skip
        assert source.slow == (form is not forms[0])
        history = trainer.fit(form, y)
        runs.append((model.params.flat.tobytes(), history["loss"]))
        measured.append(history["val_loss"])
    assert runs[0] == runs[1] == runs[2]
    np.testing.assert_allclose(measured, measured[:1] * 3)
    with pytest.raises(ValueError, match=r"x: expected the columns .* 'cut'"):
        trainer.fit({name: column for name, column in files.items() if name != "cut"}, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_and_instruction_sets_agree(dtype: str, instruction_sets: list[str]) -> None:
    rows = 6000
    x, y = columns(rows), np.zeros(rows)
    runs = []
    for isa in instruction_sets:
        for threads in (1, 2, 5):
            _core.set_instruction_set(isa)
            po.set_num_threads(threads)
            model = embedding_mlp(dtype=dtype, l2=0.1)
            inputs = model._inputs(x).tobytes()
            runs.append((inputs, table_slopes(model, x, y)))
    assert len(runs) >= 3
    assert all(run == runs[0] for run in runs)


def table_slopes(model: EmbeddingMLP, x: Any, y: np.ndarray) -> list[bytes]:
    model.loss_and_grad(x, y)
    return [model.params.grads[name].values.tobytes() for name in model.params.row_sparse]


def changed(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda x: {**x, name: value}


BAD: list[tuple[Callable[[dict[str, Any]], Any], type[Exception], str]] = [
    (changed("cut", [0.0] * ROWS), TypeError, "cut: expected integers, got float64"),
    (changed("cut", [[0]] * ROWS), ValueError, r"cut: expected a 1-D array, got shape \(30, 1\)"),
    (changed("cut", [0] * 29 + [4]), ValueError, "x: expected cut from 0 to 3, got 4 at row 29"),
    (changed("tags", [[-1]] * ROWS), ValueError, "x: expected tags from 0 to 5, got -1"),
    (changed("tags", [[0.5]] * ROWS), TypeError, "tags: expected integers, got float64"),
    (changed("pixels", np.zeros(ROWS)), ValueError, r"pixels: expected shape \(rows, 2\)"),
    (changed("carat", np.zeros(7)), ValueError, "x: |all the input array"),
    (
        lambda x: {n: c for n, c in x.items() if n != "color"},
        ValueError,
        "got none named 'color'",
    ),
    (lambda x: (), ValueError, "x: expected a tuple of 5 parts, got 0"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_inputs_that_do_not_fit_are_refused(
    change: Callable[[dict[str, Any]], Any], error: type[Exception], message: str
) -> None:
    model = embedding_mlp()
    with pytest.raises(error, match=message):
        model.predict(change(columns()))
    with pytest.raises(error, match=message):
        model.loss_and_grad(change(columns()), np.zeros(ROWS))


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="fields: expected at least one field or bag"):
        EmbeddingMLP({}, [4], numeric=["a"])
    with pytest.raises(ValueError, match="expected different column names, got 'a' twice"):
        EmbeddingMLP({"a": 3}, [4], numeric=["a"])
    with pytest.raises(ValueError, match="bag must be"):
        EmbeddingMLP({"a": 3}, [4], bag="max")
    for bad in (0, 1.5, None, "34", (2, 3, 4), (2,), (), [0, 2], (2, 1.5), {"a": 1}):
        for name, of in (("fields", {}), ("bags", {"fields": {"b": 2}})):
            with pytest.raises(ValueError, match=rf"^{name}\['a'\]: expected a number .*, got"):
                EmbeddingMLP(**{**of, name: {"a": bad}})
    for bad in (0, 1.5, None, "3", (2, 3)):
        with pytest.raises(ValueError, match=r"^numeric\['n'\] must be a whole number"):
            EmbeddingMLP({"a": 3}, numeric={"n": bad})
    for name in ("fields", "bags"):
        with pytest.raises(TypeError, match=f"{name}: expected a mapping of names to sizes, got"):
            EmbeddingMLP(**{"fields": {"b": 2}, name: ["a"]})
    with pytest.raises(TypeError, match=r"numeric: expected a sequence of names, .* 'ab'"):
        EmbeddingMLP({"a": 3}, numeric="ab")
    assert EmbeddingMLP({"a": 100}, [4]).params["tables.a"].shape == (100, 21)


@pytest.mark.peers
def test_torch_has_the_same_gradients() -> None:
    torch = pytest.importorskip("torch")
    model, x = embedding_mlp(), columns()
    y = np.random.default_rng(1).normal(size=ROWS)
    value = model.loss_and_grad(x, y)
    params = {n: torch.tensor(a.copy(), requires_grad=True) for n, a in model.params.items()}
    parts = [torch.nn.functional.embedding(torch.tensor(x[n]), params[f"tables.{n}"])
             for n in FIELDS]  # fmt: skip
    for name in BAGS:
        flat = torch.tensor([each for bag in x[name] for each in bag], dtype=torch.int64)
        offsets = torch.tensor(np.cumsum([0, *map(len, x[name])])[:-1])
        parts.append(torch.nn.functional.embedding_bag(flat, params[f"tables.{name}"], offsets))
    numbers = [torch.tensor(x["carat"][:, None]), torch.tensor(x["pixels"])]
    a = torch.cat([*parts, *numbers], dim=1)
    a = torch.relu(a @ params["layers.0.weight"] + params["layers.0.bias"])
    a = a @ params["layers.1.weight"] + params["layers.1.bias"]
    loss = (a[:, 0] - torch.tensor(y)).square().mean()
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-12)
    for name, grad in dense_grads(model.params).items():
        np.testing.assert_allclose(grad, params[name].grad, rtol=1e-9, atol=1e-13)


def test_the_size_of_batches_may_be_measured() -> None:
    x, y = columns(200), np.zeros(200)
    model = embedding_mlp()
    history = po.train.Trainer(model, epochs=1, batch_size="auto", progress=False).fit(x, y)
    assert np.isfinite(history["loss"][0])
