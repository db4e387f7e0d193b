"""The training loop: epochs of mini-batches, validation, history, early stopping."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyoptim import losses
from pyoptim.checks import as_count, check_not_negative
from pyoptim.losses import Loss
from pyoptim.models.model import Model
from pyoptim.optim import AdamW
from pyoptim.optimizer import Optimizer
from pyoptim.parameters import Array
from pyoptim.penalties import ElasticNet, Penalty
from pyoptim.train.blas import product_threads
from pyoptim.train.data import batches, split_rows
from pyoptim.train.early_stopping import EarlyStopping
from pyoptim.train.history import History, StopReason
from pyoptim.train.progress import Progress
from pyoptim.weights import ClassWeight, as_sample_weight, compute_class_weight
from pyoptim.weights import compute_sample_weight as of_classes


class _Rows(NamedTuple):
    """Rows with their targets, and their weights if they have some."""

    x: Array
    y: Array
    weights: Array | None = None

    def take(self, rows: Array) -> _Rows:
        """Return some of the rows, by number."""
        weights = None if self.weights is None else self.weights[rows]
        return _Rows(self.x[rows], self.y[rows], weights)


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
    validation : float, (x, y), (x, y, sample_weight) or None
        The share of rows held out, or rows of your own, to measure ``val_loss`` on.
    penalty : Penalty or sequence of Penalty, optional
        On the model's weights (not its biases), such as ``po.penalties.L1(0.01)``. Their values
        are part of the loss that the history shows.
    l1, l2 : float
        The same as ``penalty=po.penalties.ElasticNet(l1, l2)``: ``l1 sum |w| + l2/2 sum w^2``.
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
        validation: float | tuple[npt.ArrayLike, ...] | None = None,
        penalty: Penalty | Sequence[Penalty] | None = None,
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
        self.penalties = [penalty] if isinstance(penalty, Penalty) else list(penalty or [])
        if l1 or l2:
            self.penalties.insert(0, ElasticNet(l1, l2))
        if not all(isinstance(each, Penalty) for each in self.penalties):
            raise TypeError(f"penalty must be one of pyoptim.penalties, got {penalty!r}")
        self.early_stopping = early_stopping
        self.progress = progress

    def fit(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
    ) -> History:
        """Train, and return what happened in each epoch.

        Parameters
        ----------
        x : array of shape (rows, inputs)
        y : array
            Class labels of shape (rows,), or values of shape (rows,) or (rows, outputs).
        sample_weight : array of shape (rows,), optional
            Losses are weighted means then: of a batch, of an epoch, and of rows held out.
        class_weight : mapping of class to weight, or "balanced", optional
            Multiplies the weights of rows: see `pyoptim.losses.compute_class_weight`. What
            "balanced" means is found on all of `y`.

        Raises
        ------
        ValueError
            If shapes do not fit, weights are out of range or all 0, or early stopping monitors a
            metric that does not exist.
        """
        rows, held_out = self._prepare(x, y, sample_weight, class_weight)
        history = History()
        stopping = self.early_stopping
        if stopping is not None:
            if stopping.monitor.startswith("val_") and held_out is None:
                raise ValueError(f"early stopping on {stopping.monitor!r} needs validation=")
            stopping.start()
        stop_reason = StopReason.FINISHED
        steps = self.epochs * -(-len(rows.x) // self.batch_size)
        threads = product_threads(self.batch_size * self.model.params.flat.size)
        try:
            with threads, Progress(self.progress, steps, sys.stderr) as progress:
                for epoch in range(1, self.epochs + 1):
                    history.rows.append(self._epoch(epoch, rows, held_out, progress))
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
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        class_weight: ClassWeight | None,
    ) -> tuple[_Rows, _Rows | None]:
        """Bring rows to the model's type once, and split off those to validate on."""
        of_class = None if class_weight is None else compute_class_weight(class_weight, y)
        rows = self._rows(x, y, sample_weight, of_class)
        if len(rows.x) == 0:
            raise ValueError("x: expected at least one row")
        held_out = None
        if isinstance(self.validation, tuple):
            held_x, held_y, *weights = self.validation
            held_out = self._rows(held_x, held_y, weights[0] if weights else None, of_class)
        elif self.validation:
            train, held = split_rows(len(rows.x), self.validation, self.seed)
            rows, held_out = rows.take(train), rows.take(held)
        if rows.weights is not None and not rows.weights.any():
            raise ValueError("sample_weight: at least one must be above 0")
        return rows, held_out

    def _rows(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        of_class: ClassWeight | None,
    ) -> _Rows:
        rows = np.ascontiguousarray(x, dtype=self.model.params.dtype)
        targets = self.loss.cast_targets(y, rows.dtype)
        if len(rows) != len(targets):
            raise ValueError(f"x has {len(rows)} rows, y {len(targets)}")
        weights = None if sample_weight is None else as_sample_weight(sample_weight)
        if weights is not None and weights.shape != (len(rows),):
            raise ValueError(f"sample_weight: expected shape ({len(rows)},), got {weights.shape}")
        if of_class is not None:
            weights = of_classes(of_class, y, weights)
        return _Rows(rows, targets, weights)

    def _epoch(
        self,
        epoch: int,
        rows: _Rows,
        held_out: _Rows | None,
        progress: Progress,
    ) -> dict[str, float]:
        started = time.perf_counter()
        self.optimizer.train()
        total = seen = 0.0
        parts = batches(
            tuple(rows), self.batch_size, shuffle=self.shuffle, seed=self.seed, epoch=epoch
        )
        for x, y, weights in parts:
            weight = len(x) if weights is None else float(weights.sum())
            total += self._step(x, y, weights) * weight
            seen += weight
            progress.step_done()
        # What is validated, kept as the best, and left in the model are the points of evaluation.
        self.optimizer.eval()
        row: dict[str, float] = {"epoch": epoch, "loss": total / seen}
        if held_out is not None:
            given = _given(held_out.weights)
            found = self.model.evaluate(held_out.x, held_out.y, self.loss, **given)
            for name, value in found.items():
                row[f"val_{name}"] = value
        row["lr"] = self._rate()
        row["seconds"] = time.perf_counter() - started
        return row

    def _step(self, x: Array, y: Array, weights: Array | None) -> float:
        """Make one step and return the loss, penalties included, before it."""
        value = self.model.loss_and_grad(x, y, self.loss, **_given(weights))
        names, of_model = self.model.weights, self.model.params
        params = [of_model[name] for name in names] if self.penalties else []
        for penalty in self.penalties:
            value += penalty.before_step(params, [of_model.grads[name] for name in names])
        self.optimizer.step()
        for penalty in self.penalties:
            penalty.after_step(params)
        return value

    def _rate(self) -> float:
        """Return the learning rate of the last step."""
        rate: Any = self.optimizer.param_groups[0]["lr"]
        return float(rate(self.optimizer.steps - 1)) if callable(rate) else float(rate)


def _given(weights: Array | None) -> dict[str, Array]:
    """Return the argument for weights, if there are some: a model need not know it otherwise."""
    return {} if weights is None else {"sample_weight": weights}
