"""What training costs: a step of a perceptron, an epoch of matrix factorization, a checkpoint.

Run ``python -m benchmarks.train --help`` in the repository's root; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import checkpoint, command, train_factors, train_mlp


@dataclass(frozen=True)
class Section:
    """A part of the report: `measure` returns its text and its figures."""

    title: str
    measure: Callable[[argparse.Namespace], tuple[str, Any]]


SECTIONS = {
    "mlp": Section("One training step", train_mlp.measure),
    "factors": Section("Matrix factorization, MovieLens 100k", train_factors.measure),
    "checkpoint": Section("Checkpoints / plain files", checkpoint.measure_all),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print tables, and write JSON if asked."""
    options = _parser().parse_args(arguments)
    out = sys.stderr if options.json == command.STDOUT else sys.stdout
    environment = command.environment("torch")
    print("\n".join(f"{name}: {value}" for name, value in environment.items()), file=out)
    figures = {}
    for name in options.only:
        text, figures[name] = SECTIONS[name].measure(options)
        print(f"\n== {SECTIONS[name].title}\n{text}", file=out, flush=True)
    if options.json is not None:
        command.write_json({"environment": environment, "sections": figures}, options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train", description=__doc__)
    command.add_only(parser, SECTIONS)
    parser.add_argument("--repeats", type=command.count, default=15, help="rounds (default 15)")
    checkpoint.add_arguments(parser)
    parser.add_argument(
        "--json", type=command.json_file, metavar="FILE", help="write all figures; - is stdout"
    )
    return parser


if __name__ == "__main__":
    main()
