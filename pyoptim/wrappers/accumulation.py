"""Gradient accumulation."""

from __future__ import annotations

from typing import Any, ClassVar, SupportsIndex

import numpy as np

from pyoptim import _core
from pyoptim._utils.text import shown
from pyoptim._utils.validation import as_count, as_number, as_positive, check_not_negative
from pyoptim.optim._base import Optimizer
from pyoptim.optim._param_groups import row_sparse
from pyoptim.optim._state_dict import StateDict
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array
from pyoptim.wrappers._base import Wrapper
from pyoptim.wrappers._row_sums import RowSums

_FLOAT32 = np.finfo(np.float32)


class GradientAccumulation(Wrapper):
    """Gradient accumulation: one step for the gradients of several micro-batches.

    The step's gradient is the mean, weighted by what the caller says each one is worth, usually
    the number of its samples::

        grad = sum_i(weight_i grad_i) / sum_i(weight_i)

    so micro-batches of different size give what the whole batch would, if their gradients are means
    over their samples. `flush` makes the step for a last window that is not full. Sums of bfloat16
    are kept in float32.

    Gradients of row-sparse parameters are of the rows that came in the window, whose sums an
    optimizer makes as of a `RowGrad` of one batch with all of them; what is kept grows with these
    rows, not with the table.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        What makes the step. The sums are of its parameters' shapes, or of their rows that came.
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

    With a table of which each micro-batch reads some rows:

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
    _gives_gradients = True
    _supports_row_grad = True
    _passes_gradients = False

    def __init__(self, optimizer: Optimizer | Wrapper, every: SupportsIndex) -> None:
        self.every = as_count("every", every)
        super().__init__(optimizer, every=self.every)
        by_rows = {name for params in self.unwrapped._groups for name in row_sparse(params)}
        keys, params = self.unwrapped._keys, self._params
        self._rows = {i: RowSums(params[i]) for i, key in enumerate(keys) if key in by_rows}
        whole = [i for i in range(len(keys)) if i not in self._rows]
        self._sums = dict(zip(whole, self._allocate("sums", whole), strict=True))
        # Type of sums and parameters differs for bfloat16: the mean is then rounded once.
        self._narrows = any(p.dtype not in (np.float32, np.float64) for p in params)
        self._means = self._allocate(of=whole) if self._narrows else list(self._sums.values())
        self._present = self._arrays["present"] = np.zeros(len(keys), np.int64)
        self._any_length = tuple(self._state_of_rows())
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
            If the weight is not above 0, or `weight` times `grad_scale` is too large or too small
            for sums in float32, or as `Optimizer.step`.
        MemoryError
            If there is too little memory. If `count` is `every` now, only the step was not made:
            `flush` makes it.
        TypeError
            As `Optimizer.step`, or if a gradient is of rows where the parameter is not row-sparse,
            or the other way round.
        """
        self._check_training("step()")
        weight = as_positive("weight", weight)
        factor = weight * as_number("grad_scale", grad_scale)
        check_not_negative("weight times the magnitude of grad_scale", abs(factor))
        self._check_range(factor)
        given = self._read(grads)
        self._check_rows(given)
        new: list[tuple[Array, Array]] = []
        more: list[tuple[Array, Array]] = []
        for i, grad in enumerate(given):
            if i in self._rows and grad is not None:
                new.append((self._rows[i].place(grad.rows), grad.values))
            elif grad is not None:
                (more if self._present[i] else new).append((self._sums[i], grad))
        for operation, pairs in ((_core.weigh, new), (_core.add_weighed, more)):
            if pairs:
                sums, arrays = zip(*pairs, strict=True)
                operation(sums, arrays, factor, self._threads)
        for i, rows in self._rows.items():
            rows.add(0 if given[i] is None else len(given[i].rows))
        for i, grad in enumerate(given):
            self._present[i] |= grad is not None
        self.total_weight += weight
        self.count += 1
        return self._finish(**keywords) if self.count >= self.every else None

    def flush(self) -> _core.StepInfo | None:
        """Make the step for the gradients there are, if any: after the last one of an epoch."""
        self._check_training("flush()")
        return self._finish() if self.count > 0 else super().flush()

    def _check_range(self, factor: float) -> None:
        """Raise ValueError if sums in float32 cannot be of gradients times this."""
        least, most = map(float, (_FLOAT32.tiny, _FLOAT32.max))
        in_float64 = all(p.dtype == np.float64 for p in self._params)
        if not in_float64 and factor != 0 and not least <= abs(factor) <= most:
            raise ValueError(
                f"weight times grad_scale: expected 0 or a magnitude from {least:g} to {most:g}, "
                f"which sums in float32 can hold, got {factor:g}; scale all weights"
            )

    def _check_rows(self, grads: list[Any]) -> None:
        """Raise TypeError unless gradients are of rows where parameters are row-sparse."""
        for i, grad in enumerate(grads):
            if grad is None or isinstance(grad, RowGrad) == (i in self._rows):
                continue
            name = self.unwrapped._native.names[i]
            wanted, got = ("a RowGrad, as the parameter is row-sparse", "an array")
            if i not in self._rows:
                wanted = "an array of all elements"
                got = "a RowGrad, which can be accumulated for Parameters(row_sparse=...)"
            raise TypeError(f"gradient of {name}: expected {wanted}, got {got}")

    def _finish(self, **keywords: Any) -> _core.StepInfo | None:
        scale = 1 / self.total_weight
        grads: list[Any] = [None] * len(self._present)
        for i, mean in zip(self._sums, self._means, strict=True):
            grads[i] = mean
        if self._narrows:
            _core.narrow(list(self._sums.values()), self._means, scale, self._threads)
        for i, rows in self._rows.items():
            grads[i] = rows.mean(scale, self._threads) if self._narrows else rows.gradient()
        present = [g if here else None for g, here in zip(grads, self._present, strict=True)]
        info = self.optimizer.step(present, grad_scale=1.0 if self._narrows else scale, **keywords)
        for rows in self._rows.values():
            rows.clear()
        self._present[...] = 0
        self.total_weight = 0.0
        self.count = 0
        return info

    def _state_of_rows(self) -> StateDict:
        state: StateDict = {}
        for i, rows in self._rows.items():
            key = self.unwrapped._keys[i]
            state[f"rows.{key}"], state[f"values.{key}"] = rows.rows.copy(), rows.values.copy()
        return state

    def _own_state(self) -> StateDict:
        return {**super()._own_state(), **self._state_of_rows()}

    def _check_state(self, state: StateDict) -> None:
        for i in self._rows:
            key = self.unwrapped._keys[i]
            rows, values, limit = state[f"rows.{key}"], state[f"values.{key}"], len(self._params[i])
            if len(rows) != len(values):
                raise ValueError(
                    f"values.{shown(key)}: {len(values)} rows of values for {len(rows)} rows"
                )
            if rows.min(initial=0) < 0 or rows.max(initial=-1) >= limit:
                raise ValueError(
                    f"rows.{shown(key)}: the parameter has {limit} rows, counted from 0"
                )
            self._rows[i].reserve(len(rows))  # nothing is loaded where there is no memory for it

    def _load(self, state: StateDict) -> None:
        super()._load(state)
        for i, rows in self._rows.items():
            key = self.unwrapped._keys[i]
            rows.load(state[f"rows.{key}"], state[f"values.{key}"])
