"""Penalties on parameters: L1, L2, both, and a bound of norms.

Two ways to use one. `Penalty.apply` is the proximal operator, to be called after a plain gradient
step with the step's learning rate. That is the proximal gradient method (ISTA): it is right where
the step is ``param - lr * grad``, and only there. With momentum, or a learning rate for each
element, a threshold of ``lr * l1`` leads to the minimum of another problem: at rest it would
balance l1 with the rule's step, not with the gradient.

`Optimizer.penalize` is right for all optimizers, with and without wrappers, and is what `Trainer`
does. Within each step it calls `before_step` before and `after_step` after the update. The first
adds the penalty's smallest subgradient to the gradients, so that the rule steps down the penalised
loss. The second sets weights to 0 that the step took through 0. With plain SGD this is the
proximal step, except for weights that would leap over 0: they stop there once.
Sources: Andrew and Gao, Scalable Training of L1-Regularized Log-Linear Models, 2007,
doi:10.1145/1273496.1273501 (the orthant); Tsuruoka, Tsujii and Ananiadou, Stochastic Gradient
Descent Training for L1-Regularized Log-Linear Models with Cumulative Penalty, 2009.

Examples
--------
>>> import numpy as np, pyoptim as po
>>> w = np.array([1.0, 1.0])
>>> opt = po.Adam([w], lr=0.01)
>>> opt.penalize(po.penalties.L1(0.5))
>>> for _ in range(1000):
...     info = opt.step([w - [3.0, 0.2]])  # of |w - (3, 0.2)|^2 / 2
>>> w.round(6)
array([2.5, 0. ])
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pyoptim import _core
from pyoptim._utils.validation import as_not_negative, as_positive
from pyoptim.parameters._types import Array

__all__ = ["L1", "L2", "ElasticNet", "MaxNorm", "Penalty"]

Arrays = Array | Sequence[Array] | Mapping[str, Array]


def _listed(arrays: Arrays) -> list[Array]:
    if isinstance(arrays, Mapping):
        return list(arrays.values())
    return [arrays] if isinstance(arrays, np.ndarray) else list(arrays)


class Penalty(ABC):
    """A term on parameters that is added to the loss, or a constraint on them.

    Parameters are given as an array, a list or a mapping of arrays: float32, float64 or bfloat16,
    C-contiguous and writable.
    """

    @abstractmethod
    def value(self, params: Arrays) -> float:
        """Return what is added to the loss."""

    @abstractmethod
    def before_step(self, params: Arrays, grads: Arrays) -> float:
        """Add the gradient of the penalty to the gradients, and return its value."""

    @abstractmethod
    def after_step(self, params: Arrays) -> None:
        """Put the parameters right after an optimizer's step."""

    @abstractmethod
    def apply(self, params: Arrays, lr: float) -> None:
        """Apply the proximal operator of ``lr`` times the penalty, in place."""

    def project(self, params: Arrays) -> None:
        """Bring parameters to the nearest ones that satisfy the penalty, if it is a constraint."""
        return

    def keep_average(self, averages: Arrays, params: Arrays) -> None:
        """Let averages of parameters, in place, satisfy what `after_step` makes true of these."""
        self.project(averages)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._settings() == other._settings()

    def __hash__(self) -> int:
        return hash((type(self), *self._settings().items()))

    def _settings(self) -> dict[str, Any]:
        """Return the constructor's arguments by name."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class ElasticNet(Penalty):
    """The elastic net: ``l1 sum |w| + l2/2 sum w^2``; L1 makes weights exactly 0.

    With the squared loss, whose mean has no factor 1/2, scikit-learn's
    ``ElasticNet(alpha, l1_ratio)`` has ``l1 = 2 alpha l1_ratio`` and
    ``l2 = 2 alpha (1 - l1_ratio)``.

    The proximal operator is ``sign(w) max(|w| - lr l1, 0) / (1 + lr l2)``.

    Source: Zou and Hastie, Regularization and Variable Selection via the Elastic Net, 2005,
    doi:10.1111/j.1467-9868.2005.00503.x; Parikh and Boyd, Proximal Algorithms, 2014, for the
    operator.

    Parameters
    ----------
    l1, l2 : float, at least 0

    Raises
    ------
    ValueError
        If a strength is negative or not finite.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([3.0, -0.5, 0.05])
    >>> penalty = po.penalties.ElasticNet(l1=1.0, l2=2.0)
    >>> round(penalty.value(w), 6)
    12.8025
    >>> penalty.apply(w, lr=0.1)
    >>> w.round(3)
    array([ 2.417, -0.333,  0.   ])
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = as_not_negative("l1", l1)
        self.l2 = as_not_negative("l2", l2)
        self._orthants: list[Array] = []

    def value(self, params: Arrays) -> float:
        """Return what is added to the loss."""
        sizes = sum(float(np.abs(w, dtype=np.float64).sum()) for w in _listed(params))
        squares = sum(float(np.square(w, dtype=np.float64).sum()) for w in _listed(params))
        return self.l1 * sizes + 0.5 * self.l2 * squares

    def before_step(self, params: Arrays, grads: Arrays) -> float:
        """Add the penalty's smallest subgradient to the gradients, and return its value."""
        weights = _listed(params)
        self._orthants = _alike(self._orthants, weights)
        return _core.penalize(weights, _listed(grads), self._orthants, self.l1, self.l2, 0)

    def after_step(self, params: Arrays) -> None:
        """Set weights to 0 that the step took through 0."""
        if self.l1 > 0:
            weights = _listed(params)
            pairs = zip(self._orthants, weights, strict=False)
            orthants = [o.astype(w.dtype, copy=False) for o, w in pairs]  # master weights are wider
            _core.keep_orthant(weights, orthants, 0)

    def keep_average(self, averages: Arrays, params: Arrays) -> None:
        """Set averages to 0 where the parameters are exactly 0, if l1 is what holds them there."""
        if self.l1 > 0:
            for average, param in zip(_listed(averages), _listed(params), strict=True):
                np.copyto(average, 0, where=param == 0)

    def apply(self, params: Arrays, lr: float) -> None:
        """Apply the proximal operator of ``lr`` times the penalty, in place."""
        rate = as_not_negative("lr", lr)
        _core.shrink(_listed(params), rate * self.l1, 1 / (1 + rate * self.l2), 0)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_orthants": []}

    def __repr__(self) -> str:
        return f"ElasticNet(l1={self.l1}, l2={self.l2})"


def _alike(buffers: list[Array], arrays: Sequence[Array]) -> list[Array]:
    """Return buffers of the arrays' shapes and types: the same again if they fit."""
    fitting = len(buffers) == len(arrays) and all(
        buffer.shape == array.shape and buffer.dtype == array.dtype
        for buffer, array in zip(buffers, arrays, strict=True)
    )
    return buffers if fitting else [np.empty(array.shape, array.dtype) for array in arrays]


class L1(ElasticNet):
    """The lasso's penalty, ``l1 sum |w|``: weights that do little for the loss are exactly 0.

    With the squared loss, whose mean has no factor 1/2, scikit-learn's ``Lasso(alpha)`` has
    ``l1 = 2 alpha``. The proximal operator is ``sign(w) max(|w| - lr l1, 0)``.

    Source: Tibshirani, Regression Shrinkage and Selection via the Lasso, 1996,
    doi:10.1111/j.2517-6161.1996.tb02080.x.

    Parameters
    ----------
    l1 : float, at least 0

    Raises
    ------
    ValueError
        If the strength is negative or not finite.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([3.0, -0.5, 0.05])
    >>> po.penalties.L1(1.0).apply(w, lr=0.1)
    >>> w
    array([ 2.9, -0.4,  0. ])
    """

    def __init__(self, l1: float) -> None:
        super().__init__(l1=l1)

    def __repr__(self) -> str:
        return f"L1({self.l1})"


class L2(ElasticNet):
    """The ridge penalty, ``l2/2 sum w^2``, as a part of the loss.

    With adaptive rules that is not the same as weight decay: see
    ``decoupled_weight_decay`` of optimizers. The proximal operator is ``w / (1 + lr l2)``.

    Source: Hoerl and Kennard, Ridge Regression, 1970, doi:10.1080/00401706.1970.10488634.

    Parameters
    ----------
    l2 : float, at least 0

    Raises
    ------
    ValueError
        If the strength is negative or not finite.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([3.0, -0.5])
    >>> po.penalties.L2(2.0).value(w)
    9.25
    """

    def __init__(self, l2: float) -> None:
        super().__init__(l2=l2)

    def __repr__(self) -> str:
        return f"L2({self.l2})"


class MaxNorm(Penalty):
    """A bound of each unit's weights: they are scaled down to the norm where theirs is larger.

    It is a constraint, not a part of the loss: its value is 0, and its proximal operator, whatever
    the learning rate, is the projection.

    Source: Srivastava et al., Dropout, 2014, jmlr.org/papers/v15/srivastava14a.html.

    Parameters
    ----------
    most : float, above 0
        The largest Euclidean norm.
    unit_axis : {-1, 0}
        The axis whose indices are the units: -1 where weights are (in, out), as in
        `pyoptim.models`; 0 where they are (out, in, ...), as PyTorch keeps them. Arrays of one
        axis, or none, are one unit each.

    Raises
    ------
    ValueError
        If the norm is not above 0, or the axis another one.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([[3.0, 0.3], [4.0, 0.4]])
    >>> po.penalties.MaxNorm(1.0).after_step(w)
    >>> w
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """

    def __init__(self, most: float, *, unit_axis: int = -1) -> None:
        self.most = as_positive("most", most)
        if unit_axis not in (-1, 0):
            raise ValueError(f"unit_axis must be -1 or 0, got {unit_axis!r}")
        self.unit_axis = unit_axis

    def value(self, params: Arrays) -> float:
        """Return 0: it is a constraint."""
        return 0.0

    def before_step(self, params: Arrays, grads: Arrays) -> float:
        """Leave the gradients as they are, and return 0."""
        return 0.0

    def after_step(self, params: Arrays) -> None:
        """Scale units down whose norm is too large."""
        self.project(params)

    def project(self, params: Arrays) -> None:
        """Scale units down whose norm is too large."""
        _core.limit_norms(_listed(params), self.unit_axis == -1, self.most, 0)

    def apply(self, params: Arrays, lr: float = 0.0) -> None:
        """Scale units down whose norm is too large; the learning rate does not matter."""
        self.project(params)

    def __repr__(self) -> str:
        return f"MaxNorm({self.most}, unit_axis={self.unit_axis})"
