"""Write the stubs that spell out the optimizer classes for editors and type checkers.

python tools/write_stubs.py          write the files
python tools/write_stubs.py --check  fail if a file is not up to date

The stub of `pyoptim.torch` has arguments of torch: it is left alone where that is not installed.
"""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pyoptim as po
from pyoptim import matrix

PACKAGE = Path(__file__).parent.parent / "pyoptim"

NATIVE = """\
# Written by tools/write_stubs.py from the engine's list of rules; do not edit.
from collections.abc import Mapping
from typing import Any, ClassVar

from pyoptim.catalog import Rule
from pyoptim.extras import MasterWeights, Modifier, StateDType
from pyoptim.optimizer import Optimizer, Params, ScalarOrSchedule

OPTIONS: dict[str, Any]

def make_class(
    rule: Rule,
    base: type[Optimizer] = ...,
    *,
    module: str = ...,
    options: Mapping[str, Any] | None = ...,
    options_doc: str = ...,
    notes: str = ...,
    example: str = ...,
) -> type[Optimizer]: ...

"""

MATRIX = """\
# Written by tools/write_stubs.py from the list of matrix rules; do not edit.
from collections.abc import Collection, Sequence
from typing import ClassVar

from pyoptim.matrix.optimizer import MatrixOptimizer
from pyoptim.matrix.rule import MatrixRule
from pyoptim.optimizer import Params, ScalarOrSchedule

RULES: tuple[MatrixRule, ...]

"""

TORCH = """\
# Written by tools/write_stubs.py from the engine's list of rules and torch's classes; do not edit.
from typing import ClassVar

import torch
from torch.optim.optimizer import ParamsT

from pyoptim.catalog import Rule
from pyoptim.extras import MasterWeights, Modifier, StateDType
from pyoptim.torch.optimizer import Optimizer as Optimizer

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


KINDS = {bool: "bool", str: "str", tuple: "Sequence[float]"}


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


def class_stub(name: str) -> str:
    """Return the stub of one optimizer class."""
    cls = getattr(po, name)
    head = f"class {name}({cls.__base__.__name__}):\n    rule: ClassVar[str]\n"
    return head + init_stub(cls, annotated)


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
    of: Callable[[str], str] = class_stub,
    exported: Sequence[str] = (),
) -> str:
    """Return the text of a stub file; `exported` are names that the header imports."""
    listed = "".join(f'    "{name}",\n' for name in (*exported, *names))
    classes = "\n".join(map(of, names))
    return f"{header}__all__ = [\n{listed}]\n\n{classes}"


def stubs() -> dict[Path, str]:
    """Return the stub files with their texts; that for torch only if torch is installed."""
    native, for_matrices = ([rule.name for rule in r] for r in (po.rules(), matrix.RULES))
    texts = {
        PACKAGE / "optim.pyi": stub(NATIVE, native),
        PACKAGE / "matrix" / "__init__.pyi": stub(MATRIX, for_matrices),
    }
    if importlib.util.find_spec("torch") is not None:
        torch_text = stub(TORCH, [*native, *for_matrices], torch_class_stub, ["Optimizer"])
        texts[PACKAGE / "torch" / "__init__.pyi"] = torch_text
    return texts


def main(arguments: Sequence[str]) -> None:
    """Write the files, or check them."""
    for path, text in stubs().items():
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not up to date: run python tools/write_stubs.py")


if __name__ == "__main__":
    main(sys.argv[1:])
