"""Kill training at every step in turn: python tests/support/training_killed.py [--every 1].

A process trains on distinct rows, in shuffled order, with noise, dropout and batch norm. It is
killed (SIGKILL) at a step. A run that resumes from its checkpoints must be bit-identical to an
uninterrupted run.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import pyoptim as po
from pyoptim.train import Callback, Checkpoint, EarlyStopping, ReduceLROnPlateau, Trainer

ROWS, BATCH, EPOCHS = 53, 8, 9
STEPS = EPOCHS * -(-ROWS // BATCH)


class Noisy(po.models.MLP):
    """A model that adds noise keyed by the number of the call, its additional state."""

    calls = 0

    def loss_and_grad(self, x: Any, *args: Any, **keywords: Any) -> float:
        noise = np.random.Generator(np.random.Philox(key=[7, self.calls])).normal(size=x.shape)
        self.calls += 1
        return super().loss_and_grad(x + 0.05 * noise.astype(x.dtype), *args, **keywords)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "calls": self.calls}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.calls = state["calls"]


class BatchLog(Callback):
    """A callback that records the rows of every batch."""

    state = ("log",)

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.log: list[list[int]] = []

    def on_step_end(self, trainer: Trainer) -> None:
        self.log.append(np.arange(ROWS)[trainer.rows_of_step].tolist())


class Kill(Callback):
    """A callback that kills the process after a step, before the checkpoint is saved."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def train(directory: Path | None, kill_at: int = 0, *, every_steps: int = 4) -> dict[str, str]:
    """Train from the last checkpoint, if any, and return checksums of all results."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, 3))  # distinct rows, so that a wrong order changes the results
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = Noisy([3, 8, 8, 2], norm="batch", dropout=0.25, residual=True, seed=1)
    inner = po.AdamW(model.params, lr=0.02, clip_norm=1.0)
    log = BatchLog()
    callbacks: list[Callback] = [
        log,
        EarlyStopping(patience=7),
        ReduceLROnPlateau(patience=0, factor=0.5, threshold=0.05),
    ]
    if directory is not None:
        callbacks.append(Checkpoint(directory, every_steps=every_steps))
    if kill_at:
        callbacks.append(Kill(kill_at))
    averaged = po.wrappers.EMA(po.wrappers.Lookahead(inner, k=3), decay=0.9)
    trainer = Trainer(
        model,
        # 2 does not divide the steps of an epoch.
        optimizer=po.wrappers.GradientAccumulation(averaged, every=2),
        epochs=EPOCHS,
        batch_size=BATCH,
        validation=(x[:20] + 0.1, y[:20]),
        metrics=["f1_macro"],
        penalty=po.penalties.L1(1e-3),
        callbacks=callbacks,
        progress=False,
    )
    if directory is not None:
        trainer.resume(directory, missing_ok=True)
    history = trainer.fit(x, y, sample_weight=rng.uniform(0.5, 2, size=ROWS))
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]
    eval_params = model.params.flat.tobytes()
    trainer.optimizer.train()
    state = {k: getattr(v, "tolist", lambda v=v: v)() for k, v in trainer.optimizer.state_dict().items()}  # noqa: E501  # fmt: skip
    parts = {
        "weights": eval_params + model.params.flat.tobytes(),
        "buffers": b"".join(array.tobytes() for array in model.buffers.values()),
        "state": repr(sorted(state.items())).encode(),
        "history": repr((rows, history.stop_reason, history.best_epoch)).encode(),
        "batches": repr(log.log).encode(),
    }
    assert len(log.log) == STEPS
    return {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}


def killed_and_resumed(step: int) -> dict[str, str]:
    """Kill a process at a step, and resume its training in this process."""
    with tempfile.TemporaryDirectory(prefix="pyoptim-killed-") as folder:
        directory = Path(folder) / "run"
        command = [sys.executable, "-P", __file__, "--run", str(directory), "--kill-at", str(step)]
        status = subprocess.run(command, timeout=600, check=False).returncode
        assert status == -signal.SIGKILL, status
        return train(directory)


def main() -> None:
    """Kill training at every step; with --run, train in the process to kill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kill-at", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run is not None:
        train(options.run, options.kill_at)
        return
    whole = train(None)
    steps = range(1, STEPS + 1, options.every)
    for step in steps:
        resumed = killed_and_resumed(step)
        assert resumed == whole, (step, resumed, whole)
    print(f"killed at {len(steps)} steps: resumed runs are bit-identical to an uninterrupted run")


if __name__ == "__main__":
    main()
