"""The options of optimizers: clipping, threads, and options fused into the update loop."""

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
        """The description, wrapped and indented for docstrings, without a trailing newline."""
        return textwrap.fill(self.doc, 92, initial_indent="    ", subsequent_indent="    ")


STEP_OPTIONS = (
    Option(
        "clip_norm",
        "float | None",
        "float, optional",
        None,
        "Maximum Euclidean norm of the gradients of all groups together. Larger gradients are "
        "scaled down to it.",
    ),
    Option(
        "clip_value",
        "float | None",
        "float, optional",
        None,
        "Maximum magnitude of each element of the gradients, applied after `clip_norm`.",
    ),
    Option(
        "skip_nonfinite",
        "bool",
        "bool",
        False,
        "Whether to skip a step if a gradient contains NaN or infinity. Nothing changes then.",
    ),
    Option(
        "num_threads",
        "int | None",
        "int, optional",
        None,
        "Number of threads of a step. By default that of `pyoptim.set_num_threads`.",
    ),
)
"""The options of all optimizers."""

FUSED_OPTIONS = (
    Option(
        "state_dtype",
        "StateDType | None",
        '{"float32", "bfloat16", "float8"}, optional',
        None,
        "Dtype of the states between steps. Computations are in float32. float8 needs 1.02 bytes "
        "per element. Blocks of 256 elements share a scale; each element has 3 bits of mantissa, "
        "and a sign and 4 bits of exponent, or 5 bits of exponent if the whole block is "
        "nonnegative. So gradients within a block should differ by a factor of at most 30,000: "
        "elements with smaller gradients have no momentum and too large a mean square, and move "
        "more slowly. A nonfinite number makes its block NaN. States that start as a copy of the "
        "parameters, and estimates of the Hessian, stay in float32.",
    ),
    Option(
        "stochastic_rounding",
        "bool",
        "bool",
        True,
        "Whether to round quantized states up or down at random, so that the expected value is "
        "exact and small changes accumulate over steps. The random numbers depend only on seed, "
        "step and element. False rounds to nearest, which is slightly faster, and biased for "
        "states that change slowly.",
    ),
    Option(
        "seed",
        "int",
        "int, from 0 to 2^64 - 1",
        0,
        "Seed for stochastic rounding.",
    ),
    Option(
        "ema_decay",
        "float | None",
        "float in [0, 1), optional",
        None,
        "Decay of an exponential moving average (EMA) of the parameters, in "
        '``opt.state[name]["ema"]``. After each step ``ema = ema_decay ema + (1 - ema_decay) p``. '
        "The first average is the parameters after the first step, unless another average was "
        "loaded.",
    ),
    Option(
        "bfloat16_copy",
        "bool",
        "bool",
        False,
        "Whether to keep a bfloat16 copy of float32 parameters, in "
        '``opt.state[name]["bfloat16_copy"]``. It is updated by steps, `eval` and `train`, and '
        "not if you write to the parameters.",
    ),
    Option(
        "master_weights",
        "MasterWeights | None",
        '{"float32", "split"}, optional',
        None,
        "Float32 master weights of bfloat16 parameters, which the step updates and rounds to the "
        'parameters. "float32" stores them with 4 bytes per element. "split" stores only the '
        "lower 16 bits, with 2 bytes per element: the parameters are the upper ones. If you "
        "write to the parameters between steps, the master weights take the new values. "
        "Parameters of other dtypes have no master weights.",
    ),
    Option(
        "modifier",
        "Modifier | None",
        '{"cautious", "grams"}, optional',
        None,
        'Modification of the update\'s signs. "cautious" zeroes elements whose update has the '
        "sign of the gradient, and scales the others by the inverse of their fraction, at most "
        "1000 (Liang et al., 2024, arXiv:2411.16085). It is not supported for rules that need "
        'norms. "grams" gives every element the sign opposite to its gradient (Cao et al., 2024, '
        "arXiv:2412.17107).",
    ),
    Option(
        "zero_grads",
        "bool",
        "bool",
        False,
        "Whether to set the gradients to 0 at the end of a step, also of a skipped one. Gradients "
        "must be C-contiguous and writable, and must not overlap.",
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
    """Return the fused options as the native optimizer takes them.

    Raises
    ------
    ValueError
        If an option has a value that is not a valid choice, or is out of range.
    TypeError
        If an option has the wrong type.
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
    """Return the step options as the native optimizer takes them, with 0 for None."""
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
