"""Gradient accumulation."""

from __future__ import annotations

from typing import Any, ClassVar, SupportsIndex

import numpy as np

from pyoptim import _core
from pyoptim.checks import as_count, as_number, as_positive, check_not_negative
from pyoptim.optimizer import Optimizer
from pyoptim.wrappers.base import Wrapper


class GradientAccumulation(Wrapper):
    """Gradient accumulation: one step for the gradients of several micro-batches.

    The step's gradient is the mean, weighted by what the caller says each one is worth, usually
    the number of its samples::

        grad = sum_i(weight_i grad_i) / sum_i(weight_i)

    so micro-batches of different size give what the whole batch would, if their gradients are means
    over their samples. `flush` makes the step for a last window that is not full. Sums of bfloat16
    are kept in float32.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        What makes the step. The sums are of its parameters' shapes.
    every : int
        The micro-batches in a window.

    Attributes
    ----------
    count : int
        The micro-batches in the sums.
    total_weight : float
        The sum of their weights.

    Raises
    ------
    ValueError
        If `every` is not a whole number of at least 1.
    TypeError
        If the optimizer is none, or takes a closure (`SAM`).

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([0.0])
    >>> opt = po.wrappers.GradientAccumulation(po.SGD([w], lr=1.0), every=2)
    >>> opt.step([np.array([1.0])], weight=3)  # a mean over 3 samples: no step yet
    >>> opt.step([np.array([5.0])], weight=1).step
    1
    >>> w  # (3 * 1 + 1 * 5) / 4 down
    array([-2.])
    >>> opt.step([np.array([7.0])], weight=4)
    >>> opt.flush().step  # the last window
    2
    >>> w
    array([-9.])
    """

    _numbers: ClassVar[tuple[str, ...]] = ("count", "total_weight")
    _gives_gradients = True

    def __init__(self, optimizer: Optimizer | Wrapper, every: SupportsIndex) -> None:
        self.every = as_count("every", every)
        super().__init__(optimizer, every=self.every)
        self._sums = self._allocate("sums")
        # Type of sums and parameters differs for bfloat16: the mean is then rounded once.
        narrow = any(s.dtype != p.dtype for s, p in zip(self._sums, self._params, strict=True))
        self._means = self._allocate() if narrow else None
        self._present = self._arrays["present"] = np.zeros(len(self._sums), np.int64)
        self.count = 0
        self.total_weight = 0.0

    def step(
        self, grads: Any = None, *, weight: float = 1.0, grad_scale: float = 1.0, **keywords: Any
    ) -> _core.StepInfo | None:
        """Add gradients to the sums, and make a step if the window is full.

        Parameters
        ----------
        grads : list or mapping of arrays, or array, optional
            As for `Optimizer.step`. None in place of one adds nothing to its sum; a parameter
            without any gradient in a window is left as it is by the step.
        weight : float, above 0
            What these gradients are worth: the number of samples they are the mean of.
        grad_scale : float
            What these gradients are multiplied by first; it may differ within a window.
        **keywords
            What a wrapper further inside takes.

        Returns
        -------
        StepInfo or None
            None if the window is not full yet.

        Raises
        ------
        RuntimeError
            Between `eval` and `train`.
        ValueError
            If the weight is not above 0, or as `Optimizer.step`.
        TypeError
            As `Optimizer.step`.
        """
        self._check_training("step()")
        weight = as_positive("weight", weight)
        factor = weight * as_number("grad_scale", grad_scale)
        check_not_negative("weight times the magnitude of grad_scale", abs(factor))
        given = self._read(grads)
        for operation, seen in ((_core.weigh, False), (_core.add_weighed, True)):
            pairs = [
                (own, grad)
                for own, grad, present in zip(self._sums, given, self._present, strict=True)
                if grad is not None and bool(present) == seen
            ]
            if pairs:
                sums, arrays = zip(*pairs, strict=True)
                operation(sums, arrays, factor, self._threads)
        self._present |= [grad is not None for grad in given]
        self.total_weight += weight
        self.count += 1
        return self._finish(**keywords) if self.count >= self.every else None

    def flush(self) -> _core.StepInfo | None:
        """Make the step for the gradients there are, if any: after the last one of an epoch."""
        self._check_training("flush()")
        return self._finish() if self.count > 0 else super().flush()

    def _finish(self, **keywords: Any) -> _core.StepInfo | None:
        scale = 1 / self.total_weight
        means = self._sums
        if self._means is not None:
            _core.narrow(self._sums, self._means, scale, self._threads)
            means, scale = self._means, 1.0
        grads = [g if here else None for g, here in zip(means, self._present, strict=True)]
        info = self.optimizer.step(grads, grad_scale=scale, **keywords)
        self._present[...] = 0
        self.total_weight = 0.0
        self.count = 0
        return info
