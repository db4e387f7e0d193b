"""Parameters that share settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from pyoptim._utils.equality import same_values
from pyoptim._utils.fixed import FixedList
from pyoptim._utils.text import listed
from pyoptim._utils.validation import as_number
from pyoptim.optim._backend import Engine
from pyoptim.optim._guard import Guard, changes, reads
from pyoptim.optim._registry import Rule
from pyoptim.parameters._types import Array

StepFunction: TypeAlias = Callable[[int], float]
"""A function from the step, counted from 0, to a number: `pyoptim.schedules` has many."""

ScalarOrSchedule: TypeAlias = float | StepFunction
"""What a setting that is not a flag may be."""

_FIXED = "params: the arrays of a group cannot change; make a new optimizer"
SHARED_SETTINGS = ("lr", "weight_decay", "decoupled_weight_decay", "maximize")
_FLAGS = ("decoupled_weight_decay", "maximize")


class ParamGroup(MutableMapping[str, Any]):
    """Parameters that share settings: ``group["lr"] = 0.1`` takes effect at the next step.

    ``group["params"]`` is the list of its arrays, which cannot change. All settings but flags may
    be a number or a schedule. A group is not copied apart from its optimizer; ``dict(group)`` has
    its settings.

    Attributes
    ----------
    schedules : mapping of str to schedule
        The settings that are schedules, read-only. ``group["lr"] = schedule`` adds one.
    """

    def __init__(
        self,
        rule: Rule,
        native: Engine,
        guard: Guard,
        index: int,
        params: list[Array],
        schedules: dict[str, StepFunction],
    ) -> None:
        self._native = native
        self._guard = guard
        self._index = index
        self._params = FixedList(params, _FIXED)
        self._rule = rule
        self._flags = _flags(rule)
        self._names = (*SHARED_SETTINGS, *(field.name for field in rule.fields))
        self._schedules = schedules

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse attributes: settings are items."""
        if not name.startswith("_"):
            given = f"param_groups[{self._index}][{name!r}]"
            what = f"set {given}" if name in self._names else f"its items are {listed(self)}"
            raise AttributeError(f"{name}: a group has no attributes that can be set; {what}")
        super().__setattr__(name, value)

    @property
    def schedules(self) -> Mapping[str, StepFunction]:
        """The settings that are schedules."""
        return MappingProxyType(self._schedules)

    @reads
    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self._params
        if name in self._schedules:
            return self._schedules[name]
        if name not in self._names:
            raise KeyError(f"no setting {name!r}; there are {listed(self)}")
        value = self._native.get(self._index, name)
        return bool(value) if name in self._flags else value

    @changes
    def __setitem__(self, name: str, value: Any) -> None:
        if name == "params":
            raise ValueError(_FIXED)
        if name not in self._names:
            raise KeyError(f"no setting {name!r}; there are {listed(self)}")
        if not callable(value):
            self._native.set(self._index, name, as_setting(self._rule, name, value))
            self._schedules.pop(name, None)
        else:
            check_may_vary(self._rule, name)
            first = value_at(name, value, self._native.steps, self._guard.asked)
            self._native.set(self._index, name, first)
            self._schedules[name] = value

    def scheduled_at(self, step: int) -> list[tuple[str, float]]:
        """Return what is a schedule, with its value at this step."""
        asked = self._guard.asked
        return [(name, value_at(name, at, step, asked)) for name, at in self._schedules.items()]

    @reads
    def numbers(self) -> dict[str, Any]:
        """Return the settings as they are now; of a schedule, the value of the last step.

        They are as a state keeps them: what is several numbers is an array.
        """
        values = {name: self._native.get(self._index, name) for name in self._names}
        for name, value in values.items():
            if name in self._flags:
                values[name] = bool(value)
            elif isinstance(value, tuple):
                values[name] = np.array(value)
        return values

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"a group's settings cannot be removed, {name!r} neither")

    def __iter__(self) -> Iterator[str]:
        return iter(("params", *self._names))

    def __len__(self) -> int:
        return 1 + len(self._names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return same_values(dict(self), dict(other))

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            "ParamGroup: a group is not copied or pickled apart from its optimizer; copy the "
            "optimizer, or take dict(group)"
        )

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={self[name]!r}" for name in self._names)
        return f"ParamGroup({len(self._params)} arrays, {settings})"


def value_at(
    name: str,
    schedule: StepFunction,
    step: int,
    asked: Callable[[StepFunction, int], Any] = lambda schedule, step: schedule(step),
) -> float:
    """Return what a schedule gives for a setting, as a float; errors name both and the step."""
    try:
        value = asked(schedule, step)
    except OverflowError as error:
        raise ValueError(f"{name} at step {step} must be finite, got an error: {error}") from error
    return value if type(value) is float else as_number(f"{name} at step {step}", value)


def _flags(rule: Rule) -> set[str]:
    """Return the settings that are True or False."""
    return {*_FLAGS, *(field.name for field in rule.fields if field.is_flag)}


def as_setting(rule: Rule, name: str, value: Any) -> Any:
    """Return a setting as the engine takes it: a float, unless it is a word or several numbers."""
    others = (f.name for f in rule.fields if not (f.is_number or f.is_flag))
    if name in others or (isinstance(value, bool | np.bool_) and name in _flags(rule)):
        return value
    return as_number(name, value)


def check_may_vary(rule: Rule, name: str) -> None:
    """Raise TypeError where a setting is no number, and so cannot be a schedule."""
    fixed = dict.fromkeys(_FLAGS, "True or False")
    fixed.update({field.name: field.range for field in rule.fields if not field.is_number})
    if name in fixed:
        raise TypeError(f"{name} must be {fixed[name]}, not a schedule")
