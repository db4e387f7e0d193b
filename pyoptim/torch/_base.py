"""The base class of `pyoptim.torch`: torch's optimizer with the step of pyoptim."""

from __future__ import annotations

import inspect
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeAlias

import torch
from torch.optim import optimizer as torch_optimizer

from pyoptim._core import StepInfo
from pyoptim.optim._backend import Engine
from pyoptim.optim._eval_mode import EvalMode
from pyoptim.optim._guard import Guard, changes, reads
from pyoptim.optim._registry import Rule
from pyoptim.torch._binding import Binding
from pyoptim.torch._layout import Tensor, as_numpy, check_steppable
from pyoptim.torch._settings import Settings, Source, check_keys, check_numbers, sources

OptionsEngine: TypeAlias = Callable[[list[Any], Mapping[str, Any]], Engine]
"""A function that creates an engine from groups and options."""


class Optimizer(torch.optim.Optimizer, EvalMode):
    """Base class of the optimizers. Use one of its subclasses, such as `pyoptim.torch.AdamW`.

    Everything but the step is torch's. A step is one call of a native engine for all groups. The
    engine is created at the first step, and again when tensors or groups change. The tensors in
    `Optimizer.state` share its memory.
    """

    rule: ClassVar[Rule]
    """The update rule, as in `pyoptim.rules()`."""

    _elementwise: ClassVar[bool]  # whether each element is updated by itself
    _theirs: ClassVar[type | None] = None  # torch's class of the same name

    _step_supports_amp_scaling = True  # GradScaler leaves unscaling to the step
    _binding: Binding | None = None
    _sources: list[Source] | None = None
    _options: Mapping[str, Any] = MappingProxyType({})

    state: Any
    param_groups: list[dict[str, Any]]

    info: StepInfo | None = None
    """The gradient norm of the last step before clipping, and whether the step was skipped.

    None if there was no step: no parameter had a gradient, a `GradScaler` skipped it, or it failed.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Create an optimizer with its own lock, also when it is copied or unpickled."""
        made: Self = super().__new__(cls)
        made._guard = Guard()
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        raise TypeError("Optimizer is a base class; create one of its subclasses, such as AdamW")

    @staticmethod
    def _make(groups: list[Any], options: Mapping[str, Any]) -> Engine:
        """Create the engine of this rule."""
        raise NotImplementedError

    def _make_engine(self, groups: list[Any]) -> Engine:
        return self._make(groups, self._options)

    @changes
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have a gradient.

        Parameters
        ----------
        closure : callable, optional
            Function that computes the gradients and returns the loss.

        Returns
        -------
        The loss that the closure returned, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.info = None
        found_inf = getattr(self, "found_inf", None)
        if found_inf is None or not found_inf.item():
            scale = getattr(self, "grad_scale", None)
            self._check_training("step()")
            self.info = self._bound().step(self.state, 1.0 if scale is None else 1.0 / float(scale))
        return loss

    @staticmethod
    def profile_hook_step(step: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a step with hooks and a profiler record, as torch does.

        Steps without hooks and profiler skip the wrapper, which would cost more than a small step.
        """
        observed = torch.optim.Optimizer.profile_hook_step(step)

        @wraps(step)
        def step_if_unobserved(self: Optimizer, *arguments: Any, **keywords: Any) -> Any:
            observers = (
                self._optimizer_step_pre_hooks
                or self._optimizer_step_post_hooks
                or torch_optimizer._global_optimizer_pre_hooks
                or torch_optimizer._global_optimizer_post_hooks
                or torch.autograd._profiler_enabled()
            )
            return (observed if observers else step)(self, *arguments, **keywords)

        return step_if_unobserved

    def _bound(self, missing: type[Exception] = KeyError) -> Binding:
        """Return an engine for the current tensors, groups, hyperparameters and states.

        Raises `missing` if a parameter has some of its states but not all.
        """
        binding = self._binding
        params = [group["params"] for group in self.param_groups]
        settings = self._settings()
        if binding is None or not binding.fits(params, self.state) or not binding.follow(settings):
            self._check_training("a change of parameters or groups")
            for group in self.param_groups:
                check_numbers(self._known_sources(), group)
            with torch.no_grad():
                binding = Binding(
                    self.rule,
                    self._make_engine,
                    params,
                    settings,
                    [name for group in self._names() for name in group],
                    elementwise=self._elementwise,
                    counts=_counts(self._theirs),
                    state=self.state,
                    missing=missing,
                )
            self._binding = binding
        return binding

    def _settings(self) -> list[Settings]:
        """Return the hyperparameters of all groups for the engine."""
        known = self._known_sources()
        return [
            [(source.name, source.value(group)) for source in known] for group in self.param_groups
        ]

    def _known_sources(self) -> list[Source]:
        if self._sources is None:
            self._sources = sources(self.rule, self.defaults.keys())
        return self._sources

    def _names(self) -> Iterator[list[str]]:
        """Yield the names of each group's parameters in errors."""
        count = 0
        for group in self.param_groups:
            given = group.get("param_names")
            names = [f"params[{count + i}]" for i in range(len(group["params"]))]
            count += len(names)
            yield names if given is None else list(map("{} ({})".format, names, given))

    @changes
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as torch does. Parameters that cannot be updated raise an error."""
        self._check_training("add_param_group()")
        super().add_param_group(param_group)
        try:
            self._check_last_group()
        except Exception:
            self.param_groups.pop()
            raise
        group = self.param_groups[-1]
        for source in self._known_sources():
            if source.name == self.rule.first_lr and not group[source.key]:
                group[source.key] = float(group["lr"])

    def _check_last_group(self) -> None:
        group = self.param_groups[-1]
        *_, names = self._names()
        if group.get("differentiable"):
            raise ValueError(
                f"differentiable: expected False, got True; {self.rule.name} of pyoptim has no "
                "step for autograd, use torch.optim"
            )
        like: dict[Any, Any] = {}  # a parameter of each type
        for tensor, name in zip(group["params"], names, strict=True):
            if tensor.requires_grad:
                check_steppable(tensor, name)
                like.setdefault(
                    tensor.dtype, (name, as_numpy(torch.zeros(1, dtype=tensor.dtype)), None)
                )
        check_keys(self.rule, group.keys(), {*self.defaults, "params", "param_names"})
        check_numbers(self._known_sources(), group)
        self._make_engine(
            [(self._settings()[-1], list(like.values()) if self._elementwise else [])]
        )

    @changes
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of this class or of the class of torch with the same name.

        States of options that only pyoptim has may be missing, and start anew. Unlike torch, the
        dtype of states is kept, so that float32 states of bfloat16 parameters stay exact.

        Raises
        ------
        ValueError
            If a state is missing or has another shape or dtype, or the groups are those of another
            optimizer. Nothing is changed then.
        """
        self._check_training("load_state_dict()")
        before = self.state, self.param_groups, self._binding
        given: dict[str, Any] = {}
        hook = self.register_load_state_dict_pre_hook(lambda _, final: given.update(final))
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Casting complex values")  # an error below
                super().load_state_dict(state_dict)
            self._check_keys()
            self._take_exactly(given)
            self._bound(ValueError)
        except Exception as error:
            try:
                if isinstance(error, KeyError) and _is_of_torch(error):
                    self._check_keys()
                    raise ValueError(f"{self._without(error.args[0])} is missing") from None
                raise
            finally:
                self.state, self.param_groups, self._binding = before
        finally:
            hook.remove()

    def _check_keys(self) -> None:
        """Raise an error unless loaded groups have the hyperparameters of this rule."""
        for index, group in enumerate(self.param_groups):
            missing = sorted({source.key for source in self._known_sources()} - group.keys())
            if missing:
                raise ValueError(
                    f"cannot load state_dict: group {index} lacks {', '.join(map(repr, missing))}; "
                    f"expected the state of {self.rule.name}"
                )

    def _without(self, key: str) -> str:
        """Return a description of the missing part of a loaded state."""
        if key in ("state", "param_groups", "params"):
            return f"{key!r} of the state_dict" + (", in a group," if key == "params" else "")
        names = (name for group in self._names() for name in group)
        tensors = (tensor for group in self.param_groups for tensor in group["params"])
        lacking = (
            n for n, t in zip(names, tensors, strict=True) if key not in self.state.get(t, {key})
        )
        return f"state {key!r} of {next(lacking, 'a parameter')}"

    def _take_exactly(self, given: dict[str, Any]) -> None:
        """Replace states that torch has cast to a parameter's dtype by the loaded ones."""
        numbers = [number for group in given["param_groups"] for number in group["params"]]
        tensors = [tensor for group in self.param_groups for tensor in group["params"]]
        for number, tensor in zip(numbers, tensors, strict=True):
            for name, value in given["state"].get(number, {}).items():
                if isinstance(value, torch.Tensor):
                    self.state[tensor][name] = value

    @reads
    def state_dict(self) -> dict[str, Any]:
        """Return the state, as torch does. Its tensors share memory with the optimizer."""
        self._check_training("state_dict()")
        state: dict[str, Any] = super().state_dict()
        return state

    @reads
    def __getstate__(self) -> dict[str, Any]:
        self._check_training("pickling or copying")
        return {**super().__getstate__(), "_options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.setdefault("_guard", Guard())  # pickle's protocols 0 and 1 skip __new__
        super().__setstate__(state)
        self._binding = None

    def share_memory(self) -> None:
        """Raise NotImplementedError, because processes cannot share states."""
        raise NotImplementedError(f"{self.rule.name}: states cannot be shared between processes")

    @property
    def evaluating(self) -> bool:
        """Whether the optimizer is in eval mode, with averaged weights in the parameters."""
        return self._binding is not None and self._binding.engine.evaluating

    def _check_training(self, what: str) -> None:
        if self.evaluating:
            raise RuntimeError(f"the optimizer is in eval mode; call train() before {what}")

    def eval(self) -> None:
        """Switch to eval mode, with averaged weights; see `pyoptim.Optimizer.eval`."""
        if self.rule.has_eval_mode and not self.evaluating:
            self._bound().eval()

    def train(self) -> None:
        """Switch back to train mode after `eval`, also if the parameters have moved in memory.

        Raises
        ------
        RuntimeError
            If the shape or device of a parameter changed since `eval`. That parameter is not
            restored, all others are.
        """
        if self._binding is not None and self.evaluating:
            self._binding.train()

    @changes
    def update_hessian(self, estimates: Sequence[Tensor | None]) -> None:
        """Update the state with estimates of the Hessian's diagonal.

        See `pyoptim.Optimizer.update_hessian`. Pass one estimate for each parameter, in the order
        of the groups. None keeps the parameter's state.
        """
        self._bound().update_hessian(estimates)


def _is_of_torch(error: BaseException) -> bool:
    """Return whether torch.optim raised the error, and not a hook."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("torch.optim.")


def _counts(theirs: type[torch.optim.Optimizer] | None) -> bool:
    """Return whether states contain the number of steps, as those of torch's class do."""
    if theirs is None:
        return True
    param = torch.zeros(1, 1, requires_grad=True)
    param.grad = torch.zeros(1, 1)
    optimizer = theirs([param])
    with torch.no_grad():
        inspect.unwrap(theirs.step)(optimizer)  # without hooks
    return "step" in optimizer.state[param]
