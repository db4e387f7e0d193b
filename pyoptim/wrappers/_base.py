"""What all wrappers share: they take the place of the optimizer that they wrap."""

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
from pyoptim.optim._param_groups import row_sparse
from pyoptim.optim._penalized import Penalties
from pyoptim.optim._state_dict import StateDict, fitting
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array

GradientsOrClosure: TypeAlias = (
    Sequence[Any] | Mapping[str, Any] | Array | RowGrad | Callable[[], Any] | None
)
"""What `step` takes: gradients in any form, or around `SAM` the function that computes them."""

_FIXED = ("optimizer", "takes_closure", "unwrapped")  # attributes that every wrapper has
_INNER = "optimizer."  # what the keys of the wrapped optimizer's state start with


def _fixing(init: Callable[..., None]) -> Callable[..., None]:
    """Make a constructor fix the wrapper's arguments when the whole constructor is done."""

    @wraps(init)
    def fixing(self: Wrapper, *arguments: Any, **keywords: Any) -> None:
        init(self, *arguments, **keywords)
        if type(self).__init__ is fixing:
            self._is_made = True

    return fixing


class Wrapper(EvalMode):
    """Base class of all wrappers: on its own it passes everything on.

    A subclass says what is special about it: `_moved` is called after every step that moved the
    parameters; `_gradients` changes the gradients on the way in; else it has a `step` of its own.
    Arrays that it makes by `_allocate`, and the attributes that it names in `_numbers`, are its
    state: they are saved, loaded and copied without more being said. Threads that share a wrapper
    take turns: its methods are one action each, and so are those that a subclass overrides.

    Parameters
    ----------
    optimizer : Optimizer or Wrapper
        What is wrapped, available as the attribute `optimizer`.
    **settings
        The other arguments of a subclass, from which a copy can be made.

    Raises
    ------
    TypeError
        If the optimizer is none.

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
    """The attributes that are state."""

    _gives_gradients: ClassVar[bool] = False
    """Whether what is wrapped gets gradients that the wrapper made."""

    _supports_row_grad: ClassVar[bool] = False
    """Whether it can make them for row-sparse parameters, too."""

    _passes_gradients: ClassVar[bool] = True
    """Whether what is wrapped makes a step of every call, at the same scale and the same point."""

    _is_made: bool = False
    """Whether the constructor is done: arguments cannot change then."""

    takes_closure: bool = False
    """Whether `step` takes a function that computes gradients, not gradients."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__init__" in vars(cls):
            cls.__init__ = _fixing(cls.__init__)  # type: ignore[method-assign]

    @_fixing
    def __init__(self, optimizer: Optimizer | Wrapper, **settings: Any) -> None:
        if not isinstance(optimizer, Optimizer | Wrapper):
            raise TypeError(f"optimizer: expected an Optimizer or a Wrapper, got {optimizer!r}")
        if isinstance(optimizer, Wrapper):
            self.takes_closure = optimizer.takes_closure or self.takes_closure
            if optimizer.takes_closure and self._gives_gradients:
                raise TypeError(
                    f"{type(self).__name__} gives gradients to what it wraps, and "
                    f"{type(optimizer).__name__} takes a closure: wrap them the other way round"
                )
        self.optimizer = optimizer
        self._settings = settings
        self._arrays: dict[str, Array] = {}
        self._any_length: tuple[str, ...] = ()  # arrays of the state that may be longer or shorter
        inner = optimizer
        while isinstance(inner, Wrapper):
            inner = inner.optimizer
        self.unwrapped: Optimizer = inner
        self._guard = inner._guard  # one action is one for all that is wrapped
        if self._gives_gradients:
            self._check_gradients()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the wrapper that is state, or the caller's own.

        Settings and options of its optimizer are no attributes, and its arguments cannot change.
        """
        if name.startswith("_"):
            super().__setattr__(name, value)
            return
        if (
            self._is_made
            and name not in self._numbers
            and (name in _FIXED or name in self._settings or name in self._own_arguments())
        ):
            raise AttributeError(f"{name}: cannot change; make a new {type(self).__name__}")
        unwrapped: Optimizer | None = self.__dict__.get("unwrapped")
        fields = () if unwrapped is None else unwrapped._rule.fields
        if name in SHARED_SETTINGS or (
            any(field.name == name for field in fields) and name not in self._own_arguments()
        ):
            raise AttributeError(
                f"{name}: a setting is changed in its group; set param_groups[0][{name!r}]"
            )
        if name in OPTIONS and name not in self._own_arguments():
            raise AttributeError(f"{name}: cannot change; make a new optimizer")
        super().__setattr__(name, value)

    @classmethod
    def _own_arguments(cls) -> Collection[str]:
        """Return the arguments of the constructors of the wrapper's class and its bases."""
        return {
            argument.name
            for made in cls.__mro__
            if issubclass(made, Wrapper)
            for argument in inspect.signature(made).parameters.values()
            if argument.kind is not argument.VAR_KEYWORD
        }

    def _check_gradients(self) -> None:
        """Raise an error where the optimizer's gradients cannot be replaced by others."""
        by_rows = [name for params in self.unwrapped._groups for name in row_sparse(params)]
        if by_rows and not self._supports_row_grad:
            raise TypeError(
                f"{type(self).__name__} works on whole gradients, and {by_rows[0]!r} is row-sparse"
            )
        if self.unwrapped._options.get("zero_grads"):
            raise ValueError(
                f"{type(self).__name__} gives the optimizer gradients of its own, which zero_grads "
                "would set to 0 in place of those that are given"
            )

    def penalize(self, penalty: Penalties, names: Iterable[str | int] | str | None = None) -> None:
        """Let the optimizer apply penalties within its steps: see `Optimizer.penalize`."""
        self.unwrapped.penalize(penalty, names)

    @property
    def param_groups(self) -> Sequence[ParamGroup]:
        """The groups of the optimizer."""
        return self.optimizer.param_groups

    @property
    def state(self) -> Mapping[str, Mapping[str, Any]]:
        """The optimizer's state of every parameter; the wrapper's own is in `state_dict`."""
        return self.optimizer.state

    @property
    def steps(self) -> int:
        """The number of steps that the optimizer made."""
        return self.optimizer.steps

    @property
    def scheduled(self) -> bool:
        """Whether a setting of a group is a schedule."""
        return self.optimizer.scheduled

    def updates(self, params: Parameters) -> bool:
        """Whether `step` without arguments updates these parameters, or some of them."""
        return self.optimizer.updates(params)

    @changes
    def step(
        self,
        grads: GradientsOrClosure = None,
        *,
        grad_scale: float = 1.0,
        **keywords: Any,
    ) -> _core.StepInfo | None:
        """Make a step, as `Optimizer.step` does.

        Parameters
        ----------
        grads : list or mapping of arrays, or array, optional
            As for `Optimizer.step`; around `SAM`, the function that computes them.
        grad_scale : float
            What gradients are multiplied by first.
        **keywords
            What a wrapper further inside takes, as the `weight` of `GradientAccumulation`.

        Returns
        -------
        StepInfo or None
            What `Optimizer.step` returns; None if gradients were only accumulated.

        Raises
        ------
        RuntimeError
            Between `eval` and `train`.
        ValueError, TypeError
            As `Optimizer.step`.
        """
        self._check_training("step()")
        if not self._gives_gradients:
            return self._step(grads, grad_scale, **keywords)
        given = self._read(grads)
        optimizer = self.unwrapped
        # What changes gradients right before the step is to see them with the penalties.
        if not (optimizer.penalized and optimizer._under_way is None and self._is_last()):
            return self._step(self._gradients(given, grad_scale), grad_scale, **keywords)
        try:
            given = optimizer._penalized_gradients(given, grad_scale)
            return self._step(self._gradients(given, 1.0), 1.0, **keywords)
        finally:
            optimizer._under_way = None

    def _step(self, grads: Any, grad_scale: float, **keywords: Any) -> _core.StepInfo | None:
        """Let what is wrapped make the step."""
        info = self.optimizer.step(grads, grad_scale=grad_scale, **keywords)
        self._after(info)
        return info

    def _is_last(self) -> bool:
        """Whether gradients are those of the step once this wrapper is through with them."""
        inner = self.optimizer
        while isinstance(inner, Wrapper) and inner._passes_gradients:
            inner = inner.optimizer
        return not isinstance(inner, Wrapper)

    @changes
    def flush(self) -> _core.StepInfo | None:
        """Make the step that accumulated gradients are waiting for, if there are any.

        Call it at the end of an epoch: see `GradientAccumulation`.
        """
        self._check_training("flush()")
        info = self.optimizer.flush() if isinstance(self.optimizer, Wrapper) else None
        self._after(info)
        return info

    def eval(self) -> None:
        """Bring the parameters to the points where the model is to be evaluated or saved."""
        self.optimizer.eval()

    def train(self) -> None:
        """Switch back to train mode after `eval`, with bit-identical parameters."""
        self.optimizer.train()

    @property
    def evaluating(self) -> bool:
        """Whether the parameters are at the points of `eval`."""
        return self.optimizer.evaluating

    @reads
    def state_dict(self) -> StateDict:
        """Return everything that another wrapper needs to resume, as a plain dict of copies.

        Keys are ``wrapper``, its name; those of its own state; and ``optimizer.`` followed by the
        keys of what it wraps. Its arguments are not in it, as those of an optimizer are not that
        are not settings of a group.

        Raises
        ------
        RuntimeError
            Between `eval` and `train`.
        """
        self._check_training("state_dict()")
        inner = self.optimizer.state_dict()
        return {**self._own_state(), **{_INNER + key: value for key, value in inner.items()}}

    @changes
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` gave; where it does not fit, nothing is changed.

        Raises
        ------
        ValueError
            If it is of another wrapper or rule, or names, shapes or numbers differ.
        TypeError
            If a dtype differs.
        RuntimeError
            Between `eval` and `train`.
        """
        self._check_training("load_state_dict()")
        inner: StateDict = {}
        own: StateDict = {}
        for key, value in state_dict.items():
            if str(key).startswith(_INNER):
                inner[key[len(_INNER) :]] = value
            else:
                own[key] = value
        fitted = fitting(own, self._own_state(), "wrapper", self._any_length)
        self._check_state(fitted)
        self.optimizer.load_state_dict(inner)
        self._load(fitted)

    def _own_state(self) -> StateDict:
        """Return what is no state of the optimizer: it is the same at all points."""
        return {
            "wrapper": type(self).__name__,
            **{name: getattr(self, name) for name in self._numbers},
            **{name: array.copy() for name, array in self._arrays.items()},
        }

    def _check_state(self, state: StateDict) -> None:
        """Raise ValueError if a number of this state is out of range."""

    def _load(self, state: StateDict) -> None:
        for name in self._numbers:
            setattr(self, name, state[name])
        for name, array in self._arrays.items():
            array[...] = state[name]

    def _gradients(self, grads: list[Array | None], grad_scale: float) -> list[Array | None]:
        """Return the gradients that what is wrapped is to get, before they are scaled."""
        return grads

    def _after(self, info: _core.StepInfo | None) -> None:
        """Look at what a step did."""
        if info is not None and not info.skipped:
            self._moved()

    def _moved(self) -> None:
        """Do what is to be done after a step that moved the parameters."""

    def _check_training(self, what: str) -> None:
        if self.evaluating:
            raise RuntimeError(f"the optimizer is in eval mode; call train() before {what}")

    @property
    def _params(self) -> list[Array]:
        return self.unwrapped._native.params

    @property
    def _threads(self) -> int:
        """The number of threads that the optimizer was given, 0 for the default."""
        return self.unwrapped._options["num_threads"] or 0

    def _read(self, grads: Any) -> list[Any]:
        """Return gradients of any form as one contiguous array for each parameter, or None.

        A RowGrad of such arrays where it is of rows.
        """
        if callable(grads) and not _core.is_array(grads):
            raise TypeError(f"{type(self).__name__}: expected gradients, got a function")
        if isinstance(grads, Mapping):
            grads = self.unwrapped._in_order(grads)
        return self.unwrapped._native.readable_grads(grads, self._supports_row_grad)

    def _allocate(self, name: str | None = None, of: Sequence[int] | None = None) -> list[Array]:
        """Return zeroed arrays of the parameters' shapes, of all of them or of those numbered.

        With a name they are state: ``NAME.PARAMETER`` in `state_dict`, and of the type that
        arithmetic is done in, float32 for bfloat16. Without, they are of the parameters' dtypes.
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
            "state": self._own_state(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, state["optimizer"], **state["settings"])
        self._load(state["state"])

    def __copy__(self) -> Self:
        """Return a wrapper of a copy of the optimizer; both share the parameters only."""
        twin = type(self).__new__(type(self))
        twin.__setstate__({**self.__getstate__(), "optimizer": copy.copy(self.optimizer)})
        return twin

    def __repr__(self) -> str:
        settings = "".join(f", {name}={value!r}" for name, value in self._settings.items())
        return f"{type(self).__name__}({self.optimizer!r}{settings})"


class KeptWeights(Wrapper):
    """Base class of wrappers that keep averaged weights for evaluation.

    `eval` writes them into the parameters, `train` brings back those of training.
    """

    def __init__(self, optimizer: Optimizer | Wrapper, name: str, **settings: Any) -> None:
        super().__init__(optimizer, **settings)
        self._kept = self._allocate(name)
        self._training: list[Array] | None = None

    @property
    def weights(self) -> Mapping[str, Array]:
        """The weights that are kept, by parameter: read-only views, float32 for bfloat16."""
        views = [array.view() for array in self._kept]
        for view in views:
            view.flags.writeable = False
        return MappingProxyType(dict(zip(self.unwrapped._keys, views, strict=True)))

    def _has_weights(self) -> bool:
        """Whether there is something to evaluate with, other than the parameters."""
        return True

    def eval(self) -> None:
        """Write the weights that are kept into the parameters, until `train`."""
        if self._training is not None:
            return
        self.optimizer.train()
        self._training = [param.copy() for param in self._params]
        if self._has_weights():
            _core.give(self._kept, self._params, self._threads)

    def train(self) -> None:
        """Switch back to train mode after `eval`, with bit-identical parameters."""
        if self._training is not None:
            for param, training in zip(self._params, self._training, strict=True):
                param[...] = training
            self._training = None
        self.optimizer.train()

    @property
    def evaluating(self) -> bool:
        """Whether the parameters are at the points of `eval`."""
        return self._training is not None or self.optimizer.evaluating

    def _has_evaluated(self) -> bool:
        return self._training is not None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "training": copy.deepcopy(self._training)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._training = state["training"]
