"""Penalties on parameters: L1, L2, the elastic net and a maximum norm.

There are two ways to use a penalty.

`Optimizer.penalize` works with every optimizer, with and without wrappers. `Trainer` uses it, too.
Each step calls `before_step` before the update and `after_step` after it. `before_step` adds the
smallest subgradient of the penalty to the gradients, so that the rule minimizes the penalized loss.
`after_step` sets weights to 0 that the step moved across 0. With plain SGD this is the proximal
step, except for weights that would move across 0: they stop at 0 for one step.

`Penalty.apply` is the proximal operator. Call it after a plain gradient step, with the learning
rate of the step. This is the proximal gradient method (ISTA). It is correct only if the step is
``param - lr * grad``. With momentum, or a learning rate for each element, the threshold ``lr * l1``
leads to the minimum of a different problem. The fixed point then balances l1 against the step of
the rule, not against the gradient.

Sources: Andrew and Gao, Scalable Training of L1-Regularized Log-Linear Models, 2007,
doi:10.1145/1273496.1273501 (projection onto the orthant); Tsuruoka, Tsujii and Ananiadou,
Stochastic Gradient Descent Training for L1-Regularized Log-Linear Models with Cumulative Penalty,
2009.

Examples
--------
>>> import numpy as np, pyoptim as po
>>> w = np.array([1.0, 1.0])
>>> opt = po.Adam([w], lr=0.01)
>>> opt.penalize(po.penalties.L1(0.5))
>>> for _ in range(1000):
...     info = opt.step([w - [3.0, 0.2]])  # gradient of |w - (3, 0.2)|^2 / 2
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


def _as_list(arrays: Arrays) -> list[Array]:
    if isinstance(arrays, Mapping):
        return list(arrays.values())
    return [arrays] if isinstance(arrays, np.ndarray) else list(arrays)


class Penalty(ABC):
    """Base class of penalties: a term that is added to the loss, or a constraint on parameters.

    All methods take an array, or a list or mapping of arrays. The arrays must be C-contiguous and
    writable, of dtype float32, float64 or bfloat16.
    """

    @abstractmethod
    def value(self, params: Arrays) -> float:
        """Return the value of the penalty, which is added to the loss."""

    @abstractmethod
    def before_step(self, params: Arrays, grads: Arrays) -> float:
        """Add the gradient of the penalty to `grads` in place, and return the penalty's value."""

    @abstractmethod
    def after_step(self, params: Arrays) -> None:
        """Correct the parameters in place after an optimizer's step."""

    @abstractmethod
    def apply(self, params: Arrays, lr: float) -> None:
        """Apply the proximal operator of ``lr`` times the penalty, in place."""

    def project(self, params: Arrays) -> None:
        """Project parameters onto the constraint set in place; by default do nothing."""
        return

    def keep_average(self, averages: Arrays, params: Arrays) -> None:
        """Make averages of the parameters satisfy the penalty, in place.

        By default the averages are projected onto the constraint set.
        """
        self.project(averages)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._arguments() == other._arguments()

    def __hash__(self) -> int:
        return hash((type(self), *self._arguments().items()))

    def _arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments by name."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class ElasticNet(Penalty):
    """An elastic net penalty, ``l1 sum |w| + l2/2 sum w^2``.

    The L1 part sets weights to exactly 0, and the L2 part shrinks the others. Use it to select
    features that are correlated.

    The proximal operator is ``sign(w) max(|w| - lr l1, 0) / (1 + lr l2)``. With the squared loss,
    whose mean has no factor 1/2, scikit-learn's ``ElasticNet(alpha, l1_ratio)`` corresponds to
    ``l1 = 2 alpha l1_ratio`` and ``l2 = 2 alpha (1 - l1_ratio)``.

    Sources: Zou and Hastie, Regularization and Variable Selection via the Elastic Net, 2005,
    doi:10.1111/j.1467-9868.2005.00503.x; Parikh and Boyd, Proximal Algorithms, 2014 (proximal
    operator).

    Parameters
    ----------
    l1 : float, at least 0
        Strength of the L1 part.
    l2 : float, at least 0
        Strength of the L2 part.

    Raises
    ------
    ValueError
        If `l1` or `l2` is negative or not finite.
    TypeError
        If `l1` or `l2` is not a number.

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
        """Return the value of the penalty, which is added to the loss."""
        l1_norm = sum(float(np.abs(w, dtype=np.float64).sum()) for w in _as_list(params))
        squares = sum(float(np.square(w, dtype=np.float64).sum()) for w in _as_list(params))
        return self.l1 * l1_norm + 0.5 * self.l2 * squares

    def before_step(self, params: Arrays, grads: Arrays) -> float:
        """Add the smallest subgradient to `grads` in place, and return the penalty's value."""
        weights = _as_list(params)
        self._orthants = _matching_buffers(self._orthants, weights)
        return _core.penalize(weights, _as_list(grads), self._orthants, self.l1, self.l2, 0)

    def after_step(self, params: Arrays) -> None:
        """Set weights to 0 that the step moved across 0."""
        if self.l1 > 0:
            weights = _as_list(params)
            pairs = zip(self._orthants, weights, strict=False)
            orthants = [o.astype(w.dtype, copy=False) for o, w in pairs]  # master weights are wider
            _core.project_orthant(weights, orthants, 0)

    def keep_average(self, averages: Arrays, params: Arrays) -> None:
        """Set averages to 0 where the parameters are exactly 0, if `l1` is above 0."""
        if self.l1 > 0:
            for average, param in zip(_as_list(averages), _as_list(params), strict=True):
                np.copyto(average, 0, where=param == 0)

    def apply(self, params: Arrays, lr: float) -> None:
        """Apply the proximal operator of ``lr`` times the penalty, in place."""
        rate = as_not_negative("lr", lr)
        _core.soft_threshold(_as_list(params), rate * self.l1, 1 / (1 + rate * self.l2), 0)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_orthants": []}

    def __repr__(self) -> str:
        return f"ElasticNet(l1={self.l1}, l2={self.l2})"


def _matching_buffers(buffers: list[Array], arrays: Sequence[Array]) -> list[Array]:
    """Return buffers with the shapes and dtypes of `arrays`; reuse `buffers` if they match."""
    match = len(buffers) == len(arrays) and all(
        buffer.shape == array.shape and buffer.dtype == array.dtype
        for buffer, array in zip(buffers, arrays, strict=True)
    )
    return buffers if match else [np.empty(array.shape, array.dtype) for array in arrays]


class L1(ElasticNet):
    """An L1 (lasso) penalty, ``l1 sum |w|``.

    It sets weights that hardly reduce the loss to exactly 0, and so selects features.

    The proximal operator is ``sign(w) max(|w| - lr l1, 0)``. With the squared loss, whose mean has
    no factor 1/2, scikit-learn's ``Lasso(alpha)`` corresponds to ``l1 = 2 alpha``.

    Source: Tibshirani, Regression Shrinkage and Selection via the Lasso, 1996,
    doi:10.1111/j.2517-6161.1996.tb02080.x.

    Parameters
    ----------
    l1 : float, at least 0
        Strength of the penalty.

    Raises
    ------
    ValueError
        If `l1` is negative or not finite.
    TypeError
        If `l1` is not a number.

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
    """An L2 (ridge) penalty, ``l2/2 sum w^2``, as a part of the loss.

    It shrinks all weights towards 0. The proximal operator is ``w / (1 + lr l2)``. With adaptive
    rules the penalty differs from decoupled weight decay, the optimizers' hyperparameter
    ``decoupled_weight_decay``.

    Source: Hoerl and Kennard, Ridge Regression, 1970, doi:10.1080/00401706.1970.10488634.

    Parameters
    ----------
    l2 : float, at least 0
        Strength of the penalty.

    Raises
    ------
    ValueError
        If `l2` is negative or not finite.
    TypeError
        If `l2` is not a number.

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
    """A maximum norm constraint on the weights of each unit.

    After each step, a unit whose weights have a larger Euclidean norm is scaled down to the maximum
    norm. This is a constraint, not a part of the loss: its value is 0, and its proximal operator is
    the projection, for every learning rate. It is often used together with dropout.

    Source: Srivastava et al., Dropout, 2014, jmlr.org/papers/v15/srivastava14a.html.

    Parameters
    ----------
    max_norm : float, above 0
        Maximum Euclidean norm of a unit's weights.
    unit_axis : {-1, 0}
        Axis of the units: -1 for weights of shape (inputs, outputs), as in `pyoptim.models`, or 0
        for weights of shape (outputs, inputs, ...), as in PyTorch. An array with fewer than two
        axes is a single unit.

    Raises
    ------
    ValueError
        If `max_norm` is not above 0 and finite, or `unit_axis` is not -1 or 0.
    TypeError
        If `max_norm` is not a number.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([[3.0, 0.3], [4.0, 0.4]])
    >>> po.penalties.MaxNorm(1.0).after_step(w)
    >>> w
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """

    def __init__(self, max_norm: float, *, unit_axis: int = -1) -> None:
        self.max_norm = as_positive("max_norm", max_norm)
        if unit_axis not in (-1, 0):
            raise ValueError(f"unit_axis: expected -1 or 0, got {unit_axis!r}")
        self.unit_axis = unit_axis

    def value(self, params: Arrays) -> float:
        """Return 0, because a constraint adds nothing to the loss."""
        return 0.0

    def before_step(self, params: Arrays, grads: Arrays) -> float:
        """Return 0 without changing the gradients."""
        return 0.0

    def after_step(self, params: Arrays) -> None:
        """Scale units down whose norm exceeds `max_norm`, in place."""
        self.project(params)

    def project(self, params: Arrays) -> None:
        """Scale units down whose norm exceeds `max_norm`, in place."""
        _core.limit_norms(_as_list(params), self.unit_axis == -1, self.max_norm, 0)

    def apply(self, params: Arrays, lr: float = 0.0) -> None:
        """Scale units down whose norm exceeds `max_norm`, in place; `lr` has no effect."""
        self.project(params)

    def __repr__(self) -> str:
        return f"MaxNorm({self.max_norm}, unit_axis={self.unit_axis})"
