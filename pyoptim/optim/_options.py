"""What an optimizer may do around its update, in the same pass over memory."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_flag, as_number, as_positive

StateDType: TypeAlias = Literal["float32", "bfloat16", "float8"]
MasterWeights: TypeAlias = Literal["float32", "split"]
Modifier: TypeAlias = Literal["cautious", "grams"]


@dataclass(frozen=True)
class Option:
    """An argument of an optimizer that acts on all of its groups.

    Attributes
    ----------
    annotation : str
        The type in signatures.
    kind : str
        The type in docstrings.
    """

    name: str
    annotation: str
    kind: str
    default: Any
    doc: str

    @property
    def indented_doc(self) -> str:
        """The description as docstrings have it, without a newline at its end."""
        return textwrap.fill(self.doc, 92, initial_indent="    ", subsequent_indent="    ")


STEP_OPTIONS = (
    Option(
        "clip_norm",
        "float | None",
        "float, optional",
        None,
        "Scale the gradients of all groups together down to this Euclidean norm if it is larger.",
    ),
    Option(
        "clip_value",
        "float | None",
        "float, optional",
        None,
        "Bound every element of the gradients by this magnitude, after clip_norm.",
    ),
    Option(
        "skip_nonfinite",
        "bool",
        "bool",
        False,
        "Leave everything as it is where a gradient has NaN or infinity.",
    ),
    Option(
        "num_threads",
        "int | None",
        "int, optional",
        None,
        "Threads of a step; by default those of `pyoptim.set_num_threads`.",
    ),
)
"""The options of all optimizers."""

FUSED_OPTIONS = (
    Option(
        "state_dtype",
        "StateDType | None",
        '{"float32", "bfloat16", "float8"}, optional',
        None,
        "How states are kept between steps; they are computed with in float32. float8 takes "
        "1.02 bytes an element: 3 bits of mantissa and, below the largest of 256 elements, a "
        "sign and 4 bits of exponent, or 5 bits where all of the 256 are at least 0. A state "
        "that starts as a copy of the parameters, or takes in estimates of the Hessian, is "
        "kept whole. The gradients of 256 elements in a row may differ by a factor of 30,000: "
        "smaller ones have no momentum, and a mean of squares that is too large, never 0, so "
        "that their elements move more slowly. A number that is not finite makes all of the "
        "256 NaN.",
    ),
    Option(
        "stochastic_rounding",
        "bool",
        "bool",
        True,
        "Round reduced states up or down at random, with the mean they had: small changes "
        "then add up over steps instead of being lost. Depends on seed, step and element "
        "only. False rounds to nearest, which is a little faster, and biased where a state "
        "changes slowly.",
    ),
    Option(
        "seed",
        "int",
        "int, from 0 to 2^64 - 1",
        0,
        "Seed of the stochastic rounding.",
    ),
    Option(
        "ema_decay",
        "float | None",
        "float in [0, 1), optional",
        None,
        "Keep an exponential moving average (EMA) of the parameters: ``ema = ema_decay ema + "
        "(1 - ema_decay) p`` after each step, starting with the parameters after the first step. "
        'It is ``opt.state[name]["ema"]``. Before the first step that is the parameters, unless '
        "another average was loaded.",
    ),
    Option(
        "bfloat16_copy",
        "bool",
        "bool",
        False,
        'Keep a copy of float32 parameters in bfloat16: ``opt.state[name]["bfloat16_copy"]``, '
        "as they are after each step, `eval` and `train`; what else writes them does not "
        "change it.",
    ),
    Option(
        "master_weights",
        "MasterWeights | None",
        '{"float32", "split"}, optional',
        None,
        "For bfloat16 parameters: update float32 ones, of which the parameters are the "
        'rounded values ("float32"), or the upper halves of their bits, the lower being kept '
        '("split", which takes 2 bytes an element instead of 4). Parameters that are written '
        "between steps are taken for what they are then. Parameters of other types are "
        "updated as they are.",
    ),
    Option(
        "modifier",
        "Modifier | None",
        '{"cautious", "grams"}, optional',
        None,
        'Change the direction of updates. "cautious" leaves out elements that do not go '
        "against their gradient, and scales the others by the inverse of their share, 1000 at "
        "most (Liang et al., 2024, arXiv:2411.16085); not for rules that measure norms. "
        '"grams" gives all the sign that goes against it (Cao et al., 2024, '
        "arXiv:2412.17107).",
    ),
    Option(
        "zero_grads",
        "bool",
        "bool",
        False,
        "Set gradients to 0 after their use, skipped steps included; they must be "
        "C-contiguous, writable, and not overlap.",
    ),
)
"""The options of elementwise rules, computed in the same pass over memory as the update."""

OPTION_DEFAULTS: dict[str, Any] = {option.name: option.default for option in STEP_OPTIONS}
FUSED_DEFAULTS: dict[str, Any] = {option.name: option.default for option in FUSED_OPTIONS}

_FLAGS = ("stochastic_rounding", "bfloat16_copy", "zero_grads")

_WORDS: dict[str, dict[str | None, Enum]] = {
    "state_dtype": {
        None: _core.StateFormat.full,
        "float32": _core.StateFormat.full,
        "bfloat16": _core.StateFormat.bfloat16,
        "float8": _core.StateFormat.float8,
    },
    "master_weights": {
        None: _core.Master.none,
        "float32": _core.Master.full,
        "split": _core.Master.low_half,
    },
    "modifier": {
        None: _core.Modifier.none,
        "cautious": _core.Modifier.cautious,
        "grams": _core.Modifier.grams,
    },
}


def native_extras(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as the engine takes them.

    Raises
    ------
    ValueError
        If one has none of its values.
    TypeError
        If one has the wrong type.
    """
    extras = {
        **FUSED_DEFAULTS,
        **{name: options[name] for name in FUSED_DEFAULTS if name in options},
    }
    decay = extras["ema_decay"]
    return {
        **{name: _chosen(name, extras[name]) for name in _WORDS},
        **{name: as_flag(name, extras[name]) for name in _FLAGS},
        "seed": as_count("seed", extras["seed"], 2**64 - 1, minimum=0),
        "ema_decay": 0.0 if decay is None else as_number("ema_decay", decay),
    }


def _chosen(name: str, value: Any) -> Enum:
    choices = _WORDS[name]
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be a word or None, got {value!r}")
    if value not in choices:
        words = ", ".join(repr(word) for word in choices if word is not None)
        raise ValueError(f"{name} must be one of {words}, or None, got {value!r}")
    return choices[value]


def native_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as the engine takes them, 0 for None."""
    limits = {}
    for name in ("clip_norm", "clip_value"):
        value = options.get(name)
        limits[name] = 0.0 if value is None else as_positive(name, value)
    threads = options.get("num_threads")
    if threads is not None:
        threads = as_count("num_threads", threads, _core.max_threads)
    return {
        **limits,
        "skip_nonfinite": as_flag("skip_nonfinite", options.get("skip_nonfinite", False)),
        "num_threads": threads or 0,
    }
