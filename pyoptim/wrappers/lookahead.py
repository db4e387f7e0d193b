"""The Lookahead wrapper."""

from __future__ import annotations

from typing import ClassVar, SupportsIndex

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_fraction
from pyoptim.optim._base import Optimizer
from pyoptim.wrappers._base import AveragedWeights, Wrapper


class Lookahead(AveragedWeights):
    """Lookahead: slow weights that follow the optimizer's fast weights (Zhang et al. 2019).

    After every `k` steps the slow weights move a fraction of the distance to the parameters. The
    optimizer then continues from the slow weights::

        slow <- slow + alpha (param - slow),  param <- slow

    This reduces the variance of the steps. The optimizer's state does not change, and skipped steps
    do not count. `eval` writes the slow weights into the parameters.
    Source: https://arxiv.org/abs/1907.08610.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        Optimizer of the fast weights. The slow weights start at its parameters. They are float32
        for bfloat16 parameters.
    k : int
        Number of fast steps for each slow step.
    alpha : float, in [0, 1]
        Fraction of the distance that the slow weights move.

    Attributes
    ----------
    count : int
        Number of fast steps since the last slow step.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If `optimizer` is not an `Optimizer` or a `Wrapper`, or `alpha` is not a number.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0])
    >>> opt = po.wrappers.Lookahead(po.SGD([w], lr=1.0), k=2, alpha=0.5)
    >>> for _ in range(2):
    ...     info = opt.step([np.array([2.0])])
    >>> w  # two steps from 1 to -3, then half of the way back
    array([-1.])
    """

    _numbers: ClassVar[tuple[str, ...]] = ("count",)

    def __init__(
        self, optimizer: Optimizer | Wrapper, k: SupportsIndex = 5, alpha: float = 0.5
    ) -> None:
        self.k = as_count("k", k)
        self.alpha = as_fraction("alpha", alpha)
        super().__init__(optimizer, "slow", k=self.k, alpha=self.alpha)
        self.count = 0
        _core.load_params(self._averaged, self._params, self._threads)

    def _after_update(self) -> None:
        self.count += 1
        if self.count >= self.k:
            if self.unwrapped.penalized:
                _core.lerp(self._averaged, self._params, self.alpha, self._threads)
                self.unwrapped._constrain_averages(self._averaged)
                _core.store_params(self._averaged, self._params, self._threads)
            else:
                _core.lerp_and_store(self._averaged, self._params, self.alpha, self._threads)
            self.count = 0
