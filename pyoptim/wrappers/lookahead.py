"""Lookahead."""

from __future__ import annotations

from typing import ClassVar, SupportsIndex

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_share
from pyoptim.optim._base import Optimizer
from pyoptim.wrappers._base import KeptWeights, Wrapper


class Lookahead(KeptWeights):
    """Lookahead: slow weights that follow the optimizer's fast ones (Zhang et al. 2019).

    After every `k` steps the slow weights move a part of the way to the parameters, which then
    continue from there::

        slow <- slow + alpha (param - slow),  param <- slow

    The optimizer's state is left as it is. Skipped steps do not count. `eval` puts the slow weights
    into the parameters. Source: https://arxiv.org/abs/1907.08610.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        What makes the fast steps. The slow weights start at its parameters, and are of their
        shapes; float32 for bfloat16.
    k : int
        The fast steps between slow ones.
    alpha : float, in [0, 1]
        The part of the way.

    Attributes
    ----------
    count : int
        The fast steps since the last slow one.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If the optimizer is none, or alpha is no number.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0])
    >>> opt = po.wrappers.Lookahead(po.SGD([w], lr=1.0), k=2, alpha=0.5)
    >>> for _ in range(2):
    ...     info = opt.step([np.array([2.0])])
    >>> w  # from 1 to -3, and half of the way back
    array([-1.])
    """

    _numbers: ClassVar[tuple[str, ...]] = ("count",)

    def __init__(
        self, optimizer: Optimizer | Wrapper, k: SupportsIndex = 5, alpha: float = 0.5
    ) -> None:
        self.k = as_count("k", k)
        self.alpha = as_share("alpha", alpha)
        super().__init__(optimizer, "slow", k=self.k, alpha=self.alpha)
        self.count = 0
        _core.take(self._kept, self._params, self._threads)

    def _moved(self) -> None:
        self.count += 1
        if self.count >= self.k:
            if self.unwrapped.penalized:
                _core.lerp(self._kept, self._params, self.alpha, self._threads)
                self.unwrapped._constrain_averages(self._kept)
                _core.give(self._kept, self._params, self._threads)
            else:
                _core.pull(self._kept, self._params, self.alpha, self._threads)
            self.count = 0
