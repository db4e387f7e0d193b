"""Data sources: the same training from arrays, mapped files, CSR matrices and chunks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from training import Terminal

import pyoptim as po
from pyoptim import _core
from pyoptim.data import _arrays as tables
from pyoptim.data import _sampler as ordering
from pyoptim.data import prepare
from pyoptim.data._arrays import Reader, Table
from pyoptim.data._batch import Rows
from pyoptim.data._mmap import is_mapped, releasable
from pyoptim.data._sampler import Blocks, batches, split_blocks, split_rows
from pyoptim.models import MLP, Linear, Softmax
from pyoptim.train import Checkpoint, Lambda, Progress, StopReason, Trainer

RNG = np.random.default_rng(3)
X = RNG.normal(size=(203, 6))
Y = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 1)
W = RNG.uniform(0.5, 2, size=203)
SHUFFLES: list[Any] = [True, False, "blocks"]


def mapped(folder: Path, name: str, array: Any, mode: Any = "r") -> Any:
    np.save(folder / f"{name}.npy", array)
    return np.load(folder / f"{name}.npy", mmap_mode=mode)


def trained(x: Any, y: Any = None, **keywords: Any) -> tuple[list[float], list[Any]]:
    """Train a model and return its parameters and history."""
    given = {name: keywords.pop(name) for name in ("sample_weight", "class_weight")
             if name in keywords}  # fmt: skip
    model = MLP([6, 8, 3])
    settings = {"epochs": 3, "batch_size": 16, "progress": False, **keywords}
    trainer = Trainer(model, optimizer=po.Adam(model.params, lr=0.01), **settings)
    history = trainer.fit(x, y, **given)
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]
    return model.params.flat.tolist(), rows


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ">f8", "int16"])
def test_mapped_file_gives_the_results_of_the_array(
    dtype: str, prefetch: bool, shuffle: Any, tmp_path: Path
) -> None:
    x = (10 * X).astype(dtype)
    keywords: dict[str, Any] = {"shuffle": shuffle, "class_weight": "balanced"}
    expected = trained(x, Y, sample_weight=W, **keywords)
    x, y, w = (mapped(tmp_path, name, a) for name, a in (("x", x), ("y", Y), ("w", W)))
    if shuffle == "blocks":  # the number of rows in a block depends on the bytes of a row
        assert Table(Rows(x, y)).block_rows == 3
    assert trained(x, y, sample_weight=w, prefetch=prefetch, **keywords) == expected


def test_large_arrays_are_converted_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = trained(X, Y, class_weight="balanced", validation=0.1)[0]
    monkeypatch.setattr("pyoptim.data._prepare._MAX_CONVERTED_BYTES", 1000)
    assert trained(X, Y, class_weight="balanced", validation=0.1)[0] == expected
    large = prepare(X, Y, None, None, validation=None, shuffle=True, seed=0,
                    loss=po.losses.softmax, model=MLP([6, 3]))[0]  # fmt: skip
    assert isinstance(large, Table)
    assert np.shares_memory(large.rows.x, X)


def test_columns_of_a_mapped_file_can_be_strided(tmp_path: Path) -> None:
    wide = np.asfortranarray(np.repeat(X, 2, axis=1))
    x = mapped(tmp_path, "x", wide)
    assert x.flags.f_contiguous
    assert trained(x[:, ::2], Y) == trained(X, Y)


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_validation_sets_in_pieces(
    shuffle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, w = (mapped(tmp_path, name, a) for name, a in (("x", X), ("y", Y), ("w", W)))
    keywords: dict[str, Any] = {"shuffle": shuffle, "metrics": ["f1_macro"], "sample_weight": W}
    for validation in (0.2, {"val": (X[:50], Y[:50], W[:50])}):
        params, rows = trained(X, Y, validation=validation, **keywords)
        if validation != 0.2:
            validation = {"val": (x[:50], y[:50], w[:50])}
        monkeypatch.setattr(tables, "_PIECE_ROWS", 7)
        found = trained(x, y, validation=validation, **(keywords | {"sample_weight": w}))
        monkeypatch.undo()
        assert found[0] == params
        for row, expected in zip(found[1], rows, strict=True):
            assert row == pytest.approx(expected, rel=1e-6)
            assert "val_f1_macro" in row


def test_held_out_blocks_are_not_trained_on() -> None:
    for rows, block, fraction in ((203, 3, 0.2), (100, 1, 0.5), (64, 10, 0.3)):
        train, held_out = split_blocks(rows, block, fraction, 1)
        assert sorted([*train[:], *held_out[:]]) == list(range(rows))
        assert len(held_out[:]) == len(held_out)
        assert {row // block for row in train[:]}.isdisjoint(row // block for row in held_out[:])
        assert abs(len(held_out) - fraction * rows) <= block
    some = Blocks(np.array([1, 4]), 3, 13)
    assert some[:].tolist() == [3, 4, 5, 12]
    assert some[np.array([3, 0])].tolist() == [12, 3]


def test_large_seeds_have_different_orders() -> None:
    seeds = [2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1]
    orders = [split_rows(100, 0.5, seed)[0].tolist() for seed in seeds]
    assert all(one != two for i, one in enumerate(orders) for two in orders[:i])


@pytest.mark.parametrize("seed", [2**64, -1, 0.5, None])
def test_seeds_out_of_range_are_rejected(seed: Any) -> None:
    for split in (split_rows, lambda rows, share, seed: split_blocks(rows, 2, share, seed)):
        assert len(split(10, 0.4, 2**64 - 1)[1]) == 4
        with pytest.raises(ValueError, match="seed must be a whole number from 0 to 18446744"):
            split(10, 0.4, seed)


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 100, 1000])
@pytest.mark.parametrize("kind", ["kept", "computed", "blocks"])
def test_orders(kind: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each epoch has every row once, in its own order, and can be resumed at any batch."""
    if kind == "computed":
        monkeypatch.setattr(ordering, "_MAX_PERMUTED_ROWS", 0)
        monkeypatch.setattr(ordering, "_PART_ROWS", 37)
    monkeypatch.setattr(ordering, "_BLOCKS_SHUFFLED_TOGETHER", 4)
    keywords: dict[str, Any] = {"shuffle": "blocks" if kind == "blocks" else True, "seed": 5}
    orders = []
    for epoch in (1, 2):
        keywords |= {"epoch": epoch, "block_rows": 7}
        whole = list(batches(rows, 16, **keywords))
        assert [len(part) for part in whole[:-1]] == [16] * (len(whole) - 1)
        orders.append(np.concatenate(whole).tolist())
        assert sorted(orders[-1]) == list(range(rows))
        for first in range(len(whole)):
            later = list(batches(rows, 16, first=first, **keywords))
            assert np.array_equal(np.concatenate(later), np.concatenate(whole[first:]))
    if rows > 2:
        assert orders[0] != orders[1]
        assert orders[0] != sorted(orders[0])


def test_computed_order_is_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions of rows in 400 orders are uniformly distributed."""
    monkeypatch.setattr(ordering, "_MAX_PERMUTED_ROWS", 0)
    rows, epochs = 20, 400
    counts = np.zeros((rows, rows))
    for epoch in range(epochs):
        (order,) = batches(rows, rows, shuffle=True, seed=0, epoch=epoch)
        counts[np.arange(rows), order] += 1
    squares = ((counts - epochs / rows) ** 2 / (epochs / rows)).sum()
    freedom = (rows - 1) ** 2
    assert abs(squares - freedom) < 4 * (2 * freedom) ** 0.5


def test_blocks_take_memory_for_blocks_only() -> None:
    part = next(batches(10**9, 32, shuffle="blocks", seed=0, epoch=1, block_rows=2**14))
    assert len(part) == 32
    assert len(next(batches(10**9, 32, shuffle=True, seed=0, epoch=1))) == 32


# ---- Gathered rows -------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["float32", "float64", "int64"])
@pytest.mark.parametrize("source", ["?", "b", "h", "i", "q", "B", "H", "I", "Q", "f", "d"])
def test_gathered_rows_match_numpy(source: str, target: str) -> None:
    table = RNG.integers(0, 2 if source == "?" else 120, size=(9, 2, 3)).astype(source)
    chosen = np.array([8, 0, 3, 3])
    for rows, numbers in ((table, chosen), (table[::2], None), (table[:, ::2], chosen)):
        out = np.empty((len(rows if numbers is None else numbers), *rows.shape[1:]), target)
        assert _core.gather_rows(rows, numbers, out)
        expected = rows if numbers is None else rows[numbers]
        assert np.array_equal(out, expected.astype(target))


def test_rows_that_cannot_be_gathered() -> None:
    table = np.zeros((4, 6))
    out = np.full((2, 6), 7.0)
    for rows in ([0, 4], [-1, 0]):
        with pytest.raises(IndexError, match="there is no row"):
            _core.gather_rows(table, np.array(rows), out)
    assert not _core.gather_rows(table[:, ::2], np.array([0, 1]), out[:, :3].copy())
    assert not _core.gather_rows(table.astype("f2"), np.array([0, 1]), out)
    assert (out == 7).all()
    for wrong in (out[:, :5].copy(), out[:1]):
        with pytest.raises(ValueError, match="out: expected 2 rows"):
            _core.gather_rows(table, np.array([0, 1]), wrong)
    with pytest.raises(TypeError, match="rows: expected a contiguous int64"):
        _core.gather_rows(table, np.array([0, 1], np.int32), out)
    parts = sparse.csr_array(np.eye(3))
    broken = np.array([0, 1, 9, 3])
    with pytest.raises(IndexError, match="row 1 is not within 3 values"):
        _core.count_csr_values(parts.data, parts.indices, broken, np.array([1]))


def test_arrays_of_a_tuple_are_sliced_together(tmp_path: Path) -> None:
    """The model takes a tuple of codes and numbers."""
    codes = np.arange(203, dtype=np.int64)

    class Pairs(Linear):
        def cast_inputs(self, x: Any) -> Any:
            return tuple(np.ascontiguousarray(part) for part in x)

        def loss_and_grad(self, x: Any, y: Any, *rest: Any, **keywords: Any) -> float:
            assert (X[x[0]] == x[1]).all()
            seen.extend(x[0].tolist())
            return 0.0

    for given in ((codes, X), (mapped(tmp_path, "c", codes), mapped(tmp_path, "x", X))):
        seen: list[int] = []
        Trainer(Pairs(6), epochs=1, validation=None, progress=False).fit(given, Y)
        assert sorted(seen) == codes.tolist()
    with pytest.raises(ValueError, match=r"x: expected parts .* got 202 and 203 rows"):
        Trainer(Pairs(6), progress=False).fit((codes[1:], X), Y)


def test_memory_is_reused(tmp_path: Path) -> None:
    reader = Reader(Table(Rows(X, Y, W)))
    rows = np.arange(5)
    first, second = reader.read(rows), reader.read(rows + 7)
    for a, b in zip(first, second, strict=True):
        assert np.shares_memory(a, b)
    assert (second.x == X[7:12]).all()
    assert np.shares_memory(reader.read(slice(3, 9)).x, X)  # no copy at all


def test_mapped_memory(tmp_path: Path) -> None:
    x = mapped(tmp_path, "x", X)
    for view in (x, x[3:], np.asarray(x)[:, 1], x.view(np.ndarray).reshape(-1)):
        assert is_mapped(view)
        assert releasable(view) is not None
    copy_on_write = mapped(tmp_path, "c", X, "c")
    assert is_mapped(copy_on_write)
    assert releasable(copy_on_write[2:]) is None
    assert not is_mapped(X[3:])
    assert releasable(X) is None


def test_changes_of_a_mapped_file_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_MAX_MAPPED_BYTES", 0)
    for mode in ("r+", "c"):
        x = mapped(tmp_path, mode[0], np.zeros_like(X), mode)
        x[...] = X
        assert trained(x, Y) == trained(X, Y)
        assert (x == X).all()


@pytest.mark.parametrize("shuffle", ["blocks", "none"])
def test_a_file_takes_little_memory(shuffle: str) -> None:
    """A file of 700 MB trains in 500 MiB, including its pages. `nox -s large` uses 20 GB."""
    script = str(Path(__file__).parents[1] / "support" / "mapped_training.py")
    sizes = ["--gigabytes", "0.7", "--limit", "400", "--columns", "500"]
    command = [sys.executable, "-P", script, "--shuffle", shuffle, *sizes]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert found["steps"] == found["steps_per_epoch"]
    assert found["mib_own"] < 200
    assert found["mib_most"] < 500


def test_errors_of_mapped_files(tmp_path: Path) -> None:
    x, y = mapped(tmp_path, "x", X), mapped(tmp_path, "y", Y)
    for rows, targets, weights, message in (
        (x, y[1:], None, "y: expected 203 rows, like x, got 202"),
        (x, y, W[1:], r"sample_weight: expected shape \(203,\)"),
        (x[:0], y[:0], None, "at least one row"),
        (x[:, :5], y, None, r"x: expected shape \(rows, 6\)"),
        (x, y, 0 * W, "got 0 such rows"),
    ):
        with pytest.raises(ValueError, match=message):
            trained(rows, targets, sample_weight=weights)


# ---- Chunks -----------------------------------------------------------------------------------

CUTS = [0, 40, 40, 41, 100, 203]
CHUNKS = [(X[a:b], Y[a:b]) for a, b in pairwise(CUTS)]


def of_chunks() -> Iterator[tuple[Any, Any]]:
    yield from CHUNKS


@pytest.mark.parametrize("prefetch", [False, True])
def test_chunks_in_order_match_the_array(prefetch: bool) -> None:
    """Mini-batches can have rows of two chunks."""
    expected = trained(X, Y, shuffle=False)
    for chunks in (CHUNKS, of_chunks, tuple(CHUNKS), dict(enumerate(CHUNKS)).values()):
        assert trained(chunks, shuffle=False, prefetch=prefetch) == expected
    weighted = [(*chunk, W[a:b]) for chunk, a, b in zip(CHUNKS, CUTS, CUTS[1:], strict=False)]
    of_class = {0: 2.0, 2: 0.5}
    assert trained(weighted, shuffle=False, class_weight=of_class) == trained(
        X, Y, shuffle=False, sample_weight=W, class_weight=of_class
    )


def test_chunks_are_shuffled() -> None:
    """Rows are shuffled within chunks, and so are the chunks of a sequence."""
    for chunks, in_order in ((of_chunks, True), (CHUNKS, False)):
        seen: list[list[Any]] = [[], []]

        def look(trainer: Trainer) -> None:
            for number, rows in trainer.rows_of_step:
                seen[trainer.epochs_done] += [(number, row) for row in rows]  # noqa: B023

        trained(chunks, epochs=2, callbacks=[Lambda(on_step_end=look)])
        sizes = [len(chunk[1]) for chunk in CHUNKS]
        expected = [(number, row) for number, size in enumerate(sizes) for row in range(size)]
        for epoch in seen:
            assert sorted(epoch) == expected
            assert epoch != expected
            assert (sorted(epoch, key=lambda pair: pair[0]) == epoch) == in_order
        assert seen[0] != seen[1]


def test_chunks_of_the_same_size_have_different_orders() -> None:
    seen: list[list[int]] = []
    trained(
        lambda: iter([(X[:16], Y[:16]), (X[:16], Y[:16])]),
        epochs=1,
        callbacks=[Lambda(on_step_end=lambda t: seen.append(t.rows_of_step[0][1].tolist()))],
    )
    first, second = seen
    assert sorted(first) == sorted(second) == list(range(16))
    assert first != second


class Counted:
    """Chunks that record which of them were read."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(CHUNKS)

    def __getitem__(self, number: int) -> Any:
        self.asked.append(number)
        return CHUNKS[number]


@pytest.mark.parametrize("kind", ["sequence", "function", "mapped", "blocks"])
def test_stopped_at_every_step_and_resumed(kind: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "sequence": (Counted(), None),
        "function": (of_chunks, None),
        "mapped": (mapped(tmp_path, "x", X), Y),
        "blocks": (mapped(tmp_path, "x", X), Y),
    }
    rows = given[kind]
    shuffle = kind != "blocks" or "blocks"
    expected = trained(*rows, epochs=2, batch_size=20, shuffle=shuffle)
    for step in range(1, 13):
        stop = Lambda(on_step_end=lambda t, n=step: t.step == n and t.stop(StopReason.INTERRUPTED))
        saving = Checkpoint(tmp_path / f"{kind}{step}", every_epochs=None)
        trained(*rows, epochs=2, batch_size=20, shuffle=shuffle, callbacks=[stop, saving])
        if kind == "sequence":
            rows[0].asked.clear()
        model = MLP([6, 8, 3])
        trainer = Trainer(model, optimizer=po.Adam(model.params, lr=0.01), epochs=2,
                          batch_size=20, shuffle=shuffle, progress=False)  # fmt: skip
        trainer.resume(tmp_path / f"{kind}{step}").fit(*rows)
        assert model.params.flat.tolist() == expected[0], step
        if kind == "sequence" and step == 10:  # the last of an epoch of 11
            assert len(rows[0].asked) <= 2 + len(CHUNKS)  # not from the beginning


@pytest.mark.parametrize("batch_size", [7, 64, 1000])
def test_chunks_without_weights_weigh_1(batch_size: int) -> None:
    for heavy in (1.0, 3.0):
        whole = [(x, y, np.full(len(y), (1.0, heavy)[i % 2])) for i, (x, y) in enumerate(CHUNKS)]
        mixed = [chunk if i % 2 else chunk[:2] for i, chunk in enumerate(whole)]
        found = [trained(each, batch_size=batch_size)[0] for each in (whole, mixed)]
        np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-7)


def test_errors_of_chunks() -> None:
    rows = sparse.csr_array(X)
    for chunks, keywords, error, message in (
        ([(X, Y), (rows, Y)], {}, TypeError, "chunks: expected only sparse or only dense"),
        ([(rows, Y), (X, Y)], {}, TypeError, "chunks: expected only sparse or only dense"),
        (of_chunks(), {}, TypeError, "chunks: expected a sequence, .* exhausted after one epoch"),
        (3, {}, TypeError, "expected an iterable of chunks"),
        (X, {}, TypeError, "y: expected targets"),
        ({"a": X}, {}, TypeError, "y: expected targets"),
        (sparse.csr_array(X), {}, TypeError, "y: expected targets"),
        ([], {}, ValueError, "got 0 such rows"),
        ([X], {}, ValueError, r"chunk 0: expected \(x, y\) or \(x, y, sample_weight\)"),
        ([CHUNKS[0], (X, Y[1:])], {}, ValueError, "chunk 1: y: expected 203 rows, like x, got 202"),
        ([CHUNKS[0], (X, 0.5 * Y)], {}, TypeError, "chunk 1: targets: expected whole-number"),
        (CHUNKS, {"validation": 0.2}, ValueError, "validation: .* got the fraction 0.2"),
        (CHUNKS, {"class_weight": "balanced"}, ValueError, "class_weight: .* got 'balanced', "),
        (CHUNKS, {"sample_weight": W}, ValueError, "sample_weight: expected None with chunks"),
    ):
        with pytest.raises(error, match=message):
            trained(chunks, shuffle=False, **keywords)
    with pytest.raises(ValueError, match="shuffle: expected True, False or 'blocks'"):
        trained(X, Y, shuffle="rows")


def test_chunks_with_validation_and_a_bar() -> None:
    """The progress bar counts steps without a total."""
    stream = Terminal()
    trainer = Trainer(MLP([6, 3]), epochs=1, validation=(X, Y), callbacks=[Progress(stream)])
    assert "val_accuracy" in trainer.fit(of_chunks)
    assert trainer.steps_per_epoch is None
    assert trainer.step == 7
    assert "7step" in stream.getvalue()
    assert "7/" not in stream.getvalue()


# ---- Resuming with other data --------------------------------------------------------------


def test_resuming_with_other_data_is_rejected(tmp_path: Path) -> None:
    trained(X, Y, epochs=1, sample_weight=W, callbacks=[Checkpoint(tmp_path)])
    one_label, one_weight = Y.copy(), W.copy()  # a row that is not in the sample of the fingerprint
    assert 76 not in np.linspace(0, 202, 100).astype(int)
    one_label[76] = 2 - one_label[76] // 2
    one_weight[76] += 1
    for x, y, w in ((X + 1, Y, W), (X, one_label, W), (X, Y, one_weight)):
        trainer = Trainer(MLP([6, 8, 3]), epochs=1, batch_size=16, progress=False)
        trainer.optimizer = po.Adam(trainer.model.params, lr=0.01)
        with pytest.raises(ValueError, match="x, y or sample_weight have other values"):
            trainer.resume(tmp_path).fit(x, y, sample_weight=w)
    same = Trainer(MLP([6, 8, 3]), epochs=1, batch_size=16, progress=False)
    same.optimizer = po.Adam(same.model.params, lr=0.01)
    assert len(same.resume(tmp_path).fit(X.tolist(), Y.tolist(), sample_weight=W)) == 1


def test_split_is_the_same_for_every_kind(tmp_path: Path) -> None:
    train, held_out = split_rows(203, 0.2, 0)
    seen = []
    trained(mapped(tmp_path, "x", X), Y, validation=0.2, epochs=1, callbacks=[
        Lambda(on_step_end=lambda t: seen.extend(t.rows_of_step))
    ])  # fmt: skip
    assert sorted(seen) == list(range(len(train)))
    assert len(train) + len(held_out) == 203


def test_sparse_rows_are_rejected_by_dense_models() -> None:
    class Dense(Softmax):
        def cast_inputs(self, x: Any) -> Any:
            return po.models.Model.cast_inputs(self, x)

    with pytest.raises(TypeError, match=r"x: Dense expected dense .* pass x.toarray\(\)"):
        Trainer(Dense(6, 3), progress=False).fit(sparse.csr_array(X), Y)


def test_cast_inputs_can_return_other_objects_than_arrays() -> None:
    class Own:
        def __init__(self) -> None:
            self.params = po.Parameters({"w": (6,)}, dtype="float64")

        def loss_and_grad(self, x: Any, y: Any) -> float:
            error = x @ self.params["w"] - y
            self.params.grads["w"][...] = 2 * (x.T @ error) / len(y)
            return float((error**2).mean())

    class Sparse(Own):
        def cast_inputs(self, x: Any) -> Any:
            return x.tocsr()

    ends = []
    for model, x in ((Own(), X), (Sparse(), sparse.csr_array(X))):
        trainer = Trainer(model, epochs=2, progress=False)
        trainer.fit(x, Y)
        ends.append(model.params.flat.copy())
    np.testing.assert_allclose(*ends, rtol=1e-12)
    with pytest.raises(TypeError, match="x: expected dense rows, because Own has no cast_inputs"):
        Trainer(Own(), progress=False).fit(sparse.csr_array(X), Y)
    with pytest.raises(TypeError, match=r"chunks: expected arrays, .* got csr_array; return"):
        Trainer(Sparse(), progress=False).fit([(sparse.csr_array(X[:9]), Y[:9])] * 2)
