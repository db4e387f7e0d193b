"""The structs of rules and schedules of the C++ interface."""

import ctypes
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyoptim as po
from pyoptim._utils.install_paths import get_library_dir
from pyoptim.schedules._cycles import CycleMomentum

_HEADERS = Path("csrc", "include", "pyoptim")

CPP = """\
// Written by tools/generate from {source}; do not edit.
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
inline namespace v1 {{
{begin}
{structs}{end}
}}  // namespace v1
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


def texts() -> dict[Path, str]:
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
    return {_HEADERS / "rules.hpp": rules, _HEADERS / "schedules.hpp": schedules}
