"""The optimizers for PyTorch: drop-in replacements of `torch.optim`, on CPUs.

>>> import torch
>>> import pyoptim.torch as optim  # instead of torch.optim
>>> model = torch.nn.Linear(3, 1)
>>> opt = optim.AdamW(model.parameters(), lr=0.1, betas=(0.9, 0.99))
>>> model(torch.ones(4, 3)).square().mean().backward()
>>> opt.step()
>>> sorted(opt.state[model.bias])
['exp_avg', 'exp_avg_sq', 'step']

There is a class for every rule of `pyoptim.rules()`, and for Muon, Shampoo and SOAP. Those that
torch has, too, are subclasses of torch's: arguments, defaults, parameter groups, hooks and
checkpoints are torch's own, and only the step is pyoptim's. The others take the settings that the
class of this name in `pyoptim` takes.

`lr_scheduler`, `swa_utils`, `LBFGS` and `SparseAdam` are torch's own, so that one import serves.

docs/torch.md lists what is the same and what differs.
"""

from typing import TYPE_CHECKING, Any

from pyoptim._utils.dependencies import requires as _requires

with _requires("pyoptim.torch", "torch"):
    import torch as _torch  # noqa: F401 - whether it is there

from torch.optim import LBFGS as LBFGS
from torch.optim import SparseAdam as SparseAdam
from torch.optim import lr_scheduler as lr_scheduler
from torch.optim import swa_utils as swa_utils

from pyoptim.torch._base import Optimizer
from pyoptim.torch._factory import CLASSES as _CLASSES

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Classes are made from the list of rules."""


globals().update(_CLASSES)
__all__ = ["Optimizer", *_CLASSES]
