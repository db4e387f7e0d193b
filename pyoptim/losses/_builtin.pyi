# Written by tools/write_stubs.py from the engine's list of losses; do not edit.
from collections.abc import Mapping
from typing import Any

from pyoptim.losses._base import Loss as Loss
from pyoptim.losses._class_weight import compute_class_weight as compute_class_weight
from pyoptim.losses._class_weight import compute_sample_weight as compute_sample_weight

def get(loss: str | Loss | Mapping[str, Any], **parameters: float) -> Loss: ...

__all__ = [
    "Loss",
    "compute_class_weight",
    "compute_sample_weight",
    "get",
    "Squared",
    "Absolute",
    "Huber",
    "Quantile",
    "EpsilonInsensitive",
    "Logistic",
    "Softmax",
    "Focal",
    "Hinge",
    "SquaredHinge",
    "ModifiedHuber",
    "Poisson",
    "Gamma",
    "Tweedie",
    "squared",
    "absolute",
    "huber",
    "quantile",
    "epsilon_insensitive",
    "logistic",
    "softmax",
    "focal",
    "hinge",
    "squared_hinge",
    "modified_huber",
    "poisson",
    "gamma",
    "tweedie",
]

class Squared(Loss):
    def __init__(self) -> None: ...

squared: Squared

class Absolute(Loss):
    def __init__(self) -> None: ...

absolute: Absolute

class Huber(Loss):
    def __init__(self, delta: float = 1.0) -> None: ...
    @property
    def delta(self) -> float: ...

huber: Huber

class Quantile(Loss):
    def __init__(self, quantile: float = 0.5) -> None: ...
    @property
    def quantile(self) -> float: ...

quantile: Quantile

class EpsilonInsensitive(Loss):
    def __init__(self, epsilon: float = 0.1) -> None: ...
    @property
    def epsilon(self) -> float: ...

epsilon_insensitive: EpsilonInsensitive

class Logistic(Loss):
    def __init__(self) -> None: ...

logistic: Logistic

class Softmax(Loss):
    def __init__(self, label_smoothing: float = 0.0) -> None: ...
    @property
    def label_smoothing(self) -> float: ...

softmax: Softmax

class Focal(Loss):
    def __init__(self, gamma: float = 2.0, alpha: float = 0.25) -> None: ...
    @property
    def gamma(self) -> float: ...
    @property
    def alpha(self) -> float: ...

focal: Focal

class Hinge(Loss):
    def __init__(self) -> None: ...

hinge: Hinge

class SquaredHinge(Loss):
    def __init__(self) -> None: ...

squared_hinge: SquaredHinge

class ModifiedHuber(Loss):
    def __init__(self) -> None: ...

modified_huber: ModifiedHuber

class Poisson(Loss):
    def __init__(self) -> None: ...

poisson: Poisson

class Gamma(Loss):
    def __init__(self) -> None: ...

gamma: Gamma

class Tweedie(Loss):
    def __init__(self, power: float = 1.5) -> None: ...
    @property
    def power(self) -> float: ...

tweedie: Tweedie
