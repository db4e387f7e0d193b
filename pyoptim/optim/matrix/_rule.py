"""What a matrix rule is: its settings, its states, and one update."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from pyoptim._utils.hyperparameter import Field
from pyoptim.optim._registry import Rule, rules
from pyoptim.optim.matrix._linalg import Workspace
from pyoptim.parameters._types import Array, Shape

Settings: TypeAlias = Mapping[str, Any]
States: TypeAlias = dict[str, Array]


@dataclass(frozen=True)
class Kind:
    """The values that a hyperparameter takes, described in `range`, and their conversion."""

    range: str
    accepts: Callable[[Any], bool]
    made: Callable[[Any], Any] = float

    def value(self, name: str, value: Any) -> Any:
        """Return the setting's value; ValueError names it and the range."""
        if not self.accepts(value):
            raise ValueError(f"{name} must be {self.range}, got {value!r}")
        return self.made(value)


def _three_numbers(value: npt.ArrayLike) -> bool:
    try:
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return False
    return numbers.shape == (3,) and bool(np.isfinite(numbers).all())


NOT_NEGATIVE = Kind("at least 0 and finite", lambda x: 0 <= x < math.inf)
POSITIVE = Kind("above 0 and finite", lambda x: 0 < x < math.inf)
FRACTION = Kind("in [0, 1)", lambda x: 0 <= x < 1)
POSITIVE_FRACTION = Kind("in (0, 1]", lambda x: 0 < x <= 1)
FLAG = Kind("True or False", lambda x: x in (0, 1), bool)
COUNT = Kind("a whole number of at least 1", lambda x: 1 <= x < 2**53 and x == int(x), int)
THREE_NUMBERS = Kind("three finite numbers", _three_numbers, lambda x: tuple(map(float, x)))


def choice(*words: str) -> Kind:
    """Return the kind of settings that are one of some words."""
    return Kind(" or ".join(map(repr, words)), lambda x: isinstance(x, str) and x in words, str)


@dataclass(frozen=True)
class Setting:
    """A setting of a rule: its name, default, kind and meaning."""

    name: str
    default: float | bool | str | tuple[float, ...]
    kind: Kind
    doc: str

    def field(self) -> Field:
        """Return the hyperparameter as the registry describes it."""
        return Field(self.name, self.default, self.kind.range, self.kind is FLAG, self.doc)


ADAMW = next(rule for rule in rules() if rule.name == "AdamW")
"""The rule of all parameters that are not matrices."""

ADAMW_FIELDS = tuple(
    Field(f"adamw_{name}", default, range_, False, f"AdamW's {name}, see `pyoptim.AdamW`.")
    for name, default, range_ in (
        ("lr", ADAMW.lr, NOT_NEGATIVE.range),
        *((f.name, f.default, f.range) for f in ADAMW.fields if f.is_number),
        ("weight_decay", ADAMW.weight_decay, NOT_NEGATIVE.range),
    )
)

SHARED = (
    Setting("lr", 0.0, NOT_NEGATIVE, ""),
    Setting("weight_decay", 0.0, NOT_NEGATIVE, ""),
    Setting("decoupled_weight_decay", True, FLAG, ""),
    Setting("maximize", False, FLAG, ""),
)
USES_ADAMW = Setting("adamw", False, FLAG, "Whether AdamW updates all of them, matrices too.")


ANY_GRADIENT = (0.0, float(np.finfo(np.float32).max))
PRODUCTS = (1e-17, 1e17)
"""Gradients whose products with themselves, summed over a side, are normal numbers of float32."""


class MatrixRule(ABC):
    """An update of matrices as wholes. A subclass has the formula in its docstring.

    Attributes
    ----------
    name : str
        The name of the optimizer.
    settings : tuple of Setting
        Those of its own; all rules have a rate, weight decay and maximize.
    lr, weight_decay : float
        Their defaults.
    fused_weight_decay : bool
        Whether `update` does decoupled weight decay; otherwise it is done before.
    gradient_range : (float, float)
        Magnitudes of gradients at which a step in float32 follows one in float64; larger ones are
        refused.
    """

    name: ClassVar[str]
    settings: ClassVar[tuple[Setting, ...]]
    lr: ClassVar[float]
    weight_decay: ClassVar[float] = 0.0
    fused_weight_decay: ClassVar[bool] = False
    gradient_range: ClassVar[tuple[float, float]] = ANY_GRADIENT

    @abstractmethod
    def states(self, shape: Shape, settings: Settings) -> dict[str, Shape]:
        """Return the names and shapes of what is kept for a matrix; all starts from 0."""

    @abstractmethod
    def update(
        self, p: Array, g: Array, state: States, settings: Settings, step: int, work: Workspace
    ) -> None:
        """Make step number `step`, from 1 on, of one matrix in place.

        p, g and the states are C-contiguous, not empty and of one type; g may be overwritten.
        """

    def entry(self) -> Rule:
        """Return the rule as the registry describes rules."""
        defaults = {setting.name: setting.default for setting in self.settings}
        states = tuple(self.states((1, 1), defaults))
        doc = type(self).__doc__ or ""
        return Rule(
            name=self.name,
            doc="\n".join(line.removeprefix("    ") for line in doc.strip().split("\n")),
            fields=(*(s.field() for s in self.settings), USES_ADAMW.field(), *ADAMW_FIELDS),
            states=states,
            variants=(states,),
            lr=self.lr,
            weight_decay=self.weight_decay,
            decoupled_weight_decay=True,
            fused_weight_decay=self.fused_weight_decay,
            gradient_range=self.gradient_range,
        )
