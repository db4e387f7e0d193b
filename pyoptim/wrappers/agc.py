"""Adaptive gradient clipping."""

from __future__ import annotations

from collections.abc import Iterable

from pyoptim import _core
from pyoptim._utils.validation import as_positive
from pyoptim.optim._base import Optimizer
from pyoptim.parameters._types import Array
from pyoptim.wrappers._base import Wrapper


class AGC(Wrapper):
    """Adaptive gradient clipping (AGC), relative to the norm of the weights (Brock et al. 2021).

    The gradient of each unit, for example a row of a weight matrix, is clipped to a fraction of
    the Euclidean norm of the unit's weights::

        bound = clip_factor max(|param|, eps)
        grad <- grad min(1, bound / max(|grad|, 1e-6))

    It stabilizes training with large batches or without normalization layers. The caller's
    gradients are not modified. Source: https://arxiv.org/abs/2102.06171.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        Optimizer that steps with the clipped gradients.
    clip_factor : float, above 0
        Maximum ratio of the gradient's norm to the weights' norm.
    eps : float, above 0
        Lower bound for the weights' norm, so that weights of 0 can change.
    unit_axis : {0, -1}
        Axis of the units: 0 for weights of shape (outputs, inputs, ...), as in PyTorch and timm, or
        -1 for weights of shape (inputs, outputs), as in `pyoptim.models` and JAX. An array with
        fewer than two axes is a single unit.
    exclude : iterable of str or int
        Names or indices of parameters that are not clipped. The paper excludes the last layer.

    Raises
    ------
    ValueError
        If a number is out of range, or `exclude` names an unknown parameter.
    TypeError
        If `optimizer` is not an `Optimizer` or a `Wrapper`, takes a closure (`SAM`), or has
        row-sparse parameters.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([[3.0, 4.0], [0.0, 1.0]])
    >>> opt = po.wrappers.AGC(po.SGD([w], lr=1.0), clip_factor=0.1)
    >>> info = opt.step([np.array([[100.0, 0.0], [0.01, 0.0]])])
    >>> w  # the first row moved by 0.1 * 5, the second was not clipped
    array([[ 2.5 ,  4.  ],
           [-0.01,  1.  ]])
    """

    _changes_gradients = True

    def __init__(
        self,
        optimizer: Optimizer | Wrapper,
        clip_factor: float = 0.01,
        eps: float = 1e-3,
        *,
        unit_axis: int = 0,
        exclude: Iterable[str | int] = (),
    ) -> None:
        self.clip_factor = as_positive("clip_factor", clip_factor)
        self.eps = as_positive("eps", eps)
        if unit_axis not in (0, -1):
            raise ValueError(f"unit_axis: expected 0 or -1, got {unit_axis!r}")
        self.unit_axis = int(unit_axis)
        names = [exclude] if isinstance(exclude, str | int) else exclude
        self.exclude = tuple(dict.fromkeys(map(str, names)))
        super().__init__(
            optimizer,
            clip_factor=self.clip_factor,
            eps=self.eps,
            unit_axis=self.unit_axis,
            exclude=self.exclude,
        )
        keys = self.unwrapped._keys
        unknown = [name for name in self.exclude if name not in keys]
        if unknown:
            raise ValueError(
                f"exclude: expected names of parameters ({', '.join(keys)}), got {unknown[0]!r}"
            )
        self._clips = [key not in self.exclude for key in keys]
        self._clipped = self._allocate()

    def _gradients(self, grads: list[Array | None], grad_scale: float) -> list[Array | None]:
        params, unclipped, clipped = [], [], []
        out = list(grads)
        for i, grad in enumerate(grads):
            if grad is not None and self._clips[i]:
                params.append(self._params[i])
                unclipped.append(grad)
                clipped.append(self._clipped[i])
                out[i] = self._clipped[i]
        _core.clip_units(
            params,
            unclipped,
            clipped,
            last_axis=self.unit_axis == -1,
            clip=self.clip_factor,
            eps=self.eps,
            scale=grad_scale,
            num_threads=self._threads,
        )
        return out
