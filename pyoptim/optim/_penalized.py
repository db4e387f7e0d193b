"""Penalties within an optimizer's step: the one place where they are applied."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from pyoptim import _core
from pyoptim._utils.validation import as_number
from pyoptim.optim._backend import Engine
from pyoptim.optim._eval_mode import EvalMode
from pyoptim.optim._guard import changes
from pyoptim.optim._params_argument import row_sparse
from pyoptim.optim._registry import Rule
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array
from pyoptim.penalties import Penalty

Penalties: TypeAlias = Penalty | Sequence[Penalty] | None


@dataclass
class _Attached:
    """A penalty, and the numbers of the parameters that it acts on."""

    penalty: Penalty
    params: list[int]


@dataclass
class _Step:
    """A step whose gradients have the penalties in them: the parameters that each one acts on."""

    params: list[list[int]]


class PenalizedSteps(EvalMode):
    """The part of an optimizer that applies penalties around each update of its engine."""

    _native: Engine
    _rule: ClassVar[Rule]
    _keys: list[str]
    _groups: list[Any]
    _options: Mapping[str, Any]

    @property
    @abstractmethod
    def param_groups(self) -> Sequence[Any]:
        """The groups of the optimizer."""

    @property
    def evaluating(self) -> bool:
        """Whether the parameters are at the points of `eval`."""
        return self._native.evaluating

    def _begin_penalties(self) -> None:
        self._attached: dict[str, list[_Attached]] = {}  # by who attached them
        self._acting: list[_Attached] = []  # all of them
        self._buffers: dict[int, Array] = {}
        self._under_way: _Step | None = None
        self._penalty_value: float | None = None
        self._has_stepper = False

    @changes
    def penalize(self, penalty: Penalties, names: Iterable[str | int] | str | None = None) -> None:
        """Minimize the loss with penalties added to it, from the next step on.

        Every step then adds the penalties' gradients to those that it is given, after
        ``grad_scale`` and before clipping, and projects the parameters after the update. Wrappers
        around the optimizer see the projected parameters, and so do the averages and copies that
        the optimizer keeps. A skipped step changes nothing, and parameters without a gradient are
        left as they are. Groups that maximize subtract the penalties.

        A `pyoptim.train.Trainer` attaches its own penalties besides.

        Parameters
        ----------
        penalty : Penalty, sequence of Penalty, or None
            Applied in this order. They replace those of an earlier call; None removes them.
        names : iterable of str or int, optional
            The names (or numbers) of the parameters to penalize; by default all.

        Raises
        ------
        TypeError
            If a penalty is not one of `pyoptim.penalties`, or a parameter is row-sparse; if the
            optimizer is used by a compiled `Stepper`.
        ValueError
            If a name is not that of a parameter, or a rule keeps a mean of them in float8.

        Examples
        --------
        >>> import numpy as np, pyoptim as po
        >>> w = np.array([3.0, 0.2])
        >>> opt = po.wrappers.GradientAccumulation(po.SGD([w], lr=0.5), every=2)
        >>> opt.unwrapped.penalize(po.penalties.L1(0.5))
        >>> for _ in range(200):
        ...     info = opt.step([w - [3.0, 0.2]])  # the gradient of |w - (3, 0.2)|^2 / 2
        >>> w
        array([2.5, 0. ])
        """
        self._attach("own", penalty, self._keys if names is None else names)

    @property
    def penalized(self) -> bool:
        """Whether steps apply a penalty."""
        return bool(self._acting)

    def _attach(self, owner: str, penalty: Penalties, names: Iterable[str | int] | str) -> None:
        """Replace what one owner attached: the user, or a trainer."""
        given = [penalty] if isinstance(penalty, Penalty) else list(penalty or ())
        for each in given:
            if not isinstance(each, Penalty):
                raise TypeError(f"penalty: expected one of pyoptim.penalties, got {each!r}")
        listed = [names] if isinstance(names, str | int) else names
        wanted = list(dict.fromkeys(map(str, listed)))
        unknown = [name for name in wanted if name not in self._keys]
        if unknown:
            raise ValueError(
                f"names: no parameter {unknown[0]!r}; the parameters are {', '.join(self._keys)}"
            )
        by_rows = {name for params in self._groups for name in row_sparse(params)}
        if given and by_rows.intersection(wanted):
            name = next(name for name in wanted if name in by_rows)
            raise TypeError(f"names: penalties act on whole arrays, and {name!r} is row-sparse")
        if given and self._rule.mean_state and self._options.get("state_dtype") == "float8":
            raise ValueError(
                f"penalize: the state {self._rule.mean_state!r}, an average of the parameters, has "
                "to satisfy the penalty, which state_dtype='float8' prevents; use 'bfloat16'"
            )
        if given and self._has_stepper:
            raise TypeError("penalize: a Stepper uses this optimizer, and it applies no penalties")
        numbers = [self._keys.index(name) for name in wanted]
        self._load_penalties(
            {**self._attached, owner: [_Attached(each, numbers) for each in given]}
        )

    def _load_penalties(self, attached: Mapping[str, list[_Attached]]) -> None:
        self._attached = dict(attached)
        self._acting = [each for listed in attached.values() for each in listed]

    def _engine_for_stepper(self) -> Any:
        """Return the engine for compiled code, which knows no penalties."""
        if self.penalized:
            raise TypeError(
                "Stepper: compiled code applies no penalties, and this optimizer has some; "
                "call its step(), or penalize(None)"
            )
        engine: Any = self._native
        capsule = engine.engine()
        self._has_stepper = True
        return capsule

    def _value_of_penalties(self) -> float:
        """Return what the penalties add to the loss where the parameters are."""
        params = self._native.params
        return sum(
            (each.penalty.value([params[i] for i in each.params]) for each in self._acting), 0.0
        )

    def _penalized_step(self, grads: Any, grad_scale: float) -> _core.StepInfo:
        """Make a step with penalties, or only the rest of one whose gradients have them already."""
        try:
            if self._under_way is None:
                given = self._native.readable_grads(grads, self._rule.supports_row_grad)
                penalized, grad_scale = self._penalized_gradients(given, grad_scale), 1.0
            else:
                given, penalized = [], list(grads)
            info = self._update(penalized, grad_scale)
            if self._options.get("zero_grads"):
                for grad in given:
                    if grad is not None:
                        grad[...] = 0
            return info
        finally:
            self._under_way = None

    def _penalized_gradients(self, given: list[Any], grad_scale: float) -> list[Any]:
        """Return the gradients of the penalised loss, scaled, in memory of the optimizer's own.

        The next step takes them for what they are. The caller ends it by `_under_way = None`
        where it is not made.
        """
        scale = as_number("grad_scale", grad_scale)
        if not np.isfinite(scale):
            raise ValueError(f"grad_scale must be finite, got {scale}")
        if self.evaluating:
            raise RuntimeError("the optimizer is in eval mode; call train() before the next step")
        attached = self._acting
        params = self._native.params
        present = [[i for i in each.params if given[i] is not None] for each in attached]
        acted_on = {i for numbers in present for i in numbers}
        signs = [-1.0 if group["maximize"] else 1.0 for group in self.param_groups
                 for _ in group["params"]]  # fmt: skip
        out = list(given)
        for i, grad in enumerate(given):
            if isinstance(grad, RowGrad):
                if i in acted_on:
                    raise TypeError(
                        f"gradient of {self._native.names[i]}: expected an array, got a RowGrad; "
                        "penalties act on whole arrays"
                    )
                values = np.empty_like(grad.values)
                _core.scale([values], [grad.values], scale, 1)
                out[i] = RowGrad(grad.rows, values)
            elif grad is not None and (i in acted_on or scale != 1):
                out[i] = self._buffer(i)
                factor = signs[i] * scale if i in acted_on else scale
                _core.scale([out[i]], [grad], factor, self._num_threads)
        self._penalty_value = 0.0
        for each, numbers in zip(attached, present, strict=True):
            self._penalty_value += each.penalty.before_step(
                [params[i] for i in numbers], [out[i] for i in numbers]
            )
        for i in acted_on:
            if signs[i] < 0:
                _core.scale([out[i]], [out[i]], -1.0, self._num_threads)
        self._under_way = _Step(present)
        return out

    def _buffer(self, index: int) -> Array:
        param = self._native.params[index]
        if index not in self._buffers:
            self._buffers[index] = np.empty(param.shape, param.dtype)
        return self._buffers[index]

    @property
    def _num_threads(self) -> int:
        return self._options.get("num_threads") or 0

    def _update(self, grads: list[Any], grad_scale: float) -> _core.StepInfo:
        """Let the engine make the step, then put right what it changed."""
        assert self._under_way is not None
        present = self._under_way.params
        acted_on = sorted({i for numbers in present for i in numbers})
        native: Any = self._native
        keeps_copies = self._keeps("ema_decay") or self._keeps("bfloat16_copy")
        if keeps_copies:
            info: _core.StepInfo = native.step_and_postpone(grads, acted_on)
        else:
            info = native.step(grads, grad_scale)
        if info.skipped:
            return info
        acting = list(zip(self._acting, present, strict=True))
        wide = {i: self._widened(i) for i in acted_on}
        if self._rule.has_eval_mode:
            for each, numbers in acting:
                for i in numbers:
                    self._project_points(i, wide[i], each.penalty)
        for each, numbers in acting:
            each.penalty.after_step([wide[i] for i in numbers])
        for i, values in wide.items():
            self._narrow(i, values)
        if keeps_copies:
            native.update_copies(acted_on)
        for name in self._averages():
            for each, numbers in acting:
                each.penalty.keep_average(
                    [native.state_memory(i)[name] for i in numbers],
                    [native.params[i] for i in numbers],
                )
        return info

    def _averages(self) -> list[str]:
        """Return the names of the states that are averages of the parameters."""
        names = ["ema"] if self._keeps("ema_decay") else []
        return [*names, self._rule.mean_state] if self._rule.mean_state else names

    def _keeps(self, option: str) -> bool:
        return bool(self._options.get(option))

    def _masters(self, index: int) -> Mapping[str, Array]:
        """Return what a parameter of fewer bits has the rest of its bits in."""
        if self._native.params[index].dtype in (np.float32, np.float64):
            return {}
        return self._native.state_memory(index) if self._keeps("master_weights") else {}

    def _widened(self, index: int) -> Array:
        """Return a parameter with all the bits that are kept of it; see `_narrow`."""
        param, kept = self._native.params[index], self._masters(index)
        if "low_half" in kept:
            bits = param.view(np.uint16).astype(np.uint32) << 16 | kept["low_half"]
            return bits.view(np.float32)
        return kept.get("master", param)

    def _narrow(self, index: int, values: Array) -> None:
        """Store what `_widened` returned, changed meanwhile."""
        param, kept = self._native.params[index], self._masters(index)
        if "low_half" in kept:
            bits = values.view(np.uint32)
            param.view(np.uint16)[...] = bits >> 16
            kept["low_half"][...] = bits & 0xFFFF
        elif "master" in kept:
            param[...] = values

    def _project_points(self, index: int, param: Array, penalty: Penalty) -> None:
        """Project both points that a rule with averages keeps, and the parameter between them.

        Parameters are ``share x + (1 - share) z``, with the average x, at which they are evaluated,
        and the point z of the steps. Were the parameter projected alone, z could go away without
        bound, and x the other way.
        """
        groups = [i for i, params in enumerate(self._groups) for _ in params]
        share = float(self._native.get(groups[index], self._rule.fields[0].name))
        z = self._native.state_memory(index)[self._rule.copied_state]
        x = param + (1 / share - 1) * (param.astype(z.dtype) - z)
        before = x.copy(), z.copy()
        penalty.project([x])
        penalty.project([z])
        changed = (x != before[0]) | (z != before[1])
        param[...] = np.where(changed, share * x + (1 - share) * z, param)

    def _constrain_averages(self, averages: Sequence[Array]) -> None:
        """Let averages of all parameters satisfy what the penalties ask of these."""
        params = self._native.params
        for each in self._acting:
            each.penalty.keep_average(
                [averages[i] for i in each.params], [params[i] for i in each.params]
            )

    def _go_to_evaluation(self) -> None:
        """Bring the parameters to their averages, and let these satisfy the penalties, too."""
        if self._native.evaluating:
            return
        params = self._native.params
        training = [param.copy() for param in params] if self.penalized else []
        self._native.set_evaluating(True)
        if training:
            for each in self._acting:
                each.penalty.keep_average(
                    [params[i] for i in each.params], [training[i] for i in each.params]
                )
            if self._keeps("bfloat16_copy"):
                engine: Any = self._native
                engine.update_copies(range(len(params)))
