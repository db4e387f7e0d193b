"""The connection between the tensors and states of a torch optimizer and a native engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, compress
from typing import Any, TypeAlias

import numpy as np
import torch

from pyoptim import _core
from pyoptim._utils.text import listed, shown
from pyoptim._utils.validation import LARGEST_COUNT
from pyoptim.optim._backend import Engine
from pyoptim.optim._registry import Rule
from pyoptim.parameters._types import Array
from pyoptim.torch._layout import Place, Tensor, check_memory, layouts
from pyoptim.torch._settings import Settings
from pyoptim.torch._sparse import row_grad

MakeEngine: TypeAlias = Callable[[list[Any]], Engine]
"""Makes an engine of groups: settings, and (name in errors, array, None) of each parameter."""

State: TypeAlias = dict[Any, Any]
"""The type of `torch.optim.Optimizer.state`: a dict for each parameter that has made a step."""

OPTIONAL_STATES = {"ema", "bfloat16_copy", "master", "low_half"}
"""States of options that only pyoptim has. Checkpoints of torch do not contain them."""

_STEP = "step"
_EXACT_IN_FLOAT32 = 2**24


class Binding:
    """A native engine over the tensors of a torch optimizer.

    It is valid as long as the tensors, their memory and the states are the same: see `fits`.

    Parameters
    ----------
    rule : Rule
    make_engine
        Function that creates the engine.
    groups : list of list of Tensor
    settings : list of Settings
        Hyperparameters of each group.
    names : list of str
        Names of the parameters in errors.
    elementwise : bool
        Whether the rule updates each element by itself, in any order.
    counts : bool
        Whether states contain the number of steps.
    state
        `Optimizer.state`. Its values become the engine's states, and states that a step creates
        are added to it.
    missing
        The exception type for a parameter that has some of its states but not all.
    """

    def __init__(
        self,
        rule: Rule,
        make_engine: MakeEngine,
        groups: Sequence[Sequence[Tensor]],
        settings: list[Settings],
        names: Sequence[str],
        *,
        elementwise: bool,
        counts: bool,
        state: State,
        missing: type[Exception] = KeyError,
    ) -> None:
        self._rule = rule
        self._groups = [list(group) for group in groups]
        self._all = list(chain.from_iterable(groups))
        self._idle = [t for t in self._all if not _takes_part(t)]
        called = iter(names)
        named = [[(tensor, next(called)) for tensor in group] for group in groups]
        places = [[Place(t, name) for t, name in group if _takes_part(t)] for group in named]
        self._places = [place for group in places for place in group]
        for place in self._places:
            if place.flat and not elementwise:
                raise ValueError(
                    f"{place.name}: {rule.name} needs a contiguous tensor, got strides "
                    f"{place.stride} for shape {tuple(place.shape)}"
                )
        self._tensors = [place.tensor for place in self._places]
        self._settings = settings
        self.engine = make_engine(
            [
                (values, [(place.name, place.array(), None) for place in group])
                for values, group in zip(settings, places, strict=True)
            ]
        )
        # Torch no longer resizes storage after a NumPy array was created from it.
        self._layouts = layouts(self._tensors)
        self._native = self.engine if isinstance(self.engine, _core.Optimizer) else None
        self._look_at_memory(counts, state)
        self._check_complete(state, missing)
        for index, tensor in enumerate(self._tensors):
            self._take_over(index, state.get(tensor))
        self.engine.steps = max(map(int, self._engine_steps), default=0)
        self._steps_before[...] = self._steps
        self._remember(state)

    def _look_at_memory(self, counts: bool, state: State) -> None:
        """Create tensors that share the memory of the engine's states."""
        kept = [dict(self.engine.state_memory(i)) for i in range(len(self._places))]
        self._engine_steps: list[Array] = [arrays.pop(_STEP) for arrays in kept]
        self._views: list[dict[str, Tensor]] = [
            {name: place.like(array) for name, array in arrays.items()}
            for place, arrays in zip(self._places, kept, strict=True)
        ]
        self._counts = counts
        self._count_in(np.zeros(len(kept), _type_of_counts(state, self._tensors)))
        self._shown = [not views for views in self._views]

    def _count_in(self, steps: Array) -> None:
        """Show the engine's step counts as torch does, as floating-point numbers in `steps`."""
        self._steps = steps
        self._steps_before = steps.copy()
        if self._counts:
            # NumPy's array stays valid if a tensor over it is assigned other memory.
            for views, step in zip(self._views, torch.from_numpy(steps).unbind(), strict=True):
                views[_STEP] = step
        self._all_views = list(chain.from_iterable(map(dict.values, self._views)))
        self._view_layouts = layouts(self._all_views)

    def _take_over(self, index: int, given: dict[str, Any] | None) -> None:
        """Copy a parameter's state to the engine's memory, and replace it by views of that."""
        known = {n: value for n, value in (given or {}).items() if value is not None}
        if given is None or not known:
            return
        views, name = self._views[index], self._places[index].name
        for key in views.keys() & known.keys():
            views[key].copy_(_fitting(known[key], views[key], key, name))
            given[key] = views[key]
        self._engine_steps[index][...] = int(self._steps[index] if self._counts else 1)
        self._shown[index] = views.keys() <= known.keys()

    def _check_complete(self, state: State, error: type[Exception]) -> None:
        """Raise an error if a parameter has some of its states but not all."""
        for place, views in zip(self._places, self._views, strict=True):
            known = {key for key, value in state.get(place.tensor, {}).items() if value is not None}
            missing = sorted(views.keys() - known - OPTIONAL_STATES)
            if missing and views.keys() & known:
                raise error(f"state {missing[0]!r} of {place.name} is missing")

    def _remember(self, state: State) -> None:
        """Remember the values in `state`, to detect changes made by the user."""
        self._dicts = tuple(state.values())
        inner = [value for value in self._dicts if isinstance(value, dict)]
        self._values = tuple(chain.from_iterable(map(dict.values, inner)))

    def fits(self, groups: list[list[Tensor]], state: State) -> bool:
        """Return whether the tensors, their memory and their states are unchanged."""
        return (
            _core.same_items(groups, self._groups)
            and self._layouts.hold(self._tensors)
            and all(tensor.grad is None for tensor in self._idle)
            and _core.holds(state, self._dicts, self._values)
            and self._view_layouts.hold(self._all_views)
        )

    def follow(self, settings: list[Settings]) -> bool:
        """Apply new hyperparameters; return False if they need other states."""
        if settings == self._settings:
            return True
        try:
            self.engine.set_groups(settings)
        except (TypeError, ValueError):  # creating a new binding raises the error
            return False
        self._settings = settings
        return True

    def step(self, state: State, scale: float) -> _core.StepInfo | None:
        """Step all tensors that have a gradient; return None if no tensor has one."""
        grads, addresses = self._layouts.gradients(self._tensors)
        there = [grad is not None for grad in grads]
        if not any(there):
            return None
        if not all(self._shown):
            self._check_can_show(there, state)
        self._follow_counts()
        info = self._step(grads, addresses, scale)
        if info.skipped:
            return info
        complete = all(there)
        if self._steps.dtype == np.float32 and self._steps.max() >= _EXACT_IN_FLOAT32:
            self._widen_counts(state)
        self._steps += 1 if complete else np.array(there, self._steps.dtype)
        self._steps_before[...] = self._steps
        torch.autograd.graph.increment_version(
            self._tensors if complete else list(compress(self._tensors, there))
        )
        if not all(self._shown):
            self._show(there, state)
        return info

    def update_hessian(self, estimates: Sequence[Tensor | None]) -> None:
        """Update the state with estimates of the Hessian's diagonal, one for each tensor."""
        given = dict(zip(self._all, estimates, strict=True))
        taken = [given[tensor] for tensor in self._tensors]
        self.engine.update_hessian(
            [
                None if estimate is None else place.readable_array(estimate)
                for estimate, place in zip(taken, self._places, strict=True)
            ]
        )

    def eval(self) -> None:
        """Switch to eval mode."""
        self.engine.set_evaluating(True)
        torch.autograd.graph.increment_version(self._tensors)

    def train(self) -> None:
        """Switch back to train mode; parameters that were moved are written to their new memory."""
        self.engine.set_evaluating(False)
        changed = [
            place.name
            for place, points in zip(self._places, self.engine.params, strict=True)
            if not place.put_back(points)
        ]
        torch.autograd.graph.increment_version(self._tensors)
        if changed:
            raise RuntimeError(
                f"{listed(changed)}: shape or device changed since eval(), so train() cannot "
                "restore the values; all other parameters are restored"
            )

    def _step(
        self, grads: list[Tensor | None], addresses: list[int | None] | None, scale: float
    ) -> _core.StepInfo:
        if self._native is not None and addresses is not None:
            return self._native.step_at(addresses, scale)
        if self._native is None or any(map(_is_sparse, grads)):
            return self.engine.step(list(map(self._engine_grad, self._places, grads)), scale)
        readable = [
            None if grad is None else place.readable(grad)
            for grad, place in zip(grads, self._places, strict=True)
        ]
        return self._native.step_at([g if g is None else g.data_ptr() for g in readable], scale)

    def _engine_grad(self, place: Place, grad: Tensor | None) -> Any:
        if grad is None:
            return None
        if _is_sparse(grad):
            return self._row_grad(place, grad)
        return place.readable_array(grad)

    def _row_grad(self, place: Place, grad: Tensor) -> Any:
        if not self._rule.supports_row_grad or place.flat:
            raise RuntimeError(
                f"gradient of {place.name}: {self._rule.name} does not support sparse gradients"
            )
        return row_grad(place, grad)

    def _follow_counts(self) -> None:
        """Copy step counts that the user changed to the engine."""
        if self._counts and (self._steps != self._steps_before).any():
            changed = np.flatnonzero(self._steps != self._steps_before)
            for index in changed:
                _fitting(self._steps[index], torch.empty(()), _STEP, self._places[index].name)
            for index in changed:
                self._engine_steps[index][...] = int(self._steps[index])

    def _check_can_show(self, there: Sequence[bool], state: State) -> None:
        """Raise KeyError if `state` is not a defaultdict as torch's, and lacks a parameter."""
        if hasattr(state, "__missing__"):
            return
        for tensor, place, steps in zip(self._tensors, self._places, there, strict=True):
            if steps and tensor not in state:
                raise KeyError(f"state of {place.name} is missing, and state is not a defaultdict")

    def _widen_counts(self, state: State) -> None:
        """Count in float64, because adding 1 no longer changes a float32 count."""
        self._count_in(self._steps.astype(np.float64))
        if self._counts:
            for tensor, views, shown in zip(self._tensors, self._views, self._shown, strict=True):
                if shown:
                    state[tensor][_STEP] = views[_STEP]
            self._remember(state)

    def _show(self, there: Sequence[bool], state: State) -> None:
        """Add the states of parameters that made their first step to `state`."""
        for index, tensor in enumerate(self._tensors):
            if there[index] and not self._shown[index]:
                views = self._views[index]
                if "ema" in views and "ema" not in state[tensor] and self._engine_steps[index] > 1:
                    # The loaded state has no EMA.
                    views["ema"].copy_(views.get("master", tensor.detach()))
                state[tensor].update(views)
                self._shown[index] = True
        self._remember(state)


def _type_of_counts(state: State, tensors: Sequence[Tensor]) -> type[np.floating[Any]]:
    """Return torch's dtype of step counts, or float64 if a count would be rounded."""
    counts = (state.get(tensor, {}).get(_STEP) for tensor in tensors)
    large = any(
        isinstance(count, int | float | torch.Tensor)
        and torch.as_tensor(count, dtype=torch.float64).gt(_EXACT_IN_FLOAT32).any()
        for count in counts
    )
    return np.float64 if large or torch.get_default_dtype() is torch.float64 else np.float32


def _fitting(value: Any, view: Tensor, key: str, name: str) -> Tensor:
    """Return a state as a tensor that can be copied to the engine's state."""
    where = f"state {key!r} of {shown(name)}"
    try:
        value = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{where}: expected a tensor, got {type(value).__name__}") from None
    if value.layout is torch.strided and value.is_cpu:
        check_memory(value, where)
    if value.shape != view.shape:
        raise ValueError(f"{where}: expected shape {tuple(view.shape)}, got {tuple(value.shape)}")
    if key == _STEP:
        count = value.item()
        if isinstance(count, complex) or not 0 <= count <= LARGEST_COUNT or count != int(count):
            raise ValueError(f"{where}: expected a count of steps, got {count}")
    elif not view.is_floating_point() and value.dtype is not view.dtype:
        raise ValueError(
            f"{where}: expected {view.dtype}, got {value.dtype}; create the optimizer with the "
            "options of the saved one"
        )
    elif value.is_complex() or (
        value.dim() > 0 and value.is_floating_point() != view.is_floating_point()
    ):
        raise ValueError(f"{where}: expected {view.dtype}, got {value.dtype}")
    return value


def _takes_part(tensor: Tensor) -> bool:
    return tensor.requires_grad or tensor.grad is not None


def _is_sparse(grad: Tensor | None) -> bool:
    return grad is not None and bool(grad.is_sparse)
