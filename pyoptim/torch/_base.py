"""What all classes of `pyoptim.torch` share: torch's base class with pyoptim's step."""

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
"""Makes an engine of groups and options."""


class Optimizer(torch.optim.Optimizer, EvalMode):
    """Base class of the optimizers; make one of its subclasses, such as `pyoptim.torch.AdamW`.

    Everything is torch's own but the step: it is one call of pyoptim's engine for all groups. The
    engine is made at the first step, and again where tensors or groups change; what
    `Optimizer.state` shows is its memory.
    """

    rule: ClassVar[Rule]
    """The update rule, as in `pyoptim.rules()`."""

    _elementwise: ClassVar[bool]  # whether elements may come in any order
    _theirs: ClassVar[type | None] = None  # torch's class of the same name

    _step_supports_amp_scaling = True  # GradScaler leaves unscaling to the step
    _binding: Binding | None = None
    _sources: list[Source] | None = None
    _options: Mapping[str, Any] = MappingProxyType({})

    state: Any
    param_groups: list[dict[str, Any]]

    info: StepInfo | None = None
    """What the last step did: `grad_norm` before clipping, and whether it was `skipped`.

    None if it did nothing: no parameter had a gradient, a `GradScaler` left it out, or it failed.
    """

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Make an optimizer with a lock, which copies and pickles have of their own."""
        made: Self = super().__new__(cls)
        made._guard = Guard()
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        raise TypeError("Optimizer is the base class; make one of its subclasses, like AdamW")

    @staticmethod
    def _make(groups: list[Any], options: Mapping[str, Any]) -> Engine:
        """Make the engine of this rule."""
        raise NotImplementedError

    def _make_engine(self, groups: list[Any]) -> Engine:
        return self._make(groups, self._options)

    @changes
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the gradients, and returns the loss.

        Returns
        -------
        What the closure returned, or None.
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
        """Wrap a step as torch does, by hooks and a profiler's mark, where somebody listens.

        That nobody does is what most steps find; it costs them next to nothing then.
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
        """Return an engine over the tensors, groups, settings and states as they are now.

        A parameter that has some of its states, but not all, is an error: of the type `missing`.
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
        """Return the settings of all groups, as the engine takes them."""
        known = self._known_sources()
        return [
            [(source.name, source.value(group)) for source in known] for group in self.param_groups
        ]

    def _known_sources(self) -> list[Source]:
        if self._sources is None:
            self._sources = sources(self.rule, self.defaults.keys())
        return self._sources

    def _names(self) -> Iterator[list[str]]:
        """Yield, for each group, what its parameters are called in errors."""
        count = 0
        for group in self.param_groups:
            given = group.get("param_names")
            names = [f"params[{count + i}]" for i in range(len(group["params"]))]
            count += len(names)
            yield names if given is None else list(map("{} ({})".format, names, given))

    @changes
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, as torch does; what could not be stepped is refused."""
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
                f"{self.rule.name}: differentiable=True is not supported, autograd does not see "
                "the step; take torch.optim's"
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
        """Load a state of this class or of torch's; where it does not fit, nothing is changed.

        A ValueError names the reason: a state that is missing, or has another shape or type,
        or groups of another optimizer. What an option of pyoptim keeps may be missing, and starts
        anew.

        Other than torch's, it keeps states in the type they have: float32 ones of bfloat16
        parameters stay exact.
        """
        self._check_training("load_state_dict()")
        before = self.state, self.param_groups, self._binding
        given: dict[str, Any] = {}
        hook = self.register_load_state_dict_pre_hook(lambda _, final: given.update(final))
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Casting complex values")  # refused below
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
        """Raise an error unless loaded groups have the settings of this rule."""
        for index, group in enumerate(self.param_groups):
            missing = sorted({source.key for source in self._known_sources()} - group.keys())
            if missing:
                raise ValueError(
                    f"group {index} of the state has no {', '.join(map(repr, missing))}: it is of "
                    f"another optimizer than {self.rule.name}"
                )

    def _without(self, key: str) -> str:
        """Return what a loaded state lacks in words: a part of it, or a state of a parameter."""
        if key in ("state", "param_groups", "params"):
            return f"{key!r} of the state_dict" + (", in a group," if key == "params" else "")
        names = (name for group in self._names() for name in group)
        tensors = (tensor for group in self.param_groups for tensor in group["params"])
        lacking = (
            n for n, t in zip(names, tensors, strict=True) if key not in self.state.get(t, {key})
        )
        return f"state {key!r} of {next(lacking, 'a parameter')}"

    def _take_exactly(self, given: dict[str, Any]) -> None:
        """Replace what torch has cast to a parameter's type by what was given."""
        numbers = [number for group in given["param_groups"] for number in group["params"]]
        tensors = [tensor for group in self.param_groups for tensor in group["params"]]
        for number, tensor in zip(numbers, tensors, strict=True):
            for name, value in given["state"].get(number, {}).items():
                if isinstance(value, torch.Tensor):
                    self.state[tensor][name] = value

    @reads
    def state_dict(self) -> dict[str, Any]:
        """Return the state, as torch does; its tensors are those of the optimizer, not copies."""
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
        """Refuse, as states cannot be shared between processes."""
        raise NotImplementedError(f"{self.rule.name}: states cannot be shared between processes")

    @property
    def evaluating(self) -> bool:
        """Whether the parameters are at the points of `eval`."""
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
            If parameters have another shape or device since `eval`: they stay as they are, the
            others are back.
        """
        if self._binding is not None and self.evaluating:
            self._binding.train()

    @changes
    def update_hessian(self, estimates: Sequence[Tensor | None]) -> None:
        """Take in estimates of the Hessian's diagonal; see `pyoptim.Optimizer.update_hessian`.

        There is one for each parameter, in the order of the groups; None leaves a parameter's as
        it is.
        """
        self._bound().update_hessian(estimates)


def _is_of_torch(error: BaseException) -> bool:
    """Whether torch.optim itself raised it, not a hook."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("torch.optim.")


def _counts(theirs: type[torch.optim.Optimizer] | None) -> bool:
    """Whether states show the number of steps: where torch has the class, as torch does."""
    if theirs is None:
        return True
    param = torch.zeros(1, 1, requires_grad=True)
    param.grad = torch.zeros(1, 1)
    optimizer = theirs([param])
    with torch.no_grad():
        inspect.unwrap(theirs.step)(optimizer)  # no hook of others hears of it
    return "step" in optimizer.state[param]
