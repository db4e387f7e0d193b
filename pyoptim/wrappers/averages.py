"""Wrappers that average the weights over training: SWA and EMA."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar, SupportsIndex

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_fraction
from pyoptim.optim._base import Optimizer
from pyoptim.wrappers._base import AveragedWeights, Wrapper


class _Average(AveragedWeights):
    """A base class of averages that are updated every `every` steps, after step `start`."""

    _numbers: ClassVar[tuple[str, ...]] = ("count",)

    def __init__(
        self,
        optimizer: Optimizer | Wrapper,
        start: SupportsIndex,
        every: SupportsIndex,
        **settings: Any,
    ) -> None:
        self.start = as_count("start", start, minimum=0)
        self.every = as_count("every", every)
        super().__init__(optimizer, "average", start=self.start, every=self.every, **settings)
        self.count = 0

    @abstractmethod
    def _weight(self, count: int) -> float:
        """Return the weight of the parameters in the `count`-th update of the average."""

    def _has_weights(self) -> bool:
        return self.count > 0

    def _after_update(self) -> None:
        steps_averaged = self.steps - self.start
        if steps_averaged <= 0 or steps_averaged % self.every != 0:
            return
        self.count += 1
        if self.count == 1:
            _core.load_params(self._averaged, self._params, self._threads)
        else:
            _core.lerp(self._averaged, self._params, self._weight(self.count), self._threads)
        self.unwrapped._constrain_averages(self._averaged)


class SWA(_Average):
    """Stochastic weight averaging (SWA): the mean of the weights (Izmailov et al. 2018).

    The n-th update of the average is::

        average <- average + (param - average) / n

    Averaged weights often generalize better. Use SWA late in training, with a constant or cyclical
    learning rate. It does not change training itself. `eval`, or a ``with`` block of `evaluation`,
    writes the average into the parameters. Source: https://arxiv.org/abs/1803.05407.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        Optimizer to wrap. The average of bfloat16 parameters is float32.
    start : int
        Number of steps before the average starts.
    every : int
        Number of steps between updates of the average, usually the length of a learning rate cycle.

    Attributes
    ----------
    count : int
        Number of updates of the average so far. While it is 0, `eval` does not change the
        parameters, and `weights` are 0.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If `optimizer` is not an `Optimizer` or a `Wrapper`.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, 0.5])
    >>> opt = po.wrappers.SWA(po.SGD([w], lr=1.0), start=2)
    >>> for _ in range(6):
    ...     info = opt.step([2 * w])  # moves from w to -w
    >>> opt.weights["0"]
    array([0., 0.])
    >>> with opt.evaluation():
    ...     print(w)
    [0. 0.]
    >>> w
    array([1. , 0.5])
    """

    def __init__(
        self,
        optimizer: Optimizer | Wrapper,
        start: SupportsIndex = 0,
        every: SupportsIndex = 1,
    ) -> None:
        super().__init__(optimizer, start, every)

    def _weight(self, count: int) -> float:
        return 1 / count


class EMA(_Average):
    """An exponential moving average (EMA) of the weights (Polyak and Juditsky 1992).

    The n-th update of the average is::

        average <- average + w (param - average)

    With bias correction ``w = (1 - decay) / (1 - decay^n)``. This is an average that starts at 0,
    divided by ``1 - decay^n``, as in Adam. Without bias correction ``w = 1 - decay``, and the
    average starts at the parameters of the first update, as in `torch.optim.swa_utils`.

    An EMA often generalizes better than the last weights. It does not change training itself.
    `eval`, or a ``with`` block of `evaluation`, writes the average into the parameters.
    Source: https://doi.org/10.1137/0330046.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        Optimizer to wrap. The average of bfloat16 parameters is float32.
    decay : float, in [0, 1]
        Weight of the old average in an update; 1 is valid only without bias correction.
    bias_correction : bool
        Whether to give early updates larger weights, so that the average depends less on the first
        parameters.
    start : int
        Number of steps before the average starts.
    every : int
        Number of steps between updates of the average.

    Attributes
    ----------
    count : int
        Number of updates of the average so far. While it is 0, `eval` does not change the
        parameters, and `weights` are 0.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If `optimizer` is not an `Optimizer` or a `Wrapper`, or `decay` is not a number.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([0.0])
    >>> opt = po.wrappers.EMA(po.SGD([w], lr=1.0), decay=0.5)
    >>> for _ in range(2):
    ...     info = opt.step([np.array([-3.0])])  # w is 3, then 6
    >>> opt.weights["0"]  # (0.25 * 3 + 0.5 * 6) / 0.75
    array([5.])
    """

    def __init__(
        self,
        optimizer: Optimizer | Wrapper,
        decay: float = 0.999,
        *,
        bias_correction: bool = True,
        start: SupportsIndex = 0,
        every: SupportsIndex = 1,
    ) -> None:
        self.decay = as_fraction("decay", decay)
        self.bias_correction = bool(bias_correction)
        if self.bias_correction and self.decay == 1:
            raise ValueError(
                "decay: expected a number below 1 with bias_correction=True, got 1.0; decrease "
                "decay, or pass bias_correction=False"
            )
        super().__init__(
            optimizer, start, every, decay=self.decay, bias_correction=self.bias_correction
        )

    def _weight(self, count: int) -> float:
        if not self.bias_correction or self.decay == 0:
            return 1 - self.decay
        return (1 - self.decay) / -math.expm1(count * math.log(self.decay))
