"""Schedules of learning rates and other hyperparameters.

A schedule is a small immutable object: ``schedule(step)`` is the rate at a step, counted from 0.
Pass a schedule to an optimizer as ``lr`` or as any other numeric hyperparameter. The n-th step then
uses ``schedule(n - 1)``. `pyoptim.plot_schedule` draws schedules.

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
