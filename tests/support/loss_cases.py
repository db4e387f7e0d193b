"""All losses, each with its default parameters and with others."""

from __future__ import annotations

import numpy as np

import pyoptim as po
from pyoptim import _core

DTYPES = [np.float32, np.float64]
NAMES = [entry["name"] for entry in _core.losses()]
OTHER_PARAMETERS: dict[str, list[dict[str, float]]] = {
    "huber": [{"delta": 0.3}, {"delta": 5.0}],
    "quantile": [{"quantile": 0.9}],
    "epsilon_insensitive": [{"epsilon": 0.0}, {"epsilon": 2.0}],
    "softmax": [{"label_smoothing": 0.1}, {"label_smoothing": 1.0}],
    "focal": [{"gamma": 0.0, "alpha": -1.0}, {"gamma": 0.5, "alpha": 0.9}, {"gamma": 5.0}],
    "tweedie": [{"power": 1.0}, {"power": 1.1}, {"power": 2.0}, {"power": 3.0}],
}
LOSSES = [
    po.losses.get(name, **parameters)
    for name in NAMES
    for parameters in [{}, *OTHER_PARAMETERS.get(name, [])]
]
