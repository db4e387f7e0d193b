"""Base classes of all wrappers."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import wraps
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from pyoptim import _core
from pyoptim.optim._base import OPTIONS, Optimizer, ParamGroup
from pyoptim.optim._eval_mode import EvalMode
from pyoptim.optim._guard import changes, reads
from pyoptim.optim._param_group import SHARED_SETTINGS
from pyoptim.optim._params_argument import row_sparse
from pyoptim.optim._penalized import Penalties
from pyoptim.optim._state_dict import StateDict, fitting
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array

GradientsOrClosure: TypeAlias = (
    Sequence[Any] | Mapping[str, Any] | Array | RowGrad | Callable[[], Any] | None
)
"""Argument of `step`: gradients in any form or, with `SAM`, a function that computes them."""

_READ_ONLY = ("optimizer", "takes_closure", "unwrapped")  # attributes of every wrapper
_INNER = "optimizer."  # prefix of the wrapped optimizer's keys in `state_dict`


def _locks_arguments(init: Callable[..., None]) -> Callable[..., None]:
    """Make the outermost constructor mark the wrapper as constructed."""

    @wraps(init)
    def locking_init(self: Wrapper, *arguments: Any, **keywords: Any) -> None:
        init(self, *arguments, **keywords)
        if type(self).__init__ is locking_init:
            self._is_constructed = True

    return locking_init


class Wrapper(EvalMode):
    """Base class of all wrappers, which forwards every call to the wrapped optimizer.

    A subclass overrides `_after_update`, which is called after each step that updated the
    parameters, or `_gradients`, which transforms the gradients before the step, or `step` itself.
    Arrays from `_allocate` and the attributes named in `_numbers` are the state of the wrapper.
    They are saved, loaded and copied automatically. Threads can share a wrapper: each method call
    is atomic, also where a subclass overrides the method.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        Optimizer to wrap, available as the attribute `optimizer`.
    **settings
        Other constructor arguments of a subclass, from which the wrapper is copied.

    Raises
    ------
    TypeError
        If `optimizer` is not an `Optimizer` or a `Wrapper`.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> w = np.array([1.0, -2.0])
    >>> opt = po.wrappers.Wrapper(po.SGD([w], lr=0.25))
    >>> opt.step([2 * w]).step
    1
    >>> w
    array([ 0.5, -1. ])
    """

    _numbers: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that are state."""

    _changes_gradients: ClassVar[bool] = False
    """Whether the wrapped optimizer gets gradients that the wrapper computed."""

    _supports_row_grad: ClassVar[bool] = False
    """Whether the wrapper can compute gradients of row-sparse parameters, too."""

    _forwards_steps: ClassVar[bool] = True
    """Whether every call is forwarded as one step, at the same gradient scale and weights."""

    _is_constructed: bool = False
    """Whether the constructor has finished. From then on its arguments are read-only."""

    takes_closure: bool = False
    """Whether `step` takes a function that computes gradients, instead of gradients."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__init__" in vars(cls):
            cls.__init__ = _locks_arguments(cls.__init__)  # type: ignore[method-assign]

    @_locks_arguments
    def __init__(self, optimizer: Optimizer | Wrapper, **settings: Any) -> None:
        if not isinstance(optimizer, Optimizer | Wrapper):
            raise TypeError(f"optimizer: expected an Optimizer or a Wrapper, got {optimizer!r}")
        if isinstance(optimizer, Wrapper):
            self.takes_closure = optimizer.takes_closure or self.takes_closure
            if optimizer.takes_closure and self._changes_gradients:
                raise TypeError(
                    f"optimizer: {type(self).__name__} passes gradients to the optimizer that it "
                    f"wraps, but {type(optimizer).__name__} takes a closure; swap the two wrappers"
                )
        self.optimizer = optimizer
        self._settings = settings
        self._arrays: dict[str, Array] = {}
        self._any_length: tuple[str, ...] = ()  # keys of state arrays of variable length
        inner = optimizer
        while isinstance(inner, Wrapper):
            inner = inner.optimizer
        self.unwrapped: Optimizer = inner
        self._guard = inner._guard  # shared, so that an action is atomic for all wrapped objects
        if self._changes_gradients:
            self._check_gradients()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute that is state of the wrapper, or that the caller added.

        Constructor arguments, and the hyperparameters and options of the optimizer, are rejected.
        """
        if name.startswith("_"):
            super().__setattr__(name, value)
            return
        if (
            self._is_constructed
            and name not in self._numbers
            and (name in _READ_ONLY or name in self._settings or name in self._argument_names())
        ):
            raise AttributeError(f"{name}: cannot change; make a new {type(self).__name__}")
        unwrapped: Optimizer | None = self.__dict__.get("unwrapped")
        fields = () if unwrapped is None else unwrapped._rule.fields
        if name in SHARED_SETTINGS or (
            any(field.name == name for field in fields) and name not in self._argument_names()
        ):
            raise AttributeError(
                f"{name}: a setting is changed in its group; set param_groups[0][{name!r}]"
            )
        if name in OPTIONS and name not in self._argument_names():
            raise AttributeError(f"{name}: cannot change; make a new optimizer")
        super().__setattr__(name, value)

    @classmethod
    def _argument_names(cls) -> Collection[str]:
        """Return the argument names of the constructors of the wrapper's class and its bases."""
        return {
            argument.name
            for base in cls.__mro__
            if issubclass(base, Wrapper)
            for argument in inspect.signature(base).parameters.values()
            if argument.kind is not argument.VAR_KEYWORD
        }

    def _check_gradients(self) -> None:
        """Raise an error if the wrapper cannot replace the optimizer's gradients."""
        names = [name for params in self.unwrapped._groups for name in row_sparse(params)]
        if names and not self._supports_row_grad:
            raise TypeError(
                f"optimizer: {type(self).__name__} does not support row-sparse parameters, got "
                f"{names[0]!r}"
            )
        if self.unwrapped._options.get("zero_grads"):
            raise ValueError(
                f"optimizer: {type(self).__name__} does not support zero_grads=True, which would "
                "set the wrapper's gradients to 0 instead of the caller's; leave zero_grads out"
            )

    def penalize(self, penalty: Penalties, names: Iterable[str | int] | str | None = None) -> None:
        """Attach penalties to the optimizer; see `Optimizer.penalize`."""
        self.unwrapped.penalize(penalty, names)

    @property
    def param_groups(self) -> Sequence[ParamGroup]:
        """The groups of the optimizer."""
        return self.optimizer.param_groups

    @property
    def state(self) -> Mapping[str, Mapping[str, Any]]:
        """The optimizer's state of each parameter; `state_dict` also has the wrapper's state."""
        return self.optimizer.state

    @property
    def steps(self) -> int:
        """The number of steps of the optimizer."""
        return self.optimizer.steps

    @property
    def scheduled(self) -> bool:
        """Whether a hyperparameter of a group is a schedule."""
        return self.optimizer.scheduled

    def updates(self, params: Parameters) -> bool:
        """Whether `step` without arguments updates any of these parameters."""
        return self.optimizer.updates(params)

    @changes
    def step(
        self,
        grads: GradientsOrClosure = None,
        *,
        grad_scale: float = 1.0,
        **keywords: Any,
    ) -> _core.StepInfo | None:
        """Perform one step like `Optimizer.step`.

        Parameters
        ----------
        grads : list or mapping of arrays, or array, optional
            Gradients, as in `Optimizer.step`. If `SAM` is wrapped, a function that computes them.
        grad_scale : float
            Factor that gradients are multiplied by first.
        **keywords
            Keyword arguments of a wrapped wrapper, such as `weight` of `GradientAccumulation`.

        Returns
        -------
        StepInfo or None
            Result of `Optimizer.step`, or None if gradients were only accumulated.

        Raises
        ------
        RuntimeError
            If the optimizer is in eval mode.
        ValueError, TypeError
            If `Optimizer.step` raises it.
        """
        self._check_training("step()")
        if not self._changes_gradients:
            return self._step(grads, grad_scale, **keywords)
        arrays = self._read(grads)
        optimizer = self.unwrapped
        # Penalties are added before the last change of gradients, so that AGC clips their sum.
        if not (optimizer.penalized and optimizer._under_way is None and self._is_last()):
            return self._step(self._gradients(arrays, grad_scale), grad_scale, **keywords)
        try:
            arrays = optimizer._penalized_gradients(arrays, grad_scale)
            return self._step(self._gradients(arrays, 1.0), 1.0, **keywords)
        finally:
            optimizer._under_way = None

    def _step(self, grads: Any, grad_scale: float, **keywords: Any) -> _core.StepInfo | None:
        """Step the wrapped optimizer."""
        info = self.optimizer.step(grads, grad_scale=grad_scale, **keywords)
        self._after_step(info)
        return info

    def _is_last(self) -> bool:
        """Whether the optimizer steps with the gradients that this wrapper passes on."""
        inner = self.optimizer
        while isinstance(inner, Wrapper) and inner._forwards_steps:
            inner = inner.optimizer
        return not isinstance(inner, Wrapper)

    @changes
    def flush(self) -> _core.StepInfo | None:
        """Perform the step for accumulated gradients, if there are any.

        Call it at the end of an epoch; see `GradientAccumulation`. Without accumulated gradients it
        does nothing and returns None.
        """
        self._check_training("flush()")
        info = self.optimizer.flush() if isinstance(self.optimizer, Wrapper) else None
        self._after_step(info)
        return info

    def eval(self) -> None:
        """Switch to eval mode: write the weights for evaluation into the parameters."""
        self.optimizer.eval()

    def train(self) -> None:
        """Switch back to train mode after `eval`, with bit-identical parameters."""
        self.optimizer.train()

    @property
    def evaluating(self) -> bool:
        """Whether the optimizer is in eval mode."""
        return self.optimizer.evaluating

    @reads
    def state_dict(self) -> StateDict:
        """Return everything that another wrapper needs to resume, as a plain dict of copies.

        The keys are ``wrapper``, which holds the name of the wrapper's class, the keys of the
        wrapper's own state, and ``optimizer.`` followed by each key of the wrapped optimizer.
        Constructor arguments are not included.

        Raises
        ------
        RuntimeError
            If the optimizer is in eval mode.
        """
        self._check_training("state_dict()")
        inner = self.optimizer.state_dict()
        return {**self._wrapper_state(), **{_INNER + key: value for key, value in inner.items()}}

    @changes
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load a state that `state_dict` returned; if it does not fit, nothing changes.

        Raises
        ------
        ValueError
            If the state belongs to another wrapper or rule, if names or shapes differ, or if a
            number is out of range.
        TypeError
            If a dtype differs.
        RuntimeError
            If the optimizer is in eval mode.
        """
        self._check_training("load_state_dict()")
        inner_state: StateDict = {}
        wrapper_state: StateDict = {}
        for key, value in state_dict.items():
            if str(key).startswith(_INNER):
                inner_state[key[len(_INNER) :]] = value
            else:
                wrapper_state[key] = value
        checked = fitting(wrapper_state, self._wrapper_state(), "wrapper", self._any_length)
        self._check_state(checked)
        self.optimizer.load_state_dict(inner_state)
        self._load(checked)

    def _wrapper_state(self) -> StateDict:
        """Return the wrapper's own state, which is the same in train and eval mode."""
        return {
            "wrapper": type(self).__name__,
            **{name: getattr(self, name) for name in self._numbers},
            **{name: array.copy() for name, array in self._arrays.items()},
        }

    def _check_state(self, state: StateDict) -> None:
        """Raise ValueError if a number in the state is out of range."""

    def _load(self, state: StateDict) -> None:
        for name in self._numbers:
            setattr(self, name, state[name])
        for name, array in self._arrays.items():
            array[...] = state[name]

    def _gradients(self, grads: list[Array | None], grad_scale: float) -> list[Array | None]:
        """Return the gradients for the wrapped optimizer, which scales them itself."""
        return grads

    def _after_step(self, info: _core.StepInfo | None) -> None:
        """Respond to the result of a step; by default call `_after_update` unless it skipped."""
        if info is not None and not info.skipped:
            self._after_update()

    def _after_update(self) -> None:
        """Respond to a step that updated the parameters; by default do nothing."""

    def _check_training(self, action: str) -> None:
        if self.evaluating:
            raise RuntimeError(f"the optimizer is in eval mode; call train() before {action}")

    @property
    def _params(self) -> list[Array]:
        return self.unwrapped._native.params

    @property
    def _threads(self) -> int:
        """The optimizer's `num_threads`, or 0 for the default."""
        return self.unwrapped._options["num_threads"] or 0

    def _read(self, grads: Any) -> list[Any]:
        """Return gradients of any form as a list with one item for each parameter.

        An item is a contiguous array, a `RowGrad` of contiguous arrays, or None.
        """
        if callable(grads) and not _core.is_array(grads):
            raise TypeError(f"grads: {type(self).__name__} expected gradients, got a function")
        if isinstance(grads, Mapping):
            grads = self.unwrapped._in_order(grads)
        return self.unwrapped._native.readable_grads(grads, self._supports_row_grad)

    def _allocate(self, name: str | None = None, of: Sequence[int] | None = None) -> list[Array]:
        """Return zeroed arrays with the shapes of all parameters, or of those with indices `of`.

        Arrays with a name are state, with the key ``NAME.PARAMETER`` in `state_dict`. They have the
        dtype of computations, which is float32 for bfloat16. Arrays without a name have the
        parameters' dtypes.
        """
        of = range(len(self._params)) if of is None else of
        like = [self._params[i] for i in of]
        dtypes = [array.dtype for array in like]
        if name is not None:
            dtypes = [d if d == np.float64 else np.dtype(np.float32) for d in dtypes]
        memory = _core.allocate([p.size * d.itemsize for p, d in zip(like, dtypes, strict=True)])
        arrays = [
            flat.view(dtype).reshape(param.shape)
            for flat, dtype, param in zip(memory, dtypes, like, strict=True)
        ]
        if name is not None:
            keys = [self.unwrapped._keys[i] for i in of]
            self._arrays |= {f"{name}.{key}": a for key, a in zip(keys, arrays, strict=True)}
        return arrays

    @reads
    def __getstate__(self) -> dict[str, Any]:
        return {
            "optimizer": self.optimizer,
            "settings": self._settings,
            "state": self._wrapper_state(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, state["optimizer"], **state["settings"])
        self._load(state["state"])

    def __copy__(self) -> Self:
        """Return a wrapper of a copy of the optimizer; the copy shares only the parameters."""
        clone = type(self).__new__(type(self))
        clone.__setstate__({**self.__getstate__(), "optimizer": copy.copy(self.optimizer)})
        return clone

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self._settings.items())
        return f"{type(self).__name__}({self.optimizer!r}{settings})"


class AveragedWeights(Wrapper):
    """Base class of wrappers that hold averaged weights for evaluation.

    `eval` writes the averaged weights into the parameters. `train` restores the training weights.
    """

    def __init__(self, optimizer: Optimizer | Wrapper, name: str, **settings: Any) -> None:
        super().__init__(optimizer, **settings)
        self._averaged = self._allocate(name)
        self._training: list[Array] | None = None  # training weights in eval mode

    @property
    def weights(self) -> Mapping[str, Array]:
        """The averaged weights by parameter name: read-only views, float32 for bfloat16."""
        views = [array.view() for array in self._averaged]
        for view in views:
            view.flags.writeable = False
        return MappingProxyType(dict(zip(self.unwrapped._keys, views, strict=True)))

    def _has_weights(self) -> bool:
        """Whether there are averaged weights to evaluate with."""
        return True

    def eval(self) -> None:
        """Switch to eval mode: write the averaged weights into the parameters."""
        if self._training is not None:
            return
        self.optimizer.train()
        self._training = [param.copy() for param in self._params]
        if self._has_weights():
            _core.store_params(self._averaged, self._params, self._threads)

    def train(self) -> None:
        """Switch back to train mode after `eval`, with bit-identical parameters."""
        if self._training is not None:
            for param, training in zip(self._params, self._training, strict=True):
                param[...] = training
            self._training = None
        self.optimizer.train()

    @property
    def evaluating(self) -> bool:
        """Whether the optimizer is in eval mode."""
        return self._training is not None or self.optimizer.evaluating

    def _has_evaluated(self) -> bool:
        return self._training is not None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "training": copy.deepcopy(self._training)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._training = state["training"]
