"""What the programs share: arguments, what figures depend on, and JSON."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pyoptim as po
from benchmarks.competitors import is_installed
from pyoptim import plots
from pyoptim._utils.atomic import replace_text
from pyoptim._utils.ownership import check_replaceable, has_marker

STDOUT = "-"
_OWN_FIGURES = b'"pyoptim": "'  # in the environment that all figures have
_OWN_PICTURE = b"difference from float32"


def names_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return a parser of some of these names, with commas between them."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no section {name!r}; of {', '.join(known)}")
        return names

    return parse


def add_only(parser: argparse.ArgumentParser, sections: Collection[str]) -> None:
    """Add --only: which of these sections to run, by default all."""
    parser.add_argument(
        "--only",
        type=names_of(sections),
        default=list(sections),
        metavar="SECTION,...",
        help=f"of {', '.join(sections)}",
    )


def count(text: str) -> int:
    """Parse a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def environment(*modules: str) -> dict[str, Any]:
    """Return what the figures depend on, with the versions of these modules."""
    installed = filter(is_installed, ("numpy", *modules))
    cpu = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*:\s*(.*)", cpu.read_text()) if cpu.exists() else []
    return {
        "pyoptim": po.__version__,
        "instruction set": po.config()["instruction set"],
        "threads": po.get_num_threads(),
        "processor": models[0] if models else platform.processor(),
        "load before": f"{os.getloadavg()[0]:.2f}",
        **{module: importlib.metadata.version(module) for module in installed},
    }


def json_file(text: str) -> str:
    """Parse where to write figures: a file that is not somebody else's, or - for stdout."""
    if text != STDOUT:
        _check(text, lambda path: has_marker(path, _OWN_FIGURES))
    return text


def picture_file(text: str) -> Path:
    """Parse where to draw: a file that is not somebody else's."""
    _check(text, lambda path: plots.is_own(path) or has_marker(path, _OWN_PICTURE))
    return Path(text)


def _check(text: str, is_own: Callable[[Path], bool]) -> None:
    try:
        check_replaceable(text, is_own, allow="removing it")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from None


def write_json(figures: Mapping[str, Any], to: str) -> None:
    """Write figures to a file, or to stdout if it is named -."""
    text = json.dumps(figures, indent=1) + "\n"
    if to == STDOUT:
        sys.stdout.write(text)
    else:
        replace_text(to, lambda file: file.write(text))
