"""What an optimizer may do around its update, in the same pass over memory."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, TypeAlias

from pyoptim import _core
from pyoptim._utils.validation import as_count, as_flag, as_number, as_positive

StateDType: TypeAlias = Literal["float32", "bfloat16", "float8"]
MasterWeights: TypeAlias = Literal["float32", "split"]
Modifier: TypeAlias = Literal["cautious", "grams"]

EXTRAS: dict[str, Any] = {
    "state_dtype": None,
    "stochastic_rounding": True,
    "seed": 0,
    "ema_decay": None,
    "bfloat16_copy": False,
    "master_weights": None,
    "modifier": None,
    "zero_grads": False,
}

EXTRAS_DOC = """\
    state_dtype : {"float32", "bfloat16", "float8"}, optional
        How states are kept between steps; they are computed with in float32. float8 takes 1.02
        bytes an element: 3 bits of mantissa and, below the largest of 256 elements, a sign and 4
        bits of exponent, or 5 bits where all of the 256 are at least 0. A state that starts as a
        copy of the parameters, or takes in estimates of the Hessian, is kept whole. The gradients
        of 256 elements in a row may differ by a factor of 30,000: smaller ones have no momentum,
        and a mean of squares that is too large, never 0, so that their elements move more slowly. A
        number that is not finite makes all of the 256 NaN.
    stochastic_rounding : bool
        Round reduced states up or down at random, with the mean they had: small changes then add
        up over steps instead of being lost. Depends on seed, step and element only. False rounds
        to nearest, which is a little faster, and biased where a state changes slowly.
    seed : int, from 0 to 2^64 - 1
        Of the random rounding.
    ema_decay : float in [0, 1), optional
        Keep a mean of the parameters, ``ema = ema_decay ema + (1 - ema_decay) p`` after each
        step, starting with the parameters after the first: ``opt.state[name]["ema"]``; before, the
        parameters, unless another mean was loaded.
    bfloat16_copy : bool
        Keep a copy of float32 parameters in bfloat16: ``opt.state[name]["bfloat16_copy"]``, as
        they are after each step, `eval` and `train`; what else writes them does not change it.
    master_weights : {"float32", "split"}, optional
        For bfloat16 parameters: update float32 ones, of which the parameters are the rounded
        values ("float32"), or the upper halves of their bits, the lower being kept ("split", which
        takes 2 bytes an element instead of 4). Parameters that are written between steps are
        taken for what they are then. Parameters of other types are updated as they are.
    modifier : {"cautious", "grams"}, optional
        Change the direction of updates. "cautious" leaves out elements that do not go against
        their gradient, and scales the others by the inverse of their share, 1000 at most (Liang et
        al., 2024, arXiv:2411.16085); not for rules that measure norms. "grams" gives all the sign
        that goes against it (Cao et al., 2024, arXiv:2412.17107).
    zero_grads : bool
        Set gradients to 0 after their use, skipped steps included; they must be C-contiguous,
        writable, and not overlap.
"""

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
    extras = {**EXTRAS, **{name: options[name] for name in EXTRAS if name in options}}
    decay = extras["ema_decay"]
    return {
        **{name: _chosen(name, extras[name]) for name in _WORDS},
        **{name: as_flag(name, extras[name]) for name in _FLAGS},
        "seed": as_count("seed", extras["seed"], 2**64 - 1, least=0),
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
        threads = as_count("num_threads", threads, _core.most_threads)
    return {
        **limits,
        "skip_nonfinite": as_flag("skip_nonfinite", options.get("skip_nonfinite", False)),
        "num_threads": threads or 0,
    }
