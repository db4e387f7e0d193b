"""Sharpness-aware minimization: SAM and ASAM."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pyoptim import _core
from pyoptim._utils.validation import as_not_negative, as_number
from pyoptim.optim._base import Optimizer
from pyoptim.optim._guard import changes
from pyoptim.optim._param_groups import row_sparse
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array
from pyoptim.wrappers._base import GradientsOrClosure, Wrapper
from pyoptim.wrappers._row_sums import RowSums

Gradients = Sequence[Any] | Mapping[str, Any] | Array | RowGrad | None


class _Part(NamedTuple):
    """What of a parameter is moved: all of it, or a copy of some rows."""

    number: int
    rows: Any  # ... for all
    there: Array
    grad: Array
    before: Array


class SAM(Wrapper):
    """Sharpness-aware minimization: a step by the gradient at the worst point near (Foret 2021).

    Every step takes two gradients. The first shows where the loss rises most within a distance of
    `rho`, the second, from there, is the one that the optimizer uses at the point that was left::

        e = rho grad / (|grad| + eps)
        param <- step from param with the gradient at param + e

    with the norm over all gradients together, those after `grad_scale`. With `adaptive` (ASAM, Kwon
    2021) distances are in units of each parameter's size ``T = abs(param) + eta``, so that scaling
    the weights changes nothing: ``e = rho T^2 grad / (|T grad| + eps)``. Groups that maximize go
    the other way. Between the two passes the parameters are the moved ones; then they are
    restored, bit-identical. If the first gradient is not finite, they are not moved. A row-sparse
    gradient (`pyoptim.RowGrad`) moves its rows and nothing else. Penalties (`Optimizer.penalize`)
    do not count in the first pass, and act at the original weights: the loss alone is made flat,
    as in the paper.

    Sources: https://arxiv.org/abs/2010.01412, https://arxiv.org/abs/2102.11600.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        What makes the step.
    rho : float, at least 0
        The radius of the neighbourhood.
    adaptive : bool
        Whether it is measured in units of the parameters' sizes.
    eta : float, at least 0
        What is added to the sizes, if adaptive.
    eps : float, at least 0
        What is added to the norm.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If the optimizer is none, or itself takes a closure.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([3.0, -4.0])
    >>> opt = po.wrappers.SAM(po.SGD([w], lr=0.1), rho=0.05)
    >>> for _ in range(100):
    ...     info = opt.step(lambda: [2 * w])  # called twice: here, and at the worst point near
    >>> bool(abs(w).max() < 0.05)
    True

    The same in two halves:

    >>> opt.first_step([2 * w])
    >>> opt.second_step([2 * w]).step
    101
    """

    takes_closure = True
    _gives_gradients = True  # its own, to what it wraps
    _supports_row_grad = True
    _passes_gradients = False

    def __init__(
        self,
        optimizer: Optimizer | Wrapper,
        rho: float = 0.05,
        *,
        adaptive: bool = False,
        eta: float = 0.0,
        eps: float = 1e-12,
    ) -> None:
        self.rho = as_not_negative("rho", rho)
        self.adaptive = bool(adaptive)
        self.eta = as_not_negative("eta", eta)
        self.eps = as_not_negative("eps", eps)
        super().__init__(optimizer, **self._arguments())
        by_rows = {name for params in self.unwrapped._groups for name in row_sparse(params)}
        whole = [i for i, key in enumerate(self.unwrapped._keys) if key not in by_rows]
        self._copies = dict(zip(whole, self._allocate(of=whole), strict=True))
        self._moved_away: list[_Part] | None = None

    def _arguments(self) -> dict[str, Any]:
        return {"rho": self.rho, "adaptive": self.adaptive, "eta": self.eta, "eps": self.eps}

    @changes
    def first_step(self, grads: Gradients = None, *, grad_scale: float = 1.0) -> None:
        """Move the parameters to the worst point near; `second_step` or `restore` comes next.

        Parameters
        ----------
        grads : list or mapping of arrays, or array, optional
            The gradients where the parameters are, in any form that `Optimizer.step` takes;
            parameters with None are not moved.
        grad_scale : float
            What gradients are multiplied by first.

        Raises
        ------
        RuntimeError
            If a first step was made already, or between `eval` and `train`.
        ValueError, TypeError
            As `Optimizer.step`.
        """
        self._check_training("first_step()")
        scale = as_number("grad_scale", grad_scale)
        given = self._read(grads)
        parts = [self._part(i, grad) for i, grad in enumerate(given) if _is_some(grad)]
        signs = [
            -1.0 if group["maximize"] else 1.0
            for group in self.param_groups
            for _ in group["params"]
        ]
        norm = _core.gradient_norm(
            [part.there for part in parts],
            [part.grad for part in parts],
            self.adaptive,
            self.eta,
            self._threads,
        )
        divisor = abs(scale) * norm + self.eps
        self._moved_away = []
        if not math.isfinite(divisor) or divisor == 0:
            return
        for sign in (1.0, -1.0):
            moved = [part for part in parts if signs[part.number] == sign]
            _core.ascend(
                [part.there for part in moved],
                [part.grad for part in moved],
                [part.before for part in moved],
                sign * self.rho * scale / divisor,
                self.adaptive,
                self.eta,
                self._threads,
            )
            self._moved_away += moved
        for part in parts:
            if part.rows is not ...:
                self._params[part.number][part.rows] = part.there

    def _part(self, number: int, grad: Array | RowGrad) -> _Part:
        """Return what a gradient moves; of rows, which come once each then, and nothing else."""
        param = self._params[number]
        if isinstance(grad, RowGrad):
            sums = RowSums(param)
            sums.load(grad.rows, grad.values)
            once = sums.mean(1.0, self._threads)
            there = param[once.rows]
            return _Part(number, once.rows, there, once.values, np.empty_like(there))
        before = self._copies.get(number)
        return _Part(number, ..., param, grad, np.empty_like(param) if before is None else before)

    @changes
    def restore(self) -> None:
        """Restore the parameters from before `first_step`, bit-identical."""
        for part in self._moved_away or ():
            self._params[part.number][part.rows] = part.before
        self._moved_away = None

    @changes
    def second_step(
        self, grads: Gradients = None, *, grad_scale: float = 1.0, **keywords: Any
    ) -> _core.StepInfo | None:
        """Bring the parameters back, and make the step with the gradients from the worst point.

        Parameters
        ----------
        grads, grad_scale, **keywords
            As for `step` of what is wrapped.

        Returns
        -------
        StepInfo or None
            What the step of what is wrapped returns.

        Raises
        ------
        RuntimeError
            If no first step was made.
        ValueError, TypeError
            As `Optimizer.step`; the parameters are then back, and no step was made.
        """
        if self._moved_away is None:
            raise RuntimeError("second_step() comes after first_step()")
        self.restore()
        info = self.optimizer.step(grads, grad_scale=grad_scale, **keywords)
        self._after(info)
        return info

    def step(
        self,
        grads: GradientsOrClosure = None,
        *,
        grad_scale: float = 1.0,
        **keywords: Any,
    ) -> _core.StepInfo | None:
        """Make both passes.

        Parameters
        ----------
        grads : callable
            Called twice, without arguments: computes the gradients where the parameters are at the
            moment and returns them, in any form that `Optimizer.step` takes; None if it wrote them
            into the `grads` of the Parameters. If it raises an error, the parameters stay as they
            were.
        grad_scale : float
            What gradients are multiplied by first.
        **keywords
            What a wrapper further inside takes.

        Raises
        ------
        TypeError
            If it is not callable.
        RuntimeError, ValueError
            As `first_step`.
        """
        if not callable(grads):
            raise TypeError(
                f"{type(self).__name__}.step takes a function that computes the gradients, got "
                f"{type(grads).__name__}; with gradients at hand, call first_step and second_step"
            )
        self._check_training("step()")
        self.first_step(grads(), grad_scale=grad_scale)
        try:
            there = grads()
        except BaseException:
            self.restore()
            raise
        return self.second_step(there, grad_scale=grad_scale, **keywords)

    def eval(self) -> None:
        """Bring the parameters to the points where the model is to be evaluated or saved."""
        self._check_at_home("eval()")
        super().eval()

    def train(self) -> None:
        """Switch back to train mode after `eval`, with bit-identical parameters."""
        self._check_at_home("train()")
        super().train()

    def _check_training(self, what: str) -> None:
        super()._check_training(what)
        self._check_at_home(what)

    def __getstate__(self) -> dict[str, Any]:
        self._check_at_home("pickling or copying")
        return super().__getstate__()

    def _check_at_home(self, what: str) -> None:
        if self._moved_away is not None:
            raise RuntimeError(
                "the parameters are where first_step() moved them; call second_step(), or "
                f"restore(), before {what}"
            )


def _is_some(grad: Array | RowGrad | None) -> bool:
    return grad is not None and (not isinstance(grad, RowGrad) or grad.rows.size > 0)


class ASAM(SAM):
    """Adaptive sharpness-aware minimization (Kwon et al. 2021).

    `SAM` with ``adaptive=True`` and the paper's defaults: the neighbourhood is measured in units of
    ``T = abs(param) + eta``::

        e = rho T^2 grad / (|T grad| + eps)

    Source: https://arxiv.org/abs/2102.11600.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        What makes the step.
    rho : float, at least 0
        The radius of the neighbourhood, in units of the parameters' sizes.
    eta : float, at least 0
        What is added to the sizes, so that parameters of 0 are moved, too.
    eps : float, at least 0
        What is added to the norm.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If the optimizer is none, or itself takes a closure.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([3.0, -4.0])
    >>> opt = po.wrappers.ASAM(po.SGD([w], lr=0.1))
    >>> for _ in range(100):
    ...     info = opt.step(lambda: [2 * w])
    >>> bool(abs(w).max() < 0.05)
    True
    """

    def __init__(
        self,
        optimizer: Optimizer | Wrapper,
        rho: float = 0.5,
        *,
        eta: float = 0.01,
        eps: float = 1e-12,
    ) -> None:
        super().__init__(optimizer, rho, adaptive=True, eta=eta, eps=eps)

    def _arguments(self) -> dict[str, Any]:
        return {"rho": self.rho, "eta": self.eta, "eps": self.eps}
