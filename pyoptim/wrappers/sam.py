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
from pyoptim.optim._params_argument import row_sparse
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array
from pyoptim.wrappers._base import GradientsOrClosure, Wrapper
from pyoptim.wrappers._row_sums import RowSums

Gradients = Sequence[Any] | Mapping[str, Any] | Array | RowGrad | None


class _Perturbation(NamedTuple):
    """The weights that the first step perturbs: a whole parameter, or a copy of some rows."""

    number: int  # of the parameter
    rows: Any  # row numbers, or ... for the whole parameter
    weights: Array
    grad: Array
    original: Array  # copy of the weights before the first step


class SAM(Wrapper):
    """Sharpness-aware minimization (SAM), for flat minima (Foret et al. 2021).

    Each step computes two gradients. The first one perturbs the weights by `rho` in the direction
    in which the loss increases most. The second one, at the perturbed weights, is the gradient that
    the optimizer uses at the original weights::

        e = rho grad / (|grad| + eps)
        param <- step from param with the gradient at param + e

    The norm is over all gradients together, after `grad_scale`. With ``adaptive=True`` (ASAM, Kwon
    et al. 2021) the perturbation is relative to the magnitude of each weight,
    ``T = abs(param) + eta``, so that it does not depend on the scale of the weights::

        e = rho T^2 grad / (|T grad| + eps)

    Groups with ``maximize=True`` are perturbed in the opposite direction. After the second gradient
    the parameters are restored, bit-identical. If the first gradient is not finite, the weights are
    not perturbed. A row-sparse gradient (`pyoptim.RowGrad`) perturbs only its rows. Penalties
    (`Optimizer.penalize`) have no effect on the perturbation and act at the original weights, so
    that SAM flattens the loss alone, as in the paper.

    Sources: https://arxiv.org/abs/2010.01412, https://arxiv.org/abs/2102.11600.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        Optimizer that performs the step.
    rho : float, at least 0
        Radius of the neighbourhood, the norm of the perturbation.
    adaptive : bool
        Whether the perturbation is relative to the magnitude of each weight.
    eta : float, at least 0
        Number added to the magnitudes with ``adaptive=True``.
    eps : float, at least 0
        Number added to the norm, to avoid division by 0.

    Raises
    ------
    ValueError
        If a number is out of range, or the optimizer has ``zero_grads=True``.
    TypeError
        If `optimizer` is not an `Optimizer` or a `Wrapper`, or takes a closure itself.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([3.0, -4.0])
    >>> opt = po.wrappers.SAM(po.SGD([w], lr=0.1), rho=0.05)
    >>> for _ in range(100):
    ...     info = opt.step(lambda: [2 * w])  # called at the original and the perturbed weights
    >>> bool(abs(w).max() < 0.05)
    True

    The same step without a function:

    >>> opt.first_step([2 * w])
    >>> opt.second_step([2 * w]).step
    101
    """

    takes_closure = True
    _changes_gradients = True
    _supports_row_grad = True
    _forwards_steps = False

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
        sparse_keys = {name for params in self.unwrapped._groups for name in row_sparse(params)}
        dense = [i for i, key in enumerate(self.unwrapped._keys) if key not in sparse_keys]
        self._copies = dict(zip(dense, self._allocate(of=dense), strict=True))
        self._perturbed: list[_Perturbation] | None = None

    def _arguments(self) -> dict[str, Any]:
        return {"rho": self.rho, "adaptive": self.adaptive, "eta": self.eta, "eps": self.eps}

    @changes
    def first_step(self, grads: Gradients = None, *, grad_scale: float = 1.0) -> None:
        """Perturb the parameters; call `second_step` or `restore` next.

        Parameters
        ----------
        grads : list or mapping of arrays, or array, optional
            Gradients at the current parameters, as in `Optimizer.step`. Parameters with None are
            not perturbed.
        grad_scale : float
            Factor that gradients are multiplied by first.

        Raises
        ------
        RuntimeError
            If the parameters are already perturbed, or the optimizer is in eval mode.
        ValueError, TypeError
            If `Optimizer.step` raises it.
        """
        self._check_training("first_step()")
        scale = as_number("grad_scale", grad_scale)
        parts = [
            self._perturbation(i, grad)
            for i, grad in enumerate(self._read(grads))
            if _has_values(grad)
        ]
        signs = [
            -1.0 if group["maximize"] else 1.0
            for group in self.param_groups
            for _ in group["params"]
        ]
        norm = _core.gradient_norm(
            [part.weights for part in parts],
            [part.grad for part in parts],
            self.adaptive,
            self.eta,
            self._threads,
        )
        divisor = abs(scale) * norm + self.eps
        self._perturbed = []
        if not math.isfinite(divisor) or divisor == 0:
            return
        for sign in (1.0, -1.0):
            selected = [part for part in parts if signs[part.number] == sign]
            _core.perturb(
                [part.weights for part in selected],
                [part.grad for part in selected],
                [part.original for part in selected],
                sign * self.rho * scale / divisor,
                self.adaptive,
                self.eta,
                self._threads,
            )
            self._perturbed += selected
        for part in parts:
            if part.rows is not ...:
                self._params[part.number][part.rows] = part.weights

    def _perturbation(self, number: int, grad: Array | RowGrad) -> _Perturbation:
        """Return the weights to perturb; the values of duplicate rows of a `RowGrad` are summed."""
        param = self._params[number]
        if isinstance(grad, RowGrad):
            sums = RowSums(param)
            sums.load(grad.rows, grad.values)
            unique = sums.mean(1.0, self._threads)
            weights = param[unique.rows]
            return _Perturbation(
                number, unique.rows, weights, unique.values, np.empty_like(weights)
            )
        original = self._copies.get(number)
        if original is None:
            original = np.empty_like(param)
        return _Perturbation(number, ..., param, grad, original)

    @changes
    def restore(self) -> None:
        """Undo `first_step`: restore the original parameters, bit-identical."""
        for part in self._perturbed or ():
            self._params[part.number][part.rows] = part.original
        self._perturbed = None

    @changes
    def second_step(
        self, grads: Gradients = None, *, grad_scale: float = 1.0, **keywords: Any
    ) -> _core.StepInfo | None:
        """Restore the parameters, and step with the gradients at the perturbed parameters.

        Parameters
        ----------
        grads, grad_scale, **keywords
            Arguments of the wrapped optimizer's `step`.

        Returns
        -------
        StepInfo or None
            Result of the wrapped optimizer's `step`.

        Raises
        ------
        RuntimeError
            If `first_step` was not called before.
        ValueError, TypeError
            If `Optimizer.step` raises it. The parameters are then restored, without a step.
        """
        if self._perturbed is None:
            raise RuntimeError("second_step: call first_step() before second_step()")
        self.restore()
        info = self.optimizer.step(grads, grad_scale=grad_scale, **keywords)
        self._after_step(info)
        return info

    def step(
        self,
        grads: GradientsOrClosure = None,
        *,
        grad_scale: float = 1.0,
        **keywords: Any,
    ) -> _core.StepInfo | None:
        """Perform `first_step` and `second_step`.

        Parameters
        ----------
        grads : callable
            Function without arguments, called twice. It computes the gradients at the current
            parameters and returns them, as in `Optimizer.step`, or None if it wrote them into
            `Parameters.grads`. If it raises an error, the parameters are restored.
        grad_scale : float
            Factor that gradients are multiplied by first.
        **keywords
            Keyword arguments of a wrapped wrapper.

        Returns
        -------
        StepInfo or None
            Result of the wrapped optimizer's `step`.

        Raises
        ------
        TypeError
            If `grads` is not callable, or `first_step` raises it.
        RuntimeError, ValueError
            If `first_step` raises it.
        """
        if not callable(grads):
            raise TypeError(
                f"grads: {type(self).__name__}.step expected a function that computes gradients, "
                f"got {type(grads).__name__}; call first_step and second_step if you have gradients"
            )
        self._check_training("step()")
        self.first_step(grads(), grad_scale=grad_scale)
        try:
            perturbed_grads = grads()
        except BaseException:
            self.restore()
            raise
        return self.second_step(perturbed_grads, grad_scale=grad_scale, **keywords)

    def eval(self) -> None:
        """Switch to eval mode: write the weights for evaluation into the parameters."""
        self._check_not_perturbed("eval()")
        super().eval()

    def train(self) -> None:
        """Switch back to train mode after `eval`, with bit-identical parameters."""
        self._check_not_perturbed("train()")
        super().train()

    def _check_training(self, action: str) -> None:
        super()._check_training(action)
        self._check_not_perturbed(action)

    def __getstate__(self) -> dict[str, Any]:
        self._check_not_perturbed("pickling or copying")
        return super().__getstate__()

    def _check_not_perturbed(self, action: str) -> None:
        if self._perturbed is not None:
            raise RuntimeError(
                "the parameters are perturbed by first_step(); call second_step() or restore() "
                f"before {action}"
            )


def _has_values(grad: Array | RowGrad | None) -> bool:
    return grad is not None and (not isinstance(grad, RowGrad) or grad.rows.size > 0)


class ASAM(SAM):
    """Adaptive sharpness-aware minimization (ASAM, Kwon et al. 2021).

    This is `SAM` with ``adaptive=True`` and the defaults of the paper. The perturbation is relative
    to the magnitude of each weight, ``T = abs(param) + eta``::

        e = rho T^2 grad / (|T grad| + eps)

    Source: https://arxiv.org/abs/2102.11600.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        Optimizer that performs the step.
    rho : float, at least 0
        Radius of the neighbourhood, relative to the magnitudes of the weights.
    eta : float, at least 0
        Number added to the magnitudes, so that weights of 0 are perturbed, too.
    eps : float, at least 0
        Number added to the norm, to avoid division by 0.

    Raises
    ------
    ValueError
        If a number is out of range, or the optimizer has ``zero_grads=True``.
    TypeError
        If `optimizer` is not an `Optimizer` or a `Wrapper`, or takes a closure itself.

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
