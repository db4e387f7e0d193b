"""Write the stubs that spell out the optimizer classes for editors and type checkers.

python tools/write_stubs.py          write the files
python tools/write_stubs.py --check  fail if a file is not up to date
"""

import inspect
import sys
from collections.abc import Sequence
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


def annotated(parameter: inspect.Parameter) -> str:
    """Return a parameter of a signature with its type and default."""
    kind = TYPES.get(parameter.name, KINDS.get(type(parameter.default), "ScalarOrSchedule"))
    if parameter.default is parameter.empty:
        return f"{parameter.name}: {kind}"
    default = parameter.default
    text = f'"{default}"' if isinstance(default, str) else repr(default)
    return f"{parameter.name}: {kind} = {text}"


def class_stub(name: str) -> str:
    """Return the stub of one optimizer class."""
    cls = getattr(po, name)
    parameters = list(inspect.signature(cls).parameters.values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    arguments = ["self", *map(annotated, positional), "*", *map(annotated, keywords)]
    lines = "".join(f"        {argument},\n" for argument in arguments)
    return (
        f"class {name}({cls.__base__.__name__}):\n"
        "    rule: ClassVar[str]\n"
        f"    def __init__(\n{lines}    ) -> None: ...\n"
    )


def stub(header: str, names: Sequence[str]) -> str:
    """Return the text of a stub file."""
    listed = "".join(f'    "{name}",\n' for name in names)
    classes = "\n".join(map(class_stub, names))
    return f"{header}__all__ = [\n{listed}]\n\n{classes}"


STUBS = {
    PACKAGE / "optim.pyi": stub(NATIVE, [rule.name for rule in po.rules()]),
    PACKAGE / "matrix" / "__init__.pyi": stub(MATRIX, [rule.name for rule in matrix.RULES]),
}


if __name__ == "__main__":
    for path, text in STUBS.items():
        if sys.argv[1:] != ["--check"]:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not up to date: run python tools/write_stubs.py")
