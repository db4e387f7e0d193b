"""The training loop: epochs of mini-batches, validation, history, callbacks."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Self

import numpy.typing as npt

from pyoptim import checkpoint, losses
from pyoptim._utils.threadpool import product_threads
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
from pyoptim.train._arguments import (
    as_optimizer,
    as_penalties,
    as_shuffle,
    check_measures,
)
from pyoptim.train._batch_size import BatchSizeReport, choose
from pyoptim.train._eval_mode import Points
from pyoptim.train._evaluation import evaluate
from pyoptim.train._history import History, StopReason
from pyoptim.train._interrupts import Interrupts, interrupts
from pyoptim.train._metrics import (
    Metrics,
    named_metrics,
    scorers,
)
from pyoptim.train._resume import (
    Place,
    capture,
    check_data,
    restore,
    restore_callbacks,
    restore_place,
    saved_state,
)
from pyoptim.train._step import Step
from pyoptim.train.callbacks import Callback, EarlyStopping
from pyoptim.train.callbacks._list import all_callbacks, call, hooks
from pyoptim.wrappers._base import Wrapper


class Trainer:
    """Trains a model on rows: arrays, CSR matrices, files mapped into memory, or chunks.

    Ctrl-C, SIGTERM or SIGHUP (a closed terminal) ends training after the step that is under way:
    `fit` returns the history with the reason "interrupted", and a `Checkpoint` among the callbacks
    has saved what `resume` goes on with, to the bit. A second Ctrl-C or SIGTERM raises
    KeyboardInterrupt. A signal after the last epoch waits until all is saved and the best
    parameters are back.

    Parameters
    ----------
    model : Model, or any object with the model protocol
        See `pyoptim.models.Trainable`. If it has state beside its parameters, its `state_dict` and
        `load_state_dict` are used.
    loss : str or Loss, optional
        By default the model's own.
    optimizer : Optimizer or Wrapper, optional
        Over ``model.params``, or groups of some of them (`pyoptim.models.param_groups`): the others
        are frozen. By default AdamW. Gradients are clipped by its ``clip_norm`` and ``clip_value``.
    epochs : int
        How often every row is seen.
    batch_size : int or "auto"
        Rows a step; the last batch of an epoch may be smaller. It is left out if it is smaller than
        the model takes: one row, with batch norm. "auto" measures the steps of powers of two from
        16 on before training, and takes the largest that still makes an epoch at least 5 % faster;
        what was measured is `batch_size_report`. A resumed run keeps its size.
    accumulate : int
        Make a step of the optimizer from so many batches, weighted by the weights of their rows;
        the last ones of an epoch may be fewer.
    shuffle : bool or "blocks"
        Whether each epoch has an order of its own. "blocks" is for files larger than memory: blocks
        of about a megabyte are shuffled, and the rows of 64 of them at a time.
    prefetch : bool, optional
        Whether a thread gets the next batch ready while a step runs. By default it does for mapped
        files, chunks, and batches of at least a megabyte.
    seed : int, at least 0
        Of the split and of every epoch's order.
    validation : float, (x, y), (x, y, sample_weight), mapping of these tuples or None
        The share of rows held out, or rows of your own, to measure ``val_loss`` on; or several
        sets, by the names that their columns begin with.
    metrics : sequence or mapping, optional
        What to measure on validation sets beside the loss and, for classes, the accuracy: names of
        scikit-learn's scorers, and functions ``metric(y, predicted)``. Both also get
        ``sample_weight=`` if they take it. A mapping gives them names, others than those of what is
        measured anyway.
    penalty : Penalty or sequence of Penalty, optional
        On the model's weights (not its biases), such as ``po.penalties.L1(0.01)``. Their values
        are part of the loss that the history shows.
    l1, l2 : float
        The same as ``penalty=po.penalties.ElasticNet(l1, l2)``: ``l1 sum |w| + l2/2 sum w^2``.
    callbacks : sequence of Callback
        Called in their order; a `Checkpoint` after the others, whose state it saves.
    early_stopping : EarlyStopping, optional
        One more callback.
    max_time : float or timedelta, optional
        Seconds after which to stop: the callback `Timer`.
    progress : bool, optional
        Whether to have a progress bar on stderr if that is a terminal, else a line an epoch. By
        default there is one, unless a `Progress` is among the callbacks.
    allow_nonfinite : bool
        Whether x and y may have NaN and infinities, which `fit` rejects otherwise.
    stop_on_nan : bool
        Whether a loss that is not finite ends training: the callback `StopOnNaN`.
    restore_best : bool, optional
        Whether the best epoch's parameters come back at the end: the callback `KeepBest`, on the
        loss of the first validation set. By default they do if there is one, and no other
        `KeepBest` or `EarlyStopping` among the callbacks.

    Attributes
    ----------
    history : History
    epochs_done, step, batch : int
        Epochs that are complete, steps so far, and the steps of the epoch under way. With
        `accumulate` a step is one of a batch.
    loss_of_step : float
        The loss of the last step's batch, before the step.
    step_skipped : bool
        Whether that loss is not finite, and the optimizer skips such steps.
    rows_of_step : array or slice
        The numbers of its rows, among those that are trained on; of chunks, a list of these: chunk
        and rows.
    batch_size_report : BatchSizeReport or None
        What was measured for ``batch_size="auto"``.
    stop_reason : StopReason or None

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, the optimizer is not over the model's parameters, or the
        model lacks what an argument needs.

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
        accumulate: int = 1,
        shuffle: Shuffle = True,
        prefetch: bool | None = None,
        seed: int = 0,
        validation: Validation = None,
        metrics: Metrics = (),
        penalty: Penalty | Sequence[Penalty] | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        callbacks: Sequence[Callback] = (),
        early_stopping: EarlyStopping | None = None,
        max_time: float | timedelta | None = None,
        progress: bool | None = None,
        allow_nonfinite: bool = False,
        stop_on_nan: bool = True,
        restore_best: bool | None = None,
    ) -> None:
        self._model = as_model(model)
        self.optimizer = as_optimizer(optimizer, model, accumulate)
        self.validation = as_validation(validation)
        self.model = model
        self.loss = self._model.loss if loss is None else losses.get(loss)
        self.epochs = as_count("epochs", epochs)
        self.batch_size = 0  # until it is measured
        self._measures = batch_size == "auto"
        if batch_size != "auto":
            self.batch_size = as_count("batch_size", batch_size)
        self.shuffle = as_shuffle(shuffle)
        self.prefetch = None if prefetch is None else as_flag("prefetch", prefetch)
        self.seed = as_count("seed", seed, 2**64 - 1, least=0)
        self.metrics = named_metrics(metrics)
        self._rising = {"accuracy"} | scorers(metrics)
        self.penalties = as_penalties(penalty, l1, l2)
        self.allow_nonfinite = as_flag("allow_nonfinite", allow_nonfinite)
        check_measures(self._model, self.loss, self.validation, self.metrics, self.penalties)
        self.callbacks = all_callbacks(
            callbacks,
            early_stopping,
            max_time,
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
        self._points = Points(self._model)
        self._begin()

    def _begin(self) -> None:
        """Be at the beginning of a run."""
        self.history = History()
        self.place = Place()
        self.stop_reason: StopReason | None = None
        self.batch_size_report: BatchSizeReport | None = None

    @property
    def epochs_done(self) -> int:
        """The number of epochs that are complete."""
        return len(self.history)

    @property
    def step(self) -> int:
        """The number of steps made in this run, one a batch."""
        return self.place.step

    @property
    def batch(self) -> int:
        """The number of steps made in the epoch that is under way."""
        return self.place.batch

    @property
    def steps_per_epoch(self) -> int | None:
        """The number of batches that all rows make; None where these are not known.

        They are not before `fit`, and never of chunks.
        """
        rows = self.data.get("rows")
        if rows is None:
            return None
        whole, left = divmod(rows, self.batch_size)
        return int(whole + (whole == 0 or 0 < left >= self._model.least_rows))

    def higher_is_better(self, column: str) -> bool | None:
        """Whether a column of the history is to rise, or None where its name does not tell."""
        sets = self.validation if isinstance(self.validation, Mapping) else ("val",)
        names = [column, *(column.removeprefix(f"{name}_") for name in sets)]
        if any(name in self._rising for name in names):
            return True
        return None if "loss" not in names else False

    def stop(self, reason: StopReason = StopReason.CALLBACK) -> None:
        """Ask training to stop after the step that is under way; the first reason counts."""
        if self.stop_reason is None:
            self.stop_reason = reason

    def save(
        self,
        directory: str | PathLike[str],
        *,
        keep: int | Keep | None = None,
        score: float | None = None,
    ) -> Path:
        """Save the run as it is between two steps; the callback `Checkpoint` does it regularly.

        After a `fit` that brought back the best epoch's parameters, these are what is saved: a run
        that is to go on needs a `Checkpoint`, which saves before they come back.

        See `pyoptim.checkpoint.save` for the arguments, the result, and errors.
        """
        with self._points.training(self.optimizer):
            return checkpoint.save(
                directory,
                self.model.params,
                step=self.step,
                metadata=capture(self),
                score=score,
                keep=keep,
            )

    def resume(self, directory: str | PathLike[str], *, missing_ok: bool = False) -> Self:
        """Let the next `fit` go on where a checkpoint was saved, which may be within an epoch.

        The trainer is to be made, and `fit` to be called, as for the run that was saved: then the
        parameters, the optimizer's state, the history (but for its seconds) and the order of rows
        are, to the bit, those of a run that never stopped. `epochs`, `max_time`, and callbacks
        without a state may differ.

        Parameters
        ----------
        directory : path
            Of checkpoints, or one of them; see `pyoptim.checkpoint.load`.
        missing_ok : bool
            Begin at the beginning if there is no such directory, or nothing in it.

        Returns
        -------
        Trainer
            This one.

        Raises
        ------
        CheckpointError
            If no whole checkpoint of a trainer is there.
        FileNotFoundError
            If there is no such directory.
        ValueError, TypeError
            If it is of another model, optimizer or set of callbacks: nothing has changed then.
        """
        folder = Path(directory)
        if missing_ok and not (folder.is_dir() and any(folder.glob("[!.]*"))):
            return self
        found = checkpoint.load(folder)
        restore(self, found)
        self._begin()
        self._resumed = saved_state(found)
        restore_place(self, self._resumed)
        return self

    def fit(
        self,
        x: Any,
        y: npt.ArrayLike | None = None,
        *,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
    ) -> History:
        """Train, and return what happened in each epoch.

        Parameters
        ----------
        x : array or sparse matrix of shape (rows, inputs), tuple of arrays, or chunks
            What the model takes. Arrays may be files mapped into memory, of any size: their rows
            are read and converted batch by batch. Without y, an iterable of chunks ``(x, y)`` or
            ``(x, y, sample_weight)``, or a function that returns one.
        y : array, optional
            Class labels of shape (rows,), or values of shape (rows,) or (rows, outputs).
        sample_weight : array of shape (rows,), optional
            Losses are weighted means then: of a batch, of an epoch, and of rows held out. Rows of
            weight 0 contribute nothing, whatever they hold; a batch of them makes no step.
        class_weight : mapping of class to weight, or "balanced", optional
            Multiplies the weights of rows: see `pyoptim.losses.compute_class_weight`. What
            "balanced" means is found on all of `y`.

        Raises
        ------
        ValueError
            If shapes do not fit, a value is not finite or out of range, all weights are 0, a
            callback monitors a metric that does not exist, or a run is resumed with other rows or
            settings. What is in memory is checked before the first step, as are all targets and
            weights but those of chunks; inputs of mapped files, and chunks, are when they are read.
        TypeError
            If y is missing, or the model takes no rows such as x.
        KeyboardInterrupt
            At a second signal, unless that is SIGHUP.
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
        """Choose the batch size where it is to be measured; a resumed run keeps its own."""
        if not self._measures:
            return None
        if self._resumed is not None:
            self.batch_size = self._resumed["data"]["batch_size"]
            return None
        report = choose(self._make_step, source, time.perf_counter)
        self.batch_size = report.chosen
        return report

    def _epoch(self, source: Source, held_out: Mapping[str, Any]) -> None:
        """Go through all rows, or those that are left, then validate; stop in between if asked."""
        place = self.place
        started = time.perf_counter() - place.seconds
        self._points.train(self.optimizer)
        if place.batch == 0:
            self._call("on_epoch_begin")
        order = Order(self.batch_size, self.shuffle, self.seed)
        batches = batches_of(source, order, self.epochs_done + 1, place.cursor, self.prefetch)
        on_step_begin = hooks(self.callbacks, "on_step_begin")
        on_step_end = hooks(self.callbacks, "on_step_end")
        least = self._model.least_rows
        with closing(batches):
            for batch, self.rows_of_step, cursor in batches:
                if batch.weights is None:
                    rows, size, dropped = batch, len(batch.y), False
                    weight = float(size)
                else:
                    rows = batch.counted()
                    size, weight, dropped = rows.size, rows.weight, rows.size < batch.size
                if weight == 0 or (size < least and (dropped or place.batch > 0)):
                    continue
                for begin_step in on_step_begin:
                    begin_step(self)
                self.loss_of_step = self._make_step(rows)
                finite = math.isfinite(self.loss_of_step)
                self.step_skipped = not finite and self._make_step.skips_nonfinite
                if not self.step_skipped:
                    place.loss_sum += self.loss_of_step * weight
                    place.weight_sum += weight
                place.step += 1
                place.batch += 1
                place.cursor = cursor
                place.seconds = time.perf_counter() - started
                for end_step in on_step_end:
                    end_step(self)
                if self.stop_reason is not None:
                    return
        if place.batch == 0:
            raise ValueError("there are no rows, or no sample_weight is above 0")
        self._make_step.flush()
        # What is validated, kept as the best, and left in the model are the points of evaluation.
        self._points.eval(self.optimizer, self._batches(source))
        row = {"epoch": self.epochs_done + 1, "loss": place.mean_loss}
        for name, held in held_out.items():
            found = evaluate(self._model, self.loss, held, self.metrics)
            row.update({f"{name}_{metric}": value for metric, value in found.items()})
        row["lr"] = self._make_step.rate()
        row["seconds"] = time.perf_counter() - started
        self.history.rows.append(row)
        self.place = Place(step=place.step)
        self._call("on_epoch_end")

    def _batches(self, source: Source) -> Iterator[Rows]:
        """Yield the batches of the epoch under way, from its beginning."""
        order = Order(self.batch_size, self.shuffle, self.seed)
        with closing(source.batches(order, self.epochs_done + 1, 0, buffers=1)) as batches:
            for batch in batches:
                yield batch.rows

    @contextmanager
    def _running(self, report: BatchSizeReport | None, source: Source) -> Iterator[Interrupts]:
        """Begin or resume a run, listen to signals, and end it however training ends."""
        state, self._resumed = self._resumed, None
        if state is None:
            self._begin()
        else:
            check_data(state["data"], self.data)
        self.batch_size_report = report
        threads = product_threads(self.batch_size * self.model.params.size)
        with threads, interrupts(lambda: self.stop(StopReason.INTERRUPTED)) as signals:
            try:
                self._call("on_fit_begin")
                if state is not None:
                    restore_callbacks(self, state["callbacks"])
                yield signals
                self._points.eval(self.optimizer, self._batches(source))
            except BaseException:
                with suppress(Exception):  # the error under way is the one to report
                    self._points.eval(self.optimizer, self._batches(source))
                raise
            finally:
                signals.hold()
                self.optimizer.eval()
                self._call("on_fit_end")

    def _call(self, hook: str) -> None:
        call(self.callbacks, hook, self)
