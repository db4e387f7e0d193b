"""The training loop: epochs of mini-batches, validation, history and callbacks."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self

import numpy.typing as npt

from pyoptim import checkpoint, losses
from pyoptim._utils.threadpool import matmul_threads
from pyoptim._utils.validation import as_count, as_flag
from pyoptim.checkpoint import Keep
from pyoptim.data import (
    Order,
    Rows,
    Shuffle,
    Source,
    Validation,
    as_validation,
    batches_of,
    prepare,
)
from pyoptim.losses import Loss
from pyoptim.losses._class_weight import ClassWeight
from pyoptim.models._protocol import Trainable, as_model
from pyoptim.optim._base import Optimizer
from pyoptim.penalties import Penalty
from pyoptim.train._arguments import as_optimizer, as_penalties, as_shuffle, check_metrics
from pyoptim.train._batch_size import BatchSizeReport, choose_batch_size
from pyoptim.train._eval_mode import ModeSwitch
from pyoptim.train._evaluation import evaluate
from pyoptim.train._history import History, StopReason
from pyoptim.train._interrupts import Interrupts, interrupts
from pyoptim.train._metrics import Metrics, as_metrics, scorer_names
from pyoptim.train._resume import (
    Position,
    capture,
    check_data,
    restore,
    restore_callbacks,
    restore_position,
    saved_state,
)
from pyoptim.train._step import Step
from pyoptim.train.callbacks import Callback
from pyoptim.train.callbacks._list import build_callbacks, call, overridden_methods
from pyoptim.wrappers._base import Wrapper


class Trainer:
    """A training loop with mini-batches, validation, callbacks and exact resuming.

    It trains a model on arrays, sparse matrices, memory-mapped files, or chunks of rows. `fit`
    trains and returns a `History`. `save` and `resume` continue a run with bit-identical results.

    Ctrl-C, SIGTERM or SIGHUP (a closed terminal) ends training after the current step. `fit` then
    returns the history with the reason "interrupted", and a `Checkpoint` among the callbacks saves
    the run for `resume`. A second Ctrl-C or SIGTERM raises KeyboardInterrupt. A signal after the
    last epoch is delivered after checkpoints are saved and the best parameters are restored.

    Parameters
    ----------
    model : Model, or any object with the model protocol
        Model to train; see `pyoptim.models.Trainable`. If it has state besides its parameters, the
        trainer uses its `state_dict` and `load_state_dict`.
    loss : str or Loss, optional
        Loss to minimize. By default the model's own loss.
    optimizer : Optimizer or Wrapper, optional
        Optimizer over ``model.params``, or over groups of some of them
        (`pyoptim.models.param_groups`). Parameters in no group are frozen. By default AdamW. Pass
        ``clip_norm`` or ``clip_value`` to the optimizer to clip gradients.
    epochs : int
        Number of passes over all rows.
    batch_size : int or "auto"
        Number of rows in a batch. The last batch of an epoch may be smaller, and is dropped if it
        has fewer rows than the model needs (two with batch norm). "auto" measures powers of two
        from 16 before training, and chooses the largest one that still makes an epoch at least 5 %
        faster. `batch_size_report` has the measured times. A resumed run keeps its batch size.
    shuffle : bool or "blocks"
        Whether every epoch has a different order of rows. "blocks" is for files larger than memory.
        It shuffles blocks of about a megabyte, and then the rows within groups of 64 blocks.
    prefetch : bool, optional
        Whether a thread prepares the next batch during a step. By default True for memory-mapped
        files, chunks, and batches of at least a megabyte.
    seed : int, at least 0
        Seed for the validation split and for the order of rows in every epoch.
    validation : float, (x, y), (x, y, sample_weight), mapping of these tuples or None
        Fraction of rows to hold out for the column ``val_loss``, or validation rows of your own. A
        mapping contains several validation sets; its keys are the prefixes of their columns.
    metrics : sequence or mapping, optional
        Metrics to compute on validation sets, in addition to the loss and, for classes, the
        accuracy. A metric is the name of a scorer of scikit-learn, or a function
        ``metric(y, predicted)``. Metrics with the argument ``sample_weight`` also get the weights.
        A mapping gives names to metrics, which must differ from the names of built-in metrics.
    penalty : Penalty or sequence of Penalty, optional
        Penalties on the model's weights (not its biases), such as ``po.penalties.L1(0.01)``. The
        loss in the history includes their values.
    callbacks : sequence of Callback
        Callbacks, called in this order. A `Checkpoint` is called after the others, because it saves
        their state.
    progress : bool, optional
        Whether to show progress on stderr: a bar on a terminal, or a line for each epoch elsewhere.
        By default True, unless a `Progress` is among the callbacks.
    allow_nonfinite : bool
        Whether x and y may contain NaN and infinities. By default `fit` rejects them.
    stop_on_nan : bool
        Whether to stop training when a loss is not finite, with the callback `StopOnNaN`.
    restore_best : bool, optional
        Whether to restore the parameters of the best epoch at the end, with the callback `KeepBest`
        on the loss of the first validation set. By default True if there is a validation set and
        neither `KeepBest` nor `EarlyStopping` is among the callbacks.

    Attributes
    ----------
    history : History
        History of the current or last run.
    epochs_done, step, batch : int
        Number of complete epochs, of steps so far, and of steps in the current epoch. Every batch
        is one step, also with `GradientAccumulation`.
    loss_of_step : float
        Loss of the last step's batch, before the step.
    step_skipped : bool
        Whether the optimizer skipped the last step because its loss was not finite.
    rows_of_step : array or slice
        Numbers of the last batch's rows within the training rows. For chunks, a list of pairs: the
        number of a chunk, and the numbers of its rows.
    batch_size_report : BatchSizeReport or None
        Measured times for ``batch_size="auto"``.
    stop_reason : StopReason or None
        Reason why training stopped, None during training.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, the optimizer does not update the model's parameters, or the
        model lacks a method or attribute that an argument needs.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> y = 3 * x[:, 0] - 1
    >>> model = po.models.Linear(1)
    >>> trainer = po.train.Trainer(model, optimizer=po.SGD(model.params, lr=0.1), epochs=30,
    ...                            validation=0.2, metrics=["r2"], progress=False)
    >>> history = trainer.fit(x, y)
    >>> history.columns
    ['epoch', 'loss', 'val_loss', 'val_r2', 'lr', 'seconds']
    >>> history["val_loss"][-1] < 1e-3 < 0.99 < history["val_r2"][-1]
    True
    """

    def __init__(
        self,
        model: Trainable,
        loss: str | Loss | None = None,
        optimizer: Optimizer | Wrapper | None = None,
        *,
        epochs: int = 20,
        batch_size: int | Literal["auto"] = 32,
        shuffle: Shuffle = True,
        prefetch: bool | None = None,
        seed: int = 0,
        validation: Validation = None,
        metrics: Metrics = (),
        penalty: Penalty | Sequence[Penalty] | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool | None = None,
        allow_nonfinite: bool = False,
        stop_on_nan: bool = True,
        restore_best: bool | None = None,
    ) -> None:
        self._model = as_model(model)
        self.optimizer = as_optimizer(optimizer, model)
        self.validation = as_validation(validation)
        self.model = model
        self.loss = self._model.loss if loss is None else losses.get(loss)
        self.epochs = as_count("epochs", epochs)
        self.batch_size = 0  # "auto" sets it in `fit`
        self._auto_batch_size = batch_size == "auto"
        if batch_size != "auto":
            self.batch_size = as_count("batch_size", batch_size)
        self.shuffle = as_shuffle(shuffle)
        self.prefetch = None if prefetch is None else as_flag("prefetch", prefetch)
        self.seed = as_count("seed", seed, 2**64 - 1, minimum=0)
        self.metrics = as_metrics(metrics)
        self._higher_is_better = {"accuracy"} | scorer_names(metrics)
        self.penalties = as_penalties(penalty)
        self.allow_nonfinite = as_flag("allow_nonfinite", allow_nonfinite)
        check_metrics(self._model, self.loss, self.validation, self.metrics, self.penalties)
        self.callbacks = build_callbacks(
            callbacks,
            progress,
            stop_on_nan=as_flag("stop_on_nan", stop_on_nan),
            restore_best=None if restore_best is None else as_flag("restore_best", restore_best),
            validation=self.validation,
        )
        for callback in self.callbacks:
            callback.on_attach(self)
        self.data: dict[str, Any] = {}
        self.loss_of_step = 0.0
        self.step_skipped = False
        self.rows_of_step: Any = slice(0, 0)
        self._resumed: dict[str, Any] | None = None
        self._mode = ModeSwitch(self._model)
        self._reset()

    def _reset(self) -> None:
        """Reset everything that a run changes to its initial value."""
        self.history = History()
        self.position = Position()
        self.stop_reason: StopReason | None = None
        self.batch_size_report: BatchSizeReport | None = None

    @property
    def epochs_done(self) -> int:
        """Number of complete epochs."""
        return len(self.history)

    @property
    def step(self) -> int:
        """Number of steps so far, one for each batch."""
        return self.position.step

    @property
    def batch(self) -> int:
        """Number of steps in the current epoch."""
        return self.position.batch

    @property
    def steps_per_epoch(self) -> int | None:
        """Number of batches in an epoch, None before `fit` and for chunks."""
        rows = self.data.get("rows")
        if rows is None:
            return None
        full, remaining = divmod(rows, self.batch_size)
        return int(full + (full == 0 or 0 < remaining >= self._model.min_batch_size))

    def higher_is_better(self, column: str) -> bool | None:
        """Return whether a higher value of a column is better, None for an unknown metric.

        Parameters
        ----------
        column : str
            Column of the history.
        """
        sets = self.validation if isinstance(self.validation, Mapping) else ("val",)
        names = [column, *(column.removeprefix(f"{name}_") for name in sets)]
        if any(name in self._higher_is_better for name in names):
            return True
        return None if "loss" not in names else False

    def stop(self, reason: StopReason = StopReason.CALLBACK) -> None:
        """Stop training after the current step.

        Parameters
        ----------
        reason : StopReason
            Reason for the history. If `stop` is called again, the first reason remains.
        """
        if self.stop_reason is None:
            self.stop_reason = reason

    def save(
        self,
        directory: str | PathLike[str],
        *,
        keep: int | Keep | None = None,
        score: float | None = None,
    ) -> Path:
        """Save a checkpoint of the run between two steps.

        The callback `Checkpoint` does this regularly. If `fit` restored the best epoch's
        parameters, `save` saves those. To continue a run, use a `Checkpoint`, which saves before
        they are restored, or ``restore_best=False``.

        Parameters
        ----------
        directory : path
            Directory of checkpoints.
        keep : int or Keep, optional
            Number of the newest checkpoints to keep, or a policy. By default all are kept.
        score : float, optional
            Score by which ``Keep(best=...)`` compares checkpoints.

        Returns
        -------
        Path
            Path of the checkpoint.

        Raises
        ------
        ValueError, OSError, CheckpointError
            As `pyoptim.checkpoint.save`.
        """
        with self._mode.train_mode(self.optimizer):
            return checkpoint.save(
                directory,
                self.model.params,
                step=self.step,
                metadata=capture(self),
                score=score,
                keep=keep,
            )

    def resume(self, directory: str | PathLike[str], *, missing_ok: bool = False) -> Self:
        """Restore a checkpoint, so that the next `fit` continues the saved run.

        Create the trainer and call `fit` as for the saved run. Then the parameters, the optimizer's
        state, the order of rows, and the history except its column ``seconds`` are bit-identical to
        those of an uninterrupted run. The checkpoint may be within an epoch. `epochs`
        and callbacks without a state may differ.

        Parameters
        ----------
        directory : path
            Directory of checkpoints, or one checkpoint; see `pyoptim.checkpoint.load`.
        missing_ok : bool
            Whether to start from the beginning if the directory does not exist or is empty.

        Returns
        -------
        Trainer
            This trainer.

        Raises
        ------
        CheckpointError
            If the directory has no complete checkpoint of a trainer.
        FileNotFoundError
            If the directory does not exist.
        ValueError, TypeError
            If the checkpoint is of another model, optimizer or set of callbacks. The trainer is
            unchanged then.
        """
        folder = Path(directory)
        if missing_ok and not (folder.is_dir() and any(folder.glob("[!.]*"))):
            return self
        loaded = checkpoint.load(folder)
        restore(self, loaded)
        self._reset()
        self._resumed = saved_state(loaded)
        restore_position(self, self._resumed)
        return self

    def fit(
        self,
        x: Any,
        y: npt.ArrayLike | None = None,
        *,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
    ) -> History:
        """Train the model and return the history.

        Parameters
        ----------
        x : array or sparse matrix of shape (rows, inputs), tuple of arrays, or chunks
            Inputs of the model. Memory-mapped arrays may have any size, because their rows are read
            and converted batch by batch. Without `y`, an iterable of chunks ``(x, y)`` or
            ``(x, y, sample_weight)``, or a function that returns such an iterable.
        y : array, optional
            Class labels of shape (rows,), or values of shape (rows,) or (rows, outputs).
        sample_weight : array of shape (rows,), optional
            Weights of the rows. Losses of batches, epochs and held-out rows are weighted means. A
            row of weight 0 contributes nothing, whatever values it has. A batch in which all
            weights are 0 makes no step.
        class_weight : mapping of class to weight, or "balanced", optional
            Weights of classes, by which the weights of rows are multiplied. "balanced" is computed
            from all of `y`; see `pyoptim.losses.compute_class_weight`.

        Returns
        -------
        History
            Losses, metrics, learning rate and duration of each epoch.

        Raises
        ------
        ValueError
            If shapes do not match, a value is not finite or out of range, all weights are 0, a
            callback monitors a column that does not exist, or a run is resumed with other rows or
            settings. `fit` checks arrays in memory before the first step, and also all targets and
            weights of memory-mapped files. It checks inputs of memory-mapped files, and chunks,
            when it reads them.
        TypeError
            If `y` is missing, or the model does not support `x`.
        KeyboardInterrupt
            At the second signal, if that is SIGINT (Ctrl-C) or SIGTERM.
        """
        source, held_out = prepare(
            x,
            y,
            sample_weight,
            class_weight,
            validation=self.validation,
            shuffle=self.shuffle,
            seed=self.seed,
            loss=self.loss,
            model=self._model,
            allow_nonfinite=self.allow_nonfinite,
        )
        self._make_step = Step(self._model, self.loss, self.optimizer, self.penalties)
        self._make_step.window_statistics = (self._resumed or {}).get("window_statistics")
        report = self._measure_batch_size(source)
        self.data = {
            "rows": source.size,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "values": source.fingerprint,
        }
        with self._running(report, source) as signals:
            while self.stop_reason is None and self.epochs_done < self.epochs:
                self._epoch(source, held_out)
            signals.hold()
            finished = self.stop_reason is None
            self.stop_reason = self.stop_reason or StopReason.FINISHED
            self.history.stop_reason = self.stop_reason
            if not finished:
                self._call("on_stop")
        return self.history

    def _measure_batch_size(self, source: Source) -> BatchSizeReport | None:
        """Choose the batch size if it is "auto"; a resumed run keeps its batch size."""
        if not self._auto_batch_size:
            return None
        if self._resumed is not None:
            self.batch_size = self._resumed["data"]["batch_size"]
            return None
        report = choose_batch_size(self._make_step, source, time.perf_counter)
        self.batch_size = report.chosen
        return report

    def _epoch(self, source: Source, held_out: Mapping[str, Any]) -> None:
        """Train on the remaining rows of an epoch, then validate, unless a callback stops."""
        position = self.position
        started = time.perf_counter() - position.seconds
        self._mode.train(self.optimizer)
        if position.batch == 0:
            self._call("on_epoch_begin")
        order = Order(self.batch_size, self.shuffle, self.seed)
        batches = batches_of(source, order, self.epochs_done + 1, position.cursor, self.prefetch)
        on_step_begin = overridden_methods(self.callbacks, "on_step_begin")
        on_step_end = overridden_methods(self.callbacks, "on_step_end")
        min_size = self._model.min_batch_size
        with closing(batches):
            for batch, self.rows_of_step, cursor in batches:
                if batch.weights is None:
                    rows, size, dropped = batch, len(batch.y), False
                    weight = float(size)
                else:
                    rows = batch.counted()
                    size, weight, dropped = rows.size, rows.weight, rows.size < batch.size
                if weight == 0 or (size < min_size and (dropped or position.batch > 0)):
                    continue
                for begin_step in on_step_begin:
                    begin_step(self)
                self.loss_of_step = self._make_step(rows)
                finite = math.isfinite(self.loss_of_step)
                self.step_skipped = not finite and self._make_step.skips_nonfinite
                if not self.step_skipped:
                    position.loss_sum += self.loss_of_step * weight
                    position.weight_sum += weight
                position.step += 1
                position.batch += 1
                position.cursor = cursor
                position.seconds = time.perf_counter() - started
                for end_step in on_step_end:
                    end_step(self)
                if self.stop_reason is not None:
                    return
        if position.batch == 0:
            raise ValueError(
                "x: expected at least one row with a sample_weight above 0, got 0 such rows"
            )
        self._make_step.flush()
        # Validation, the best epoch and the final model use the weights of eval mode.
        self._mode.eval(self.optimizer, self._batches(source))
        row = {"epoch": self.epochs_done + 1, "loss": position.mean_loss}
        for name, rows_held_out in held_out.items():
            values = evaluate(self._model, self.loss, rows_held_out, self.metrics)
            row.update({f"{name}_{metric}": value for metric, value in values.items()})
        row["lr"] = self._make_step.lr()
        row["seconds"] = time.perf_counter() - started
        self.history.rows.append(row)
        self.position = Position(step=position.step)
        self._call("on_epoch_end")

    def _batches(self, source: Source) -> Iterator[Rows]:
        """Yield all batches of the current epoch."""
        order = Order(self.batch_size, self.shuffle, self.seed)
        with closing(source.batches(order, self.epochs_done + 1, 0, buffers=1)) as batches:
            for batch in batches:
                yield batch.rows

    @contextmanager
    def _running(self, report: BatchSizeReport | None, source: Source) -> Iterator[Interrupts]:
        """Start or resume a run, handle signals, and call `on_fit_end` however training ends."""
        state, self._resumed = self._resumed, None
        if state is None:
            self._reset()
        else:
            check_data(state["data"], self.data)
        self.batch_size_report = report
        threads = matmul_threads(self.batch_size * self.model.params.size)
        with threads, interrupts(lambda: self.stop(StopReason.INTERRUPTED)) as signals:
            try:
                self._call("on_fit_begin")
                if state is not None:
                    restore_callbacks(self, state["callbacks"])
                yield signals
                self._mode.eval(self.optimizer, self._batches(source))
            except BaseException:
                with suppress(Exception):  # the first error is reported
                    self._mode.eval(self.optimizer, self._batches(source))
                raise
            finally:
                signals.hold()
                self.optimizer.eval()
                self._call("on_fit_end")

    def _call(self, method: str) -> None:
        call(self.callbacks, method, self)
