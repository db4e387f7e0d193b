"""Arithmetic that matrix rules share: products into memory that is kept, eigenvectors, roots."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyoptim.parameters._types import Array


class Workspace:
    """Matrices for intermediate results: made once for a name and shape, and used again.

    All parameters of a type share them, so that nothing in them outlives an update.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._held: dict[tuple[str, int, int], Array] = {}

    def __call__(self, name: str, rows: int, columns: int) -> Array:
        """Return the matrix of this name and shape, with whatever was left in it."""
        key = (name, rows, columns)
        if key not in self._held:
            self._held[key] = np.empty((rows, columns), self._dtype)
        return self._held[key]


def narrow(value: float, dtype: np.dtype[Any]) -> float:
    """Return a positive number as the type has it: where it would be 0, the smallest above."""
    return max(value, float(np.finfo(dtype).tiny)) if value > 0 else value


def move_toward(mean: Array, value: Array, share: float, work: Workspace) -> None:
    """Move a running mean: mean + share (value - mean)."""
    difference = np.subtract(value, mean, out=work("difference", *mean.shape))
    difference *= share
    mean += difference


def frobenius_norm(x: Array, work: Workspace) -> float:
    """Return the root of the sum of squares, added in float64."""
    largest = float(max(x.max(), -x.min()))
    if not 0 < largest < np.inf:
        return largest
    scaled = np.divide(x, largest, out=work("scaled", *x.shape))
    np.square(scaled, out=scaled)
    return largest * float(np.sqrt(scaled.sum(dtype=np.float64)))


def eigh(a: Array) -> tuple[Array, Array]:
    """Return eigenvalues, the smallest first, and eigenvectors of a symmetric matrix.

    They are NaN where the matrix is not finite, as the results of any arithmetic.
    """
    if np.isfinite(a).all():
        try:
            values, vectors = np.linalg.eigh(a)
        except np.linalg.LinAlgError:
            pass
        else:
            return values, vectors
    return np.full(len(a), np.nan, a.dtype), np.full_like(a, np.nan)


def inverse_root(a: Array, power: float, eps: float, out: Array, work: Workspace) -> None:
    """Write (a + eps I)^-power for a symmetric matrix without negative eigenvalues.

    Eigenvalues that are nothing but rounding of the largest count as that rounding, not as what
    eps makes of them: the directions they belong to would be blown up by any power of the ratio.
    """
    values, vectors = eigh(a)
    values = values.astype(np.float64)
    noise = len(a) * float(np.finfo(a.dtype).eps) * values[-1]
    roots = (np.maximum(values, max(noise, 0.0)) + eps) ** -power
    np.matmul(np.multiply(vectors, roots, out=work("scaled", *a.shape)), vectors.T, out=out)
