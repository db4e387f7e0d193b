"""What a checkpoint costs beside plain files: save and write + fsync, verified load and read.

Run ``python -m benchmarks.checkpoint --help`` in the repository's root; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pyoptim as po
from benchmarks import command
from benchmarks.report import aligned
from benchmarks.workloads import Array

_TENSORS = 32
_TARGET = 0.7  # of the speed of plain files
_PIECE = 64 * 2**20  # bytes a call of write


@dataclass(frozen=True)
class Pair:
    """Seconds of every round: a plain file, and a checkpoint."""

    name: str
    plain: list[float]
    ours: list[float]

    @property
    def ratio(self) -> float:
        """Our speed / the plain one: the median of the rounds' ratios."""
        return statistics.median(a / b for a, b in zip(self.plain, self.ours, strict=True))

    @property
    def verdict(self) -> str:
        """Return ok or below."""
        return "ok" if self.ratio >= _TARGET else "below"


class Files:
    """A plain file and a checkpoint of the same arrays in one folder."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.plain = folder / "plain"
        self.run = folder / "run"
        rng = np.random.default_rng(0)
        size = megabytes * 2**20 // _TENSORS // 4
        self.tensors: dict[str, Array] = {
            f"layers.{i}.weight": rng.random(size, np.float32) for i in range(_TENSORS)
        }

    def write(self) -> None:
        """Write the plain file and bring it to disk."""
        with self.plain.open("wb", buffering=0) as file:
            for array in self.tensors.values():
                data = array.view(np.uint8).data
                for at in range(0, len(data), _PIECE):
                    file.write(data[at : at + _PIECE])
            os.fsync(file.fileno())

    def save(self) -> None:
        """Save the checkpoint."""
        po.checkpoint.save(self.run, self.tensors, step=1)

    def read(self) -> object:
        """Read the plain file."""
        return np.fromfile(self.plain, np.uint8)

    def load(self) -> object:
        """Load and verify the checkpoint."""
        return po.checkpoint.load(self.run)

    def clear(self) -> None:
        """Remove both, so that each round writes new files."""
        self.plain.unlink(missing_ok=True)
        shutil.rmtree(self.run, ignore_errors=True)
        os.sync()

    def forget(self) -> None:
        """Drop both from the system's memory, so that the next reading is from the disk."""
        for path in (self.plain, *self.run.rglob("*.safetensors")):
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def measure(
    name: str,
    plain: Callable[[], object],
    ours: Callable[[], object],
    before: Callable[[], None],
    rounds: int,
) -> Pair:
    """Measure in turns, whoever was second in one round first in the next."""
    pair = Pair(name, [], [])
    sides = [(plain, pair.plain), (ours, pair.ours)]
    for _ in range(rounds):
        before()
        for work, seconds in sides:
            start = time.perf_counter()
            result = work()
            seconds.append(time.perf_counter() - start)
            del result
        sides.reverse()
    return pair


def measure_all(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Return a table of all pairs, and their figures."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        files = Files(Path(folder), options.megabytes)
        rounds = options.repeats
        pairs = [measure("save / write + fsync", files.write, files.save, files.clear, rounds)]
        pairs += [
            measure("load / read, from memory", files.read, files.load, lambda: None, rounds),
            measure("load / read, from disk", files.read, files.load, files.forget, rounds),
        ]
    figures = {
        "megabytes": options.megabytes,
        "pairs": [asdict(pair) | {"ratio": pair.ratio} for pair in pairs],
    }
    return f"{options.megabytes} MiB in {_TENSORS} tensors\n{table(pairs)}", figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write JSON if asked."""
    options = _parser().parse_args(arguments)
    out = sys.stderr if options.json == command.STDOUT else sys.stdout
    environment = command.environment()
    print("\n".join(f"{name}: {value}" for name, value in environment.items()), file=out)
    text, figures = measure_all(options)
    print(f"\n== {text}", file=out)
    if options.json is not None:
        command.write_json({"environment": environment, **figures}, options.json)


def table(pairs: Sequence[Pair]) -> str:
    """Return a line a pair: median seconds of both, and the ratio of their speeds."""
    lines = [
        [
            pair.name,
            f"{statistics.median(pair.plain):.3f} s",
            f"{statistics.median(pair.ours):.3f} s",
            f"{pair.ratio:.2f} (>= {_TARGET:.2f} {pair.verdict})",
        ]
        for pair in pairs
    ]
    return aligned(["checkpoint / plain file", "plain", "checkpoint", "ratio of speeds"], lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `measure_all` needs beside --repeats."""
    parser.add_argument("--megabytes", type=command.count, default=1024, help="(default 1024)")
    parser.add_argument("--folder", help="where to write, as the disk matters")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checkpoint", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--repeats", type=command.count, default=7, help="rounds (default 7)")
    parser.add_argument(
        "--json", type=command.json_file, metavar="FILE", help="write all figures; - is stdout"
    )
    return parser


if __name__ == "__main__":
    main()
