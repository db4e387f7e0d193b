"""What all optimizers share: groups, the step, and the state as a plain dict."""

from __future__ import annotations

import copyreg
import inspect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar, Self

from pyoptim import _core
from pyoptim._utils.fixed import FixedDict, FixedList
from pyoptim._utils.text import listed
from pyoptim._utils.validation import as_number, check_keywords
from pyoptim.optim._backend import Engine
from pyoptim.optim._guard import Guard, changes, reads
from pyoptim.optim._options import FUSED_DEFAULTS, OPTION_DEFAULTS, native_extras, native_options
from pyoptim.optim._param_group import SHARED_SETTINGS, as_setting, check_may_vary, value_at
from pyoptim.optim._param_group import ParamGroup as ParamGroup
from pyoptim.optim._param_group import ScalarOrSchedule as ScalarOrSchedule
from pyoptim.optim._param_group import StepFunction as StepFunction
from pyoptim.optim._params_argument import Params as Params
from pyoptim.optim._params_argument import as_groups, belongs, with_grads
from pyoptim.optim._penalized import PenalizedSteps
from pyoptim.optim._registry import Rule, rules_by_name
from pyoptim.optim._state_dict import StateDict, fitting
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._selection import Selection
from pyoptim.parameters._types import Array

OPTIONS = {*OPTION_DEFAULTS, *FUSED_DEFAULTS}
_FIXED_GROUPS = "param_groups: the groups of an optimizer cannot change; make a new optimizer"
_FIXED_STATE = (
    "state: an optimizer's state cannot be changed here; use load_state_dict, or make a new "
    "optimizer to start anew"
)


def _reduced(info: _core.StepInfo) -> str | tuple[Any, ...]:
    return info.__reduce_ex__(2)


# Protocols 0 and 1 would make an object of pybind11's base class, which ends the process.
copyreg.pickle(_core.StepInfo, _reduced)


class Optimizer(PenalizedSteps):
    """Base class of all optimizers; make one of its subclasses, such as `pyoptim.AdamW`."""

    rule: ClassVar[str] = ""
    """The name of the update rule in `pyoptim.rules()`."""

    _rule: ClassVar[Rule]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "rule" in vars(cls) and not hasattr(cls, "_rule"):
            cls._rule = rules_by_name()[cls.rule]

    def __new__(cls, *_: Any, **keywords: Any) -> Self:
        """Make an optimizer with a lock, which copies and pickles have of their own.

        Raises
        ------
        TypeError
            If a keyword is unknown, with the arguments there are.
        """
        check_keywords(cls.__name__, argument_names(cls), keywords.keys())
        made: Self = super().__new__(cls)
        made._guard = Guard()
        return made

    def __init__(
        self,
        params: Params,
        settings: Mapping[str, Any] | None = None,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        skip_nonfinite: bool = False,
        num_threads: int | None = None,
        **extras: Any,
    ) -> None:
        if not self.rule:
            raise TypeError("Optimizer is the base class; make one of its subclasses, like AdamW")
        options = {
            "clip_norm": clip_norm,
            "clip_value": clip_value,
            "skip_nonfinite": skip_nonfinite,
            "num_threads": num_threads,
            **extras,
        }
        self._build(as_groups(params, settings or {}), options)

    def _build(self, groups: list[dict[str, Any]], options: dict[str, Any]) -> None:
        """Check everything and make the engine's optimizer; `groups` have named params each."""
        self._begin_penalties()
        self._options = options
        self._groups = [group["params"] for group in groups]
        self._keys = [str(key) for params in self._groups for key in params]
        name, count = Counter(self._keys).most_common(1)[0] if self._keys else ("", 0)
        if count > 1:
            raise ValueError(f"two parameters are called {name!r}")
        schedules = []
        native_groups = []
        for group in groups:
            settings = {name: value for name, value in group.items() if name != "params"}
            scheduled = {name: value for name, value in settings.items() if callable(value)}
            for name, schedule in scheduled.items():
                check_may_vary(self._rule, name)
                settings[name] = value_at(name, schedule, 0)
            schedules.append(scheduled)
            values = [(name, as_setting(self._rule, name, x)) for name, x in settings.items()]
            native_groups.append((values, with_grads(group["params"])))
        self._native = self._engine(native_groups, options)
        arrays = iter(self._native.params)
        groups_made = [
            ParamGroup(
                self._rule, self._native, self._guard, i, [next(arrays) for _ in params], scheduled
            )
            for i, (params, scheduled) in enumerate(zip(self._groups, schedules, strict=True))
        ]
        self._param_groups = FixedList(groups_made, _FIXED_GROUPS)

    def _engine(self, groups: list[Any], options: Mapping[str, Any]) -> Engine:
        """Return what makes the steps."""
        return _core.Optimizer(
            self.rule, groups, **native_options(options), **native_extras(options)
        )

    def _try_settings(self, index: int, values: list[tuple[str, Any]]) -> None:
        """Raise ValueError unless a group may have these settings, on an optimizer over nothing."""
        trial = self._engine([(values, [])], {})
        if trial.state_names(0) != self._native.state_names(index):
            raise ValueError(
                f"group {index}: the state keeps {trial.state_names(0)}, "
                f"this optimizer {self._native.state_names(index)}"
            )

    def updates(self, params: Parameters) -> bool:
        """Whether `step` without arguments updates these parameters, or some of them."""
        return all(belongs(group, params) for group in self._groups)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the caller's own; settings and options are not attributes."""
        if name.startswith("_"):
            super().__setattr__(name, value)
            return
        fields = self._rule.fields if self.rule else ()
        if name in SHARED_SETTINGS or any(field.name == name for field in fields):
            raise AttributeError(
                f"{name}: a setting is changed in its group; set param_groups[0][{name!r}]"
            )
        if name in OPTIONS or name in ("params", "rule"):
            raise AttributeError(f"{name}: cannot change; make a new optimizer")
        super().__setattr__(name, value)

    @property
    def param_groups(self) -> Sequence[ParamGroup]:
        """The groups of parameters, whose settings can be changed."""
        return self._param_groups

    @property
    def scheduled(self) -> bool:
        """Whether a setting of a group is a schedule."""
        return any(group.schedules for group in self.param_groups)

    @property
    def steps(self) -> int:
        """The number of steps made."""
        return self._native.steps

    @property
    def state(self) -> Mapping[str, Mapping[str, Any]]:
        """The state of every parameter, by its name or number: read-only views and numbers."""
        return FixedDict(
            {
                key: FixedDict(self._native.state(index), _FIXED_STATE)
                for index, key in enumerate(self._keys)
            },
            _FIXED_STATE,
        )

    def step(
        self,
        grads: Sequence[Any] | Mapping[str, Any] | Array | RowGrad | None = None,
        *,
        grad_scale: float = 1.0,
    ) -> _core.StepInfo:
        """Update the parameters in place.

        Parameters
        ----------
        grads : list or mapping of arrays, or array, optional
            A gradient for each parameter, of its dtype and shape, in the parameters' order or by
            their names; None in place of one leaves its parameter as it is. Strided arrays are
            taken too (slower). A `RowGrad` in place of one is for some rows of its parameter.
            Without `grads` an optimizer over Parameters uses their `grads`.
        grad_scale : float
            What gradients are multiplied by first, 1 / (loss scale) for example; finite.

        Returns
        -------
        StepInfo
            ``step``, the steps made so far; ``grad_norm``, the norm of all gradients before
            clipping (None unless clip_norm or skip_nonfinite is on); ``skipped``.

        Raises
        ------
        ValueError
            If the count, a shape or a name does not fit, `grad_scale` is not finite, a gradient
            overlaps a parameter, or a schedule gives a number out of range.
        IndexError
            If a `RowGrad` has a row that there is not.
        TypeError
            If a gradient is not an array, or of another dtype than its parameter, or a `RowGrad`
            where none is taken, or a schedule gives no number.
        """
        guard = self._guard
        lock = guard.lock
        if not lock.acquire(False):
            guard.wait("step()")
        try:
            if guard.blocked:
                guard.check("step()")
            for group in self._param_groups:
                if group._schedules:
                    self._follow_schedules()
                    break
            if grads is not None and isinstance(grads, Mapping):
                grads = self._in_order(grads)
            if type(grad_scale) is not float:
                grad_scale = as_number("grad_scale", grad_scale)
            if self._acting:
                with guard.held("step()"):
                    return self._penalized_step(grads, grad_scale)
            return self._native.step(grads, grad_scale)
        finally:
            lock.release()

    def _follow_schedules(self) -> None:
        """Set all that is a schedule to its value at the next step: all of it, or nothing."""
        steps = self._native.steps
        settings = [group.scheduled_at(steps) for group in self.param_groups]
        try:
            self._native.set_groups(settings)
        except ValueError as error:
            raise ValueError(f"{error}, by a schedule at step {steps}") from None

    def _in_order(self, grads: Mapping[str, Any]) -> list[Any]:
        given = {str(key): grad for key, grad in grads.items()}
        known = set(self._keys)
        missing = [key for key in self._keys if key not in given]
        unknown = [key for key in given if key not in known]
        if missing or unknown:
            raise ValueError(
                f"grads: expected the names {listed(self._keys)}"
                + (f"; missing {listed(missing)}" if missing else "")
                + (f"; unknown {listed(unknown)}" if unknown else "")
            )
        return [given[key] for key in self._keys]

    @changes
    def update_hessian(self, estimates: Sequence[Any] | Mapping[str, Any] | Array) -> None:
        """Take in estimates of the Hessian's diagonal, for rules that use them (Sophia).

        Parameters
        ----------
        estimates : list or mapping of arrays, or array
            One for each parameter, as the gradients of `step`; None keeps the one there is.

        Raises
        ------
        TypeError
            If the rule uses none (`Rule.takes_hessian`).

        Examples
        --------
        >>> import numpy as np, pyoptim as po
        >>> w = np.array([1.0, -2.0])
        >>> opt = po.Sophia([w], lr=0.1)
        >>> for t in range(30):
        ...     if t % 10 == 0:
        ...         opt.update_hessian([np.array([2.0, 2.0])])  # the Hessian diagonal of |w|^2
        ...     info = opt.step([2 * w])
        >>> bool((abs(w) < [1, 2]).all())
        True
        """
        if isinstance(estimates, Mapping):
            estimates = self._in_order(estimates)
        self._native.update_hessian(estimates)

    def eval(self) -> None:
        """Switch the parameters to the weights with which the model is evaluated or saved.

        Only schedule-free rules (`Rule.has_eval_mode`) evaluate averaged weights. For all other
        rules nothing changes. `train` restores the training weights bit by bit; until then the
        optimizer cannot make a step.

        Examples
        --------
        >>> import numpy as np, pyoptim as po
        >>> w = np.array([1.0, -2.0])
        >>> opt = po.ScheduleFreeSGD([w], lr=0.4)
        >>> for _ in range(100):
        ...     info = opt.step([2 * w])
        >>> opt.eval()
        >>> bool(abs(w).max() < 0.01)
        True
        >>> opt.train()
        """
        if self._rule.has_eval_mode:
            self._go_to_evaluation()

    def train(self) -> None:
        """Switch back to train mode after `eval`."""
        self._native.set_evaluating(False)

    @reads
    def state_dict(self) -> StateDict:
        """Return everything that another optimizer needs to resume, as a plain dict of copies.

        Keys are ``rule``, ``step``, ``groups.0.lr`` ..., and ``params.NAME.exp_avg`` ... with the
        state names of torch.optim; values are arrays and numbers (the rule's name is a string).
        A schedule is not in it: its value at this moment is.

        Raises
        ------
        RuntimeError
            Between `eval` and `train`: parameters saved along with it would not be those it is of.
        """
        if self._native.evaluating:
            raise RuntimeError("the optimizer is in eval mode; call train() before state_dict()")
        steps, states = self._native.snapshot()
        state: StateDict = {"rule": self.rule, "step": steps}
        for index, group in enumerate(self.param_groups):
            for name, value in group.numbers().items():
                state[f"groups.{index}.{name}"] = value
        for key, parameter in zip(self._keys, states, strict=True):
            state.update({f"params.{key}.{name}": value for name, value in parameter.items()})
        return state

    @changes
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` gave; where it does not fit, nothing is changed.

        Settings are taken over too; what is a schedule here stays one.

        Raises
        ------
        ValueError
            If it is of another rule, has other parameters or groups, or a shape or number differs.
        TypeError
            If a dtype differs.
        """
        state = fitting(state_dict, self.state_dict())
        settings = [
            [
                (name, as_setting(self._rule, name, state[f"groups.{index}.{name}"]))
                for name in group.numbers()
            ]
            for index, group in enumerate(self.param_groups)
        ]
        for index, values in enumerate(settings):
            self._try_settings(index, values)
        states = [
            {name: state[f"params.{key}.{name}"] for name in parameter}
            for key, parameter in self.state.items()
        ]
        self._native.load(settings, states, state["step"])

    @reads
    def __getstate__(self) -> dict[str, Any]:
        if self.evaluating:
            # A copy holds the parameters of train mode; it has to be in the mode of this one.
            with self._kept_in_place():
                self.train()
                try:
                    training = [param.copy() for param in self._native.params]
                    return {**self.__getstate__(), "training": training}
                finally:
                    self.eval()
        groups = []
        for params, group in zip(self._groups, self.param_groups, strict=True):
            named = (
                params
                if isinstance(params, Parameters | Selection)
                else {
                    key: _copyable(given, array)
                    for (key, given), array in zip(params.items(), group["params"], strict=True)
                }
            )
            groups.append({**group.numbers(), "params": named})
        return {
            "groups": groups,
            "schedules": [dict(group.schedules) for group in self.param_groups],
            "options": self._options,
            "state": self.state_dict(),
            "penalties": self._attached,
            "training": None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.setdefault("_guard", Guard())  # pickle's protocols 0 and 1 skip __new__
        self._build(state["groups"], state["options"])
        self._load_penalties(state["penalties"])
        for group, schedules in zip(self.param_groups, state["schedules"], strict=True):
            group._schedules = dict(schedules)
        if state["training"] is None:
            self.load_state_dict(state["state"])
            return
        with self._kept_in_place():
            for param, training in zip(self._native.params, state["training"], strict=True):
                param[...] = training
            self.load_state_dict(state["state"])
            self.eval()

    @contextmanager
    def _kept_in_place(self) -> Iterator[None]:
        """Have in the parameters afterwards what is in them."""
        kept = [param.copy() for param in self._native.params]
        try:
            yield
        finally:
            for param, value in zip(self._native.params, kept, strict=True):
                param[...] = value

    def __repr__(self) -> str:
        groups = ", ".join(map(repr, self.param_groups))
        return f"{type(self).__name__}({groups}; {self.steps} steps)"


def _copyable(given: Any, array: Array) -> Any:
    """Return a parameter as a copy is to have it: a tensor of PyTorch, or an array."""
    return given if hasattr(given, "data_ptr") else array


@cache
def argument_names(cls: type) -> tuple[str, ...]:
    """Return what the constructor of a class takes."""
    return tuple(inspect.signature(cls).parameters)


def signature_settings(rule: Rule) -> dict[str, Any]:
    """Return the settings of a rule with their defaults, in the order of the signature."""
    return {
        **{field.name: field.default for field in rule.fields},
        "weight_decay": rule.weight_decay,
        "decoupled_weight_decay": rule.decoupled_weight_decay,
        "maximize": False,
    }
