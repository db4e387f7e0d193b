"""Dynamic loss scale."""

from __future__ import annotations

from typing import Any, ClassVar, SupportsIndex

import numpy as np

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_positive
from pyoptim.optim._base import Optimizer
from pyoptim.optim._state_dict import StateDict
from pyoptim.wrappers._base import GradientsOrClosure, Wrapper

_SMALLEST = float(np.finfo(np.float32).tiny)


class DynamicLossScale(Wrapper):
    """Dynamic loss scale: as large as gradients allow (Micikevicius et al. 2018).

    Multiply the loss by `scale` before its gradients are computed, so that small ones do not
    underflow; `step` divides them by it. If one is not finite the step is skipped, which leaves
    parameters, state and step count as they are, and the scale is multiplied by `backoff_factor`.
    After `growth_interval` steps in a row that were not skipped it is multiplied by
    `growth_factor`. The scales, and the names, are those of `torch.amp.GradScaler`; as there they
    are float32, and the scale never grows beyond what that holds; nor does it fall to 0.
    Source: https://arxiv.org/abs/1710.03740.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        What makes the steps, with ``skip_nonfinite=True``.
    init_scale : float, above 0
        The scale to begin with.
    growth_factor, backoff_factor : float
        What it is multiplied by: above 1, and in (0, 1).
    growth_interval : int
        The steps after which it grows.

    Attributes
    ----------
    scale : float
        What the next loss is to be multiplied by.
    growth_tracker : int
        The steps since the scale changed, or since one was skipped.

    Raises
    ------
    ValueError
        If a number is out of range, or the optimizer does not skip non-finite gradients.
    TypeError
        If the optimizer is none, or a number is none.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0], np.float32)
    >>> opt = po.wrappers.DynamicLossScale(po.SGD([w], lr=0.25, skip_nonfinite=True))
    >>> info = opt.step([opt.scale * 2 * w])  # the gradient of scale * |w|^2
    >>> w
    array([ 0.5, -1. ], dtype=float32)
    >>> opt.step([np.array([np.inf, 0], np.float32)]).skipped
    True
    >>> opt.scale
    32768.0
    """

    _passes_gradients = False
    _numbers: ClassVar[tuple[str, ...]] = ("scale", "growth_tracker")

    def __init__(
        self,
        optimizer: Optimizer | Wrapper,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: SupportsIndex = 2000,
    ) -> None:
        self.growth_factor = as_positive("growth_factor", growth_factor)
        if self.growth_factor <= 1:
            raise ValueError(f"growth_factor must be above 1, got {self.growth_factor}")
        self.backoff_factor = as_positive("backoff_factor", backoff_factor)
        if self.backoff_factor >= 1:
            raise ValueError(f"backoff_factor must be below 1, got {self.backoff_factor}")
        self.growth_interval = as_count("growth_interval", growth_interval)
        self.scale = _as_scale("init_scale", init_scale)
        self.growth_tracker = 0
        super().__init__(
            optimizer,
            init_scale=self.scale,
            growth_factor=self.growth_factor,
            backoff_factor=self.backoff_factor,
            growth_interval=self.growth_interval,
        )
        if not self.unwrapped._options["skip_nonfinite"]:
            raise ValueError(
                "DynamicLossScale needs an optimizer that skips steps: make it with "
                "skip_nonfinite=True"
            )

    def step(
        self,
        grads: GradientsOrClosure = None,
        *,
        grad_scale: float = 1.0,
        **keywords: Any,
    ) -> _core.StepInfo | None:
        """Make a step with the gradients divided by `scale`, and adapt the scale."""
        return super().step(grads, grad_scale=grad_scale / self.scale, **keywords)

    def _after(self, info: _core.StepInfo | None) -> None:
        if info is None:
            return
        if info.skipped:
            self.scale = max(_rounded(self.scale * self.backoff_factor), _SMALLEST)
            self.growth_tracker = 0
            return
        self.growth_tracker += 1
        if self.growth_tracker >= self.growth_interval:
            self.growth_tracker = 0
            grown = _rounded(self.scale * self.growth_factor)
            if np.isfinite(grown):
                self.scale = grown

    def _check_state(self, state: StateDict) -> None:
        _as_scale("scale", state["scale"])


def _rounded(value: float) -> float:
    """Return the nearest number of float32."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value))


def _as_scale(name: str, value: Any) -> float:
    """Return a scale that float32 holds."""
    scale = _rounded(as_positive(name, value))
    if not (_SMALLEST <= scale < np.inf):
        raise ValueError(f"{name} must be within the range of float32, got {value!r}")
    return scale
