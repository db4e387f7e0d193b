"""Registry of optimizers, read from the compiled engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np

from pyoptim import _core
from pyoptim._utils.hyperparameter import Field


@dataclass(frozen=True)
class Rule:
    """An optimizer: its name, what it does, its hyper-parameters and states.

    Attributes
    ----------
    states : tuple of str
        What is kept for every element with the default hyper-parameters.
    variants : tuple of tuple of str
        The states of every variant (momentum or not, amsgrad or not ...).
    lr, weight_decay, decoupled_weight_decay
        The defaults of the settings that all optimizers have.
    fused_weight_decay : bool
        Whether decoupled weight decay stands in the rule's formula, in a way of its own.
    norm_scope : str
        What the rule measures before it updates: nothing (""), each "array", or "all" parameters.
    copied_state : str
        The state that starts as a copy of the parameters, or "".
    mean_state : str
        Name of the state that is a running average of the parameters, or "".
    passes : tuple of (int, int)
        How many arrays each pass over the parameters reads and writes.
    factored : bool
        Whether states are of the rows and columns of matrices, not of elements alone.
    has_eval_mode : bool
        Whether it is to be evaluated at other points than it is trained at: see `Optimizer.eval`.
    takes_hessian : bool
        Whether it uses estimates of the Hessian's diagonal: see `Optimizer.update_hessian`.
    supports_row_grad : bool
        Whether gradients may be of some rows of a parameter: see `RowGrad`.
    first_lr : str
        The hyper-parameter that is the lr at construction unless it is given, or "".
    gradient_range : (float, float)
        The smallest and the largest magnitude of gradients, scaled and clipped, at which a step in
        float32 follows the same step in float64. Of larger ones the squares that a rule keeps are
        infinite: their elements do not move any more, or become NaN; `skip_nonfinite` skips such
        steps. Of smaller ones the squares are 0, so that only eps is left to divide by. That makes
        no difference unless eps is small, too.
    """

    name: str
    doc: str
    fields: tuple[Field, ...]
    states: tuple[str, ...]
    variants: tuple[tuple[str, ...], ...]
    lr: float
    weight_decay: float
    decoupled_weight_decay: bool
    fused_weight_decay: bool
    norm_scope: str = ""
    copied_state: str = ""
    mean_state: str = ""
    passes: tuple[tuple[int, int], ...] = ()
    factored: bool = False
    has_eval_mode: bool = False
    takes_hessian: bool = False
    supports_row_grad: bool = False
    first_lr: str = ""
    gradient_range: tuple[float, float] = (0.0, float(np.finfo(np.float32).max))

    @property
    def bytes_per_parameter(self) -> int:
        """Bytes a step must move for a float32 parameter, with the states of the first variant.

        >>> import pyoptim as po
        >>> moved = {rule.name: rule.bytes_per_parameter for rule in po.rules()}
        >>> moved["Adam"], moved["LAMB"]
        (28, 40)
        """
        return 4 * sum(map(sum, self.passes))


@cache
def rules() -> tuple[Rule, ...]:
    """List every optimizer.

    >>> import pyoptim as po
    >>> [rule.name for rule in po.rules()][:4]
    ['SGD', 'SignSGD', 'Signum', 'Lion']
    >>> po.rules()[0].fields[0].name, po.rules()[0].fields[0].range
    ('momentum', 'at least 0 and finite')
    """
    return tuple(
        Rule(
            name=entry["name"],
            doc=entry["doc"],
            fields=tuple(Field(*field) for field in entry["fields"]),
            states=entry["states"][0],
            variants=tuple(entry["states"]),
            lr=entry["lr"],
            weight_decay=entry["weight_decay"],
            decoupled_weight_decay=entry["decoupled_weight_decay"],
            fused_weight_decay=entry["fused_weight_decay"],
            norm_scope=entry["norm_scope"],
            copied_state=entry["copied_state"],
            mean_state=entry["mean_state"],
            passes=entry["passes"],
            factored=entry["factored"],
            has_eval_mode=entry["has_eval_mode"],
            takes_hessian=entry["takes_hessian"],
            supports_row_grad=entry["supports_row_grad"],
            first_lr=entry["first_lr"],
            gradient_range=entry["gradient_range"],
        )
        for entry in _core.rules()
    )


@cache
def rules_by_name() -> Mapping[str, Rule]:
    """Return every optimizer by its name."""
    return MappingProxyType({rule.name: rule for rule in rules()})
