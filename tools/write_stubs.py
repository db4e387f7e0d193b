"""Write pyoptim/optim.pyi, which spells out the optimizer classes for editors and type checkers.

python tools/write_stubs.py          write the file
python tools/write_stubs.py --check  fail if the file is not up to date
"""

import inspect
import sys
from pathlib import Path

import pyoptim as po

STUB = Path(__file__).parent.parent / "pyoptim" / "optim.pyi"

HEADER = """\
# Written by tools/write_stubs.py from the engine's list of rules; do not edit.
from typing import ClassVar

from pyoptim.optimizer import Optimizer, Params, ScalarOrSchedule

"""

TYPES = {
    "params": "Params",
    "clip_norm": "float | None",
    "clip_value": "float | None",
    "num_threads": "int | None",
}


def annotated(parameter: inspect.Parameter) -> str:
    """Return a parameter of a signature with its type and default."""
    flag = isinstance(parameter.default, bool)
    kind = TYPES.get(parameter.name, "bool" if flag else "ScalarOrSchedule")
    if parameter.default is parameter.empty:
        return f"{parameter.name}: {kind}"
    return f"{parameter.name}: {kind} = {parameter.default!r}"


def class_stub(name: str) -> str:
    """Return the stub of one optimizer class."""
    parameters = list(inspect.signature(getattr(po, name)).parameters.values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    arguments = ["self", *map(annotated, positional), "*", *map(annotated, keywords)]
    lines = "".join(f"        {argument},\n" for argument in arguments)
    return (
        f"class {name}(Optimizer):\n"
        "    rule: ClassVar[str]\n"
        f"    def __init__(\n{lines}    ) -> None: ...\n"
    )


def stub() -> str:
    """Return the text of the stub file."""
    names = [rule.name for rule in po.rules()]
    listed = "".join(f'    "{name}",\n' for name in names)
    classes = "\n".join(map(class_stub, names))
    return f"{HEADER}__all__ = [\n{listed}]\n\n{classes}"


if __name__ == "__main__":
    if sys.argv[1:] != ["--check"]:
        STUB.write_text(stub(), encoding="utf-8")
    elif not STUB.exists() or STUB.read_text(encoding="utf-8") != stub():
        sys.exit(f"{STUB} is not up to date: run python tools/write_stubs.py")
