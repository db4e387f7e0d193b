"""Muon: orthogonalised momentum."""

from __future__ import annotations

import math

import numpy as np

from pyoptim.optim.matrix._linalg import Workspace, frobenius_norm, move_toward, narrow
from pyoptim.optim.matrix._rule import (
    COUNT,
    FLAG,
    FRACTION,
    POSITIVE,
    THREE_NUMBERS,
    MatrixRule,
    Setting,
    Settings,
    States,
    choice,
)
from pyoptim.parameters._types import Array, Shape


class Muon(MatrixRule):
    """Muon: the orthogonalized momentum of a matrix, with all singular values close to 1.

        b = momentum b + (1 - momentum) g
        u = g + momentum (b - g)                     (without nesterov: b)
        x = u / max(|u|, eps), with the Frobenius norm
        ns_steps times: x = A x + B (x x') x + C (x x')^2 x, (A, B, C) = ns_coefficients
        p = p (1 - lr weight_decay) - lr scale x

    The Newton-Schulz iteration with a quintic polynomial needs only matrix multiplications. It
    moves the singular values into about [0.7, 1.2] in five steps. For a matrix of r rows and c
    columns, scale is sqrt(max(1, r/c)) for adjust_lr_fn="original", and 0.2 sqrt(max(r, c)) for
    "match_rms_adamw". With the latter, steps are as large as those of AdamW, so that you can use
    the lr and weight_decay of AdamW.

    It equals torch.optim.Muon, except that torch rounds x to bfloat16 in every multiplication.
    Here the computation is in the dtype of the parameter, and in float32 for bfloat16.

    Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024,
    https://kellerjordan.github.io/posts/muon; Liu et al., Muon is Scalable for LLM Training, 2025,
    arXiv:2502.16982.
    """

    name = "Muon"
    lr = 1e-3
    weight_decay = 0.1
    settings = (
        Setting("momentum", 0.95, FRACTION, "Decay rate of the running mean of gradients."),
        Setting("nesterov", True, FLAG, "Whether to use Nesterov momentum."),
        Setting(
            "ns_coefficients",
            (3.4445, -4.7750, 2.0315),
            THREE_NUMBERS,
            "Coefficients A, B and C of the Newton-Schulz iteration.",
        ),
        Setting("eps", 1e-7, POSITIVE, "Lower bound of the norm by which u is divided."),
        Setting("ns_steps", 5, COUNT, "Number of Newton-Schulz iterations."),
        Setting(
            "adjust_lr_fn",
            "original",
            choice("original", "match_rms_adamw"),
            "Adjustment of the learning rate to the shape of a matrix.",
        ),
    )

    def states(self, shape: Shape, settings: Settings) -> dict[str, Shape]:
        """Keep the momentum."""
        return {"momentum_buffer": shape}

    def update(
        self, p: Array, g: Array, state: States, settings: Settings, step: int, work: Workspace
    ) -> None:
        """Make a step, on the transposed matrix if it is tall: x x' is smaller then."""
        rows, columns = p.shape
        buffer, momentum = state["momentum_buffer"], settings["momentum"]
        move_toward(buffer, g, 1 - momentum, work)
        if settings["nesterov"]:
            move_toward(g, buffer, momentum, work)
        else:
            g[...] = buffer
        tall = rows > columns
        x = work("x", *sorted(p.shape))
        x[...] = g.T if tall else g
        x /= max(frobenius_norm(x, work), narrow(settings["eps"], x.dtype))
        x = newton_schulz(x, settings["ns_coefficients"], settings["ns_steps"], work)
        if settings["adjust_lr_fn"] == "original":
            scale = math.sqrt(max(1, rows / columns))
        else:
            scale = 0.2 * math.sqrt(max(rows, columns))
        x *= settings["lr"] * scale
        p -= x.T if tall else x


def newton_schulz(
    x: Array, coefficients: tuple[float, float, float], steps: int, work: Workspace
) -> Array:
    """Bring the singular values of a matrix of norm at most 1 near 1; x is overwritten."""
    a, b, c = coefficients
    rows, columns = x.shape
    gram, square = work("gram", rows, rows), work("square", rows, rows)
    product = work("product", rows, columns)
    for _ in range(steps):
        np.matmul(x, x.T, out=gram)
        np.matmul(gram, gram.T, out=square)  # symmetric: as x x', half the work of a product
        gram *= b
        square *= c
        gram += square
        np.matmul(gram, x, out=product)
        x *= a
        x += product
    return x
