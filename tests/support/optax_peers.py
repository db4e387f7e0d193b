"""What optax does for the rules that torch does not have.

Run it as a script: JAX forbids os.fork() once it is imported, and other tests fork. It pickles to
stdout, for each case, the parameters after each of 50 steps.
"""

from __future__ import annotations

import operator
import pickle
import sys

import numpy as np
from reference import Array, some_numbers

import pyoptim as po

# For each of our rules: our settings, optax's function, and its settings.
PEERS: dict[str, list[tuple[dict[str, float], str, dict[str, float]]]] = {
    "AdaBelief": [
        ({}, "adabelief", {}),
        (
            {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "eps_root": 1e-3},
            "adabelief",
            {"b1": 0.8, "b2": 0.95, "eps": 1e-4, "eps_root": 1e-3},
        ),
    ],
    "Yogi": [
        ({}, "yogi", {}),
        (
            {"beta1": 0.7, "beta2": 0.9, "eps": 1e-2, "initial_accumulator_value": 0.3},
            "scale_by_yogi",
            {"b1": 0.7, "b2": 0.9, "eps": 1e-2, "initial_accumulator_value": 0.3},
        ),
    ],
    "Lion": [
        ({}, "lion", {"weight_decay": 0.0}),
        (
            {"beta1": 0.7, "beta2": 0.95, "weight_decay": 0.1},
            "lion",
            {"b1": 0.7, "b2": 0.95, "weight_decay": 0.1},
        ),
    ],
    "AdEMAMix": [
        ({}, "contrib.ademamix", {}),
        (
            {"beta1": 0.8, "beta2": 0.95, "beta3": 0.99, "alpha": 2.0, "eps": 1e-3},
            "contrib.ademamix",
            {"b1": 0.8, "b2": 0.95, "b3": 0.99, "alpha": 2.0, "eps": 1e-3},
        ),
    ],
    "Sophia": [
        ({"eps": 1e-8, "weight_decay": 1e-4}, "contrib.sophia", {}),
        (
            {"beta1": 0.8, "beta2": 0.9, "gamma": 3.0, "clip_threshold": 0.6, "eps": 1e-3},
            "contrib.sophia",
            {"b1": 0.8, "b2": 0.9, "gamma": 3.0, "clip_threshold": 0.6, "eps": 1e-3},
        ),
    ],
    "LAMB": [
        ({"weight_decay": 0.1}, "lamb", {"weight_decay": 0.1}),
        (
            {"beta1": 0.8, "beta2": 0.95, "eps": 1e-2},
            "lamb",
            {"b1": 0.8, "b2": 0.95, "eps": 1e-2},
        ),
    ],
    "LARS": [
        (
            {"weight_decay": 0.1, "trust_coefficient": 0.1},
            "lars",
            {"weight_decay": 0.1, "trust_coefficient": 0.1},
        ),
        (
            {"momentum": 0.6, "trust_coefficient": 0.2, "eps": 0.1, "nesterov": True},
            "lars",
            {"momentum": 0.6, "trust_coefficient": 0.2, "eps": 0.1, "nesterov": True},
        ),
    ],
    "NovoGrad": [
        (
            {"beta1": 0.9, "beta2": 0.25, "eps": 1e-6, "weight_decay": 0.1},
            "novograd",
            {"weight_decay": 0.1},
        ),
        ({"eps": 1e-2}, "novograd", {"b1": 0.95, "b2": 0.98, "eps": 1e-2}),
    ],
    "DoG": [
        ({"reps_rel": 1e-2}, "contrib.dog", {"init_step": ("heuristic", 1e-2)}),
        (
            {"eps": 0.3, "reps_rel": 0.1},
            "contrib.dog",
            {"eps": 0.3, "init_step": ("heuristic", 0.1)},
        ),
    ],
    "SM3": [
        ({}, "scale_by_sm3", {}),
        (
            {"beta1": 0.0, "beta2": 0.9, "eps": 1e-2},
            "scale_by_sm3",
            {"b1": 0.0, "b2": 0.9, "eps": 1e-2},
        ),
    ],
    "SignSGD": [({}, "sign_sgd", {})],
    "Signum": [({}, "signum", {}), ({"momentum": 0.6}, "signum", {"beta": 0.6})],
}
CASES = [(rule, *case) for rule, cases in PEERS.items() for case in cases]
RATE = po.schedules.exponential(0.05, factor=0.95)


def start() -> Array:
    return some_numbers(1, 40, "float64").reshape(8, 5).copy()


def gradient(t: int) -> Array:
    return some_numbers(2 + t, 40, "float64", zeros=True).reshape(8, 5)


def run_optax() -> list[Array]:
    """Return for every case the parameters after each of 50 steps."""
    import jax
    import optax
    import optax.contrib

    jax.config.update("jax_enable_x64", True)
    rates = jax.numpy.asarray([RATE(t) for t in range(50)])
    paths = []
    for _, _, name, settings in CASES:
        if name == "contrib.sophia":
            # Its estimate of the Hessian, every tenth step, is the square of the gradient here.
            square = optax.GradientTransformationExtraArgs(
                lambda params: optax.EmptyState(),
                lambda grads, state, params=None, **_: (grads * grads, state),
            )
            peer = optax.contrib.sophia(
                rates.__getitem__, hessian_diagonal_fn=square, update_interval=10, **settings
            )
        elif name.startswith("scale_by"):
            direction = getattr(optax, name)(**settings)
            peer = optax.chain(direction, optax.scale_by_learning_rate(rates.__getitem__))
        else:
            peer = operator.attrgetter(name)(optax)(rates.__getitem__, **settings)
        params = jax.numpy.asarray(start())
        state, update, path = peer.init(params), jax.jit(peer.update), []
        for t in range(50):
            updates, state = update(jax.numpy.asarray(gradient(t)), state, params)
            params = optax.apply_updates(params, updates)
            path.append(np.asarray(params))
        paths.append(np.array(path))
    return paths


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(run_optax()))
