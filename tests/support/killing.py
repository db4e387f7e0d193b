"""Kill a saving process at random: python tests/support/killing.py [--kills 300] [--seed 0].

A process saves one checkpoint after another and is killed with SIGKILL. Afterwards, the last
reported checkpoint or its successor must load without damage.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import pyoptim as po

_ELEMENTS = 50_000
KEPT = 2


def tensors(step: int) -> dict[str, np.ndarray]:
    """Return the tensors of a step, whose values depend on the step, for several files."""
    return {
        "first": np.full(_ELEMENTS, step, np.float32),
        "second": np.arange(step, step + _ELEMENTS, dtype=np.int64),
        "third": np.random.default_rng(step).random(_ELEMENTS),
    }


def save_forever(directory: Path, first: int) -> None:
    """Save step after step, and report each step after its save."""
    for step in range(first, 2**31):
        metadata = {"step": step, "nan": float("nan")}
        po.checkpoint.save(
            directory, tensors(step), step=step, metadata=metadata, keep=KEPT,
            max_shard_size=2**19,
        )  # fmt: skip
        print(step, flush=True)


def kill_often(directory: Path, kills: int, seed: int) -> int:
    """Start and kill processes; return how often the loaded checkpoint was not yet reported.

    Raises
    ------
    AssertionError
        If a loaded checkpoint is damaged, has an unexpected step, or files are left behind.
    """
    rng = random.Random(seed)
    saved, unreported = 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # loading an older checkpoint is a fault, too
        for _ in range(kills):
            reported = _run_and_kill(directory, saved + 1, rng) or saved
            if reported == 0 and not _any(directory):
                continue  # killed before the first
            saved = _check(directory, reported)
            unreported += saved != reported
    return unreported


def _any(directory: Path) -> bool:
    return directory.exists() and any(p.name.startswith("step-") for p in directory.iterdir())


def _run_and_kill(directory: Path, first: int, rng: random.Random) -> int | None:
    """Return the last step that a process reported before it was killed."""
    command = [sys.executable, "-P", __file__, "--save", str(directory), "--first", str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = [process.stdout.readline() for _ in range(rng.choice((0, 1, 1, 2, 4)))]
        time.sleep(rng.uniform(0, 0.1 if lines else 1))  # starting takes half a second
        assert process.poll() is None
        process.kill()
        lines += process.stdout.readlines()
    steps = [int(line) for line in lines if line.endswith("\n")]
    return steps[-1] if steps else None


def _check(directory: Path, reported: int) -> int:
    """Check the checkpoint that loads after a kill, and return its step."""
    found = po.checkpoint.load(directory)
    assert found.step in (reported, reported + 1), (found.step, reported)
    expected = tensors(found.step)
    assert found.tensors.keys() == expected.keys()
    for name, array in expected.items():
        assert np.array_equal(found.tensors[name], array), name
    assert found.metadata["step"] == found.step
    po.checkpoint.verify(directory)  # the other checkpoints are undamaged, too
    names = [path.name for path in directory.iterdir()]
    assert sum(name.startswith("step-") for name in names) <= KEPT + 2, names
    assert sum(name.startswith(".tmp-") for name in names) <= 2, names
    return found.step


def main() -> None:
    """Run the kills, or run as the saving process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.save is not None:
        save_forever(options.save, options.first)
    with tempfile.TemporaryDirectory(prefix="pyoptim-kill-") as folder:
        unreported = kill_often(Path(folder) / "run", options.kills, options.seed)
    print(
        f"{options.kills} kills; after {unreported} a checkpoint loaded that was not reported yet"
    )


if __name__ == "__main__":
    main()
