"""The engine of matrix rules: the interface of the compiled one, with AdamW for other parameters.

Two compiled optimizers do what is elementwise. One takes in gradients: it checks them, measures
their norm, scales and clips them into memory of its own, for all parameters at once. The other one
updates with AdamW what is no matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from pyoptim import _core
from pyoptim._utils.validation import LARGEST_COUNT
from pyoptim.optim._options import native_options
from pyoptim.optim._registry import rules
from pyoptim.optim.matrix._linalg import Workspace
from pyoptim.optim.matrix._rule import (
    ADAMW,
    ADAMW_FIELDS,
    ANY_GRADIENT,
    SHARED,
    USES_ADAMW,
    MatrixRule,
    States,
)
from pyoptim.parameters._row_grad import RowGrad, RowSlot
from pyoptim.parameters._types import Array

_PREFIX = "adamw_"
_ADAMW_NAMES = {field.name: field.name.removeprefix(_PREFIX) for field in ADAMW_FIELDS}

_TAKES_GRADIENTS = "SGD"  # from 0, at a rate of 1, going up: it leaves the gradient


@dataclass
class _Matrix:
    """A parameter that the matrix rule updates."""

    index: int
    param: Array
    work: Workspace  # its type is the one computed in
    state: States
    count: Array = field(default_factory=lambda: np.zeros((), np.int64))

    @property
    def steps(self) -> int:
        return int(self.count)

    @steps.setter
    def steps(self, steps: int) -> None:
        self.count[...] = steps


@dataclass
class _Group:
    settings: dict[str, Any]
    matrices: list[_Matrix] = field(default_factory=list)


def _computed_in(array: Array) -> np.dtype[Any]:
    return np.dtype(np.float64 if array.dtype == np.float64 else np.float32)


class MatrixEngine:
    """Steps of a matrix rule; see `pyoptim.optim._backend.Engine` for what the methods do.

    Parameters
    ----------
    rule : MatrixRule
    groups : list of (settings, parameters)
        Settings are (name, value), parameters (name in errors, array, own gradient or None).
    options : mapping
        clip_norm, clip_value, skip_nonfinite, num_threads.
    by_adamw : set of int
        Parameters that AdamW updates whatever their shape.
    """

    def __init__(
        self,
        rule: MatrixRule,
        groups: list[Any],
        options: Mapping[str, Any],
        by_adamw: set[int],
    ) -> None:
        self._rule = rule
        self._own = {s.name: s for s in (*SHARED, *rule.settings, USES_ADAMW)}
        self._clip_norm: float = native_options(options)["clip_norm"]
        self._groups = []
        adamw_settings = []
        for values, _ in groups:
            own, adamw = self._split(values)
            self._groups.append(_Group({**self._defaults(), **own}))
            adamw_settings.append(adamw)
        named = [param for _, params in groups for param in params]
        self._own_grads = [grad for _, _, grad in named]
        for name, _, grad in named:
            if isinstance(grad, RowSlot):
                self._refuse_rows(name)
        self._take_in(groups, named, options)
        self._place(groups, by_adamw)
        with self._adamw_errors():
            self._adamw = _core.Optimizer(
                ADAMW.name,
                [
                    (adamw, [params[i] for i in indices])
                    for adamw, (indices, params) in zip(
                        adamw_settings, self._adamw_params(groups), strict=True
                    )
                ],
                **native_options({**options, "clip_norm": None, "skip_nonfinite": False}),
            )

    def _defaults(self) -> dict[str, Any]:
        defaults = {name: setting.default for name, setting in self._own.items()}
        return {**defaults, "lr": self._rule.lr, "weight_decay": self._rule.weight_decay}

    def _take_in(
        self, groups: list[Any], named: list[tuple[str, Any, Any]], options: Mapping[str, Any]
    ) -> None:
        """Make what checks parameters and brings gradients into memory of our own."""
        first = _core.Optimizer(_TAKES_GRADIENTS, [([], named)], **native_options({}))
        arrays = first.params
        flat = _core.allocate([array.nbytes for array in arrays])
        self._grads = [
            memory.view(array.dtype).reshape(array.shape)
            for memory, array in zip(flat, arrays, strict=True)
        ]
        self._params = arrays
        self._names = first.names
        scratch = iter(zip(self._names, self._grads, strict=True))
        taken = [
            (self._taking(group.settings), [(*next(scratch), None) for _ in params])
            for group, (_, params) in zip(self._groups, groups, strict=True)
        ]
        # The parameters get no gradients there: they are in it for what overlaps them.
        without = [(name, array, None) for name, array, _ in named]
        self._intake = _core.Optimizer(
            _TAKES_GRADIENTS, [([], without), *taken], **native_options(options)
        )

    @staticmethod
    def _taking(settings: Mapping[str, Any]) -> list[tuple[str, float]]:
        up = not settings["maximize"]
        return [("lr", 1.0), ("weight_decay", 0.0), ("maximize", float(up))]

    def _place(self, groups: list[Any], by_adamw: set[int]) -> None:
        """Decide which rule updates what, and make the states of matrices."""
        workspaces: dict[np.dtype[Any], Workspace] = {}
        self._rehearsed: set[tuple[Any, ...]] = set()
        self._where: list[_Matrix | int] = []  # a matrix, or the number among AdamW's parameters
        elementwise = 0
        for index, (group, _) in enumerate(
            (group, param)
            for group, (_, params) in zip(self._groups, groups, strict=True)
            for param in params
        ):
            array = self._params[index]
            if array.ndim != 2 or group.settings["adamw"] or index in by_adamw:
                self._where.append(elementwise)
                elementwise += 1
                continue
            dtype = _computed_in(array)
            shapes = self._rule.states(array.shape, group.settings)
            state = {name: np.zeros(shape, dtype) for name, shape in shapes.items()}
            work = workspaces.setdefault(dtype, Workspace(dtype))
            # Python's garbage collector does not see what a view keeps, and self._params does.
            matrix = _Matrix(index, _core.bare_view(array), work, state)
            group.matrices.append(matrix)
            self._where.append(matrix)
        for group in self._groups:
            self._check_float32(group, group.settings)

    def _check_float32(self, group: _Group, settings: Mapping[str, Any]) -> None:
        """Raise ValueError for a setting that float32 cannot hold, if it is computed with."""
        if all(_computed_in(matrix.param) == np.float64 for matrix in group.matrices):
            return
        most = float(np.finfo(np.float32).max)
        for name, value in settings.items():
            if isinstance(value, float) and value > most:
                raise ValueError(
                    f"{self._rule.name}: {name}: too large for parameters of float32 and bfloat16, "
                    f"got {value:g}; use float64, or {most:g} at most"
                )

    def _adamw_params(self, groups: list[Any]) -> Iterator[tuple[list[int], Any]]:
        """Yield, for each group, which of its parameters AdamW updates, and the parameters."""
        first = 0
        for _, params in groups:
            here = [i for i in range(len(params)) if isinstance(self._where[first + i], int)]
            first += len(params)
            yield here, params

    @contextmanager
    def _adamw_errors(self) -> Iterator[None]:
        """Let errors about AdamW's settings call them as they are called here."""
        try:
            yield
        except ValueError as error:
            start = f"{ADAMW.name}: "
            if not str(error).startswith(start):
                raise
            what = str(error).removeprefix(start)
            raise ValueError(f"{self._rule.name}: {_PREFIX}{what}") from None

    def _split(self, values: Sequence[tuple[str, Any]]) -> tuple[dict[str, Any], list[Any]]:
        """Check our own settings, and return them apart from AdamW's."""
        own, adamw = {}, []
        for name, value in values:
            if name in _ADAMW_NAMES:
                adamw.append((_ADAMW_NAMES[name], value))
            elif name in self._own:
                own[name] = self._own[name].kind.value(f"{self._rule.name}: {name}", value)
                if name == "maximize":
                    adamw.append((name, value))
            else:
                known = ", ".join((*self._own, *_ADAMW_NAMES))
                raise ValueError(f"{self._rule.name} has no setting {name!r}; it has {known}")
        return own, adamw

    def _checked(
        self, index: int, values: Sequence[tuple[str, Any]]
    ) -> tuple[dict[str, Any], list[Any]]:
        """As `_split`; ValueError, too, where other states would be needed than there are."""
        own, adamw = self._split(values)
        group = self._groups[index]
        changed = {**group.settings, **own}
        self._check_float32(group, changed)
        fits = changed["adamw"] == group.settings["adamw"] and all(
            self._rule.states(matrix.param.shape, changed)
            == {name: array.shape for name, array in matrix.state.items()}
            for matrix in group.matrices
        )
        if not fits:
            changes = ", ".join(
                f"{name} from {group.settings[name]!r} to {value!r}"
                for name, value in own.items()
                if value != group.settings[name]
            )
            raise ValueError(
                f"{self._rule.name}: changing {changes} changes which states are kept; "
                "make a new optimizer"
            )
        return own, adamw

    def try_settings(self, group: int, values: Sequence[tuple[str, Any]]) -> None:
        """Raise what `set_all` would raise, and change nothing."""
        _, adamw = self._checked(group, values)
        with self._adamw_errors():
            _core.Optimizer(ADAMW.name, [(adamw, [])], **native_options({}))

    @property
    def names(self) -> list[str]:
        return self._names

    @property
    def params(self) -> list[Array]:
        return self._intake.params[: len(self._params)]

    @property
    def steps(self) -> int:
        return self._intake.steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self._intake.steps = steps

    @property
    def evaluating(self) -> bool:
        return False

    def set_evaluating(self, evaluating: bool) -> None:
        pass

    def update_hessian(self, estimates: Any) -> None:
        raise TypeError(f"{self._rule.name} uses no estimates of the Hessian")

    def engine(self) -> Any:
        raise TypeError(f"{self._rule.name} cannot be stepped by compiled code: call its step()")

    def readable_grads(self, grads: Any, supports_row_grad: bool = False) -> list[Any]:
        given = self._given(grads)
        return self._intake.readable_grads([None] * len(given) + given, supports_row_grad)[
            len(given) :
        ]

    def get(self, group: int, name: str) -> Any:
        if name in _ADAMW_NAMES:
            return self._adamw.get(group, _ADAMW_NAMES[name])
        return self._groups[group].settings[name]

    def set(self, group: int, name: str, value: Any) -> None:
        changed: list[list[tuple[str, Any]]] = [[] for _ in self._groups]
        changed[group].append((name, value))
        self.set_groups(changed)

    def set_groups(self, by_group: Sequence[Sequence[tuple[str, Any]]]) -> None:
        own, adamw = self._prepared(by_group)
        with self._adamw_errors():
            self._adamw.set_groups(adamw)
        self._take_over(own)

    def _prepared(
        self, by_group: Sequence[Sequence[tuple[str, Any]]]
    ) -> tuple[list[dict[str, Any]], list[list[Any]]]:
        """Check settings; return all of our own as they are to be, and AdamW's that change."""
        checked = [self._checked(group, settings) for group, settings in enumerate(by_group)]
        own = [
            {**group.settings, **changed}
            for group, (changed, _) in zip(self._groups, checked, strict=True)
        ]
        return own, [adamw for _, adamw in checked]

    def _take_over(self, settings: list[dict[str, Any]]) -> None:
        self._intake.set_groups([[], *map(self._taking, settings)])
        for group, own in zip(self._groups, settings, strict=True):
            group.settings = own

    def state(self, index: int) -> dict[str, Any]:
        matrix = self._where[index]
        if isinstance(matrix, int):
            return self._adamw.state(matrix)
        views = {name: array.view() for name, array in matrix.state.items()}
        for view in views.values():
            view.flags.writeable = False
        return {"step": matrix.steps, **views}

    def state_memory(self, index: int) -> dict[str, Array]:
        matrix = self._where[index]
        if isinstance(matrix, int):
            return self._adamw.state_memory(matrix)
        return {**matrix.state, "step": matrix.count}

    def snapshot(self) -> tuple[int, list[dict[str, Any]]]:
        _, of_adamw = self._adamw.snapshot()
        return self.steps, [
            of_adamw[matrix]
            if isinstance(matrix, int)
            else {
                "step": matrix.steps,
                **{name: array.copy() for name, array in matrix.state.items()},
            }
            for matrix in self._where
        ]

    def load(
        self,
        settings: Sequence[Sequence[tuple[str, Any]]],
        states: Sequence[dict[str, Any]],
        steps: int,
    ) -> None:
        own, adamw = self._prepared(settings)
        of_adamw = [
            state for at, state in zip(self._where, states, strict=True) if isinstance(at, int)
        ]
        with self._adamw_errors():
            self._adamw.load(adamw, of_adamw, steps)
        self._take_over(own)
        for matrix, state in zip(self._where, states, strict=True):
            if isinstance(matrix, _Matrix):
                for name, array in matrix.state.items():
                    array[...] = state[name]
                matrix.steps = state["step"]
        self.steps = steps

    def state_names(self, group: int) -> list[str]:
        return list(dict.fromkeys(name for m in self._groups[group].matrices for name in m.state))

    def step(self, grads: Any, grad_scale: float) -> _core.StepInfo:
        with np.errstate(all="ignore"):
            given = self._given(grads)
            self._check_counts(given)
            self._rehearse(given)
            before = self.steps
            for array in self._grads:
                array.fill(0)
            info = self._intake.step([None] * len(given) + given, grad_scale)
            if info.skipped:
                return info
            self._check_range(before)
            by_adamw = [g for g, at in zip(given, self._where, strict=True) if isinstance(at, int)]
            try:
                self._adamw.step(by_adamw, grad_scale * self._clip_factor(info.grad_norm))
            except Exception:
                self.steps = before
                raise
            for group in self._groups:
                for matrix in group.matrices:
                    if given[matrix.index] is not None:
                        self._update(matrix, group.settings)
            return info

    def _rehearse(self, grads: list[Any]) -> None:
        """Make updates of copies, once for each kind: a step then has the memory that it needs."""
        for group in self._groups:
            for matrix in group.matrices:
                param, decays = matrix.param, group.settings["weight_decay"] != 0
                kind = (param.dtype, param.shape, *matrix.state, decays)
                if grads[matrix.index] is None or kind in self._rehearsed:
                    continue
                twin = _Matrix(
                    matrix.index,
                    np.zeros_like(param),
                    matrix.work,
                    {name: np.zeros_like(array) for name, array in matrix.state.items()},
                )
                for steps in (0, group.settings.get("precondition_frequency", 1)):
                    twin.steps = steps
                    self._update(twin, group.settings)
                self._rehearsed.add(kind)

    def _check_counts(self, grads: list[Any]) -> None:
        """Raise RuntimeError if a matrix would count past the largest number of steps."""
        for matrix in (matrix for group in self._groups for matrix in group.matrices):
            if grads[matrix.index] is not None and matrix.steps >= LARGEST_COUNT:
                raise RuntimeError(
                    f"the step count of {self._names[matrix.index]}: expected a count below 2^53, "
                    f"after which there is no step, got {matrix.steps}"
                )

    def _check_range(self, steps: int) -> None:
        """Raise ValueError, and count `steps` as before, for a gradient that overflows float32."""
        if self._rule.gradient_range == ANY_GRADIENT:
            return
        for matrix in (matrix for group in self._groups for matrix in group.matrices):
            grad = self._grads[matrix.index]
            if grad.size == 0 or _computed_in(grad) == np.float64:
                continue
            largest = max(float(grad.max()), -float(grad.min()))
            most = math.sqrt(ANY_GRADIENT[1] / max(grad.shape))
            if most < largest < np.inf:
                self.steps = steps
                raise ValueError(
                    f"gradient of {self._names[matrix.index]}: {self._rule.name} squares it, and "
                    f"float32 holds that up to {most:g}, got {largest:g}; clip it, or use float64"
                )

    def _given(self, grads: Any) -> list[Any]:
        """Return a gradient or None for each parameter."""
        count = len(self._params)
        if grads is None:
            if any(grad is None for grad in self._own_grads):
                raise ValueError(
                    "gradients are needed: only optimizers over Parameters have their own"
                )
            return self._own_grads
        if isinstance(grads, RowGrad):
            grads = [grads]
        if _core.is_array(grads):
            if count != 1:
                raise TypeError(f"grads: expected a list of {count} arrays, got one array")
            return [grads]
        try:
            given = list(grads)
        except TypeError:
            raise TypeError("grads: expected a list of arrays, one for each parameter") from None
        if len(given) != count:
            raise ValueError(
                f"grads: expected {count} gradients, one for each parameter, got {len(given)}"
            )
        for name, grad in zip(self._names, given, strict=True):
            if isinstance(grad, RowGrad):
                self._refuse_rows(name)
        return given

    def _refuse_rows(self, name: str) -> NoReturn:
        takers = ", ".join(rule.name for rule in rules() if rule.supports_row_grad)
        raise TypeError(f"gradient of {name}: {self._rule.name} takes no RowGrad; {takers} do")

    def _clip_factor(self, norm: float | None) -> float:
        """Return what the compiled engine multiplies gradients by for clip_norm."""
        if norm is None or self._clip_norm == 0:
            return 1.0
        ratio = self._clip_norm / (norm + 1e-6)
        return 1.0 if ratio >= 1 else ratio

    def _update(self, matrix: _Matrix, settings: Mapping[str, Any]) -> None:
        """Make a step of one matrix, in its own type, or in float32 if it is bfloat16."""
        matrix.steps += 1
        if matrix.param.size == 0:
            return
        p, g, work = matrix.param, self._grads[matrix.index], matrix.work
        wide = _computed_in(p) == p.dtype
        if not wide:
            p, g = work("param", *p.shape), work("gradient", *p.shape)
            p[...] = matrix.param
            g[...] = self._grads[matrix.index]
        decay = settings["weight_decay"]
        if decay != 0 and not settings["decoupled_weight_decay"]:
            g += np.multiply(p, decay, out=work("decay", *p.shape))
        elif decay != 0 and not self._rule.fused_weight_decay:
            p *= 1 - settings["lr"] * decay
        self._rule.update(p, g, matrix.state, settings, matrix.steps, work)
        if not wide:
            matrix.param[...] = p
