"""Rules with states for the rows and columns of matrices.

What they find is added up in tiles: over blocks of a row in 16 lanes, and over the rows of a tile,
in the type of arithmetic; then in double.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from formulas.common import Array, Formula, State, Step, larger, mean, smaller

TALL, WIDE, LONGEST, BLOCK, SMALL = 64, 8192, 1 << 14, 512, 1 << 15


def tiles(rows: int, columns: int) -> tuple[int, int]:
    """The rows and columns of a tile."""
    tall = max(1, min(rows, TALL))
    return tall, min(LONGEST, TALL * WIDE // tall // 16 * 16)


def running(values: Array, axis: int) -> Array:
    """The sum along an axis, in order."""
    return np.add.accumulate(values, axis=axis).take(-1, axis=axis)


def blocks(values: Array) -> Array:
    """The sums of blocks of each row, in 16 lanes that are then folded."""
    padded = np.zeros((len(values), -(-values.shape[1] // BLOCK) * BLOCK), values.dtype)
    padded[:, : values.shape[1]] = values
    lanes = running(padded.reshape(len(values), -1, BLOCK // 16, 16), 2).astype(np.float64)
    for half in (8, 4, 2, 1):
        lanes = lanes[..., :half] + lanes[..., half : 2 * half]
    return lanes[..., 0]


def parts(matrix: Array) -> Iterator[tuple[slice, slice]]:
    tall, wide = tiles(*matrix.shape)
    for top in range(0, matrix.shape[0], tall):
        for left in range(0, matrix.shape[1], wide):
            yield slice(top, top + tall), slice(left, left + wide)


def total(matrices: Array) -> float:
    """The sum of all, over tiles; small matrices make a tile together."""
    _, rows, columns = matrices.shape
    tall, wide = tiles(rows, columns)
    together = max(1, SMALL // (rows * columns)) if rows <= tall and columns <= wide else 1
    sums = []
    for first in range(0, len(matrices), together):
        some = matrices[first : first + together]
        if len(some) == 1:
            found = [blocks(some[0][part]).ravel() for part in parts(some[0])]
        else:
            found = [np.concatenate([blocks(matrix).ravel() for matrix in some])]
        sums += [float(running(values, 0)) for values in found]
    return float(running(np.array(sums), 0))


def row_means(matrix: Array) -> Array:
    sums = np.zeros(len(matrix))
    for rows, columns in parts(matrix):
        sums[rows] += running(blocks(matrix[rows, columns]), 1)
    return (sums / matrix.shape[1]).astype(matrix.dtype)


def column_means(matrix: Array) -> Array:
    sums = np.zeros(matrix.shape[1])
    for rows, columns in parts(matrix):
        sums[columns] += running(matrix[rows, columns], 0)
    return (sums / len(matrix)).astype(matrix.dtype)


def inverse_root(mean: Array) -> Array:
    with np.errstate(divide="ignore"):
        return 1 / np.sqrt(mean)


def adafactor(
    at: Step,
    p: Array,
    g: Array,
    s: State,
    beta2_decay: float,
    eps1: float,
    eps2: float,
    d: float,
) -> Array:
    if p.size == 0:
        return p
    F = at.F
    least = np.finfo(F).eps if eps1 == 0 else F(eps1)
    weight = F(float(at.t) ** beta2_decay)
    square = g * g
    matrices = p.shape[-2:] if p.ndim > 1 else (1, p.size)

    def moved(old: Array, new: Array) -> Array:
        return old + weight * (new.reshape(old.shape) - old)

    if p.ndim > 1:
        square = square.reshape(-1, *matrices)
        s["row_var"] = moved(s["row_var"], np.stack([row_means(x) for x in square]))
        s["col_var"] = moved(s["col_var"], np.stack([column_means(x) for x in square]))
        rows = s["row_var"].astype(np.float64)
        level = larger(least, (running(rows, -2) / matrices[0]).astype(F))
        inverse = inverse_root(s["row_var"] / level[..., None]) * inverse_root(s["col_var"])
    else:
        s["variance"] = moved(s["variance"], square)
        inverse = inverse_root(s["variance"])
    u = g * smaller(1 / least, inverse).reshape(p.shape)
    of_p = total((p * p).reshape(-1, *matrices))
    of_u = total((u * u).reshape(-1, *matrices))
    scale = max(math.sqrt(of_p / p.size), eps2)
    excess = max(math.sqrt(of_u / p.size) / d, 1.0)
    rate = F(min(at.lr, 1 / math.sqrt(at.t)) * scale / excess)
    return F(1 - at.lr * at.weight_decay) * p - rate * u


def sm3(at: Step, p: Array, g: Array, s: State, beta1: float, beta2: float, eps: float) -> Array:
    if p.size == 0:
        return p
    F = at.F
    bound = s["column_accumulator"]
    if p.ndim > 1:
        rows = s["row_accumulator"].reshape(-1, *[1] * (p.ndim - 1))
        bound = smaller(rows, bound)
    v = F(beta2) * bound + F(1 if beta2 == 1 else 1 - beta2) * g * g
    s["column_accumulator"] = v.max(axis=0) if p.ndim > 1 else v
    if p.ndim > 1:
        s["row_accumulator"] = v.reshape(len(v), -1).max(axis=1)
    u = np.divide(g, np.sqrt(v + F(eps)), out=np.zeros_like(g), where=v != 0)
    if beta1:
        u = s["momentum_buffer"] = mean(at, beta1, s["momentum_buffer"], u)
    return p - F(at.lr) * u


def rowwise_adagrad(
    at: Step, p: Array, g: Array, s: State, eps: float, initial_accumulator_value: float
) -> Array:
    F = at.F
    if at.t == 1:
        s["row_sum"] = np.full_like(s["row_sum"], initial_accumulator_value)
    if p.size == 0:
        return p
    square = g * g
    found = row_means(square.reshape(len(p), -1)) if p.ndim > 1 else square
    s["row_sum"] = s["row_sum"] + found
    rate = F(at.lr) / (np.sqrt(s["row_sum"]) + F(eps))
    return p - (rate.reshape(-1, *[1] * (p.ndim - 1)) if p.ndim else rate) * g


FORMULAS: dict[str, Formula] = {
    "Adafactor": adafactor,
    "SM3": sm3,
    "RowwiseAdagrad": rowwise_adagrad,
}
