"""Adaptive gradient clipping."""

from __future__ import annotations

from collections.abc import Iterable

from pyoptim import _core
from pyoptim._utils.validation import as_positive
from pyoptim.optim._base import Optimizer
from pyoptim.parameters._types import Array
from pyoptim.wrappers._base import Wrapper


class AGC(Wrapper):
    """Adaptive gradient clipping: by the size of what the gradient is of (Brock et al. 2021).

    The gradient of every unit, for example a row of a weight matrix, is scaled down to a part of
    the unit's own Euclidean norm where it is larger::

        bound = clip_factor max(|param|, eps)
        grad <- grad min(1, bound / max(|grad|, 1e-6))

    The caller's gradients are not written. Source: https://arxiv.org/abs/2102.06171.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        What makes the step with the clipped gradients.
    clip_factor : float, above 0
        The largest ratio of the norms.
    eps : float, above 0
        What a parameter's norm counts as at least, so that one of 0 can move.
    unit_axis : {0, -1}
        The axis whose indices are the units: 0 where weights are (out, in, ...), as PyTorch keeps
        them and timm clips them; -1 where they are (in, out), as in `pyoptim.models` and JAX.
        Arrays of one axis, or none, are one unit each.
    exclude : iterable of str or int
        Names (or numbers) of parameters that are not clipped: the paper leaves out the last layer.

    Raises
    ------
    ValueError
        If a number is out of range, or an excluded name is that of no parameter.
    TypeError
        If the optimizer is none, or takes a closure (`SAM`).

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([[3.0, 4.0], [0.0, 1.0]])
    >>> opt = po.wrappers.AGC(po.SGD([w], lr=1.0), clip_factor=0.1)
    >>> info = opt.step([np.array([[100.0, 0.0], [0.01, 0.0]])])
    >>> w  # the first row moved by 0.1 * 5, the second was not clipped
    array([[ 2.5 , 4. ], [-0.01, 1. ]])
    """

    _gives_gradients = True

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
            raise ValueError(f"unit_axis must be 0 or -1, got {unit_axis!r}")
        self.unit_axis = int(unit_axis)
        given = [exclude] if isinstance(exclude, str | int) else exclude
        self.exclude = tuple(dict.fromkeys(map(str, given)))
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
            raise ValueError(f"exclude: no parameter {unknown[0]!r}; there are {', '.join(keys)}")
        self._clips = [key not in self.exclude for key in keys]
        self._clipped = self._allocate()

    def _gradients(self, grads: list[Array | None], grad_scale: float) -> list[Array | None]:
        params, given, clipped = [], [], []
        out = list(grads)
        for i, grad in enumerate(grads):
            if grad is not None and self._clips[i]:
                params.append(self._params[i])
                given.append(grad)
                clipped.append(self._clipped[i])
                out[i] = self._clipped[i]
        _core.clip_units(
            params,
            given,
            clipped,
            last_axis=self.unit_axis == -1,
            clip=self.clip_factor,
            eps=self.eps,
            scale=grad_scale,
            num_threads=self._threads,
        )
        return out
