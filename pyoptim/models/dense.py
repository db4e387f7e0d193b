"""Dense networks: linear and softmax regression, and the multi-layer perceptron.

Matrix products are NumPy's; bias, activation, loss and their slopes are fused native kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyoptim import _core, losses
from pyoptim.csr import as_csr, is_sparse
from pyoptim.losses import Loss
from pyoptim.models.model import Model
from pyoptim.models.products import product, transposed_product
from pyoptim.parameters import Array, Parameters, to_dtype

_IDENTITY = _core.Activation.identity
_HIDDEN = ("relu", "tanh", "sigmoid", "gelu")
_CHUNK_ROWS = 4096  # of a forward pass without gradients


class _Layer(NamedTuple):
    """A dense layer: a = activation(x @ weight + bias), and its gradients."""

    weight: Array
    bias: Array
    weight_grad: Array
    bias_grad: Array
    activation: _core.Activation


class MLP(Model):
    """Multi-layer perceptron: dense layers with an activation between them.

    Rows are arrays of two axes, or sparse matrices and arrays of scipy.

    ``a_0 = x``, ``a_(l+1) = activation(a_l W_l + b_l)``; the last layer has no activation.

    Parameters
    ----------
    sizes : sequence of int
        The number of inputs, of units of each hidden layer, and of outputs (classes, for
        "softmax"); at least two numbers.
    activation : {"relu", "tanh", "sigmoid", "gelu"}
        Of the hidden layers; gelu is the tanh form of Hendrycks and Gimpel, arXiv:1606.08415.
    loss : str or Loss
        The name of one of `pyoptim.losses`, as "softmax" for classes numbered from 0, "logistic"
        for one output and classes 0 and 1, "squared" or "huber" for values; or a loss.
    dtype : {"float32", "float64"}
    seed : int
        Of the initial weights: normal with variance 2 / inputs for relu and gelu (He et al.,
        arXiv:1502.01852), else 2 / (inputs + outputs) (Glorot and Bengio, 2010). Biases are 0.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> model = po.models.MLP([2, 16, 2], activation="tanh")
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    >>> y = np.array([0, 1, 1, 0])  # exclusive or
    >>> opt = po.Adam(model.params, lr=0.05)
    >>> for _ in range(200):
    ...     loss = model.loss_and_grad(x, y)
    ...     info = opt.step()
    >>> model.predict(x)
    array([0, 1, 1, 0])
    """

    kind = "MLP"

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str = "relu",
        loss: str | Loss | Mapping[str, Any] = "softmax",
        dtype: npt.DTypeLike = "float32",
        seed: int = 0,
    ) -> None:
        self.sizes = tuple(int(size) for size in sizes)
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise ValueError(f"sizes must be two or more numbers of at least 1, got {sizes!r}")
        if activation not in _HIDDEN:
            raise ValueError(f"activation must be one of {', '.join(_HIDDEN)}, got {activation!r}")
        if str(to_dtype(dtype)) == "bfloat16":
            raise TypeError("dtype of a model must be float32 or float64, got bfloat16")
        self.activation = activation
        self.loss = losses.get(loss)
        self.seed = seed
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (inputs, outputs) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            shapes[f"layers.{i}.weight"] = (inputs, outputs)
            shapes[f"layers.{i}.bias"] = (outputs,)
        tables = self._tables()
        self.params = Parameters({**tables, **shapes}, dtype=dtype, row_sparse=tables)
        self.weights = tuple(name for name in shapes if name.endswith("weight"))
        self._initialize()
        self._buffers: list[tuple[Array, Array, Array]] = []

    def _tables(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of row-sparse parameters before the layers."""
        return {}

    def _initialize(self) -> None:
        rng = np.random.Generator(np.random.Philox(key=self.seed))
        for name in self.weights:
            inputs, outputs = self.params[name].shape
            fan = inputs if self.activation in ("relu", "gelu") else inputs + outputs
            self.params[name] = rng.normal(scale=(2 / fan) ** 0.5, size=(inputs, outputs))

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""
        return {
            "sizes": list(self.sizes),
            "activation": self.activation,
            "loss": self.loss.config(),
            "dtype": str(self.dtype),
            "seed": self.seed,
        }

    def _layers(self) -> Iterator[_Layer]:
        values, grads = self.params, self.params.grads
        last = len(self.weights) - 1
        for i, weight in enumerate(self.weights):
            bias = f"layers.{i}.bias"
            activation = _IDENTITY if i == last else _core.Activation[self.activation]
            yield _Layer(values[weight], values[bias], grads[weight], grads[bias], activation)

    def cast_inputs(self, x: Any) -> Any:
        """Return rows in the model's type: an array, or a matrix in compressed rows."""
        return as_csr(x, self.dtype) if is_sparse(x) else super().cast_inputs(x)

    def _rows(self, x: Any) -> Any:
        rows = self.cast_inputs(x)
        if rows.ndim != 2 or rows.shape[1] != self.sizes[0]:
            raise ValueError(f"x: expected shape (rows, {self.sizes[0]}), got {rows.shape}")
        return rows

    def scores(self, x: npt.ArrayLike) -> Array:
        """Return the outputs for rows `x`, shape (rows, outputs), before any softmax."""
        rows = self._rows(x)
        scores = np.empty((len(rows), self.sizes[-1]), dtype=self.dtype)
        for start in range(0, len(rows), _CHUNK_ROWS):
            a = rows[start : start + _CHUNK_ROWS]
            for layer in self._layers():
                z = np.empty((len(a), layer.weight.shape[1]), dtype=self.dtype)
                a = product(a, layer.weight, z)
                _core.layer_forward(layer.activation, a, layer.bias, a)
            scores[start : start + _CHUNK_ROWS] = a
        return scores

    def predict_proba(self, x: npt.ArrayLike) -> Array:
        """Return the probability of each class, one row a sample.

        Raises
        ------
        AttributeError
            If the scores of the model's loss tell no probabilities.
        """
        return self.loss.predict_proba(self.scores(x))

    def loss_and_grad(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        loss: Loss | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the mean loss of a batch and write its gradient to ``params.grads``.

        Parameters
        ----------
        x : array of shape (rows, inputs)
        y : array
            Class labels of shape (rows,), or values of shape (rows,) or (rows, outputs).
        loss : Loss, optional
            In place of the model's own.
        sample_weight : array of shape (rows,), optional
            The loss is then ``sum_i w_i l_i / sum_i w_i``.

        Raises
        ------
        ValueError
            If a shape does not fit, or a target or weight is out of range.
        """
        return self._train(self._rows(x), y, loss or self.loss, sample_weight)

    def _train(
        self,
        rows: Any,
        y: npt.ArrayLike,
        loss: Loss,
        sample_weight: npt.ArrayLike | None,
        *,
        to_slope: bool = False,
    ) -> float:
        """Do what `loss_and_grad` does; if asked, write the slope by the inputs over them."""
        if len(rows) == 0:
            raise ValueError("x: expected at least one row")
        layers = list(self._layers())
        buffers = self._work(len(rows))

        inputs = [rows]
        for layer, (z, a, _) in zip(layers, buffers, strict=True):
            product(inputs[-1], layer.weight, z)
            _core.layer_forward(layer.activation, z, layer.bias, a)
            inputs.append(a)

        # Backwards: d is the slope of the loss by a layer's output, then by its z.
        d = inputs.pop()
        value = loss.value_to_slope(d, y, sample_weight)
        for i in reversed(range(len(layers))):
            layer, (z, a, _) = layers[i], buffers[i]
            _core.layer_backward(layer.activation, d, z, a, layer.bias_grad)
            transposed_product(inputs[i], d, layer.weight_grad)
            if i > 0:
                d = np.matmul(d, layer.weight.T, out=buffers[i - 1][2])
            elif to_slope:
                np.matmul(d, layer.weight.T, out=rows)
        return value

    def _work(self, rows: int) -> list[tuple[Array, Array, Array]]:
        """Return z, a and the slope by a of each layer for so many rows, kept between steps."""
        if not self._buffers or len(self._buffers[0][0]) < rows:
            self._buffers = []
            for size in self.sizes[1:]:
                z = np.empty((rows, size), dtype=self.dtype)
                # Only gelu's slope needs z once a is there; the others share the memory.
                a = np.empty_like(z) if self.activation == "gelu" else z
                self._buffers.append((z, a, np.empty_like(z)))
        return [(z[:rows], a[:rows], d[:rows]) for z, a, d in self._buffers]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({list(self.sizes)}, activation={self.activation!r}, "
            f"loss={self._loss_text()}, dtype={str(self.dtype)!r})"
        )

    def _loss_text(self) -> str:
        return repr(self.loss.name if isinstance(self.loss.config(), str) else self.loss)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_buffers": []}


class Linear(MLP):
    """Linear regression: ``x W + b`` with the mean squared error; starts from zero.

    Parameters
    ----------
    inputs, outputs : int
    dtype : {"float32", "float64"}

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> model = po.models.Linear(1, dtype="float64")
    >>> opt = po.SGD(model.params, lr=0.3)
    >>> for _ in range(200):
    ...     loss = model.loss_and_grad(x, np.array([1.0, 3.0, 5.0]))
    ...     info = opt.step()
    >>> model.params.flat.round(3)
    array([2., 1.])
    """

    kind = "Linear"

    def __init__(self, inputs: int, outputs: int = 1, *, dtype: npt.DTypeLike = "float32") -> None:
        super().__init__([inputs, outputs], loss="squared", dtype=dtype)

    def _initialize(self) -> None:
        """Leave all parameters at zero: the problem is convex."""

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""
        inputs, outputs = self.sizes
        return {"inputs": inputs, "outputs": outputs, "dtype": str(self.dtype)}


class Softmax(MLP):
    """Softmax (multinomial logistic) regression with cross-entropy; starts from zero.

    Parameters
    ----------
    inputs, classes : int
    dtype : {"float32", "float64"}

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> model = po.models.Softmax(1, 2)
    >>> opt = po.SGD(model.params, lr=1.0)
    >>> for _ in range(100):
    ...     loss = model.loss_and_grad(np.array([[-1.0], [1.0]]), np.array([0, 1]))
    ...     info = opt.step()
    >>> model.predict(np.array([[-3.0], [2.0]]))
    array([0, 1])
    """

    kind = "Softmax"

    def __init__(self, inputs: int, classes: int, *, dtype: npt.DTypeLike = "float32") -> None:
        super().__init__([inputs, classes], loss="softmax", dtype=dtype)

    def _initialize(self) -> None:
        """Leave all parameters at zero: the problem is convex."""

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""
        inputs, classes = self.sizes
        return {"inputs": inputs, "classes": classes, "dtype": str(self.dtype)}
