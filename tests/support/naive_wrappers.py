"""Naive wrappers in NumPy around a plain optimizer, which real wrappers match bit for bit.

The test cases are at the end of the file. `test_every_wrapper_has_cases` checks that they are
complete.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from reference import Array, norm, some_numbers

import pyoptim as po

Grads = Sequence[Array | None]


class Naive:
    """Base class, which forwards gradients to the optimizer."""

    def __init__(self, optimizer: po.Optimizer) -> None:
        self.optimizer = optimizer
        self.params = [p for group in optimizer.param_groups for p in group["params"]]
        self.F = np.float64 if self.params[0].dtype == np.float64 else np.float32

    def wide(self, x: Array) -> Array:
        return x.astype(self.F)

    def step(self, *grads: Grads) -> None:
        if not self.optimizer.step(grads[0]).skipped:
            self.moved()

    def moved(self) -> None:
        pass


class NaiveAverage(Naive):
    start = 0
    every = 1

    def __init__(self, optimizer: po.Optimizer, **settings: Any) -> None:
        super().__init__(optimizer)
        self.settings = settings
        self.kept = [np.zeros(p.shape, self.F) for p in self.params]
        self.n = self.t = 0

    def weight(self) -> float:
        decay = self.settings.get("decay")
        if decay is None:
            return 1 / self.n
        if not self.settings.get("bias_correction", True):
            return 1 - float(decay)
        return (1 - float(decay)) / -math.expm1(self.n * math.log(decay))

    def moved(self) -> None:
        self.t += 1
        since = self.t - self.settings.get("start", 0)
        if since <= 0 or since % self.settings.get("every", 1):
            return
        self.n += 1
        for i, p in enumerate(map(self.wide, self.params)):
            self.kept[i] = (
                p if self.n == 1 else self.kept[i] + self.F(self.weight()) * (p - self.kept[i])
            )


class NaiveLookahead(Naive):
    def __init__(self, optimizer: po.Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        super().__init__(optimizer)
        self.k, self.alpha, self.t = k, alpha, 0
        self.kept = [self.wide(p) for p in self.params]

    def moved(self) -> None:
        self.t += 1
        if self.t % self.k == 0:
            for i, p in enumerate(self.params):
                self.kept[i] = self.kept[i] + self.F(self.alpha) * (self.wide(p) - self.kept[i])
                p[...] = self.kept[i].astype(p.dtype)


class NaiveAccumulation(Naive):
    def __init__(self, optimizer: po.Optimizer, every: int) -> None:
        super().__init__(optimizer)
        self.every = every
        self.window: list[tuple[float, Grads]] = []

    def step(self, *grads: Grads, weight: float = 1.0) -> None:
        self.window.append((weight, grads[0]))
        if len(self.window) == self.every:
            self.flush()

    def flush(self) -> None:
        total = sum(weight for weight, _ in self.window)
        sums: list[Array | None] = [None] * len(self.params)
        for weight, grads in self.window:
            for i, grad in enumerate(grads):
                if grad is not None:
                    new, old = self.F(weight) * self.wide(grad), sums[i]
                    sums[i] = new if old is None else old + new
        self.window = []
        if self.params[0].dtype in (np.float32, np.float64):
            self.optimizer.step(sums, grad_scale=1 / total)
        else:
            factor, dtype = self.F(1 / total), self.params[0].dtype
            means = [None if s is None else (factor * s).astype(dtype) for s in sums]
            self.optimizer.step(means)


class NaiveSAM(Naive):
    def __init__(
        self,
        optimizer: po.Optimizer,
        rho: float = 0.05,
        adaptive: bool = False,
        eta: float = 0.0,
    ) -> None:
        super().__init__(optimizer)
        self.rho, self.adaptive, self.eta = rho, adaptive, eta

    def perturbed(self, grads: Grads) -> list[Array]:
        pairs = [(p, g) for p, g in zip(self.params, grads, strict=True) if g is not None]
        scaled = [g.astype(np.float64) for _, g in pairs]
        if self.adaptive:
            sizes = [abs(p.astype(np.float64)) + self.eta for p, _ in pairs]
            scaled = [size * g for size, g in zip(sizes, scaled, strict=True)]
        F = np.float64 if self.adaptive else self.F
        factor = F(self.rho * 1.0 / (norm(scaled) + 1e-12))
        found = []
        for param, grad in zip(self.params, grads, strict=True):
            p = param.astype(F)
            if grad is not None:
                g = grad.astype(F)
                size = abs(p) + F(self.eta)
                p = p + (factor * size * g * size if self.adaptive else factor * g)
            found.append(p.astype(self.F).astype(param.dtype))
        return found

    def step(self, *grads: Grads) -> None:
        super().step(grads[1])


class NaiveAGC(Naive):
    def __init__(
        self,
        optimizer: po.Optimizer,
        clip_factor: float = 0.01,
        eps: float = 1e-3,
        unit_axis: int = 0,
        exclude: Sequence[int] = (),
    ) -> None:
        super().__init__(optimizer)
        self.clip_factor, self.eps, self.unit_axis = clip_factor, eps, unit_axis
        self.exclude = exclude

    def units(self, x: Array) -> Array:
        """Return the units as rows."""
        if x.ndim <= 1:
            return x.reshape(1, -1)
        if self.unit_axis == 0:
            return x.reshape(x.shape[0], -1)
        return x.reshape(-1, x.shape[-1]).T

    def unit_norm(self, unit: Array) -> float:
        if unit.base is not None and self.unit_axis == -1 and unit.strides[0] != unit.itemsize:
            squares = unit.astype(np.float64) ** 2  # of a column: one after the other
            return math.sqrt(np.add.accumulate(squares)[-1])
        return norm([unit])

    def clipped(self, param: Array, grad: Array) -> Array:
        out = grad.copy()
        for p, g, to in zip(self.units(param), self.units(grad), self.units(out), strict=True):
            bound = self.clip_factor * max(self.unit_norm(p), self.eps)
            size = max(self.unit_norm(g), 1e-6)
            factor = bound / size if size > bound else 1.0
            to[...] = (self.F(factor) * self.wide(g)).astype(grad.dtype)
        return out

    def step(self, *grads: Grads) -> None:
        pairs = enumerate(zip(self.params, grads[0], strict=True))
        self.optimizer.step(
            [g if g is None or i in self.exclude else self.clipped(p, g) for i, (p, g) in pairs]
        )


class NaiveLossScale(Naive):
    def __init__(self, optimizer: po.Optimizer, init_scale: float, growth_interval: int) -> None:
        super().__init__(optimizer)
        self.scale, self.interval, self.t = init_scale, growth_interval, 0

    def step(self, *grads: Grads) -> None:
        if self.optimizer.step(grads[0], grad_scale=1 / self.scale).skipped:
            self.scale, self.t = self.scale / 2, 0
            return
        self.t += 1
        if self.t == self.interval:
            self.scale, self.t = self.scale * 2, 0


@dataclass(frozen=True)
class Case:
    """A wrapper with arguments, and its naive counterpart."""

    wrapper: type[po.wrappers.Wrapper]
    settings: tuple[tuple[str, Any], ...]
    naive: Callable[..., Naive]
    naive_settings: tuple[tuple[str, Any], ...]

    def make(self, optimizer: po.Optimizer | po.wrappers.Wrapper) -> Any:
        return self.wrapper(optimizer, **dict(self.settings))

    def make_naive(self, optimizer: po.Optimizer) -> Any:
        return self.naive(optimizer, **dict(self.naive_settings))

    def __str__(self) -> str:
        return "-".join(
            [self.wrapper.__name__, *(f"{name}={value}" for name, value in self.settings)]
        )


def case(wrapper: Any, naive: Any, *, also: dict[str, Any] | None = None, **settings: Any) -> Case:
    of_naive = {**settings, **(also or {})}
    return Case(wrapper, tuple(settings.items()), naive, tuple(of_naive.items()))


W = po.wrappers
CASES = [
    case(W.Wrapper, Naive),
    case(W.SWA, NaiveAverage),
    case(W.SWA, NaiveAverage, start=2, every=2),
    case(W.EMA, NaiveAverage, also={"decay": 0.999}),
    case(W.EMA, NaiveAverage, decay=0.7, bias_correction=False, start=1),
    case(W.Lookahead, NaiveLookahead),
    case(W.Lookahead, NaiveLookahead, k=2, alpha=0.7),
    case(W.GradientAccumulation, NaiveAccumulation, every=3),
    case(W.GradientAccumulation, NaiveAccumulation, every=1),
    case(W.SAM, NaiveSAM),
    case(W.SAM, NaiveSAM, rho=0.3, adaptive=True),
    case(W.ASAM, NaiveSAM, also={"rho": 0.5, "eta": 0.01, "adaptive": True}),
    case(W.DynamicLossScale, NaiveLossScale, init_scale=8.0, growth_interval=3),
    case(W.AGC, NaiveAGC),
    case(W.AGC, NaiveAGC, clip_factor=0.3, unit_axis=-1, exclude=(1,)),
]

SHAPES = ((7, 10), (35,), (2, 4, 5))


def params_of(dtype: str, shapes: Sequence[tuple[int, ...]] = SHAPES) -> list[Array]:
    return [
        some_numbers(1 + i, math.prod(s), dtype).reshape(s).copy() for i, s in enumerate(shapes)
    ]


def grads_of(t: int, dtype: str, shapes: Sequence[tuple[int, ...]] = SHAPES) -> list[Array | None]:
    """Return read-only gradients of step t; sometimes one is None."""
    grads: list[Array | None] = [
        some_numbers(100 * t + 20 + i, math.prod(s), dtype).reshape(s) for i, s in enumerate(shapes)
    ]
    if t % 3 == 1:
        grads[1 % len(grads)] = None
    return grads


def drive(
    wrapper: Any, t: int, dtype: str = "float32", *, shapes: Sequence[tuple[int, ...]] = SHAPES
) -> po.StepInfo | None:
    """Perform step t of training with all features of the wrapper."""
    grads = grads_of(t, dtype, shapes)
    if wrapper.takes_closure:
        passes = iter([grads, grads_of(t + 50, dtype, shapes)])
        info: po.StepInfo | None = wrapper.step(lambda: next(passes))
        return info
    if isinstance(wrapper, W.GradientAccumulation | NaiveAccumulation):
        return wrapper.step(grads, weight=1 + t % 4)
    stepped: po.StepInfo | None = wrapper.step(grads)
    return stepped


def drive_naive(
    naive: Naive, t: int, dtype: str, *, shapes: Sequence[tuple[int, ...]] = SHAPES
) -> None:
    grads = grads_of(t, dtype, shapes)
    if isinstance(naive, NaiveAccumulation):
        naive.step(grads, weight=1 + t % 4)
    else:
        naive.step(grads, grads_of(t + 50, dtype, shapes))
