"""Matrix factorization and factorization machines: formulas, row-sparse gradients, training."""

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from differences import central_difference
from embedding_models import SIZES, codes, dense_grads, pairs_model, random, shaken, sparse_values
from reference import same_bits

import pyoptim as po
from pyoptim import _core
from pyoptim.models import FactorizationMachine, MatrixFactorization
from pyoptim.train import Trainer

RANKS = (1, 3, 16, 37, 100)


def one_hot(x: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([np.eye(n)[column] for n, column in zip(sizes, x.T, strict=True)], axis=1)


def naive_pairs(model: MatrixFactorization, x: np.ndarray) -> np.ndarray:
    p = {name: array.astype(float) for name, array in model.params.items()}
    user, item = x.T
    products = [
        a @ b for a, b in zip(p["users.factors"][user], p["items.factors"][item], strict=True)
    ]
    return p["mean"] + p["users.bias"][user] + p["items.bias"][item] + np.array(products)


def naive_machine(model: FactorizationMachine, x: np.ndarray) -> np.ndarray:
    """Return scores of a factorization machine as a sum over all pairs of features."""
    p = {name: array.astype(float) for name, array in model.params.items()}
    scores = p["bias"] + x @ p["weights"]
    for i in range(model.features):
        for j in range(i):
            scores = scores + p["factors"][i] @ p["factors"][j] * x[:, i] * x[:, j]
    return np.asarray(scores)


def squares_in_use(model: Any, x: np.ndarray) -> np.ndarray:
    """Return for each row the sum of squares of the table rows that it reads."""
    p = {name: np.square(array.astype(float)) for name, array in model.params.items()}
    if isinstance(model, MatrixFactorization):
        sides = zip(("users", "items"), x.T, strict=True)
        return sum(p[f"{s}.bias"][n] + p[f"{s}.factors"].sum(axis=1)[n] for s, n in sides)
    there = x != 0 if model.fields is None else one_hot(x, model.fields)
    return np.asarray(there @ (p["weights"] + p["factors"].sum(axis=1)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rank", RANKS)
def test_scores_are_the_formula(rank: int, dtype: str) -> None:
    exact = {"rtol": 1e-12} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-5}
    pairs = codes(50, SIZES[:2])
    model = shaken(pairs_model(rank, dtype=dtype))
    model.loss_and_grad(pairs, np.zeros(50))
    np.testing.assert_allclose(model.scores(pairs)[:, 0], naive_pairs(model, pairs), **exact)
    fields = shaken(FactorizationMachine(SIZES, rank=rank, dtype=dtype))
    x = codes(50)
    np.testing.assert_allclose(
        fields.scores(x)[:, 0], naive_machine(fields, one_hot(x, SIZES)), **exact
    )
    values = shaken(FactorizationMachine(15, rank=rank, dtype=dtype))
    x = sparse_values(50, 15)
    np.testing.assert_allclose(values.scores(x)[:, 0], naive_machine(values, x), **exact)


def cases() -> Iterator[Any]:
    for loss in ("squared", "logistic", "huber"):
        for l2 in (0.0, 0.3):
            settings = {"loss": loss, "l2": l2, "dtype": "float64"}
            yield pairs_model(**settings), codes(40, SIZES[:2])
            yield FactorizationMachine(SIZES, rank=4, **settings), codes(40)
            yield FactorizationMachine(15, rank=4, **settings), sparse_values(40, 15)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("model", "x"), list(cases()))
def test_the_gradient_is_that_of_loss_and_penalty(
    model: Any, x: np.ndarray, weighted: bool
) -> None:
    model = shaken(copy.deepcopy(model))
    y = random(1).integers(0, 2, len(x)).astype(float)
    weights = random(2).integers(0, 3, len(x)).astype(float) if weighted else np.ones(len(x))
    keywords = {"sample_weight": weights} if weighted else {}

    def objective() -> float:
        penalty = model.l2 / 2 * (weights * squares_in_use(model, x)).sum() / weights.sum()
        return float(model.evaluate(x, y, **keywords)["loss"] + penalty)

    value = model.loss_and_grad(x, y, **keywords)
    assert value == pytest.approx(objective(), rel=1e-12)
    grads = dense_grads(model.params)
    for name, array in model.params.items():
        if name.endswith("seen"):
            assert not grads[name].any()
            continue
        for place in np.ndindex(array.shape):
            expected = central_difference(objective, array, place)
            assert grads[name][place] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("model", "x"), list(cases()))
@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
def test_training_is_that_with_dense_gradients(model: Any, x: np.ndarray, name: str) -> None:
    by_rows = shaken(copy.deepcopy(model))
    dense = copy.deepcopy(by_rows)
    arrays = {n: a for n, a in dense.params.items() if not n.endswith("seen")}
    opts = getattr(po, name)(by_rows.params, lr=0.1), getattr(po, name)(arrays, lr=0.1)
    y = random(1).integers(0, 2, len(x)).astype(float)
    for step in range(5):
        batch = slice(8 * step, 8 * step + 8)
        values = [each.loss_and_grad(x[batch], y[batch]) for each in (by_rows, dense)]
        opts[0].step()
        grads = dense_grads(dense.params)
        opts[1].step({n: grads[n] for n in arrays})
        assert values[0] == pytest.approx(values[1], rel=1e-12)
    for each, array in arrays.items():
        np.testing.assert_allclose(by_rows.params[each], array, rtol=1e-11, atol=1e-13)


def all_bits(dtype: str) -> list[bytes]:
    """Return scores and gradients of batches large enough for several threads."""
    bits = []
    rows = 9000
    wide = (300, 200, 50)
    models: list[tuple[Any, np.ndarray]] = [
        (MatrixFactorization(*wide[:2], rank=37, l2=0.1, dtype=dtype), codes(rows, wide[:2])),
        (FactorizationMachine(wide, rank=19, l2=0.1, dtype=dtype), codes(rows, wide)),
        (FactorizationMachine(40, rank=19, l2=0.1, dtype=dtype), sparse_values(rows, 40)),
    ]
    for model, x in models:
        shaken(model)
        y = random(1).normal(size=rows)
        bits.append(np.float64(model.loss_and_grad(x, y)).tobytes())
        bits += [g.values.tobytes() if isinstance(g, po.RowGrad) else g.tobytes()
                 for g in model.params.grads.values()]  # fmt: skip
        bits.append(model.scores(x).tobytes())
    return bits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_and_instruction_sets_agree(dtype: str, instruction_sets: list[str]) -> None:
    runs = []
    for isa in instruction_sets:
        for threads in (1, 2, 5):
            _core.set_instruction_set(isa)
            po.set_num_threads(threads)
            runs.append(all_bits(dtype))
    assert len(runs) >= 3
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize("starts", [[0, 9, 2, 3], [0, 2, 1, 3], [0, 1, 2, 9], [1, 1, 2, 3]])
def test_a_sparse_matrix_whose_rows_are_not_there_is_refused(starts: list[int]) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.csr_array((np.ones(3), np.array([0, 1, 2]), np.array([0, 1, 2, 3])), shape=(3, 4))
    x.indptr[:] = starts  # SciPy would write out of bounds
    model = FactorizationMachine(4)
    for use in (model.scores, lambda x: Trainer(model, progress=False).fit(x, np.ones(3))):
        with pytest.raises(ValueError, match=r"x\.indptr: expected increasing numbers from 0 to"):
            use(x)


def test_values_may_be_sparse() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    model = shaken(FactorizationMachine(15, rank=4, dtype="float64"))
    x, y = sparse_values(30, 15), random(1).normal(size=30)
    expected = model.loss_and_grad(x, y), dense_grads(model.params), model.scores(x)
    once = sparse.csr_array(x)
    twice = sparse.csr_array(
        (np.repeat(once.data / 2, 2), np.repeat(once.indices, 2), 2 * once.indptr), shape=x.shape
    )
    for kind in (sparse.csr_array(x), sparse.csr_matrix(x), sparse.csc_array(x), twice):
        found = model.loss_and_grad(kind, y), dense_grads(model.params), model.scores(kind)
        assert found[0] == pytest.approx(expected[0], rel=1e-12)
        for name, grad in expected[1].items():
            np.testing.assert_allclose(found[1][name], grad, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(found[2], expected[2], rtol=1e-12)


def test_slices_of_sparse_values() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    model = shaken(FactorizationMachine(15, rank=4, dtype="float64"))
    rows, y = model.cast_inputs(sparse.csr_array(sparse_values(30, 15))), np.zeros(10)
    assert same_bits(model.scores(rows[10:20]), model.scores(rows)[10:20])
    values = [model.loss_and_grad(rows[part], y) for part in (slice(10, 20), np.arange(10, 20))]
    assert values[0] == values[1]


def test_the_trainer_takes_sparse_values() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x, y = sparse_values(60, 15), random(1).normal(size=60)

    def trained(inputs: Any) -> np.ndarray:
        model = FactorizationMachine(15, rank=4, l2=0.1, dtype="float64")
        opt = po.Adagrad(model.params, lr=0.1)
        po.train.Trainer(model, optimizer=opt, epochs=3, batch_size=8, validation=0.2,
                         progress=False).fit(inputs, y)  # fmt: skip
        return model.params.flat

    np.testing.assert_allclose(trained(sparse.csr_array(x)), trained(x), rtol=1e-10, atol=1e-13)


def test_fields_are_one_hot_values() -> None:
    fields = shaken(FactorizationMachine(SIZES, rank=4, dtype="float64"))
    values = FactorizationMachine(15, rank=4, dtype="float64")
    values.params.flat[...] = fields.params.flat
    x, y = codes(30), random(1).normal(size=30)
    losses = fields.loss_and_grad(x, y), values.loss_and_grad(one_hot(x, SIZES), y)
    assert losses[0] == pytest.approx(losses[1], rel=1e-13)
    theirs = dense_grads(values.params)
    for name, grad in dense_grads(fields.params).items():
        np.testing.assert_allclose(grad, theirs[name], rtol=1e-10, atol=1e-14)


def test_two_fields_are_a_factorized_matrix() -> None:
    pairs = shaken(pairs_model(dtype="float64"))
    machine = FactorizationMachine(SIZES[:2], rank=4, dtype="float64")
    machine.params["bias"] = pairs.params["mean"]
    for table, part in (("weights", "bias"), ("factors", "factors")):
        both = [pairs.params[f"{side}.{part}"] for side in ("users", "items")]
        machine.params[table] = np.concatenate(both)
    x, y = codes(30, SIZES[:2]), random(1).normal(size=30)
    losses = [model.loss_and_grad(x, y) for model in (pairs, machine)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    mine, theirs = dense_grads(pairs.params), dense_grads(machine.params)
    np.testing.assert_allclose(
        np.concatenate([mine["users.factors"], mine["items.factors"]]),
        theirs["factors"],
        rtol=1e-9,
        atol=1e-14,
    )


def test_who_was_never_seen_has_mean_and_known_bias() -> None:
    model = pairs_model()
    assert (model.predict([[0, 0], [6, 4]]) == np.float32(0.5)).all()
    x, y = np.array([[0, 0], [1, 1], [1, 0]]), np.array([1.0, 2.0, 3.0])
    history = po.train.Trainer(model, epochs=3, batch_size=2, progress=False).fit(x, y)
    assert len(history) == 3
    p = model.params
    assert p["users.seen"].tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert p["items.seen"].tolist() == [1, 1, 0, 0, 0]
    assert model.predict([[0, 3]]) == p["mean"] + p["users.bias"][0]
    assert model.predict([[4, 1]]) == p["mean"] + p["items.bias"][1]
    assert model.predict([[4, 4]]) == p["mean"]
    assert model.predict([[0, 1]]) != p["mean"] + p["users.bias"][0] + p["items.bias"][1]
    assert model.predict(x[:0]).shape == (0,)


@pytest.mark.parametrize(("model", "x"), list(cases()))
def test_saved_loaded_and_copied(model: Any, x: np.ndarray, tmp_path: Path) -> None:
    model = shaken(copy.deepcopy(model))
    model.loss_and_grad(x, np.zeros(len(x)))
    model.save(tmp_path / "model.safetensors", {"note": "a word"})
    again = po.models.load(tmp_path / "model.safetensors")
    assert type(again) is type(model)
    assert again.config() == model.config()
    assert repr(again) == repr(model)
    scores = model.scores(x)
    for clone in (again, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert same_bits(clone.scores(x), scores)
        clone.loss_and_grad(x, np.zeros(len(x)))
        clone.params.flat[...] = 0
        assert same_bits(model.scores(x), scores)


def test_initial_factors_depend_on_the_seed_alone() -> None:
    first, again, other = (pairs_model(rank=50, seed=seed) for seed in (1, 1, 2))
    assert same_bits(first.params.flat, again.params.flat)
    for name in ("users.factors", "items.factors"):
        assert (first.params[name] != other.params[name]).all()
        assert first.params[name].std() == pytest.approx(0.1, rel=0.1)
    assert (first.params["users.factors"][:5] != first.params["items.factors"]).all()
    machine = FactorizationMachine(500, rank=50).params
    assert machine["factors"].std() == pytest.approx(0.01, rel=0.02)
    assert not machine["weights"].any()


BAD = [
    (pairs_model(), [[0.0, 1.0]], TypeError, "x: expected integers, got float64"),
    (pairs_model(), [[0, 1, 2]], ValueError, r"x: expected shape \(rows, 2\), got \(1, 3\)"),
    (pairs_model(), [[0, 1], [7, 1]], ValueError, "x: expected users from 0 to 6, got 7 at row 1"),
    (pairs_model(), [[0, 1], [0, 0], [0, -1]], ValueError, "items from 0 to 4, got -1 at row 2"),
    (FactorizationMachine(SIZES), [[0, 0, 0], [0, 0, 3]], ValueError,
     "x: expected codes of field 2 from 0 to 2, got 3 at row 1"),
    (FactorizationMachine(SIZES), [[0, 0]], ValueError, r"expected shape \(rows, 3\)"),
    (FactorizationMachine(4), [[0.0] * 3], ValueError, r"expected shape \(rows, 4\), got \(1, 3\)"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "x", "error", "message"), BAD)
def test_inputs_that_do_not_fit_are_refused(
    model: Any, x: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        model.predict(x)
    with pytest.raises(error, match=message):
        model.loss_and_grad(x, np.zeros(len(x)))


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="users must be"):
        MatrixFactorization(0, 3)
    with pytest.raises(ValueError, match="rank must be"):
        FactorizationMachine(3, rank=0)
    with pytest.raises(ValueError, match="features: expected a number of features, or"):
        FactorizationMachine([])
    for seed in (None, 1.5, "1", -1, 2**64):
        for make in (MatrixFactorization, FactorizationMachine):
            with pytest.raises(ValueError, match="seed must be a whole number from 0 to"):
                make(*SIZES[: 2 if make is MatrixFactorization else 1], seed=seed)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="l2 must be at least 0"):
        pairs_model(l2=-1.0)
    with pytest.raises(ValueError, match=r"loss: .* got 'softmax', which needs"):
        pairs_model(loss="softmax")
    with pytest.raises(TypeError, match="float32 or float64, got bfloat16"):
        pairs_model(dtype="bfloat16")
    for model, x in ((pairs_model(), np.empty((0, 2), int)), (FactorizationMachine(3), [[]])):
        with pytest.raises(ValueError, match=r"x: expected"):
            model.loss_and_grad(x, np.zeros(0))
    with pytest.raises(ValueError, match="expected at least one row"):
        pairs_model().loss_and_grad(np.empty((0, 2), int), np.zeros(0))
    assert pairs_model().predict_proba is not None
    with pytest.raises(AttributeError, match="'squared' has no probabilities"):
        pairs_model().predict_proba([[0, 0]])
    assert pairs_model(loss="logistic").predict_proba([[0, 0]]).shape == (1, 2)


@pytest.mark.parametrize("model", [pairs_model(), FactorizationMachine(SIZES)])
def test_the_trainer_refuses_what_acts_on_whole_tables(model: Any) -> None:
    x, y = codes(8, SIZES if model.kind == "FactorizationMachine" else SIZES[:2]), np.zeros(8)
    for penalty in (po.penalties.L2(0.1), po.penalties.L1(0.1), po.penalties.MaxNorm(1.0)):
        trainer = po.train.Trainer(model, progress=False, penalty=penalty)
        with pytest.raises(TypeError, match=r"penalties act on whole arrays, and .* row-sparse"):
            trainer.fit(x, y)
    with pytest.raises(TypeError, match="Lion takes no RowGrad"):
        po.Lion(model.params)


def test_a_loss_scale_changes_nothing_but_rounding() -> None:
    x, y = codes(64, SIZES[:2]), random(1).normal(size=64)

    def trained(wrap: Any) -> np.ndarray:
        model = pairs_model(l2=0.1, dtype="float64")
        opt = wrap(po.Adagrad(model.params, lr=0.1, skip_nonfinite=True))
        po.train.Trainer(model, optimizer=opt, epochs=3, batch_size=8, progress=False).fit(x, y)
        return model.params.flat

    np.testing.assert_allclose(
        trained(po.wrappers.DynamicLossScale), trained(lambda opt: opt), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize(("model", "x"), list(cases()))
def test_a_resumed_run_is_the_same(model: Any, x: np.ndarray, tmp_path: Path) -> None:
    y = random(1).integers(0, 2, len(x)).astype(float)

    def trainer(epochs: int, *callbacks: Any) -> po.train.Trainer:
        mine = copy.deepcopy(model)
        return po.train.Trainer(mine, optimizer=po.Adam(mine.params, lr=0.01, clip_norm=1.0),
                                epochs=epochs, batch_size=7, validation=0.25, progress=False,
                                restore_best=False, callbacks=callbacks)  # fmt: skip

    whole = trainer(4)
    whole.fit(x, y)
    first = trainer(2)
    first.fit(x, y)
    first.save(tmp_path)
    resumed = trainer(4).resume(tmp_path)
    resumed.fit(x, y)
    assert same_bits(resumed.model.params.flat, whole.model.params.flat)
    assert resumed.history["val_loss"] == whole.history["val_loss"]
