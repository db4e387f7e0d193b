"""What an object needs to be trained, and what stands in for the parts that it may leave out."""

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
    """The model protocol: any object with these two can be trained by `pyoptim.train.Trainer`.

    No base class is needed. These are optional:

    - ``loss``, one of `pyoptim.losses`. It, or the loss that the trainer was given, is the third
      argument of ``loss_and_grad`` and ``evaluate``; where there is neither, they get two.
    - ``sample_weight=``, an argument of both, for training and validation with weights.
    - ``evaluate(x, y)``, which returns a mapping of names to numbers, "loss" among them: for
      validation. In its place ``scores(x)``, one row a sample, with a ``loss``.
    - ``scores(x)`` with a ``loss``: for metrics.
    - ``weights``, a sequence of names of parameters: for penalties.
    - ``cast_inputs(x)``, called once on all rows, or on those of a batch where they are not all in
      memory; else they are taken as NumPy's ``asarray`` gives them. It may return what is no array
      but has a ``shape`` and takes row numbers in ``[]``.
    - ``dtype``, of scores, in which a ``loss`` takes targets; else that of the parameters.
    - ``buffers``, arrays by name that are restored with the best parameters.
    - ``min_batch_size``, the minimum number of rows in a batch. A smaller last batch is dropped.
    - ``estimate_buffers(batches)``, which estimates running statistics anew from batches of inputs,
      for averaged weights.
    - ``state_dict()`` and ``load_state_dict(state)``: for checkpoints, if there is state beside the
      parameters.

    See docs/protocol.md for two whole examples.

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
        """What is trained."""

    def loss_and_grad(self, x: Any, y: Any, /) -> float:
        """Return the mean loss of a batch and write its gradient to ``params.grads``."""


class _OwnLoss:
    """In the place of a loss, for models that compute theirs without being given one."""

    def cast_targets(self, targets: npt.ArrayLike, dtype: npt.DTypeLike) -> Array:
        """Return targets as an array."""
        return np.asarray(targets)


class _Adapted(Model):
    """Any object with the protocol, with all that training asks of a `Model`."""

    kind = ""

    def __init__(self, given: Trainable) -> None:
        self.given: Any = given
        self.params = given.params
        self.weights = tuple(getattr(given, "weights", ()))
        self.buffers = getattr(given, "buffers", {})
        self.min_batch_size = getattr(given, "min_batch_size", 1)
        own = getattr(given, "loss", None)
        self.loss: Any = own if isinstance(own, Loss) else _OwnLoss()

    @property
    def dtype(self) -> np.dtype[Any]:
        own = getattr(self.given, "dtype", None)
        return self.params.dtype if own is None else np.dtype(own)

    def cast_inputs(self, x: npt.ArrayLike) -> Array:
        cast = getattr(self.given, "cast_inputs", None)
        if cast is None and is_sparse(x):
            raise TypeError(
                f"{type(self.given).__name__} takes no sparse rows without a cast_inputs; "
                "give it x.toarray()"
            )
        rows: Array = np.asarray(x) if cast is None else cast(x)
        return rows

    def scores(self, x: npt.ArrayLike) -> Array:
        scores: Array = np.asarray(self.given.scores(x))
        return scores.reshape(-1, 1) if scores.ndim == 1 else scores

    def loss_and_grad(self, x: Any, y: Any, loss: Any = None, sample_weight: Any = None) -> float:
        value = self.given.loss_and_grad(x, y, *self._with(loss), **_keywords(sample_weight))
        return self._number("loss_and_grad", "the mean loss", value)

    def evaluate(
        self, x: Any, y: Any, loss: Any = None, sample_weight: Any = None
    ) -> dict[str, float]:
        if not hasattr(self.given, "evaluate"):
            return super().evaluate(x, y, loss, sample_weight)
        found = self.given.evaluate(x, y, *self._with(loss), **_keywords(sample_weight))
        if not isinstance(found, Mapping) or "loss" not in found:
            raise TypeError(
                f"{type(self.given).__name__}.evaluate must return a mapping of names to numbers, "
                f"'loss' among them, got {found!r}"
            )
        return {name: self._number("evaluate", name, value) for name, value in found.items()}

    def estimate_buffers(self, batches: Iterable[Any]) -> None:
        if hasattr(self.given, "estimate_buffers"):
            self.given.estimate_buffers(batches)

    def _number(self, method: str, what: str, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"{type(self.given).__name__}.{method}: {what} must be a number, got {value!r}"
            ) from None

    def config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def _with(loss: Any) -> tuple[Any, ...]:
        return () if isinstance(loss, _OwnLoss) else (loss,)


def _keywords(sample_weight: Any) -> dict[str, Any]:
    return {} if sample_weight is None else {"sample_weight": sample_weight}


def as_model(model: Trainable) -> Model:
    """Return a model as training asks it, made of any object with the protocol.

    Raises
    ------
    TypeError
        If it has no ``loss_and_grad``, or its ``params`` are not `Parameters`.
    ValueError
        If its ``weights`` are not names of parameters.
    """
    if isinstance(model, Model):
        return model
    if not isinstance(model, Trainable):
        missing = [name for name in ("params", "loss_and_grad") if not hasattr(model, name)]
        raise TypeError(f"model must have {' and '.join(missing)}, got {model!r}")
    if not isinstance(model.params, Parameters):
        raise TypeError(f"model.params must be po.Parameters, got {type(model.params).__name__}")
    weights = getattr(model, "weights", ())
    if isinstance(weights, str) or any(name not in model.params for name in weights):
        raise ValueError(
            f"model.weights must be names of parameters, got {weights!r}; "
            f"there are {listed(model.params)}"
        )
    return _Adapted(model)


def is_adapted(model: Model) -> bool:
    """Whether a model was made of an object with the protocol."""
    return isinstance(model, _Adapted)


def check_parts(
    model: Model, loss: Any, *, validation: bool, metrics: bool, penalties: bool
) -> None:
    """Raise TypeError if a model lacks what these options need."""
    if not isinstance(model, _Adapted):
        return
    given = model.given
    scores = hasattr(given, "scores") and isinstance(loss, Loss)
    needs = {
        "validation needs evaluate(x, y), or scores(x) and a loss of pyoptim.losses": (
            validation and not (scores or hasattr(given, "evaluate"))
        ),
        "metrics need scores(x) and a loss of pyoptim.losses": metrics and not scores,
        "penalties need weights, the names of what they act on": penalties and not model.weights,
    }
    for message, lacking in needs.items():
        if lacking:
            raise TypeError(f"{message}, which {type(given).__name__} has not")
