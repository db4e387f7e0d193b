"""The matrix rules in plain NumPy: nothing in place, roots from singular values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Formula = Callable[..., Array]


def muon(p: Array, g: Array, s: dict[str, Any], t: int, h: dict[str, Any]) -> Array:
    b = s["b"] = h["momentum"] * s.get("b", 0 * g) + (1 - h["momentum"]) * g
    u = (1 - h["momentum"]) * g + h["momentum"] * b if h["nesterov"] else b
    x = u / max(np.sqrt((u * u).sum()), h["eps"])
    first, second, third = h["ns_coefficients"]
    for _ in range(h["ns_steps"]):
        x = first * x + second * (x @ x.T @ x) + third * (x @ x.T @ x @ x.T @ x)
    rows, columns = p.shape
    original = h["adjust_lr_fn"] == "original"
    scale = math.sqrt(max(1, rows / columns) if original else 0.04 * max(rows, columns))
    return p - h["lr"] * scale * x


def power(a: Array, exponent: float) -> Array:
    u, s, vt = np.linalg.svd(a)
    return np.asarray(u @ np.diag(s**exponent) @ vt)


def shampoo(p: Array, g: Array, s: dict[str, Any], t: int, h: dict[str, Any]) -> Array:
    rows, columns = p.shape
    keep, take = (1, 1) if h["beta2"] == 1 else (h["beta2"], 1 - h["beta2"])
    s["L"] = keep * s.get("L", 0) + take * g @ g.T
    s["R"] = keep * s.get("R", 0) + take * g.T @ g
    s["v"] = keep * s.get("v", 0) + take * g * g
    s["m"] = h["momentum"] * s.get("m", 0) + (1 - h["momentum"]) * g
    left, right = (size <= h["max_precond_dim"] for size in p.shape)
    exponent = -1 / 4 if left and right else -1 / 2
    if (t - 1) % h["precondition_frequency"] == 0:
        s["l"] = power(s["L"] + h["eps"] * np.eye(rows), exponent) if left else np.eye(rows)
        s["r"] = power(s["R"] + h["eps"] * np.eye(columns), exponent) if right else np.eye(columns)
    n = s["l"] @ s["m"] @ s["r"] if left or right else s["m"] / np.sqrt(s["v"] + h["eps"])
    if h["grafting"]:
        n = n * np.linalg.norm(s["m"]) / np.linalg.norm(n)
    return p - h["lr"] * n


def soap(p: Array, g: Array, s: dict[str, Any], t: int, h: dict[str, Any]) -> Array:
    used = [size <= h["max_precond_dim"] for size in p.shape]
    squares = (g @ g.T, g.T @ g)
    if t > 1:
        q, r = s["Q"]
        s["m"] = h["beta1"] * s.get("m", 0 * g) + (1 - h["beta1"]) * g
        s["v"] = h["beta2"] * s.get("v", 0 * g) + (1 - h["beta2"]) * (q.T @ g @ r) ** 2
        rate = h["lr"] * math.sqrt(1 - h["beta2"] ** (t - 1)) / (1 - h["beta1"] ** (t - 1))
        p = p - rate * q @ (q.T @ s["m"] @ r / (np.sqrt(s["v"]) + h["eps"])) @ r.T
        p = p * (1 - h["lr"] * h["weight_decay"])
    beta = h["shampoo_beta"]
    s["C"] = [beta * c + (1 - beta) * a for c, a in zip(s.get("C", (0, 0)), squares, strict=True)]
    if t == 1:
        s["Q"] = [
            np.linalg.eigh(c)[1][:, ::-1] if use else np.eye(len(c))
            for c, use in zip(s["C"], used, strict=True)
        ]
    elif (t - 1) % h["precondition_frequency"] == 0:
        for axis, (c, q, use) in enumerate(zip(s["C"], s["Q"], used, strict=True)):
            if use:
                order = np.argsort(np.diag(q.T @ c @ q))[::-1]
                s["v"] = s["v"][order] if axis == 0 else s["v"][:, order]
                s["Q"][axis] = np.linalg.qr((c @ q)[:, order])[0]
    return p


MATRIX_FORMULAS: dict[str, Formula] = {"Muon": muon, "Shampoo": shampoo, "SOAP": soap}
