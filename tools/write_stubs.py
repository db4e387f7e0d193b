"""Write the stubs of optimizer and loss classes, and the structs of rules and schedules for C++.

python tools/write_stubs.py          write the files
python tools/write_stubs.py --check  fail if a file is not up to date

The stub of `pyoptim.torch` has arguments of torch: it is left alone where that is not installed.
"""

import ctypes
import dataclasses
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyoptim as po
from pyoptim import losses
from pyoptim._utils.atomic import replace_text
from pyoptim._utils.install_paths import get_library_dir
from pyoptim._utils.ownership import check_replaceable
from pyoptim.optim import matrix
from pyoptim.schedules._cycles import CycleMomentum

PACKAGE = Path(__file__).parent.parent / "pyoptim"
HEADERS = Path(__file__).parent.parent / "csrc" / "include" / "pyoptim"

NATIVE = """\
# Written by tools/write_stubs.py from the engine's list of rules; do not edit.
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

from pyoptim.optim._registry import Rule
from pyoptim.optim._options import MasterWeights, Modifier, StateDType
from pyoptim.optim._base import Optimizer, Params, ScalarOrSchedule

OPTIONS: dict[str, Any]

def unexpected_argument(rule: Rule, known: inspect.Signature, names: set[str]) -> TypeError: ...
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

from pyoptim.optim.matrix._base import MatrixOptimizer
from pyoptim.optim.matrix._rule import MatrixRule
from pyoptim.optim._base import Params, ScalarOrSchedule

RULES: tuple[MatrixRule, ...]

"""

TORCH = """\
# Written by tools/write_stubs.py from the engine's list of rules and torch's classes; do not edit.
from typing import ClassVar

import torch
from torch.optim import LBFGS as LBFGS
from torch.optim import SparseAdam as SparseAdam
from torch.optim import lr_scheduler as lr_scheduler
from torch.optim import swa_utils as swa_utils
from torch.optim.optimizer import ParamsT

from pyoptim.optim._registry import Rule
from pyoptim.optim._options import MasterWeights, Modifier, StateDType
from pyoptim.torch._base import Optimizer as Optimizer

"""

LOSSES = """\
# Written by tools/write_stubs.py from the engine's list of losses; do not edit.
from collections.abc import Mapping
from typing import Any

from pyoptim.losses._base import Loss as Loss
from pyoptim.losses._class_weight import compute_class_weight as compute_class_weight
from pyoptim.losses._class_weight import compute_sample_weight as compute_sample_weight

def get(loss: str | Loss | Mapping[str, Any], **parameters: float) -> Loss: ...

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


def loss_stub(name: str) -> str:
    """Return the stub of one loss: its class, and the instance with the defaults."""
    cls = getattr(losses, name)
    if not cls.fields:
        return f"class {name}(Loss):\n    def __init__(self) -> None: ...\n\n{cls.name}: {name}\n"
    arguments = "".join(f", {field.name}: float = {field.default}" for field in cls.fields)
    properties = "".join(
        f"    @property\n    def {field.name}(self) -> float: ...\n" for field in cls.fields
    )
    start = f"class {name}(Loss):\n    def __init__(self{arguments}) -> None: ...\n"
    return f"{start}{properties}\n{cls.name}: {name}\n"


def losses_stub() -> str:
    """Return the text of the losses' stub."""
    classes = [name for name in losses.__all__ if name[0].isupper() and name != "Loss"]
    listed = "".join(f'    "{name}",\n' for name in losses.__all__)
    return f"{LOSSES}__all__ = [\n{listed}]\n\n" + "\n".join(map(loss_stub, classes))


CPP = """\
// Written by tools/write_stubs.py from {source}; do not edit.
// {what}
// Include pyoptim/pyoptim.hpp. Members that are named in braces stand in the order of the struct.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "pyoptim/schedule.hpp"

// clang-format off
namespace pyoptim {{
inline namespace face1 {{
{begin}
{structs}{end}
}}  // namespace face1
}}  // namespace pyoptim
"""

CPP_TYPES = {
    "float": "double",
    "int": "std::int64_t",
    "int | None": "std::optional<std::int64_t>",
    "bool": "bool",
    "Cycle": "Schedule",
    "Callable[[int], float]": "Schedule",
    "Sequence[Callable[[int], float]]": "std::vector<Schedule>",
    "Sequence[int]": "std::vector<std::int64_t>",
    "Mapping[int, float] | Pairs": "std::vector<std::pair<std::int64_t, double>>",
}


def literal(value: object) -> str:
    """Return a default as C++ writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "{}" if value is None else f'"{value}"' if isinstance(value, str) else repr(value)


def comment(text: str) -> str:
    """Return text as a documentation comment."""
    return "".join(f"/// {line}".rstrip() + "\n" for line in text.split("\n"))


def cpp_struct(name: str, doc: str, tag: str, members: Sequence[tuple[str, str, str]]) -> str:
    """Return a struct whose members, given as name, declaration and comment, can be visited."""
    lines = "".join(f"  {declaration};{note}\n" for _, declaration, note in members)
    visits = "".join(f'    visit("{member}", {member});\n' for member, _, _ in members)
    return (
        f"{comment(doc)}struct {name} {{\n"
        f'{lines}\n  static constexpr const char* {tag} = "{name}";\n'
        f"  template <class Visit>\n  void each(Visit&& visit) const {{\n{visits}  }}\n}};\n"
    )


def rule_struct(rule: po.Rule) -> str:
    """Return the struct of a rule."""
    shared: list[tuple[str, float | bool, str]] = [
        ("weight_decay", rule.weight_decay, "At least 0."),
        ("decoupled_weight_decay", rule.decoupled_weight_decay, ""),
        ("maximize", False, "Go up the gradient."),
    ]
    own = [
        (f.name, f.default, f.doc if f.is_flag else f"{f.doc} {f.range[0].upper()}{f.range[1:]}.")
        for f in rule.fields
    ]
    members = [
        (
            name,
            f"{'bool' if isinstance(default, bool) else 'Setting'} {name} = {literal(default)}",
            f"  ///< {note}" if note else "",
        )
        for name, default, note in [("lr", rule.lr, "At least 0."), *own, *shared]
    ]
    return cpp_struct(rule.name, rule.doc, "rule_name", members)


def schedule_struct(name: str, doc: str) -> str:
    """Return the struct of a schedule, with the arguments and defaults of the Python class."""
    members = []
    for field in dataclasses.fields(getattr(po.schedules, name, CycleMomentum)):
        word = str(field.type).startswith("Literal")
        kind = "const char*" if word else CPP_TYPES[str(field.type)]
        missing = field.default is dataclasses.MISSING
        default = "" if missing else f" = {literal(field.default)}"
        members.append((field.name, f"{kind} {field.name}{default}", ""))
    return cpp_struct(name, doc, "schedule_name", members)


def native_schedules() -> Iterator[tuple[str, str]]:
    """Yield name and sentence of every schedule of the C interface."""
    library = ctypes.CDLL(str(Path(get_library_dir()) / "libpyoptim.so.0"))
    texts = (library.pyoptim_schedule_name, library.pyoptim_schedule_doc)
    for function in texts:
        function.restype = ctypes.c_char_p
    for index in range(library.pyoptim_schedule_count()):
        name, doc = (function(ctypes.c_size_t(index)).decode() for function in texts)
        yield name, doc


def headers() -> dict[Path, str]:
    """Return the headers with the structs of rules and schedules, with their texts."""
    rules = CPP.format(
        source="the engine's list of rules",
        what="A struct for each rule: pyoptim::AdamW{.lr = 3e-4}. "
        "A Setting is a number or a schedule.",
        begin="",
        structs="\n".join(map(rule_struct, po.rules())),
        end="",
    )
    schedules = CPP.format(
        source="the classes of pyoptim.schedules",
        what="A struct for each schedule: pyoptim::schedules::cosine{.lr = 1e-3, .steps = 1000}.",
        begin="namespace schedules {\n",
        structs="\n".join(schedule_struct(name, doc) for name, doc in native_schedules()),
        end="\n}  // namespace schedules\n",
    )
    return {HEADERS / "rules.hpp": rules, HEADERS / "schedules.hpp": schedules}


def stubs() -> dict[Path, str]:
    """Return the stub files with their texts; that for torch only if torch is installed."""
    native, for_matrices = ([rule.name for rule in r] for r in (po.rules(), matrix.RULES))
    texts = {
        PACKAGE / "losses" / "_builtin.pyi": losses_stub(),
        PACKAGE / "optim" / "_elementwise.pyi": stub(NATIVE, native),
        PACKAGE / "optim" / "matrix" / "__init__.pyi": stub(MATRIX, for_matrices),
    }
    if importlib.util.find_spec("torch") is not None:
        torch_text = stub(TORCH, [*native, *for_matrices], torch_class_stub, ["Optimizer"])
        texts[PACKAGE / "torch" / "__init__.pyi"] = torch_text
    return texts


def is_generated(path: Path) -> bool:
    """Return whether this tool wrote a file."""
    return "do not edit" in path.read_text(encoding="utf-8").partition("\n")[0]


def main(arguments: Sequence[str]) -> None:
    """Write the files, or check them."""
    for path, text in {**headers(), **stubs()}.items():
        if "--check" not in arguments:
            check_replaceable(path, is_generated, allow="removing it")
            replace_text(path, lambda file, text=text: file.write(text))
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not up to date: run python tools/write_stubs.py")


if __name__ == "__main__":
    main(sys.argv[1:])
