"""Layers of the MLP: norms, dropout, skip connections and bfloat16 weights."""

import copy
import gc
import itertools
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from differences import central_difference

import pyoptim as po
from pyoptim import _core
from pyoptim.models import MLP
from pyoptim.train import Checkpoint, EarlyStopping, Lambda, StopReason, Trainer

ACTIVATIONS = ["relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu"]
KINDS = list(itertools.product(ACTIVATIONS, [None, "layer", "batch"], [False, True]))

RNG = np.random.default_rng(0)
X = RNG.normal(size=(21, 6))
Y = RNG.integers(0, 3, 21)


def network(activation: str, norm: str | None, residual: bool, **settings: Any) -> MLP:
    """Return an MLP whose first two hidden layers have as many inputs as outputs."""
    model = MLP([6, 6, 6, 5, 3], activation=activation, norm=norm, residual=residual,
                **{"dtype": "float64", "seed": 3, **settings})  # fmt: skip
    rng = np.random.default_rng(1)
    for name, array in model.params.items():
        if not name.endswith("weight"):
            array += rng.normal(size=array.shape)
    return model


def check_gradient(model: MLP, loss: Any) -> None:
    """Compare gradients with finite differences of a function."""
    grads = {name: grad.copy() for name, grad in model.params.grads.items()}
    for name, array in model.params.items():
        for i in np.ndindex(array.shape):
            expected = central_difference(loss, array, i)
            assert grads[name][i] == pytest.approx(expected, abs=2e-8), (name, i)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize(("activation", "norm", "residual"), KINDS)
def test_the_gradient_is_that_of_the_loss(
    activation: str, norm: str | None, residual: bool, dropout: float
) -> None:
    model = network(activation, norm, residual, dropout=dropout)

    def loss() -> float:
        model.draws = 7  # the same mask
        return model.loss_and_grad(X, Y)

    value = loss()
    if norm != "batch" and dropout == 0:
        assert value == pytest.approx(model.evaluate(X, Y)["loss"], rel=1e-14)
    check_gradient(model, loss)


@pytest.mark.peers
@pytest.mark.parametrize(("activation", "norm", "residual"), KINDS)
def test_torch_has_the_same_gradients_and_outputs(
    activation: str, norm: str | None, residual: bool
) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    functions = {
        "relu": nn.ReLU(),
        "leaky_relu": nn.LeakyReLU(),
        "tanh": nn.Tanh(),
        "sigmoid": nn.Sigmoid(),
        "gelu": nn.GELU(approximate="tanh"),
        "silu": nn.SiLU(),
    }
    model = network(activation, norm, residual)

    class Hidden(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, i: int) -> None:
            super().__init__()
            inputs, outputs = model.sizes[i : i + 2]
            self.skip = residual and inputs == outputs
            self.linear = nn.Linear(inputs, outputs, bias=norm is None)
            kinds = {"layer": nn.LayerNorm, "batch": nn.BatchNorm1d}
            self.norm = nn.Identity() if norm is None else kinds[norm](outputs)

        def forward(self, x: Any) -> Any:
            a = functions[activation](self.norm(self.linear(x)))
            return a + x if self.skip else a

    layers = [*(Hidden(i) for i in range(3)), nn.Linear(5, 3)]
    theirs = nn.Sequential(*layers).double()
    pairs = []
    for i, layer in enumerate(layers):
        linear = layer if i == 3 else layer.linear
        pairs.append((f"layers.{i}.weight", linear.weight))
        with_bias = layer.norm if norm is not None and i < 3 else linear
        pairs.append((f"layers.{i}.bias", with_bias.bias))
        if with_bias is not linear:
            pairs.append((f"layers.{i}.gain", with_bias.weight))
    with torch.no_grad():
        for name, tensor in pairs:
            array = torch.tensor(model.params[name])
            tensor[...] = array.T if name.endswith("weight") else array
    for part in (slice(0, 12), slice(12, 21)):  # two batches, for the running statistics
        theirs.zero_grad()
        loss = nn.functional.cross_entropy(theirs(torch.tensor(X[part])), torch.tensor(Y[part]))
        loss.backward()
        assert model.loss_and_grad(X[part], Y[part]) == pytest.approx(loss.item(), rel=1e-12)
        for name, tensor in pairs:
            grad = tensor.grad.numpy()
            grad = grad.T if name.endswith("weight") else grad
            np.testing.assert_allclose(model.params.grads[name], grad, rtol=1e-12, atol=1e-12)
    theirs.eval()
    outputs = theirs(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(model.scores(X), outputs, rtol=1e-12, atol=1e-12)


def test_dropout_has_the_expectation_of_no_dropout() -> None:
    model = MLP([6, 4000, 1], loss="squared", dropout=0.25, dtype="float64")
    model.params["layers.1.weight"] = 1 / 4000
    values = []
    for _ in range(50):
        model.loss_and_grad(X[:1], np.zeros(1))
        # The gradient by the output's weights is 2 s a, that by its bias 2 s.
        grads = model.params.grads
        values.append(grads["layers.1.weight"][:, 0] / grads["layers.1.bias"][0])
    whole = MLP([6, 4000, 1], loss="squared", dtype="float64")
    whole.params["layers.1.weight"] = 1 / 4000
    whole.loss_and_grad(X[:1], np.zeros(1))
    a = whole.params.grads["layers.1.weight"][:, 0] / whole.params.grads["layers.1.bias"][0]
    active = a > 0
    dropped = np.array(values)[:, active] == 0
    assert dropped.mean() == pytest.approx(0.25, abs=0.01)
    assert np.mean(values, axis=0).sum() == pytest.approx(a.sum(), rel=0.01)
    kept = np.broadcast_to(a[active] / 0.75, dropped.shape)[~dropped]
    np.testing.assert_allclose(np.array(values)[:, active][~dropped], kept)


def test_masks_depend_on_seed_and_draw_alone() -> None:
    def grad(model: MLP, draw: int) -> bytes:
        model.draws = draw
        model.loss_and_grad(X, Y)
        return b"".join(grad.tobytes() for grad in model.params.grads.values())

    model, again = (network("tanh", None, False, dropout=0.5) for _ in range(2))
    first = grad(model, 0)
    assert model.draws == 3  # one mask for each hidden layer
    assert grad(again, 0) == first != grad(again, 3)
    other = network("tanh", None, False, dropout=0.5, seed=4)
    for name, array in other.params.items():
        array[...] = model.params[name]
    assert grad(other, 0) != first
    big = network("tanh", None, False, dropout=0.5, seed=2**64 - 1)
    assert grad(big, 0) != first
    assert np.array_equal(model.scores(X), model.scores(X))
    plain = network("tanh", None, False)
    assert np.array_equal(model.scores(X), plain.scores(X))  # never dropped there
    plain.loss_and_grad(X, Y)
    assert plain.draws == 0


@pytest.mark.parametrize("norm", [None, "layer", "batch"])
def test_the_same_bits_for_threads_and_instruction_sets(
    norm: str | None, instruction_sets: list[str]
) -> None:
    """NumPy computes the matrix multiplications. Weights of 0 and 1 make them exact."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 300)).astype(np.float32)
    y = rng.integers(0, 2, 1500)

    def outcome() -> list[bytes]:
        model = MLP([300, 300, 2], activation="gelu", norm=norm, dropout=0.2, seed=5)
        model.params["layers.0.weight"] = np.eye(300)
        model.params["layers.1.weight"] = np.eye(300, 2)
        model.loss_and_grad(x, y)
        grads = model.params.grads
        kept = {**{n: g for n, g in grads.items() if not n.endswith("weight")}, **model.buffers}
        return [array.tobytes() for array in kept.values()]

    expected = outcome()
    for each in instruction_sets:
        _core.set_instruction_set(each)
        for count in (1, 3):
            po.set_num_threads(count)
            assert outcome() == expected, (each, count)


def test_batch_norm_needs_two_rows() -> None:
    model = network("relu", "batch", False)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="x: expected at least two rows, as batch norm needs, got"):
        model.loss_and_grad(X[:1], Y[:1])
    assert str(model.state_dict()) == str(before)
    assert model.scores(X[:1]).shape == (1, 3)
    np.testing.assert_allclose(model.scores(X)[:1], model.scores(X[:1]), rtol=1e-12)
    network("relu", "layer", False).loss_and_grad(X[:1], Y[:1])


def test_weights_of_samples_do_not_change_the_statistics() -> None:
    models = [network("relu", "batch", False) for _ in range(2)]
    models[0].loss_and_grad(X, Y)
    models[1].loss_and_grad(X, Y, sample_weight=np.arange(1.0, 22.0))
    for name, array in models[0].buffers.items():
        assert np.array_equal(array, models[1].buffers[name])
    assert models[0].buffers["layers.0.running_mean"].any()


def test_last_batch_of_one_row_is_dropped() -> None:
    def rows(norm: str | None, count: int) -> list[int]:
        seen: list[int] = []
        note = Lambda(on_step_end=lambda t: seen.append(len(X[:count][t.rows_of_step])))
        model = network("relu", norm, False)
        trainer = Trainer(model, epochs=2, batch_size=5, callbacks=[note], progress=False)
        trainer.fit(X[:count], Y[:count])
        assert trainer.step == len(seen) == 2 * trainer.steps_per_epoch
        return seen

    assert rows("batch", 21) == [5, 5, 5, 5] * 2
    assert rows("layer", 21) == [5, 5, 5, 5, 1] * 2
    assert rows("batch", 17) == [5, 5, 5, 2] * 2
    with pytest.raises(ValueError, match="at least two rows"):
        rows("batch", 1)


@pytest.mark.parametrize("norm", [None, "layer", "batch"])
def test_sparse_rows_match_dense_rows(norm: str | None) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x = X * (X > 0)
    dense, model = (MLP([6, 5, 5, 3], norm=norm, dropout=0.2, dtype="float64") for _ in range(2))
    value = dense.loss_and_grad(x, Y)
    assert model.loss_and_grad(sparse.csr_array(x), Y) == pytest.approx(value, rel=1e-13)
    for name, grad in dense.params.grads.items():
        np.testing.assert_allclose(model.params.grads[name], grad, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(model.scores(sparse.csr_array(x)), dense.scores(x), rtol=1e-12)
    skipping = MLP([6, 6, 3], residual=True)
    with pytest.raises(TypeError, match=r"x: expected dense rows, .* got a sparse matrix"):
        skipping.loss_and_grad(sparse.csr_array(x), Y)


def test_best_statistics_are_restored(tmp_path: Path) -> None:
    kept: dict[str, np.ndarray] = {}

    def script(t: Trainer) -> None:
        t.history.rows[-1]["val_loss"] = [3.0, 1.0, 2.0, 2.0][t.epochs_done - 1]
        if t.epochs_done == 2:
            kept.update({n: a.copy() for n, a in {**t.model.params, **t.model.buffers}.items()})

    def trainer(*callbacks: Any) -> Trainer:
        return Trainer(
            network("tanh", "batch", True, dropout=0.1), epochs=4, batch_size=4, validation=0.3,
            callbacks=[Lambda(on_epoch_end=script), EarlyStopping(patience=9), *callbacks],
            progress=False,
        )  # fmt: skip

    def stop(t: Trainer) -> None:
        if t.step == 14:  # in the fourth epoch, after the best
            t.stop(StopReason.INTERRUPTED)

    whole = trainer()
    whole.fit(X, Y)
    assert whole.history.best_epoch == 2
    first = trainer(Checkpoint(tmp_path, every_epochs=None), Lambda(on_step_end=stop))
    first.fit(X, Y)
    again = trainer().resume(tmp_path)
    again.fit(X, Y)
    for trained in (whole, first, again):
        now = {**trained.model.params, **trained.model.buffers}
        assert kept.keys() == now.keys()
        assert all(np.array_equal(kept[name], now[name]) for name in kept)
    before = network("tanh", "batch", True).buffers
    assert any(not np.array_equal(before[name], kept[name]) for name in before)


@pytest.mark.parametrize("norm", [None, "layer", "batch"])
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_saved_loaded_and_copied(norm: str | None, dtype: str, tmp_path: Path) -> None:
    model = network("silu", norm, True, dropout=0.3, dtype=dtype)
    model.loss_and_grad(X, Y)
    path = tmp_path / "model.safetensors"
    model.save(path)
    clones = [po.models.load(path), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    for clone in clones:
        assert clone.config() == model.config()
        assert repr(clone) == repr(model)
        assert np.array_equal(clone.scores(X), model.scores(X))
        for name, array in {**model.params, **model.buffers}.items():
            theirs = {**clone.params, **clone.buffers}[name]
            assert array.dtype == theirs.dtype
            assert np.array_equal(array, theirs)
    if norm == "batch":
        file = po.checkpoint.load_safetensors(path)
        assert "layers.2.running_var" in getattr(file, "tensors", file)
    filled = MLP(model.sizes, norm=norm, activation="silu", residual=True, dtype=dtype)
    po.models.load_pretrained(path, filled)
    assert np.array_equal(filled.scores(X), model.scores(X))
    clone = clones[1]
    clone.load_state_dict(model.state_dict())
    assert clone.loss_and_grad(X, Y) == model.loss_and_grad(X, Y)
    other = MLP([6, 3], norm=norm)
    if norm == "batch":
        with pytest.raises(
            ValueError, match=r"cannot load state_dict: expected the buffers none, got layers.0"
        ):
            other.load_state_dict(model.state_dict())


def steady_memory(model: MLP, *, weights: bool) -> int:
    """Return the maximum growth of the memory of arrays during steps."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, model.sizes[0])).astype(np.float32)
    y = rng.integers(0, model.sizes[-1], 256)
    w = rng.uniform(size=256) if weights else None
    opt = po.Adam(model.params)

    def steps(count: int) -> None:
        for step in range(count):
            rows = 256 if step % 4 else 100  # the last batch is smaller
            model.loss_and_grad(x[:rows], y[:rows], None, None if w is None else w[:rows])
            opt.step()

    steps(5)
    gc.collect()
    domain = np.lib.tracemalloc_domain
    tracemalloc.start()
    try:
        steps(1)
        before = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, domain)])
        tracemalloc.reset_peak()
        base = tracemalloc.get_traced_memory()[0]
        steps(20)
        peak = tracemalloc.get_traced_memory()[1]
        after = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, domain)])
    finally:
        tracemalloc.stop()
    assert sum(s.size for s in after.statistics("filename")) <= sum(
        s.size for s in before.statistics("filename")
    )
    return peak - base


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("norm", [None, "layer", "batch"])
def test_a_step_allocates_no_array(norm: str | None, weights: bool) -> None:
    """The smallest array of a layer is 100 x 256 of float32, more than 100,000 bytes."""
    for dtype in ("float32", "bfloat16"):
        model = MLP([300, 256, 256, 256], norm=norm, dropout=0.1, residual=True, dtype=dtype)
        assert steady_memory(model, weights=weights) < 50_000


def test_weights_in_bfloat16_are_rounded_once() -> None:
    model = network("gelu", "layer", True, dtype="bfloat16")
    assert {str(a.dtype) for n, a in model.params.items() if n.endswith("weight")} == {"bfloat16"}
    assert {str(a.dtype) for n, a in model.params.items() if not n.endswith("weight")} == {
        "float32"
    }
    assert model.dtype == model.scores(X).dtype == np.float32
    wide = network("gelu", "layer", True, dtype="float32")
    for name, array in model.params.items():
        wide.params[name] = array.astype(np.float32)
    assert model.loss_and_grad(X, Y) == wide.loss_and_grad(X, Y)
    assert np.array_equal(model.scores(X), wide.scores(X))
    for name, grad in wide.params.grads.items():
        assert np.array_equal(model.params.grads[name], grad.astype(model.params[name].dtype))


def test_training_in_bfloat16_approximates_float32() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 8))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)

    def loss(dtype: str, **settings: Any) -> float:
        model = MLP([8, 32, 32, 2], norm="layer", dtype=dtype)
        optimizer = po.AdamW(model.params, lr=0.01, **settings)
        Trainer(
            model, optimizer=optimizer, epochs=15, penalty=po.penalties.L1(1e-4), progress=False
        ).fit(x, y)
        return model.evaluate(x, y)["loss"]

    reached = loss("float32")
    assert reached < 0.1
    assert loss("bfloat16", master_weights="float32") == pytest.approx(reached, abs=0.03)


@pytest.mark.parametrize("master", [None, "float32", "split"])
def test_resumed_in_bfloat16(master: str | None, tmp_path: Path) -> None:
    def trainer(*callbacks: Any) -> Trainer:
        model = network("relu", "batch", True, dropout=0.2, dtype="bfloat16")
        optimizer = po.wrappers.DynamicLossScale(
            po.Adam(model.params, lr=0.02, master_weights=master, skip_nonfinite=True),
            growth_interval=2,
        )
        return Trainer(model, optimizer=optimizer, epochs=3, batch_size=5, validation=0.3,
                       callbacks=[EarlyStopping(), *callbacks], progress=False)  # fmt: skip

    def stop(t: Trainer) -> None:
        if t.step == 5:
            t.stop(StopReason.INTERRUPTED)

    whole = trainer()
    whole.fit(X, Y)
    trainer(Checkpoint(tmp_path, every_epochs=None), Lambda(on_step_end=stop)).fit(X, Y)
    again = trainer().resume(tmp_path)
    again.fit(X, Y)
    for name, array in {**whole.model.params, **whole.model.buffers}.items():
        assert array.tobytes() == {**again.model.params, **again.model.buffers}[name].tobytes()
    assert again.history["val_loss"] == whole.history["val_loss"]
    assert {a.dtype for a in again.model.params.values()} == {
        np.dtype(np.float32),
        np.dtype(ml_dtypes.bfloat16),
    }


def test_arguments_out_of_range_are_rejected() -> None:
    for rate in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"dropout: expected a number in \[0, 1\)"):
            MLP([4, 3], dropout=rate)
    with pytest.raises(TypeError, match="dropout must be a number"):
        MLP([4, 3], dropout="much")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="norm must be 'layer' or 'batch', got 'group'"):
        MLP([4, 3], norm="group")
    with pytest.raises(TypeError, match="float32, float64 or bfloat16"):
        MLP([4, 3], dtype="float16")
    assert repr(MLP([4, 4, 3], norm="batch", dropout=0.5, residual=True)) == (
        "MLP([4, 4, 3], activation='relu', norm='batch', dropout=0.5, residual=True, "
        "loss='softmax', dtype='float32')"
    )


def test_rejected_batch_changes_nothing() -> None:
    model = network("tanh", "batch", True, dropout=0.3)
    model.loss_and_grad(X, Y)
    before = {n: a.copy() for n, a in {**model.params.grads, **model.buffers}.items()}
    draws = model.draws
    labels = Y.copy()
    labels[2] = 99
    for rows, targets in ((X, labels), (X[1:], Y), (X[:, 1:], Y), (X, Y.astype(np.float64))):
        with pytest.raises((ValueError, TypeError)):
            model.loss_and_grad(rows, targets)
    assert model.draws == draws
    for name, array in {**model.params.grads, **model.buffers}.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_converted_batches_give_bit_identical_results() -> None:
    def gradient(x: Any, y: Any) -> tuple[float, bytes]:
        model = network("gelu", "layer", False)
        return model.loss_and_grad(x, y), model.params.flat_grad.tobytes()

    x = X.astype(network("gelu", None, False).dtype)
    y = Y.astype(np.int64)
    expected = gradient(x, y)
    wide = np.repeat(x, 2, axis=1)
    swapped = x.astype(x.dtype.newbyteorder())
    for rows in (np.asfortranarray(x), wide[:, ::2], swapped, x.tolist(), x[::-1][::-1]):
        assert gradient(rows, y) == expected
    for labels in (y.astype(np.int8), y.tolist(), np.repeat(y, 2)[::2], y.astype(np.uint64)):
        assert gradient(x, labels) == expected


def test_copies_do_not_share_the_network() -> None:
    model = network("relu", "batch", True)
    model.loss_and_grad(X, Y)
    other = copy.deepcopy(model)
    before = model.params.flat_grad.copy()
    other.params.flat[...] *= 2
    other.loss_and_grad(X, Y)
    np.testing.assert_array_equal(model.params.flat_grad, before)
    assert (other.params.flat_grad != before).any()
