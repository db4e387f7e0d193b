"""pyoptim: optimizers for CPUs, in C++ at the speed of memory.

>>> import numpy as np, pyoptim as po
>>> w = np.array([3.0, -4.0], dtype=np.float32)
>>> opt = po.AdamW([w], lr=0.1, weight_decay=0.0)
>>> for _ in range(300):
...     info = opt.step([2 * w])  # the gradient of |w|^2
>>> bool(abs(w).max() < 1e-2)
True

`pyoptim.rules()` lists the elementwise optimizers. Muon, Shampoo and SOAP update whole matrices.
`pyoptim.schedules` has learning-rate schedules, and `pyoptim.plot_schedule` draws them.
`pyoptim.wrappers` add averaged weights, gradient accumulation and more to any optimizer.
`pyoptim.models` and `pyoptim.train` train models with `pyoptim.losses` and `pyoptim.penalties`.
`pyoptim.minimize` and `pyoptim.solvers` minimize functions to convergence.
`pyoptim.checkpoint` saves and resumes runs. `pyoptim.show_config()` describes the installation.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pyoptim._core import StepInfo, __version__
from pyoptim._utils.hyperparameter import Field
from pyoptim._utils.install_paths import get_include
from pyoptim.config import config, get_num_threads, set_num_threads, show_config
from pyoptim.errors import CheckpointError
from pyoptim.optim import *
from pyoptim.optim import __all__ as _optimizers
from pyoptim.optim._registry import Rule, rules
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._row_grad import RowGrad

if TYPE_CHECKING:
    from pyoptim import checkpoint as checkpoint
    from pyoptim import losses as losses
    from pyoptim import models as models
    from pyoptim import penalties as penalties
    from pyoptim import plots as plots
    from pyoptim import schedules as schedules
    from pyoptim import solvers as solvers
    from pyoptim import train as train
    from pyoptim import wrappers as wrappers
    from pyoptim.plots import plot_schedule as plot_schedule
    from pyoptim.solvers import minimize as minimize

_LAZY = (
    "checkpoint",
    "losses",
    "models",
    "penalties",
    "plots",
    "schedules",
    "solvers",
    "train",
    "wrappers",
)
_LAZY_FUNCTIONS = {"minimize": "pyoptim.solvers", "plot_schedule": "pyoptim.plots"}

__all__ = [
    "CheckpointError",
    "Field",
    "Parameters",
    "RowGrad",
    "Rule",
    "StepInfo",
    "__version__",
    "config",
    "get_include",
    "get_num_threads",
    "rules",
    "set_num_threads",
    "show_config",
    *_optimizers,
    *_LAZY,
    *_LAZY_FUNCTIONS,
]


def __getattr__(name: str) -> Any:
    """Import a submodule, or the one of a function, when it is first used."""
    if name in _LAZY:
        return import_module(f"pyoptim.{name}")
    if name in _LAZY_FUNCTIONS:
        return getattr(import_module(_LAZY_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'pyoptim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
