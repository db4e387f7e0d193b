"""Those who take part: pyoptim over its own memory and over arrays, torch, optax, others."""

from __future__ import annotations

import importlib.util
import inspect
import os
from collections.abc import Iterator
from functools import cache, partial
from importlib import import_module
from itertools import cycle, product
from operator import attrgetter
from typing import Any

import numpy as np

import pyoptim as po
from benchmarks.compare import Competitor, Step
from benchmarks.workloads import Array, Workload, fill_normal, normal_arrays

# Small, so that parameters stay what they are however many steps are made.
LR = 1e-6

PARAMETERS, ARRAYS, ROWS = "pyoptim", "pyoptim, arrays", "pyoptim, rows"
DROP_IN, CYTHON = "pyoptim.torch", "pyoptim, Cython"
OURS = (PARAMETERS, ARRAYS, ROWS, DROP_IN, CYTHON)

_TOUCHED_ROWS, _ROW_GRADIENTS = 4096, 32


def is_installed(module: str) -> bool:
    """Whether a peer can be imported; it is not imported to know."""
    return importlib.util.find_spec(module) is not None


def ours(rule: str, **settings: Any) -> Competitor:
    """Return an optimizer of ours over Parameters, which bring their gradients."""

    def make(shapes: Workload) -> Step:
        params = po.Parameters({str(i): shape for i, shape in enumerate(shapes.shapes)})
        fill_normal(params.flat, seed=0)
        fill_normal(params.flat_grad, seed=1)
        optimizer = getattr(po, rule)(params, lr=LR, **settings)
        return optimizer.step  # type: ignore[no-any-return]

    return Competitor(PARAMETERS, make)


def ours_on_arrays(rule: str, **settings: Any) -> Competitor:
    """Return an optimizer of ours over separate arrays, with gradients in a list."""

    def make(shapes: Workload) -> Step:
        params = normal_arrays(shapes.shapes, seed=0)
        grads = normal_arrays(shapes.shapes, seed=1)
        return partial(getattr(po, rule)(params, lr=LR, **settings).step, grads)

    return Competitor(ARRAYS, make)


def ours_in_cython(rule: str, steps: int) -> Competitor:
    """Return so many steps of ours over separate arrays, made by compiled code."""

    def make(shapes: Workload) -> Step:
        optimizer = getattr(po, rule)(normal_arrays(shapes.shapes, seed=0), lr=LR)
        stepper = import_module("pyoptim.cython_optim").Stepper
        return partial(stepper(optimizer, normal_arrays(shapes.shapes, seed=1)).run, steps)

    return Competitor(CYTHON, make)


def variants(rule: po.Rule) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Yield hyperparameters for every combination of states that a rule can have.

    They are found by trying: all flags, 0.9 for numbers that are 0 by default, which is how an
    optional part such as momentum is off, and 0 for the others.
    """
    switches = []
    for field in rule.fields:
        other = True if field.is_flag else 0.9 if field.default == 0 else 0.0
        switches.append([(field.name, field.default, False), (field.name, other, True)])
    choices = product(*switches)
    wanted = set(rule.variants)
    for chosen in sorted(choices, key=lambda chosen: sum(changed for *_, changed in chosen)):
        settings = {name: value for name, value, changed in chosen if changed}
        if not wanted:
            break
        try:
            optimizer = getattr(po, rule.name)([np.zeros((1, 1), np.float32)], lr=LR, **settings)
        except ValueError:
            continue  # settings that exclude each other
        (state,) = optimizer.state.values()
        found = tuple(name for name, value in state.items() if isinstance(value, np.ndarray))
        if found in wanted:
            wanted.remove(found)
            yield settings, found
    if wanted:
        raise RuntimeError(f"no settings of {rule.name} lead to the states {wanted}")


@cache
def _torch() -> Any:
    torch = import_module("torch")
    torch.set_num_threads(po.get_num_threads())
    return torch


def _torch_parameters(shapes: Workload) -> list[Any]:
    torch = _torch()

    def tensors(seed: int) -> Iterator[Any]:
        for array in normal_arrays(shapes.shapes, seed):
            yield torch.empty(array.shape).copy_(torch.from_numpy(array))

    params = [torch.nn.Parameter(tensor) for tensor in tensors(0)]
    for param, grad in zip(params, tensors(1), strict=True):
        param.grad = grad
    return params


def torch_peers(rule: str) -> list[Competitor]:
    """Return torch's optimizer of this name in every form it has: fused, foreach, default."""
    if not is_installed("torch") or not hasattr(_torch().optim, rule):
        return []
    offered = inspect.signature(getattr(_torch().optim, rule)).parameters
    forms = [form for form in ("fused", "foreach") if form in offered]

    def competitor(name: str, chosen: str) -> Competitor:
        settings = {form: form == chosen for form in forms}

        def make(shapes: Workload) -> Step:
            optimizer = getattr(_torch().optim, rule)(_torch_parameters(shapes), lr=LR, **settings)
            return optimizer.step  # type: ignore[no-any-return]

        return Competitor(name, make)

    return [competitor(f"torch {form}", form) for form in forms] + [competitor("torch default", "")]


def ours_in_torch(rule: str) -> list[Competitor]:
    """Return the optimizer of this name in pyoptim.torch, over torch's tensors."""
    if not is_installed("torch"):
        return []

    def make(shapes: Workload) -> Step:
        cls = getattr(import_module("pyoptim.torch"), rule)
        return cls(_torch_parameters(shapes), lr=LR).step  # type: ignore[no-any-return]

    return [Competitor(DROP_IN, make)]


def torch_clipped(clip_norm: float) -> list[Competitor]:
    """Return torch's clip_grad_norm_ and fused AdamW, one after the other.

    torch writes the clipped gradients. That they are within the norm from the second step on
    saves it nothing: it multiplies them by 1.
    """
    if not is_installed("torch"):
        return []

    def make(shapes: Workload) -> Step:
        params = _torch_parameters(shapes)
        optimizer = _torch().optim.AdamW(params, lr=LR, fused=True)
        clip = _torch().nn.utils.clip_grad_norm_

        def step() -> None:
            clip(params, clip_norm)
            optimizer.step()

        return step

    return [Competitor("torch clip, fused", make)]


def torch_ema(clip_norm: float) -> list[Competitor]:
    """Return torch's clip_grad_norm_, fused AdamW and the EMA of torch.optim.swa_utils."""
    if not is_installed("torch"):
        return []

    def make(shapes: Workload) -> Step:
        params = _torch_parameters(shapes)
        kept = [param.detach().clone() for param in params]
        optimizer = _torch().optim.AdamW(params, lr=LR, fused=True)
        clip = _torch().nn.utils.clip_grad_norm_
        average = import_module("torch.optim.swa_utils").get_ema_multi_avg_fn(0.999)

        def step() -> None:
            clip(params, clip_norm)
            optimizer.step()
            average(kept, params, None)

        return step

    return [Competitor("torch clip, fused, EMA", make)]


def row_gradients(shapes: Workload, *, repeated: bool) -> list[tuple[Array, Array]]:
    """Return random rows of a table with values; repeated ones come twice on average.

    There are several gradients, so that a step finds few of its rows in cache.
    """
    rows, width = shapes.shapes[0]
    random = np.random.default_rng(0)
    gradients = []
    for _ in range(_ROW_GRADIENTS):
        chosen = random.choice(rows, _TOUCHED_ROWS, replace=False)
        if repeated:
            chosen = random.choice(chosen[: _TOUCHED_ROWS // 2], _TOUCHED_ROWS)
        gradients.append((chosen, random.standard_normal((chosen.size, width), dtype=np.float32)))
    return gradients


def ours_by_rows(rule: str, *, repeated: bool, **settings: Any) -> Competitor:
    """Return an optimizer of ours over a table, with gradients of rows."""

    def make(shapes: Workload) -> Step:
        optimizer = getattr(po, rule)(normal_arrays(shapes.shapes, seed=0), lr=LR, **settings)
        grads = cycle(po.RowGrad(*grad) for grad in row_gradients(shapes, repeated=repeated))
        return lambda: optimizer.step(next(grads))

    return Competitor(ROWS, make)


def torch_by_rows(rule: str, *, repeated: bool, **settings: Any) -> list[Competitor]:
    """Return an optimizer of torch over a table, with sparse gradients that are not coalesced."""
    if not is_installed("torch"):
        return []

    def make(shapes: Workload) -> Step:
        torch = _torch()
        torch.sparse.check_sparse_tensor_invariants.disable()  # said, or there is a warning
        param = _torch_parameters(shapes)[0]
        optimizer = getattr(torch.optim, rule)([param], lr=LR, **settings)
        param.grad = None
        grads = cycle(
            torch.sparse_coo_tensor(
                torch.from_numpy(rows)[None],
                torch.from_numpy(values),
                shapes.shapes[0],
            )
            for rows, values in row_gradients(shapes, repeated=repeated)
        )

        def step() -> None:
            param.grad = next(grads)
            optimizer.step()

        return step

    return [Competitor(f"torch {rule}", make)]


# optax's function for a rule, and settings that make it do the work that ours does.
_OPTAX: dict[str, tuple[str, dict[str, Any]]] = {
    "AdamW": ("adamw", {"weight_decay": 0.01}),
    "LAMB": ("lamb", {}),
    "Adafactor": ("adafactor", {}),
    "Prodigy": ("contrib.prodigy", {}),
    "Adan": ("adan", {}),
    "Lion": ("lion", {"weight_decay": 0.0}),
    "ScheduleFreeAdamW": ("contrib.schedule_free_adamw", {}),
}


def optax_peers(rule: str) -> list[Competitor]:
    """Return optax's optimizer for this rule under jax.jit, parameters and state donated."""
    if rule not in _OPTAX or not (is_installed("optax") and is_installed("jax")):
        return []
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    jax, optax = import_module("jax"), import_module("optax")
    import_module("optax.contrib")
    name, settings = _OPTAX[rule]
    peer = attrgetter(name)(optax)(LR, **settings)

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(params: Any, state: Any, grads: Any) -> tuple[Any, Any]:
        updates, state = peer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    def on_device(arrays: Any) -> Any:
        # Copied, as jax may keep NumPy's memory where it lies, and states may be the parameters
        # themselves, which can be donated once.
        return jax.tree.map(partial(jax.numpy.array, copy=True), arrays)

    def make(shapes: Workload) -> Step:
        params = on_device(normal_arrays(shapes.shapes, seed=0))
        grads = on_device(normal_arrays(shapes.shapes, seed=1))
        state = on_device(peer.init(params))

        def step() -> None:
            nonlocal params, state
            params, state = jax.block_until_ready(update(params, state, grads))

        return step

    return [Competitor("optax", make)]


# The class of pytorch_optimizer for a rule, and settings that make it do the work that ours does:
# neither clip gradients by their norm nor keep a mean of them.
_PYTORCH_OPTIMIZER: dict[str, tuple[str, dict[str, Any]]] = {
    "LAMB": ("Lamb", {"max_grad_norm": 0.0}),
    "Adafactor": ("AdaFactor", {"betas": (None, 0.999), "relative_step": False}),
    "Prodigy": ("Prodigy", {}),
    "Adan": ("Adan", {}),
    "Lion": ("Lion", {}),
    "ScheduleFreeAdamW": ("ScheduleFreeAdamW", {}),
}


def pytorch_optimizer_peers(rule: str) -> list[Competitor]:
    """Return pytorch_optimizer's optimizer for this rule: foreach, and one tensor at a time."""
    if rule not in _PYTORCH_OPTIMIZER or not is_installed("pytorch_optimizer"):
        return []
    name, settings = _PYTORCH_OPTIMIZER[rule]

    def competitor(label: str, foreach: bool) -> Competitor:
        def make(shapes: Workload) -> Step:
            params = _torch_parameters(shapes)
            peer = getattr(import_module("pytorch_optimizer"), name)
            return peer(params, lr=LR, foreach=foreach, **settings).step  # type: ignore[no-any-return]

        return Competitor(label, make)

    label = "pytorch_optimizer"
    return [competitor(f"{label} foreach", True), competitor(label, False)]
