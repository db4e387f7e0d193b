"""Scenarios of training with Keras and skorch; this script prints their results as JSON.

It runs in a separate process, because these libraries take seconds to import and change settings of
the whole process.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROWS, BATCH, EPOCHS = 40, 5, 4  # 8 steps an epoch, 32 in all
CRASH, SAVE_EVERY = 13, 4  # the 5th step of the second epoch; saved every 4 steps


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Return distinct rows, so that a wrong order or a repeated row changes the results."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 3)).astype(np.float32)
    return x, (x @ [1.0, -2.0, 0.5] + 0.3 * rng.normal(size=ROWS)).astype(np.float32)


class Crash(Exception):
    """An error that simulates a killed process."""


def keras_model() -> Any:
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    return model


def largest_difference(model: Any, other: Any) -> float:
    pairs = zip(model.get_weights(), other.get_weights(), strict=True)
    return max(float(abs(a - b).max()) for a, b in pairs)


def keras_callbacks(values: list[float]) -> tuple[Any, Any]:
    """Return a callback that sets the metric of each epoch, and one that stops by the metric."""
    import keras

    class Script(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["score"] = values[epoch]

    stopping = keras.callbacks.EarlyStopping(
        "score", patience=3, mode="min", restore_best_weights=True
    )
    return Script(), stopping


def keras_nan_first() -> Any:
    """Stop by a metric that is NaN in the first epoch and decreases afterwards."""
    model = keras_model()
    script, stopping = keras_callbacks([math.nan, 5.0, 4.0, 3.0, 2.0, 1.0])
    x, y = rows()
    epochs = len(model.fit(x, y, epochs=6, verbose=0, callbacks=[script, stopping]).epoch)
    return {"epochs": epochs, "best": repr(float(stopping.best)), "best_epoch": stopping.best_epoch}


def keras_patience_on_resume() -> Any:
    """Train for 3 epochs, of which the first is the best, and resume with the same callback."""
    x, y = rows()
    model = keras_model()
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    script, stopping = keras_callbacks(values)
    stopping.restore_best_weights = False
    model.fit(x, y, epochs=3, verbose=0, callbacks=[script, stopping])
    waited = stopping.wait
    history = model.fit(x, y, initial_epoch=3, epochs=7, verbose=0, callbacks=[script, stopping])
    return {"waited": waited, "epochs": 3 + len(history.epoch), "best": float(stopping.best)}


def keras_crash() -> Any:
    """Crash within an epoch, resume from the backup, and compare with a run without a crash."""
    import keras

    class Count(keras.callbacks.Callback):
        def __init__(self, crash_at: int = 0) -> None:
            super().__init__()
            self.steps, self.crash_at = 0, crash_at

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.steps += 1
            if self.steps == self.crash_at:
                raise Crash

    x, y = rows()
    settings: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "verbose": 0}
    whole = keras_model()
    whole.fit(x, y, callbacks=[Count()], **settings)
    with tempfile.TemporaryDirectory() as folder:

        def backup() -> Any:
            return keras.callbacks.BackupAndRestore(folder, save_freq=SAVE_EVERY)

        first, again = Count(CRASH), Count()
        try:
            keras_model().fit(x, y, callbacks=[backup(), first], **settings)
        except Crash:
            files = sorted(path.name for path in Path(folder).iterdir())
            saved = json.loads(Path(folder, "training_metadata.json").read_text())
        model = keras_model()
        model.fit(x, y, callbacks=[backup(), again], **settings)
    return {
        "saved": CRASH // SAVE_EVERY * SAVE_EVERY,
        "steps": first.steps + again.steps,
        "drift": largest_difference(model, whole),
        "files": files,
        "metadata": sorted(saved),
        "iterations": int(model.optimizer.iterations),
    }


def keras_resume_after_an_epoch() -> Any:
    """Crash before the third epoch, and compare with a run without a crash, shuffled or not."""
    import keras

    class CrashInTheThird(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise Crash

    x, y = rows()
    result = {}
    for shuffle in (True, False):
        settings: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "verbose": 0}
        settings["shuffle"] = shuffle
        whole, model = keras_model(), None
        whole.fit(x, y, **settings)
        with tempfile.TemporaryDirectory() as folder:
            for crash in ([CrashInTheThird()], []):
                model = keras_model()
                backup = keras.callbacks.BackupAndRestore(folder)
                with contextlib.suppress(Crash):
                    model.fit(x, y, callbacks=[backup, *crash], **settings)
        result["shuffled" if shuffle else "in order"] = largest_difference(model, whole)
    return result


def keras_best_weights() -> Any:
    """Finish or interrupt training after the best epoch, without an early stop."""
    import keras

    class Watch(keras.callbacks.Callback):
        def __init__(self, interrupt: bool) -> None:
            super().__init__()
            self.interrupt = interrupt

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 0:
                self.best = self.model.get_weights()
            if epoch == 2 and self.interrupt:
                raise KeyboardInterrupt

    x, y = rows()
    result = {}
    for name in ("finished", "interrupted"):
        model, watch = keras_model(), Watch(name == "interrupted")
        script, stopping = keras_callbacks([1.0, 2.0, 3.0])
        raised = False
        try:
            model.fit(x, y, epochs=3, verbose=0, callbacks=[script, stopping, watch])
        except KeyboardInterrupt:
            raised = True
        pairs = zip(model.get_weights(), watch.best, strict=True)
        result[name] = {"restored": all((a == b).all() for a, b in pairs), "raised": raised}
    return result


def keras_progress() -> Any:
    """Show progress on a stdout that is not a terminal."""
    x, y = rows()
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        keras_model().fit(x, y, epochs=1, batch_size=BATCH)
    return {"escapes": stream.getvalue().count("\x1b")}


def keras_accumulation() -> Any:
    """Accumulate 3 batches a step in an epoch of 8 batches with a smaller last batch."""
    import keras

    x, y = rows()
    x, y = x[:38], y[:38]
    model = keras_model()
    model.set_weights([np.zeros((3, 1)), np.zeros(1)])
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=3)
    model.compile(optimizer, "mse")
    model.fit(x, y, epochs=1, batch_size=BATCH, shuffle=False, verbose=0)
    return {"weights": np.concatenate([w.ravel() for w in model.get_weights()]).tolist()}


def skorch_net(**keywords: Any) -> Any:
    import torch
    from skorch import NeuralNetRegressor

    torch.manual_seed(1)
    settings = {"max_epochs": 6, "lr": 0.01, "train_split": None, "verbose": 0, "batch_size": BATCH}
    return NeuralNetRegressor(torch.nn.Linear(3, 1), **{**settings, **keywords})


def skorch_relative_threshold() -> Any:
    """Stop by a negative score that does not improve, -1 in each epoch."""
    from skorch.callbacks import Callback, EarlyStopping

    class Script(Callback):
        def on_epoch_end(self, net: Any, **_: Any) -> None:
            net.history.record("score", -1.0)

    stopping = EarlyStopping("score", patience=2, threshold=0.1, threshold_mode="rel")
    x, y = rows()
    net = skorch_net(callbacks=[("script", Script()), ("stop", stopping)])
    net.fit(x, y[:, np.newaxis])
    return {"epochs": len(net.history), "best_epoch": net.callbacks_[-2][1].best_epoch_}


def skorch_interrupt() -> Any:
    """Send Ctrl-C in the second epoch."""
    from skorch.callbacks import Callback

    class Interrupt(Callback):
        def on_epoch_begin(self, net: Any, **_: Any) -> None:
            if len(net.history) == 2:
                os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells may ignore it
    x, y = rows()
    net = skorch_net(callbacks=[Interrupt()])
    returned = net.fit(x, y[:, np.newaxis])
    reported = [name for name in vars(net) if "stop" in name.lower() or "interrupt" in name.lower()]
    return {"returned": returned is net, "epochs": len(net.history), "reported": reported}


def skorch_resume() -> Any:
    """Train for 4 epochs, and for 2 epochs, save, load and train for 2 more."""
    from skorch.callbacks import Checkpoint

    x, y = rows()
    settings = {"iterator_train__shuffle": True, "max_epochs": 2}
    whole = skorch_net(**{**settings, "max_epochs": 4}).fit(x, y[:, np.newaxis])
    with tempfile.TemporaryDirectory() as folder:
        saving = Checkpoint(dirname=folder, monitor=None)
        skorch_net(callbacks=[saving], **settings).fit(x, y[:, np.newaxis])
        files = sorted(path.name for path in Path(folder).iterdir())
        again = skorch_net(**settings).initialize()
        again.load_params(checkpoint=saving)
        again.partial_fit(x, y[:, np.newaxis])
    pairs = zip(again.module_.parameters(), whole.module_.parameters(), strict=True)
    return {"files": files, "drift": max(float((a - b).detach().abs().max()) for a, b in pairs)}


PEERS: dict[str, tuple[Callable[[], Any], ...]] = {
    "keras": (
        keras_nan_first,
        keras_patience_on_resume,
        keras_crash,
        keras_resume_after_an_epoch,
        keras_best_weights,
        keras_progress,
        keras_accumulation,
    ),
    "skorch": (skorch_relative_threshold, skorch_interrupt, skorch_resume),
}

if __name__ == "__main__":
    scenarios = [scenario for peer in sys.argv[1:] for scenario in PEERS[peer]]
    print(json.dumps({scenario.__name__: scenario() for scenario in scenarios}))
