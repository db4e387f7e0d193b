"""Learning rates, and other settings, that change with the step.

A schedule is a small frozen object: ``schedule(step)`` is the rate of the step with that number,
counted from 0. Give one to an optimizer as ``lr``, or in place of any other number, and its n-th
step uses ``schedule(n - 1)``. `pyoptim.plot_schedule` draws one.

Examples
--------
>>> import pyoptim as po
>>> schedule = po.schedules.warmup(100, then=po.schedules.cosine(1e-3, steps=900))
>>> schedule(0), schedule(50), schedule(100), schedule(1000)
(0.0, 0.0005, 0.001, 0.0)
>>> schedule
warmup(steps=100, then=cosine(lr=0.001, steps=900, end=0.0), start=0.0)
"""

from pyoptim.schedules._base import Schedule
from pyoptim.schedules._combine import chain, sequence, warmup, warmup_stable_decay
from pyoptim.schedules._cycles import cosine_restarts, cyclic, geometric_restarts, one_cycle
from pyoptim.schedules._decay import (
    constant,
    cosine,
    exponential,
    inverse_time,
    linear,
    multi_step,
    polynomial,
    step,
)
from pyoptim.schedules._functions import lambda_, multiplicative
from pyoptim.schedules._piecewise import piecewise_constant, piecewise_interpolate
from pyoptim.schedules._plateau import reduce_on_plateau

__all__ = [
    "Schedule",
    "chain",
    "constant",
    "cosine",
    "cosine_restarts",
    "cyclic",
    "exponential",
    "geometric_restarts",
    "inverse_time",
    "lambda_",
    "linear",
    "multi_step",
    "multiplicative",
    "one_cycle",
    "piecewise_constant",
    "piecewise_interpolate",
    "polynomial",
    "reduce_on_plateau",
    "sequence",
    "step",
    "warmup",
    "warmup_stable_decay",
]
