"""The optimizers for PyTorch: drop-in replacements of `torch.optim`, on CPUs.

>>> import torch
>>> import pyoptim.torch as optim  # instead of torch.optim
>>> model = torch.nn.Linear(3, 1)
>>> opt = optim.AdamW(model.parameters(), lr=0.1, betas=(0.9, 0.99))
>>> model(torch.ones(4, 3)).square().mean().backward()
>>> opt.step()
>>> sorted(opt.state[model.bias])
['exp_avg', 'exp_avg_sq', 'step']

There is a class for every rule of `pyoptim.rules()`, and for Muon, Shampoo and SOAP. If torch has
the optimizer, too, the class is a subclass of torch's: arguments, defaults, groups, hooks
and checkpoints are those of torch, and only the step is pyoptim's. Other classes have the arguments
of the class of the same name in `pyoptim`.

`lr_scheduler`, `swa_utils`, `LBFGS` and `SparseAdam` are those of torch, for one import.

docs/torch.md lists the differences from torch.
"""

from typing import TYPE_CHECKING, Any

from pyoptim._utils.dependencies import requires as _requires

with _requires("pyoptim.torch", "torch"):
    import torch as _torch  # noqa: F401 - raises an error if it is missing

from torch.optim import LBFGS as LBFGS
from torch.optim import SparseAdam as SparseAdam
from torch.optim import lr_scheduler as lr_scheduler
from torch.optim import swa_utils as swa_utils

from pyoptim.torch._base import Optimizer
from pyoptim.torch._factory import CLASSES as _CLASSES

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Return a class that was created from the registry of rules."""


globals().update(_CLASSES)
__all__ = ["Optimizer", *_CLASSES]
