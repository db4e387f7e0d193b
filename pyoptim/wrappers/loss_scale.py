"""Dynamic loss scaling."""

from __future__ import annotations

from typing import Any, ClassVar, SupportsIndex

import numpy as np

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_positive
from pyoptim.optim._base import Optimizer
from pyoptim.optim._state_dict import StateDict
from pyoptim.wrappers._base import GradientsOrClosure, Wrapper

_SMALLEST = float(np.finfo(np.float32).tiny)
_LARGEST = float(np.finfo(np.float32).max)


class DynamicLossScale(Wrapper):
    """Dynamic loss scaling, with the largest scale that avoids overflow (Micikevicius et al. 2018).

    Multiply the loss by `scale` before you compute its gradients, so that small gradients in low
    precision do not underflow. `step` divides the gradients by `scale`. If a gradient is not
    finite, the step is skipped and the scale is multiplied by `backoff_factor`. A skipped step does
    not change the parameters, the state or the step count. After `growth_interval` consecutive
    steps without a skip, the scale is multiplied by `growth_factor`.

    Names and scales match those of `torch.amp.GradScaler`. The scale is a float32 number. It never
    grows beyond the largest float32 number, and never falls to 0.
    Source: https://arxiv.org/abs/1710.03740.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        Optimizer to wrap, created with ``skip_nonfinite=True``.
    init_scale : float, above 0
        Initial scale.
    growth_factor : float, above 1
        Factor by which the scale grows.
    backoff_factor : float, in (0, 1)
        Factor by which the scale shrinks after a skipped step.
    growth_interval : int
        Number of consecutive steps without a skip after which the scale grows.

    Attributes
    ----------
    scale : float
        Factor to multiply the next loss by.
    growth_tracker : int
        Number of steps since the scale last changed or a step was skipped.

    Raises
    ------
    ValueError
        If a number is out of range, or the optimizer was not created with ``skip_nonfinite=True``.
    TypeError
        If `optimizer` is not an `Optimizer` or a `Wrapper`, or an argument is not a number.

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

    _forwards_steps = False
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
            raise ValueError(f"growth_factor: expected a number above 1, got {self.growth_factor}")
        self.backoff_factor = as_positive("backoff_factor", backoff_factor)
        if self.backoff_factor >= 1:
            raise ValueError(
                f"backoff_factor: expected a number in (0, 1), got {self.backoff_factor}"
            )
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
                "optimizer: DynamicLossScale needs skip_nonfinite=True, got False; make the "
                "optimizer with skip_nonfinite=True"
            )

    def step(
        self,
        grads: GradientsOrClosure = None,
        *,
        grad_scale: float = 1.0,
        **keywords: Any,
    ) -> _core.StepInfo | None:
        """Perform one step with the gradients divided by `scale`, and update the scale.

        Parameters, return value and errors are those of `Wrapper.step`.
        """
        return super().step(grads, grad_scale=grad_scale / self.scale, **keywords)

    def _after_step(self, info: _core.StepInfo | None) -> None:
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
    """Return the nearest float32 number."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value))


def _as_scale(name: str, value: Any) -> float:
    """Return a scale rounded to float32."""
    scale = _rounded(as_positive(name, value))
    if not (_SMALLEST <= scale < np.inf):
        raise ValueError(
            f"{name}: expected a number within the range of float32, from {_SMALLEST:g} to "
            f"{_LARGEST:g}, got {value!r}"
        )
    return scale
