"""The stub of the optimizer classes for PyTorch, whose bases depend on the torch there is."""

import importlib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

from python_code import KINDS

from pyoptim.optim import matrix
from pyoptim.optim._registry import rules

TORCH = """\
# Written by tools/generate from the engine's list of rules and torch's classes; do not edit.
from typing import ClassVar

import torch
from torch.optim import LBFGS as LBFGS
from torch.optim import SparseAdam as SparseAdam
from torch.optim import lr_scheduler as lr_scheduler
from torch.optim import swa_utils as swa_utils
from torch.optim.optimizer import ParamsT

from pyoptim.optim._options import MasterWeights, Modifier, StateDType
from pyoptim.optim._registry import Rule
from pyoptim.torch._base import Optimizer as Optimizer

"""

TYPES = {
    "adamw_params": "Collection[str | int]",
    "params": "Params",
    "clip_norm": "float | None",
    "clip_value": "float | None",
    "num_threads": "int | None",
    "state_dtype": "StateDType | None",
    "seed": "int",
    "ema_decay": "float | None",
    "master_weights": "MasterWeights | None",
    "modifier": "Modifier | None",
}


def annotated(parameter: inspect.Parameter, number: str = "ScalarOrSchedule") -> str:
    """Return a parameter of a signature with its type and default; `number` is that of settings."""
    kind = TYPES.get(parameter.name, KINDS.get(type(parameter.default), number))
    if parameter.annotation is not parameter.empty:
        kind = inspect.formatannotation(parameter.annotation)
    if parameter.default is parameter.empty:
        return f"{parameter.name}: {kind}"
    default = parameter.default
    text = f'"{default}"' if isinstance(default, str) else repr(default)
    return f"{parameter.name}: {kind} = {text}"


def init_stub(cls: type, annotate: Callable[[inspect.Parameter], str]) -> str:
    """Return the stub of a class's constructor."""
    parameters = list(inspect.signature(cls).parameters.values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    arguments = ["self", *map(annotate, positional), "*", *map(annotate, keywords)]
    lines = "".join(f"        {argument},\n" for argument in arguments)
    return f"    def __init__(\n{lines}    ) -> None: ...\n"


def torch_annotated(parameter: inspect.Parameter) -> str:
    """Return a parameter of a class for torch: settings are numbers, schedules torch's own."""
    if parameter.name == "params":
        return "params: ParamsT"
    return annotated(parameter, "float | torch.Tensor" if parameter.name == "lr" else "float")


def torch_class_stub(name: str) -> str:
    """Return the stub of one optimizer class for torch."""
    cls = getattr(importlib.import_module("pyoptim.torch"), name)
    has_it = hasattr(importlib.import_module("torch.optim"), name)
    theirs = [f"torch.optim.{name}"] if has_it else []
    head = f"class {name}({', '.join(['Optimizer', *theirs])}):\n    rule: ClassVar[Rule]\n"
    return head + init_stub(cls, torch_annotated)


def stub(
    header: str,
    names: Sequence[str],
    of: Callable[[str], str],
    exported: Sequence[str] = (),
) -> str:
    """Return the text of a stub file; `exported` are names that the header imports."""
    listed = "".join(f'    "{name}",\n' for name in (*exported, *names))
    classes = "\n".join(map(of, names))
    return f"{header}__all__ = [\n{listed}]\n\n{classes}"


def texts() -> dict[Path, str]:
    """Return the generated stub."""
    names = [*(rule.name for rule in rules()), *(rule.name for rule in matrix.RULES)]
    text = stub(TORCH, names, torch_class_stub, ["Optimizer"])
    return {Path("pyoptim", "torch", "__init__.pyi"): text}
