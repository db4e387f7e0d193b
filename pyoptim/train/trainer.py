"""The training loop: epochs of mini-batches, validation, history, early stopping."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core, losses
from pyoptim.checks import as_count, check_not_negative
from pyoptim.losses import Loss
from pyoptim.models.model import Model
from pyoptim.optim import AdamW
from pyoptim.optimizer import Optimizer
from pyoptim.parameters import Array
from pyoptim.train.blas import product_threads
from pyoptim.train.data import batches, split_rows
from pyoptim.train.early_stopping import EarlyStopping
from pyoptim.train.history import History, StopReason
from pyoptim.train.progress import Progress


class Trainer:
    """Trains a model on rows in memory.

    Parameters
    ----------
    model : Model
    loss : str or Loss, optional
        By default the model's own.
    optimizer : Optimizer, optional
        Over ``model.params``; by default AdamW.
    epochs : int
        How often every row is seen.
    batch_size : int
        Rows a step; the last batch of an epoch may be smaller.
    shuffle : bool
        Whether each epoch has an order of its own.
    seed : int
        Of the split and of every epoch's order.
    validation : float, (x, y) or None
        The share of rows held out, or rows of your own, to measure ``val_loss`` on.
    l1, l2 : float
        Penalties on the model's weights (not its biases), added to the loss and its gradient:
        ``l1 sum |w| + l2/2 sum w^2``.
    early_stopping : EarlyStopping, optional
    progress : bool, optional
        A progress bar on stderr if that is a terminal, else a line an epoch; True or False to
        have it or not, by default it is there.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> y = 3 * x[:, 0] - 1
    >>> model = po.models.Linear(1)
    >>> trainer = po.train.Trainer(model, optimizer=po.SGD(model.params, lr=0.1), epochs=30,
    ...                            validation=0.2, progress=False)
    >>> history = trainer.fit(x, y)
    >>> history.columns
    ['epoch', 'loss', 'val_loss', 'lr', 'seconds']
    >>> history["val_loss"][-1] < 1e-3
    True
    """

    def __init__(
        self,
        model: Model,
        loss: str | Loss | None = None,
        optimizer: Optimizer | None = None,
        *,
        epochs: int = 20,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int = 0,
        validation: float | tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        early_stopping: EarlyStopping | None = None,
        progress: bool | None = None,
    ) -> None:
        check_not_negative("l1", l1)
        check_not_negative("l2", l2)
        if optimizer is not None and not (
            isinstance(optimizer, Optimizer) and optimizer.updates(model.params)
        ):
            raise ValueError(
                f"optimizer must be one over the model's params, got {optimizer!r}; "
                "make it as AdamW(model.params)"
            )
        self.model = model
        self.loss = model.loss if loss is None else losses.get(loss)
        self.optimizer = AdamW(model.params) if optimizer is None else optimizer
        self.epochs = as_count("epochs", epochs)
        self.batch_size = as_count("batch_size", batch_size)
        self.shuffle = shuffle
        self.seed = seed
        self.validation = validation
        self.l1 = l1
        self.l2 = l2
        self.early_stopping = early_stopping
        self.progress = progress

    def fit(self, x: npt.ArrayLike, y: npt.ArrayLike) -> History:
        """Train, and return what happened in each epoch.

        Parameters
        ----------
        x : array of shape (rows, inputs)
        y : array
            Class labels of shape (rows,), or values of shape (rows,) or (rows, outputs).

        Raises
        ------
        ValueError
            If shapes do not fit, or early stopping monitors a metric that does not exist.
        """
        rows, targets, held_out = self._prepare(x, y)
        history = History()
        stopping = self.early_stopping
        if stopping is not None:
            if stopping.monitor.startswith("val_") and held_out is None:
                raise ValueError(f"early stopping on {stopping.monitor!r} needs validation=")
            stopping.start()
        stop_reason = StopReason.FINISHED
        steps = self.epochs * -(-len(rows) // self.batch_size)
        threads = product_threads(self.batch_size * self.model.params.flat.size)
        try:
            with threads, Progress(self.progress, steps, sys.stderr) as progress:
                for epoch in range(1, self.epochs + 1):
                    history.rows.append(self._epoch(epoch, rows, targets, held_out, progress))
                    progress.epoch_done(history.rows[-1], self.epochs)
                    if stopping and stopping.should_stop(history, self.model.params.flat):
                        stop_reason = StopReason.EARLY_STOP
                        break
        finally:
            self.optimizer.eval()
            if stopping is not None:
                stopping.restore(self.model.params.flat)
                history.best_epoch = stopping.best_epoch
        history.stop_reason = stop_reason
        return history

    def _prepare(
        self, x: npt.ArrayLike, y: npt.ArrayLike
    ) -> tuple[Array, Array, tuple[Array, Array] | None]:
        """Bring rows to the model's type once, and split off those to validate on."""
        rows = np.ascontiguousarray(x, dtype=self.model.params.dtype)
        targets = self._targets(y)
        if len(rows) != len(targets):
            raise ValueError(f"x has {len(rows)} rows, y {len(targets)}")
        if len(rows) == 0:
            raise ValueError("x: expected at least one row")
        if isinstance(self.validation, tuple):
            held_x, held_y = self.validation
            return rows, targets, (np.asarray(held_x), self._targets(held_y))
        if self.validation:
            train, held = split_rows(len(rows), self.validation, self.seed)
            return rows[train], targets[train], (rows[held], targets[held])
        return rows, targets, None

    def _targets(self, y: npt.ArrayLike) -> Array:
        given = np.asarray(y)
        if self.loss.labels:
            return losses.as_labels(given)
        return np.ascontiguousarray(given, dtype=self.model.params.dtype)

    def _epoch(
        self,
        epoch: int,
        rows: Array,
        targets: Array,
        held_out: tuple[Array, Array] | None,
        progress: Progress,
    ) -> dict[str, float]:
        started = time.perf_counter()
        self.optimizer.train()
        total = 0.0
        parts = batches(
            rows, targets, self.batch_size, shuffle=self.shuffle, seed=self.seed, epoch=epoch
        )
        for x, y in parts:
            total += self._step(x, y) * len(x)
            progress.step_done()
        # What is validated, kept as the best, and left in the model are the points of evaluation.
        self.optimizer.eval()
        row: dict[str, float] = {"epoch": epoch, "loss": total / len(rows)}
        if held_out is not None:
            for name, value in self.model.evaluate(*held_out, self.loss).items():
                row[f"val_{name}"] = value
        row["lr"] = self._rate()
        row["seconds"] = time.perf_counter() - started
        return row

    def _step(self, x: Array, y: Array) -> float:
        """Make one step and return the loss, penalties included, before it."""
        value = self.model.loss_and_grad(x, y, self.loss)
        if self.l1 or self.l2:
            for name in self.model.weights:
                params, grads = self.model.params[name], self.model.params.grads[name]
                value += _core.add_penalty(params, grads, self.l1, self.l2)
        self.optimizer.step()
        return value

    def _rate(self) -> float:
        """Return the learning rate of the last step."""
        rate: Any = self.optimizer.param_groups[0]["lr"]
        return float(rate(self.optimizer.steps - 1)) if callable(rate) else float(rate)
