"""Schedules against torch's and optax's, step by step."""

import importlib.util
import json
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from pyoptim import schedules as s

pytestmark = pytest.mark.peers

LR = 0.1
STEPS = 400


def factor(step: int) -> float:
    return 0.99 + 0.02 * math.sin(step)


ONE_CYCLES = [
    {"pct_start": pct, "three_phase": three, "div_factor": 10.0, "final_div_factor": 100.0}
    for pct, three in product([0.1, 0.3, 0.45], [False, True])
]
SHAPES = {"cos": "cosine", "linear": "linear"}  # torch's names and ours
CYCLICS: list[dict[str, Any]] = [
    {"step_size_up": 7},
    {"step_size_up": 20, "step_size_down": 3},
    {"step_size_up": 30, "step_size_down": 11, "mode": "triangular2"},
    {"step_size_up": 25, "mode": "exp_range", "gamma": 0.99},
]

# Ours, and how to make torch's, whose optimizer has the rate LR.
TORCH: list[tuple[s.Schedule, Callable[[Any, Any], Any]]] = [
    (s.constant(LR), lambda t, o: t.ConstantLR(o, 1.0, 10)),
    (s.step(LR, 37, 0.3), lambda t, o: t.StepLR(o, 37, 0.3)),
    (s.multi_step(LR, [3, 110, 110, 300], 0.3),
     lambda t, o: t.MultiStepLR(o, [3, 110, 110, 300], 0.3)),
    (s.exponential(LR, 0.97), lambda t, o: t.ExponentialLR(o, 0.97)),
    (s.linear(LR * 0.25, 200, LR * 0.75), lambda t, o: t.LinearLR(o, 0.25, 0.75, 200)),
    (s.polynomial(LR, 300, 2.0), lambda t, o: t.PolynomialLR(o, 300, 2.0)),
    (s.polynomial(LR, 300, 0.7), lambda t, o: t.PolynomialLR(o, 300, 0.7)),
    (s.cosine(LR, STEPS, 0.01), lambda t, o: t.CosineAnnealingLR(o, STEPS, 0.01)),
    (s.cosine_restarts(LR, 50, 1, 0.01),
     lambda t, o: t.CosineAnnealingWarmRestarts(o, 50, 1, 0.01)),
    (s.cosine_restarts(LR, 15, 2, 0.01),
     lambda t, o: t.CosineAnnealingWarmRestarts(o, 15, 2, 0.01)),
    (s.inverse_time(LR, 0.3), lambda t, o: t.LambdaLR(o, lambda i: 1 / (1 + 0.3 * i))),
    (s.lambda_(factor, lr=LR), lambda t, o: t.LambdaLR(o, factor)),
    (s.multiplicative(LR, factor), lambda t, o: t.MultiplicativeLR(o, factor)),
    (s.warmup(40, s.constant(LR), start=LR / 4), lambda t, o: t.LinearLR(o, 0.25, 1.0, 40)),
    (s.sequence([s.exponential(LR, 0.99), s.step(LR, 50, 0.5)], [120]),
     lambda t, o: t.SequentialLR(o, [t.ExponentialLR(o, 0.99), t.StepLR(o, 50, 0.5)], [120])),
    (s.chain([s.exponential(LR, 0.99), s.multi_step(1.0, [50, 90], 0.5), s.cosine(1.0, STEPS)]),
     lambda t, o: t.ChainedScheduler([t.ExponentialLR(o, 0.99), t.MultiStepLR(o, [50, 90], 0.5),
                                      t.CosineAnnealingLR(o, STEPS)], o)),
    *((s.one_cycle(LR, STEPS, anneal_strategy=SHAPES[name], **options),  # type: ignore[arg-type]
       lambda t, o, name=name, options=options: t.OneCycleLR(
           o, LR, STEPS, anneal_strategy=name, cycle_momentum=False, **options))
      for name, options in product(SHAPES, ONE_CYCLES)),
    *((s.cyclic(0.01, LR, **options),
       lambda t, o, options=options: t.CyclicLR(o, 0.01, LR, cycle_momentum=False, **options))
      for options in CYCLICS),
]  # fmt: skip


def close(value: float) -> Any:
    """Equal but for rounding; torch goes on from step to step, so its errors add up near 0."""
    return pytest.approx(value, rel=1e-12, abs=1e-12 * LR)


@pytest.mark.parametrize(("ours", "make"), TORCH, ids=[str(ours)[:120] for ours, _ in TORCH])
def test_torch_has_the_same_rates(ours: s.Schedule, make: Callable[[Any, Any], Any]) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=LR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's SequentialLR warns of its own calls
        scheduler = make(torch.optim.lr_scheduler, optimizer)
        for step in range(STEPS):
            assert optimizer.param_groups[0]["lr"] == close(ours(step)), step
            optimizer.step()
            if step < STEPS - 1:
                scheduler.step()


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("index", range(len(ONE_CYCLES) + len(CYCLICS)))
def test_torch_has_the_same_momentum(index: int, adam: bool) -> None:
    torch = pytest.importorskip("torch")
    param = [torch.zeros(1)]
    optimizer = torch.optim.Adam(param) if adam else torch.optim.SGD(param, momentum=0.5)
    schedulers = torch.optim.lr_scheduler
    cycle: s.one_cycle | s.cyclic
    if index < len(ONE_CYCLES):
        options = ONE_CYCLES[index]
        scheduler = schedulers.OneCycleLR(optimizer, LR, STEPS, **options)
        cycle = s.one_cycle(LR, STEPS, **options)  # type: ignore[arg-type]
    else:
        options = CYCLICS[index - len(ONE_CYCLES)]
        scheduler = schedulers.CyclicLR(optimizer, 0.01, LR, **options)
        cycle = s.cyclic(0.01, LR, **options)
    momentum = cycle.momentum()
    for step in range(STEPS):
        group = optimizer.param_groups[0]
        assert momentum(step) == close(group["betas"][0] if adam else group["momentum"]), step
        assert cycle(step) == close(group["lr"]), step
        optimizer.step()
        if step < STEPS - 1:
            scheduler.step()


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("options", [
    {},
    {"factor": 0.5, "patience": 2},
    {"factor": 0.7, "patience": 0, "cooldown": 3, "min_lr": 1e-3},
    {"factor": 0.5, "patience": 1, "threshold": 0.3, "cooldown": 1},
    {"factor": 0.3, "patience": 0, "eps": 1e-3},
], ids=str)  # fmt: skip
def test_torch_reduces_at_the_same_plateaus(
    mode: Any, threshold_mode: Any, options: dict[str, Any]
) -> None:
    torch = pytest.importorskip("torch")
    options = {"mode": mode, "threshold_mode": threshold_mode, **options}
    random = np.random.default_rng(0)
    sign = 1 if mode == "min" else -1
    reductions = 0
    # torch takes a fraction of a best metric below 0 with the wrong sign.
    levels = [3.0, 0.0, -2.0] if threshold_mode == "abs" else [20.0, 9.0]
    for noise, level in product([0.0, 0.1, 1.0], levels):
        falling = level + sign * 3 * np.exp(-np.arange(STEPS) / 50)
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=LR)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        ours = s.reduce_on_plateau(LR, **options)
        for metric in falling + noise * random.normal(size=STEPS):
            before = ours(0)
            scheduler.step(metric)
            assert ours.update(metric) == close(optimizer.param_groups[0]["lr"])
            reductions += ours(0) < before
            state = ours.state_dict()
            assert state["best"] == scheduler.best
            assert state["num_bad_epochs"] == scheduler.num_bad_epochs
            assert state["cooldown_counter"] == scheduler.cooldown_counter
    assert reductions


BOUNDARIES = {20: 0.5, 50: 3.0, 51: 0.0, 60: 1.0}
OPTAX: list[tuple[s.Schedule, Callable[[Any], Any]]] = [
    (s.piecewise_constant(LR, {20: 0.5, 50: 3.0, 51: 0.2}),
     lambda o: o.piecewise_constant_schedule(LR, {20: 0.5, 50: 3.0, 51: 0.2})),
    (s.piecewise_constant(LR, BOUNDARIES), lambda o: o.piecewise_constant_schedule(LR, BOUNDARIES)),
    *((s.piecewise_interpolate(LR, BOUNDARIES, name),  # type: ignore[arg-type]
       lambda o, name=name: o.piecewise_interpolate_schedule(name, LR, BOUNDARIES))
      for name in ("linear", "cosine")),
    (s.warmup(10, s.cosine(LR, 60, 0.01)),
     lambda o: o.warmup_cosine_decay_schedule(0.0, LR, 10, 70, 0.01)),
    (s.polynomial(LR, 50, 2.0, 0.01), lambda o: o.polynomial_schedule(LR, 0.01, 2.0, 50)),
    (s.sequence([s.constant(LR), s.linear(LR, 20)], [30]),
     lambda o: o.join_schedules([o.constant_schedule(LR), o.linear_schedule(LR, 0.0, 20)], [30])),
]  # fmt: skip


def optax_rates() -> list[list[float]]:
    """Return the rates of every schedule of the list; they are float32."""
    import optax

    return [[float(make(optax)(step)) for step in range(80)] for _, make in OPTAX]


@pytest.fixture(scope="module")
def theirs() -> list[list[float]]:
    """Compute in a process of its own: JAX forbids os.fork() from where it is imported on."""
    if importlib.util.find_spec("optax") is None:
        pytest.skip("needs optax")
    done = subprocess.run([sys.executable, __file__], capture_output=True, check=True)
    rates: list[list[float]] = json.loads(done.stdout)
    return rates


@pytest.mark.parametrize("index", range(len(OPTAX)), ids=lambda i: str(OPTAX[i][0])[:60])
def test_optax_has_the_same_rates(theirs: list[list[float]], index: int) -> None:
    ours = [OPTAX[index][0](step) for step in range(80)]
    assert ours == pytest.approx(theirs[index], rel=1e-6, abs=1e-6 * LR)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(optax_rates()))
