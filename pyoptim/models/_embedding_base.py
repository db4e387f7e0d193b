"""What models share whose parameters are tables: a batch reads a few rows of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from threading import local
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import losses
from pyoptim._utils.text import dtype_text
from pyoptim._utils.validation import as_count, as_indices, as_not_negative, refuse_missing
from pyoptim.losses import Loss
from pyoptim.models._base import Model
from pyoptim.parameters._parameters import to_dtype
from pyoptim.parameters._types import Array


class TableModel(Model):
    """A model with one score a row, of tables whose gradients are of rows."""

    outputs = 1

    def __init__(self, loss: str | Loss | Mapping[str, Any], l2: float, seed: int) -> None:
        self.loss = losses.get(loss)
        if self.loss.labels:
            raise ValueError(
                f"loss: {self.loss.name} needs a score for each class, and there is one a row"
            )
        self.l2 = as_not_negative("l2", l2)
        self.seed = as_count("seed", seed, 2**64 - 1, least=0)
        self._scratch = Scratch()

    def predict_proba(self, x: Any) -> Array:
        """Return the probability of each class, one row a sample.

        Raises
        ------
        AttributeError
            If the scores of the model's loss tell no probabilities.
        """
        return self.loss.predict_proba(self._finite_scores(x))

    def _settings(self) -> dict[str, Any]:
        """Return the arguments that all have."""
        return {
            "loss": self.loss.config(),
            "l2": self.l2,
            "dtype": str(self.dtype),
            "seed": self.seed,
        }

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"


class Scratch(local):
    """Arrays that are kept between steps, by name; a copy has none, and a thread its own."""

    def __init__(self) -> None:
        self._kept: dict[str, Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an array whose values are what they happen to be."""
        size = math.prod(shape)
        flat = self._kept.get(name)
        if flat is None or flat.size < size:
            flat = self._kept[name] = np.empty(size, dtype)
        return flat[:size].reshape(shape)

    def __reduce__(self) -> tuple[Any, ...]:
        return Scratch, ()


def table_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the type of a model's parameters."""
    found = to_dtype(dtype)
    if str(found) == "bfloat16":
        raise TypeError("dtype of a model must be float32 or float64, got bfloat16")
    return found


def fill_normal(table: Array, spread: float, *key: int) -> None:
    """Fill a table with normal numbers that depend on a key of two alone."""
    rng = np.random.Generator(np.random.Philox(key=np.array(key, np.uint64)))
    table[...] = rng.normal(scale=spread, size=table.shape)


def as_codes(x: npt.ArrayLike, columns: int) -> Array:
    """Return numbers of categories, one row a sample, as int64.

    Raises
    ------
    TypeError
        If they are no integers.
    ValueError
        If there is another number of columns, or a number is missing.
    """
    codes = np.asarray(x)
    refuse_missing("x", "integers", codes)
    if codes.dtype.kind not in "biu":
        raise TypeError(f"x: expected integers, got {dtype_text(codes.dtype)}")
    if codes.ndim != 2 or codes.shape[1] != columns:
        raise ValueError(f"x: expected shape (rows, {columns}), got {codes.shape}")
    return as_indices(codes)


def check_not_empty(rows: int) -> None:
    """Raise ValueError where a batch has no rows."""
    if rows == 0:
        raise ValueError("x: expected at least one row")
