"""Gradient accumulation."""

from __future__ import annotations

from typing import Any, ClassVar, SupportsIndex

import numpy as np

from pyoptim import _core
from pyoptim._utils.text import shown
from pyoptim._utils.validation import as_count, as_number, as_positive, check_not_negative
from pyoptim.optim._base import Optimizer
from pyoptim.optim._params_argument import row_sparse
from pyoptim.optim._state_dict import StateDict
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array
from pyoptim.wrappers._base import Wrapper
from pyoptim.wrappers._row_sums import RowSums

_FLOAT32 = np.finfo(np.float32)


class GradientAccumulation(Wrapper):
    """Gradient accumulation: one step for the gradients of several micro-batches.

    The gradient of the step is the weighted mean of the gradients in a window of `every`
    micro-batches. The weight is usually the number of samples in the micro-batch::

        grad = sum_i(weight_i grad_i) / sum_i(weight_i)

    Micro-batches of different sizes then give the gradient of the whole batch, if their gradients
    are means over samples. Use it for batches that do not fit in memory. `flush` performs the step
    for a last window that is not full. Sums of bfloat16 gradients are float32.

    For a row-sparse parameter the gradient has all rows of the window, as if they came from a
    `RowGrad` of one batch. The memory needed grows with the number of these rows, not with the size
    of the table.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        Optimizer that performs the steps.
    every : int
        Number of micro-batches in a window.

    Attributes
    ----------
    count : int
        Number of micro-batches in the current window so far.
    total_weight : float
        Sum of the weights in the current window so far.

    Raises
    ------
    ValueError
        If `every` is not a whole number of at least 1, or the optimizer has ``zero_grads=True``.
    TypeError
        If `optimizer` is not an `Optimizer` or a `Wrapper`, or takes a closure (`SAM`).

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([0.0])
    >>> opt = po.wrappers.GradientAccumulation(po.SGD([w], lr=1.0), every=2)
    >>> opt.step([np.array([1.0])], weight=3)  # mean over 3 samples; no step yet
    >>> opt.step([np.array([5.0])], weight=1).step
    1
    >>> w  # minus (3 * 1 + 1 * 5) / 4
    array([-2.])
    >>> opt.step([np.array([7.0])], weight=4)
    >>> opt.flush().step  # step of the last window
    2
    >>> w
    array([-9.])

    A row-sparse table, of which each micro-batch reads only some rows:

    >>> params = po.Parameters({"table": (1_000_000, 2)}, dtype="float64", row_sparse=["table"])
    >>> opt = po.wrappers.GradientAccumulation(po.SGD(params, lr=1.0), every=2)
    >>> for rows, weight in (([7, 3], 3), ([7], 1)):
    ...     params.grads["table"] = po.RowGrad(rows, np.ones((len(rows), 2)))
    ...     info = opt.step(weight=weight)
    >>> params["table"][[0, 3, 7]]
    array([[ 0.  ,  0.  ],
           [-0.75, -0.75],
           [-1.  , -1.  ]])
    """

    _numbers: ClassVar[tuple[str, ...]] = ("count", "total_weight")
    _changes_gradients = True
    _supports_row_grad = True
    _forwards_steps = False

    def __init__(self, optimizer: Optimizer | Wrapper, every: SupportsIndex) -> None:
        self.every = as_count("every", every)
        super().__init__(optimizer, every=self.every)
        sparse_keys = {name for params in self.unwrapped._groups for name in row_sparse(params)}
        keys, params = self.unwrapped._keys, self._params
        self._rows = {i: RowSums(params[i]) for i, key in enumerate(keys) if key in sparse_keys}
        dense = [i for i in range(len(keys)) if i not in self._rows]
        self._sums = dict(zip(dense, self._allocate("sums", dense), strict=True))
        # The sums of bfloat16 gradients are float32, and the mean is rounded once.
        self._rounds = any(p.dtype not in (np.float32, np.float64) for p in params)
        self._means = self._allocate(of=dense) if self._rounds else list(self._sums.values())
        self._present = self._arrays["present"] = np.zeros(len(keys), np.int64)
        self._any_length = tuple(self._row_state())
        self.count = 0
        self.total_weight = 0.0

    def step(
        self, grads: Any = None, *, weight: float = 1.0, grad_scale: float = 1.0, **keywords: Any
    ) -> _core.StepInfo | None:
        """Add gradients to the window, and perform a step if the window is full.

        Parameters
        ----------
        grads : list or mapping of arrays, or array, optional
            Gradients, as in `Optimizer.step`. None instead of an array adds nothing to the sum. The
            step does not update a parameter that has no gradient in the window.
        weight : float, above 0
            Weight of these gradients, usually the number of samples over which they are means.
        grad_scale : float
            Factor that these gradients are multiplied by first. It can differ within a window.
        **keywords
            Keyword arguments of a wrapped wrapper.

        Returns
        -------
        StepInfo or None
            Result of the step, or None if the window is not full yet.

        Raises
        ------
        RuntimeError
            If the optimizer is in eval mode.
        ValueError
            If `weight` is not above 0, if `weight` times `grad_scale` is out of the range of
            float32 sums, or if `Optimizer.step` raises it.
        TypeError
            If a gradient is a `RowGrad` and its parameter is not row-sparse, or vice versa, or if
            `Optimizer.step` raises it.
        MemoryError
            If there is not enough memory. If `count` then equals `every`, all gradients were
            added, and `flush` performs the step.
        """
        self._check_training("step()")
        weight = as_positive("weight", weight)
        factor = weight * as_number("grad_scale", grad_scale)
        check_not_negative("weight * abs(grad_scale)", abs(factor))
        self._check_range(factor)
        grads = self._read(grads)
        self._check_rows(grads)
        first: list[tuple[Array, Array]] = []
        further: list[tuple[Array, Array]] = []
        for i, grad in enumerate(grads):
            if i in self._rows and grad is not None:
                first.append((self._rows[i].prepare(grad.rows), grad.values))
            elif grad is not None:
                (further if self._present[i] else first).append((self._sums[i], grad))
        for operation, pairs in ((_core.set_scaled, first), (_core.add_scaled, further)):
            if pairs:
                sums, arrays = zip(*pairs, strict=True)
                operation(sums, arrays, factor, self._threads)
        for i, rows in self._rows.items():
            rows.commit(0 if grads[i] is None else len(grads[i].rows))
        for i, grad in enumerate(grads):
            self._present[i] |= grad is not None
        self.total_weight += weight
        self.count += 1
        return self._finish(**keywords) if self.count >= self.every else None

    def flush(self) -> _core.StepInfo | None:
        """Perform the step for a window that is not full, if it has any gradients.

        Call it at the end of an epoch. Without gradients in the window it returns None.
        """
        self._check_training("flush()")
        return self._finish() if self.count > 0 else super().flush()

    def _check_range(self, factor: float) -> None:
        """Raise ValueError if a factor of gradients is out of the range of float32 sums."""
        smallest, largest = map(float, (_FLOAT32.tiny, _FLOAT32.max))
        in_float64 = all(p.dtype == np.float64 for p in self._params)
        if not in_float64 and factor != 0 and not smallest <= abs(factor) <= largest:
            raise ValueError(
                f"weight * grad_scale: expected 0 or a magnitude from {smallest:g} to "
                f"{largest:g}, the range of float32 sums, got {factor:g}; rescale all weights"
            )

    def _check_rows(self, grads: list[Any]) -> None:
        """Raise TypeError unless exactly the row-sparse parameters have a `RowGrad`."""
        for i, grad in enumerate(grads):
            if grad is None or isinstance(grad, RowGrad) == (i in self._rows):
                continue
            name = self.unwrapped._native.names[i]
            if i in self._rows:
                raise TypeError(
                    f"gradient of {name}: expected a RowGrad, because the parameter is row-sparse, "
                    "got an array"
                )
            raise TypeError(
                f"gradient of {name}: expected an array of all elements, got a RowGrad; name the "
                "parameter in Parameters(row_sparse=...) to accumulate its row-sparse gradients"
            )

    def _finish(self, **keywords: Any) -> _core.StepInfo | None:
        scale = 1 / self.total_weight
        grads: list[Any] = [None] * len(self._present)
        for i, mean in zip(self._sums, self._means, strict=True):
            grads[i] = mean
        if self._rounds:
            _core.round_scaled(list(self._sums.values()), self._means, scale, self._threads)
        for i, rows in self._rows.items():
            grads[i] = rows.mean(scale, self._threads) if self._rounds else rows.gradient()
        grads = [g if present else None for g, present in zip(grads, self._present, strict=True)]
        info = self.optimizer.step(grads, grad_scale=1.0 if self._rounds else scale, **keywords)
        for rows in self._rows.values():
            rows.clear()
        self._present[...] = 0
        self.total_weight = 0.0
        self.count = 0
        return info

    def _row_state(self) -> StateDict:
        state: StateDict = {}
        for i, rows in self._rows.items():
            key = self.unwrapped._keys[i]
            state[f"rows.{key}"], state[f"values.{key}"] = rows.rows.copy(), rows.values.copy()
        return state

    def _wrapper_state(self) -> StateDict:
        return {**super()._wrapper_state(), **self._row_state()}

    def _check_state(self, state: StateDict) -> None:
        for i in self._rows:
            key = self.unwrapped._keys[i]
            rows, values, limit = state[f"rows.{key}"], state[f"values.{key}"], len(self._params[i])
            if len(rows) != len(values):
                raise ValueError(
                    f"values.{shown(key)}: expected {len(rows)} rows, as in rows.{shown(key)}, got "
                    f"{len(values)}"
                )
            if rows.min(initial=0) < 0 or rows.max(initial=-1) >= limit:
                outside = rows[(rows < 0) | (rows >= limit)][0]
                raise ValueError(
                    f"rows.{shown(key)}: expected row numbers from 0 to {limit - 1}, got {outside}"
                )
            self._rows[i].reserve(len(rows))  # raises MemoryError before anything is loaded

    def _load(self, state: StateDict) -> None:
        super()._load(state)
        for i, rows in self._rows.items():
            key = self.unwrapped._keys[i]
            rows.load(state[f"rows.{key}"], state[f"values.{key}"])
