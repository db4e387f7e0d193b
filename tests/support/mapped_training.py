"""Training on a mapped file larger than its memory: python tests/support/mapped_training.py --help.

The file is as good as empty: it takes no room on the disk. RLIMIT_DATA holds the process to so much
memory of its own; what it has of the file, at most at any moment, is measured after every step.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import pyoptim as po
from pyoptim.train import Callback, Trainer

MIB = 2**20


def memory() -> dict[str, int]:
    """Return the kilobytes of this process: all, its own, and the most it ever had."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) for name in ("VmRSS", "RssAnon", "VmHWM")}


class Watch(Callback):
    """Remembers the most memory of its own that the process had after a step."""

    own = 0

    def on_step_end(self, trainer: Trainer) -> None:
        self.own = max(self.own, memory()["RssAnon"])


def train(folder: Path, gigabytes: float, columns: int, shuffle: Any, steps: int) -> dict[str, Any]:
    """Train on files in a folder, for an epoch or so many steps, and return what it took."""
    rows = int(gigabytes * 1e9) // (4 * columns)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (rows, columns))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.uint8, (rows,))
    y[:: max(rows // 1000, 1)] = 1
    del x, y
    x, y = (np.load(folder / name, mmap_mode="r") for name in ("x.npy", "y.npy"))
    before = memory()
    watch = Watch()
    stop = po.train.Lambda(on_step_end=lambda t: steps and t.step == steps and t.stop())
    trainer = Trainer(
        po.models.Softmax(columns, 2),
        epochs=1,
        batch_size=4096,
        shuffle=shuffle,
        validation=0.01,
        callbacks=[watch, stop],
        progress=False,
    )
    trainer.fit(x, y, class_weight="balanced")
    return {
        "bytes": x.nbytes,
        "rows": rows,
        "steps": trainer.step,
        "steps_per_epoch": trainer.steps_per_epoch,
        "mib_before": before["VmRSS"] // 1024,
        "mib_own": watch.own // 1024,
        "mib_most": memory()["VmHWM"] // 1024,
        "seconds": trainer.history["seconds"][0] if trainer.epochs_done else None,
    }


def main() -> None:
    """Train, and print what it took as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--shuffle", choices=["blocks", "rows", "none"], default="blocks")
    parser.add_argument("--limit", type=int, default=2000, help="MiB of memory of its own")
    parser.add_argument("--steps", type=int, default=0, help="by default an epoch")
    options = parser.parse_args()
    shuffle = {"blocks": "blocks", "rows": True, "none": False}[options.shuffle]
    resource.setrlimit(resource.RLIMIT_DATA, (options.limit * MIB, options.limit * MIB))
    with tempfile.TemporaryDirectory(prefix="pyoptim-mapped-") as folder:
        found = train(Path(folder), options.gigabytes, options.columns, shuffle, options.steps)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
