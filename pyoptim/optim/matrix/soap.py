"""SOAP: Adam in the eigenbases of Shampoo's preconditioners."""

from __future__ import annotations

import math

import numpy as np

from pyoptim.optim.matrix._linalg import Workspace, eigh, move_toward, narrow
from pyoptim.optim.matrix._rule import (
    COUNT,
    FRACTION,
    NOT_NEGATIVE,
    PRODUCTS,
    MatrixRule,
    Setting,
    Settings,
    States,
)
from pyoptim.parameters._types import Array, Shape


class SOAP(MatrixRule):
    """SOAP: Adam in the eigenbases of the preconditioners of Shampoo.

        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) (Q_L' g Q_R)^2
        n = Q_L' m Q_R / (sqrt(v) + eps),  rate = lr sqrt(1 - beta2^t) / (1 - beta1^t)
        p = (p - rate Q_L n Q_R') (1 - lr weight_decay)
        L = shampoo_beta L + (1 - shampoo_beta) g g',  and R alike with g' g

    The first step only computes L, R and their eigenvectors Q_L, Q_R; t counts from the second
    step. Every precondition_frequency steps, Q is updated by one power iteration, the QR
    decomposition of L Q, with its columns and v in the order of decreasing eigenvalues. A side
    longer than max_precond_dim is not rotated.

    Vyas et al., SOAP: Improving and Stabilizing Shampoo using Adam, 2024, arXiv:2409.11321.
    """

    name = "SOAP"
    lr = 3e-3
    weight_decay = 0.01
    fused_weight_decay = True
    gradient_range = PRODUCTS
    settings = (
        Setting("beta1", 0.95, FRACTION, "Decay rate of the running mean of gradients."),
        Setting("beta2", 0.95, FRACTION, "Decay rate of the running mean of squared gradients."),
        Setting("shampoo_beta", 0.95, FRACTION, "Decay rate of L and R."),
        Setting("eps", 1e-8, NOT_NEGATIVE, "Constant added to the root, to avoid division by 0."),
        Setting(
            "precondition_frequency",
            10,
            COUNT,
            "Number of steps between updates of the eigenbases.",
        ),
        Setting("max_precond_dim", 10000, COUNT, "Maximum length of a side with an eigenbasis."),
    )

    def states(self, shape: Shape, settings: Settings) -> dict[str, Shape]:
        """Keep Adam's moments, and means and eigenvectors of each side that is short enough."""
        kept = {"exp_avg": shape, "exp_avg_sq": shape}
        for name, side in zip("LR", shape, strict=True):
            if side <= settings["max_precond_dim"]:
                kept |= {name: (side, side), f"Q_{name}": (side, side)}
        return kept

    def update(
        self, p: Array, g: Array, state: States, settings: Settings, step: int, work: Workspace
    ) -> None:
        """Make a step in the bases there are, then bring them up to date."""
        if step > 1:
            _adam(p, g, state, settings, step - 1, work)
        for side, left, right in (("L", g, g.T), ("R", g.T, g)):
            if side in state:
                size = len(left)
                product = np.matmul(left, right, out=work("product", size, size))
                move_toward(state[side], product, 1 - settings["shampoo_beta"], work)
                if step == 1:
                    state[f"Q_{side}"][...] = eigh(state[side])[1][:, ::-1]
        if step > 1 and (step - 1) % settings["precondition_frequency"] == 0:
            for axis, side in enumerate("LR"):
                if side in state:
                    _turn(state, side, axis, work)


def _adam(p: Array, g: Array, state: States, settings: Settings, t: int, work: Workspace) -> None:
    m, v = state["exp_avg"], state["exp_avg_sq"]
    beta1, beta2 = settings["beta1"], settings["beta2"]
    move_toward(m, g, 1 - beta1, work)
    square = _to_basis(g, state, work)
    np.square(square, out=square)
    move_toward(v, square, 1 - beta2, work)
    root = np.sqrt(v, out=work("root", *p.shape))
    root += narrow(settings["eps"], root.dtype)
    direction = _to_basis(m, state, work)
    direction /= root
    direction = _from_basis(direction, state, work)
    direction *= settings["lr"] * math.sqrt(1 - beta2**t) / (1 - beta1**t)
    p -= direction
    if settings["decoupled_weight_decay"]:
        p *= 1 - settings["lr"] * settings["weight_decay"]


def _to_basis(x: Array, state: States, work: Workspace) -> Array:
    """Return Q_L' x Q_R, in memory that the next call takes, too."""
    if "L" in state:
        x = np.matmul(state["Q_L"].T, x, out=work("left", *x.shape))
    if "R" in state:
        return np.matmul(x, state["Q_R"], out=work("right", *x.shape))
    return x if "L" in state else np.positive(x, out=work("right", *x.shape))


def _from_basis(x: Array, state: States, work: Workspace) -> Array:
    """Return Q_L x Q_R'; x may be what `_to_basis` returned, and is lost."""
    if "L" in state:
        x = np.matmul(state["Q_L"], x, out=work("back", *x.shape))
    if "R" in state:
        x = np.matmul(x, state["Q_R"].T, out=work("left", *x.shape))
    return x


def _turn(state: States, side: str, axis: int, work: Workspace) -> None:
    """Bring the eigenvectors of a side up to date, and the squares into their order."""
    mean, basis, squares = state[side], state[f"Q_{side}"], state["exp_avg_sq"]
    product = np.matmul(mean, basis, out=work("product", *mean.shape))
    values = np.multiply(basis, product, out=work("scaled", *mean.shape)).sum(axis=0)
    order = np.argsort(-values, kind="stable")
    squares[...] = squares.take(order, axis=axis)
    basis[...] = np.linalg.qr(product[:, order])[0]
