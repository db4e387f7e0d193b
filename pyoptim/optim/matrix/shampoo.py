"""Shampoo: a preconditioner for each side of a matrix."""

from __future__ import annotations

import numpy as np

from pyoptim.optim.matrix._linalg import (
    Workspace,
    frobenius_norm,
    inverse_root,
    move_toward,
    narrow,
)
from pyoptim.optim.matrix._rule import (
    COUNT,
    FLAG,
    FRACTION,
    POSITIVE,
    POSITIVE_FRACTION,
    PRODUCTS,
    MatrixRule,
    Setting,
    Settings,
    States,
)
from pyoptim.parameters._types import Array, Shape


class Shampoo(MatrixRule):
    """Shampoo: the gradient, preconditioned on both sides by sums of g g' and g' g.

        L = L + g g',  R = R + g' g                  (beta2 below 1: running means instead)
        m = momentum m + (1 - momentum) g            (without momentum: g)
        p = p - lr (L + eps I)^(-1/4) m (R + eps I)^(-1/4)

    The roots are computed from eigenvalues, at the first step and then every
    precondition_frequency steps. Values above 1 save most of the time, and need a smaller lr or a
    warmup, because the first roots are based on one gradient. Eigenvalues are at least the largest
    eigenvalue times the length of the side and the machine epsilon. A side longer than
    max_precond_dim has no preconditioner, and the power of the other one is -1/2. If both sides are
    longer, v = v + g^2 and p = p - lr m / sqrt(v + eps), as in Adagrad. With grafting, the step has
    this direction and the norm of the SGD step lr m.

    Gupta, Koren and Singer, Shampoo: Preconditioned Stochastic Tensor Optimization, 2018,
    arXiv:1802.09568.
    """

    name = "Shampoo"
    lr = 0.1
    gradient_range = PRODUCTS
    settings = (
        Setting("momentum", 0.0, FRACTION, "Decay rate of the running mean of gradients."),
        Setting("beta2", 1.0, POSITIVE_FRACTION, "Decay rate of L and R; 1 for sums."),
        Setting(
            "eps", 1e-4, POSITIVE, "Constant added to the eigenvalues, to avoid division by 0."
        ),
        Setting(
            "precondition_frequency", 1, COUNT, "Number of steps between updates of the roots."
        ),
        Setting("max_precond_dim", 1024, COUNT, "Maximum length of a side with a preconditioner."),
        Setting("grafting", False, FLAG, "Whether steps have the norm of lr m."),
    )

    def states(self, shape: Shape, settings: Settings) -> dict[str, Shape]:
        """Keep sums and their roots for each side that is short enough, and the momentum."""
        kept = {"momentum_buffer": shape} if settings["momentum"] > 0 else {}
        for name, side in zip("LR", shape, strict=True):
            if side <= settings["max_precond_dim"]:
                kept |= {name: (side, side), f"{name}_root": (side, side)}
        return kept if "L" in kept or "R" in kept else {**kept, "sum": shape}

    def update(
        self, p: Array, g: Array, state: States, settings: Settings, step: int, work: Workspace
    ) -> None:
        """Take in the gradient, bring the roots up to date if it is time, and make the step."""
        fresh = (step - 1) % settings["precondition_frequency"] == 0
        power = 0.25 if "L" in state and "R" in state else 0.5
        for side, left, right in (("L", g, g.T), ("R", g.T, g)):
            if side in state:
                size = len(left)
                product = np.matmul(left, right, out=work("product", size, size))
                _add(state[side], product, settings["beta2"], work)
                if fresh:
                    inverse_root(state[side], power, settings["eps"], state[f"{side}_root"], work)
        if "sum" in state:
            square = np.square(g, out=work("square", *g.shape))
            _add(state["sum"], square, settings["beta2"], work)
        moved = g
        if "momentum_buffer" in state:
            moved = state["momentum_buffer"]
            move_toward(moved, g, 1 - settings["momentum"], work)
        direction = _preconditioned(moved, state, settings["eps"], work)
        rate = settings["lr"]
        if settings["grafting"]:
            length = frobenius_norm(direction, work)
            rate *= frobenius_norm(moved, work) / length if length != 0 else 0.0
        p -= np.multiply(direction, rate, out=work("step", *p.shape))


def _add(total: Array, value: Array, beta2: float, work: Workspace) -> None:
    if beta2 == 1:
        total += value
    else:
        move_toward(total, value, 1 - beta2, work)


def _preconditioned(m: Array, state: States, eps: float, work: Workspace) -> Array:
    if "sum" in state:
        root = np.add(state["sum"], narrow(eps, m.dtype), out=work("root", *m.shape))
        np.sqrt(root, out=root)
        return np.divide(m, root, out=root)
    direction = m
    if "L" in state:
        direction = np.matmul(state["L_root"], direction, out=work("left", *m.shape))
    if "R" in state:
        direction = np.matmul(direction, state["R_root"], out=work("right", *m.shape))
    return direction
