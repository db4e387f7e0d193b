"""Models with embedding tables, their random inputs, and their gradients as dense arrays."""

from typing import Any

import numpy as np

import pyoptim as po
from pyoptim.models import EmbeddingMLP, MatrixFactorization

SIZES = (7, 5, 3)  # of fields


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def shaken(model: Any, seed: int = 0) -> Any:
    """Change all parameters at random."""
    for name, array in model.params.items():
        if not name.endswith("seen"):
            array[...] = random(seed).normal(scale=0.5, size=array.shape)
    return model


def codes(rows: int, sizes: tuple[int, ...] = SIZES, seed: int = 0) -> np.ndarray:
    return random(seed).integers(0, sizes, (rows, len(sizes)))


def sparse_values(rows: int, features: int, seed: int = 0) -> np.ndarray:
    rng = random(seed)
    x = rng.normal(size=(rows, features)) * (rng.random((rows, features)) < 0.3)
    x[0] = 0  # a row without any
    return x


def pairs_model(rank: int = 4, **settings: Any) -> MatrixFactorization:
    return MatrixFactorization(*SIZES[:2], rank=rank, mean=0.5, **settings)


def dense_grads(params: po.Parameters) -> dict[str, np.ndarray]:
    """Return gradients as dense float64 arrays."""
    found = {}
    for name, array in params.items():
        found[name] = np.zeros(array.shape)
        grad = params.grads[name]
        if name in params.row_sparse:
            np.add.at(found[name], grad.rows, grad.values)
        else:
            found[name] += grad
    return found


FIELDS = {"cut": (4, 3), "color": (5, 2)}
BAGS = {"tags": (6, 3), "words": (9, 70)}
ROWS = 30


def embedding_mlp(**settings: Any) -> EmbeddingMLP:
    given = {"bags": BAGS, "numeric": {"carat": 1, "pixels": 2}, "dtype": "float64", **settings}
    model = EmbeddingMLP(FIELDS, [6], **given)
    rng = np.random.default_rng(0)
    for array in model.params.values():
        array[...] = rng.normal(scale=0.5, size=array.shape)
    return model


def columns(rows: int = ROWS, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    bags = {
        name: [rng.integers(0, size, n).tolist() for n in rng.integers(0, 5, rows)]
        for name, (size, _) in BAGS.items()
    }
    fields = {name: rng.integers(0, size, rows) for name, (size, _) in FIELDS.items()}
    return {**fields, **bags, "carat": rng.normal(size=rows), "pixels": rng.normal(size=(rows, 2))}
