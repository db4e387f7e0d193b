"""Shared parts of models with embedding tables, of which a batch reads only a few rows."""

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
    """Base class of models with row-sparse tables and one score for each row."""

    outputs = 1

    def __init__(self, loss: str | Loss | Mapping[str, Any], l2: float, seed: int) -> None:
        self.loss = losses.get(loss)
        if self.loss.labels:
            raise ValueError(
                f"loss: {type(self).__name__} expected a loss of one score for each row, such as "
                f"'squared' or 'logistic', got {self.loss.name!r}, which needs one score for each "
                "class"
            )
        self.l2 = as_not_negative("l2", l2)
        self.seed = as_count("seed", seed, 2**64 - 1, minimum=0)
        self._scratch = Scratch()

    def predict_proba(self, x: Any) -> Array:
        """Return the probability of each class for each row; shape (rows, classes).

        Raises
        ------
        AttributeError
            If the model's loss does not define probabilities.
        """
        return self.loss.predict_proba(self._finite_scores(x))

    def _shared_config(self) -> dict[str, Any]:
        """Return the constructor arguments that all subclasses have."""
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
    """A cache of temporary arrays by name, which are reused in each step.

    Each thread has its own arrays. Copies and pickles start empty.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an uninitialized array."""
        size = math.prod(shape)
        flat = self._arrays.get(name)
        if flat is None or flat.size < size:
            flat = self._arrays[name] = np.empty(size, dtype)
        return flat[:size].reshape(shape)

    def __reduce__(self) -> tuple[Any, ...]:
        return Scratch, ()


def table_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return the dtype of tables; raise TypeError unless it is float32 or float64."""
    result = to_dtype(dtype)
    if str(result) == "bfloat16":
        raise TypeError("dtype: expected float32 or float64, got bfloat16")
    return result


def fill_normal(table: Array, std: float, *key: int) -> None:
    """Fill a table with normal random numbers that depend only on the two numbers of `key`."""
    rng = np.random.Generator(np.random.Philox(key=np.array(key, np.uint64)))
    table[...] = rng.normal(scale=std, size=table.shape)


def as_codes(x: npt.ArrayLike, columns: int) -> Array:
    """Return codes of categories as int64, with shape (rows, columns).

    Raises
    ------
    TypeError
        If the codes are not integers.
    ValueError
        If the shape is different, or a code is missing.
    """
    codes = np.asarray(x)
    refuse_missing("x", "integers", codes)
    if codes.dtype.kind not in "biu":
        raise TypeError(f"x: expected integers, got {dtype_text(codes.dtype)}")
    if codes.ndim != 2 or codes.shape[1] != columns:
        raise ValueError(f"x: expected shape (rows, {columns}), got {codes.shape}")
    return as_indices(codes)


def check_not_empty(rows: int) -> None:
    """Raise ValueError if a batch has no rows."""
    if rows == 0:
        raise ValueError("x: expected at least one row, got none")
