"""Averages of the weights over training: SWA and EMA."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar, SupportsIndex

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_share
from pyoptim.optim._base import Optimizer
from pyoptim.wrappers._base import KeptWeights, Wrapper


class _Average(KeptWeights):
    """Takes the parameters into an average after every so many steps from `start` on."""

    _numbers: ClassVar[tuple[str, ...]] = ("count",)

    def __init__(
        self,
        optimizer: Optimizer | Wrapper,
        start: SupportsIndex,
        every: SupportsIndex,
        **settings: Any,
    ) -> None:
        self.start = as_count("start", start, least=0)
        self.every = as_count("every", every)
        super().__init__(optimizer, "average", start=self.start, every=self.every, **settings)
        self.count = 0

    @abstractmethod
    def _weight(self, count: int) -> float:
        """Return the weight of the parameters that are the count-th in the average."""

    def _has_weights(self) -> bool:
        return self.count > 0

    def _moved(self) -> None:
        since = self.steps - self.start
        if since <= 0 or since % self.every != 0:
            return
        self.count += 1
        if self.count == 1:
            _core.take(self._kept, self._params, self._threads)
        else:
            _core.lerp(self._kept, self._params, self._weight(self.count), self._threads)
        self.unwrapped._constrain_averages(self._kept)


class SWA(_Average):
    """Stochastic weight averaging (SWA): the mean weights over training (Izmailov et al. 2018).

    The n-th parameters that are taken in change it by::

        average <- average + (param - average) / n

    Training itself does not change; `eval`, or a with block of `evaluation`, puts the average into
    the parameters. Usually used late in training, with a rate that is constant or in cycles.
    Source: https://arxiv.org/abs/1803.05407.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        What makes the steps. The average is of its parameters' shapes; float32 for bfloat16.
    start : int
        The steps that come before the average begins.
    every : int
        After how many steps each the parameters are taken in: the length of a cycle.

    Attributes
    ----------
    count : int
        How many times the parameters were taken in. While it is 0, `eval` leaves them as they are,
        and `weights` are 0.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If the optimizer is none.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, 0.5])
    >>> opt = po.wrappers.SWA(po.SGD([w], lr=1.0), start=2)
    >>> for _ in range(6):
    ...     info = opt.step([2 * w])  # leaps from one side of the valley to the other
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
    """Exponential moving average of the parameters (Polyak and Juditsky 1992).

    The n-th parameters that are taken in change it by::

        average <- average + w (param - average)

    with ``w = (1 - decay) / (1 - decay^n)``: that is ``decay average + (1 - decay) param`` from 0,
    divided by ``1 - decay^n``, as Adam does it. Without bias correction ``w = 1 - decay``, and the
    first parameters are the first average, as in `torch.optim.swa_utils`. Training itself does not
    change; `eval`, or a with block of `evaluation`, puts the average into the parameters.
    Source: https://doi.org/10.1137/0330046.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        What makes the steps. The average is of its parameters' shapes; float32 for bfloat16.
    decay : float, in [0, 1]
        What is kept of the average; 1 only without bias correction.
    bias_correction : bool
        Whether early averages weigh their parameters almost alike, not the first one most.
    start : int
        The steps that come before the average begins.
    every : int
        After how many steps each the parameters are taken in.

    Attributes
    ----------
    count : int
        How many times the parameters were taken in. While it is 0, `eval` leaves them as they are,
        and `weights` are 0.

    Raises
    ------
    ValueError
        If a number is out of range.
    TypeError
        If the optimizer is none, or decay is no number.

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
        self.decay = as_share("decay", decay)
        self.bias_correction = bool(bias_correction)
        if self.bias_correction and self.decay == 1:
            raise ValueError("decay must be below 1 with bias_correction, got 1.0")
        super().__init__(
            optimizer, start, every, decay=self.decay, bias_correction=self.bias_correction
        )

    def _weight(self, count: int) -> float:
        if not self.bias_correction or self.decay == 0:
            return 1 - self.decay
        return (1 - self.decay) / -math.expm1(count * math.log(self.decay))
