"""The protocol of trainable objects, and an adapter that supplies its optional parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from pyoptim._utils.text import listed
from pyoptim.data._csr import is_sparse
from pyoptim.losses import Loss
from pyoptim.models._base import Model
from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._types import Array


@runtime_checkable
class Trainable(Protocol):
    """The model protocol: `pyoptim.train.Trainer` trains any object with these two members.

    No base class is needed. Optional members are:

    - ``loss``, one of `pyoptim.losses`. The trainer's loss or else this loss is the third argument
      of ``loss_and_grad`` and ``evaluate``. Without any loss they get two arguments.
    - ``sample_weight=``, an argument of ``loss_and_grad`` and ``evaluate``, for weights of rows.
    - ``evaluate(x, y)``, for validation. It returns a mapping of names to numbers, with "loss".
      Without it, validation uses ``scores`` and a ``loss``.
    - ``scores(x)``, which returns one row of scores for each sample. Metrics need it and a
      ``loss``.
    - ``weights``, names of the parameters that penalties apply to.
    - ``cast_inputs(x)``, which converts all rows once, or each batch of data that is not in memory.
      The result needs a ``shape`` and indexing by row numbers. The default is `numpy.asarray`.
    - ``dtype`` of the scores, to which a ``loss`` converts targets. The default is the dtype of the
      parameters.
    - ``buffers``, arrays by name that are restored with the best parameters.
    - ``min_batch_size``, the minimum number of rows in a batch. A smaller last batch is dropped.
    - ``estimate_buffers(batches)``, which estimates running statistics from batches of inputs, for
      averaged weights.
    - ``state_dict()`` and ``load_state_dict(state)``, for state besides the parameters that
      checkpoints save.

    See docs/protocol.md for two complete examples.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> class Mean:
    ...     def __init__(self):
    ...         self.params = po.Parameters({"mean": (1,)})
    ...     def loss_and_grad(self, x, y):
    ...         error = self.params["mean"] - y
    ...         self.params.grads["mean"][...] = 2 * error.mean()
    ...         return (error**2).mean()
    >>> model = Mean()
    >>> trainer = po.train.Trainer(model, optimizer=po.SGD(model.params, lr=0.1), progress=False)
    >>> history = trainer.fit(np.zeros((10, 0)), np.full(10, 3.0))
    >>> float(model.params["mean"][0].round(1))
    3.0
    """

    @property
    def params(self) -> Parameters:
        """The parameters to train, with their gradients."""

    def loss_and_grad(self, x: Any, y: Any, /) -> float:
        """Return the mean loss of a batch and write its gradient to ``params.grads``."""


class _ModelLoss:
    """A placeholder for the loss of a model that computes it without a loss argument."""

    def cast_targets(self, targets: npt.ArrayLike, dtype: npt.DTypeLike) -> Array:
        """Return targets as an array, without conversion."""
        return np.asarray(targets)


class _ModelAdapter(Model):
    """An adapter from the model protocol to `Model`, with defaults for optional members."""

    kind = ""

    def __init__(self, trainable: Trainable) -> None:
        self.trainable: Any = trainable
        self.params = trainable.params
        self.weights = tuple(getattr(trainable, "weights", ()))
        self.buffers = getattr(trainable, "buffers", {})
        self.min_batch_size = getattr(trainable, "min_batch_size", 1)
        loss = getattr(trainable, "loss", None)
        self.loss: Any = loss if isinstance(loss, Loss) else _ModelLoss()

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype = getattr(self.trainable, "dtype", None)
        return self.params.dtype if dtype is None else np.dtype(dtype)

    def cast_inputs(self, x: npt.ArrayLike) -> Array:
        cast = getattr(self.trainable, "cast_inputs", None)
        if cast is None and is_sparse(x):
            raise TypeError(
                f"x: expected dense rows, because {type(self.trainable).__name__} has no "
                "cast_inputs, got a sparse matrix; pass x.toarray(), or implement cast_inputs"
            )
        rows: Array = np.asarray(x) if cast is None else cast(x)
        return rows

    def scores(self, x: npt.ArrayLike) -> Array:
        scores: Array = np.asarray(self.trainable.scores(x))
        return scores.reshape(-1, 1) if scores.ndim == 1 else scores

    def loss_and_grad(self, x: Any, y: Any, loss: Any = None, sample_weight: Any = None) -> float:
        value = self.trainable.loss_and_grad(
            x, y, *self._loss_arguments(loss), **_keywords(sample_weight)
        )
        return self._number("loss_and_grad", "the mean loss", value)

    def evaluate(
        self, x: Any, y: Any, loss: Any = None, sample_weight: Any = None
    ) -> dict[str, float]:
        if not hasattr(self.trainable, "evaluate"):
            return super().evaluate(x, y, loss, sample_weight)
        measures = self.trainable.evaluate(
            x, y, *self._loss_arguments(loss), **_keywords(sample_weight)
        )
        if not isinstance(measures, Mapping) or "loss" not in measures:
            raise TypeError(
                f"{type(self.trainable).__name__}.evaluate: expected a mapping of names to numbers "
                f"with the name 'loss' as the result, got {measures!r}"
            )
        return {name: self._number("evaluate", name, value) for name, value in measures.items()}

    def estimate_buffers(self, batches: Iterable[Any]) -> None:
        if hasattr(self.trainable, "estimate_buffers"):
            self.trainable.estimate_buffers(batches)

    def _number(self, method: str, name: str, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"{type(self.trainable).__name__}.{method}: expected a number for {name}, got "
                f"{value!r}"
            ) from None

    def config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def _loss_arguments(loss: Any) -> tuple[Any, ...]:
        return () if isinstance(loss, _ModelLoss) else (loss,)


def _keywords(sample_weight: Any) -> dict[str, Any]:
    return {} if sample_weight is None else {"sample_weight": sample_weight}


def as_model(model: Trainable) -> Model:
    """Return a `Model`, or an adapter of an object that implements the model protocol.

    Raises
    ------
    TypeError
        If `model` has no ``loss_and_grad``, or ``model.params`` is not `Parameters`.
    ValueError
        If ``model.weights`` are not names of parameters.
    """
    if isinstance(model, Model):
        return model
    if not isinstance(model, Trainable):
        missing = [name for name in ("params", "loss_and_grad") if not hasattr(model, name)]
        raise TypeError(
            f"model: expected an object with params and loss_and_grad, got {model!r} without "
            f"{' and '.join(missing)}"
        )
    if not isinstance(model.params, Parameters):
        raise TypeError(f"model.params: expected Parameters, got {type(model.params).__name__}")
    weights = getattr(model, "weights", ())
    if isinstance(weights, str) or any(name not in model.params for name in weights):
        raise ValueError(
            f"model.weights: expected a sequence of names of parameters ({listed(model.params)}), "
            f"got {weights!r}"
        )
    return _ModelAdapter(model)


def is_adapted(model: Model) -> bool:
    """Whether a model is an adapter of an object that implements the model protocol."""
    return isinstance(model, _ModelAdapter)


def check_parts(
    model: Model, loss: Any, *, validation: bool, metrics: bool, penalties: bool
) -> None:
    """Raise TypeError if a model lacks an optional member that an argument of Trainer needs."""
    if not isinstance(model, _ModelAdapter):
        return
    trainable = model.trainable
    scores = hasattr(trainable, "scores") and isinstance(loss, Loss)
    requirements = {
        "validation": (
            "evaluate(x, y), or scores(x) and a loss of pyoptim.losses",
            validation and not (scores or hasattr(trainable, "evaluate")),
        ),
        "metrics": ("scores(x) and a loss of pyoptim.losses", metrics and not scores),
        "penalty": (
            "weights, the names of the parameters that penalties apply to",
            penalties and not model.weights,
        ),
    }
    for argument, (members, is_missing) in requirements.items():
        if is_missing:
            raise TypeError(
                f"{argument}: expected a model with {members}, got {type(trainable).__name__}"
            )
