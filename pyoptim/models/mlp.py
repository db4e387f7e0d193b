"""The multi-layer perceptron."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyoptim import _core, losses
from pyoptim._utils.text import listed
from pyoptim._utils.validation import as_count, as_counts, as_number, check_choice
from pyoptim.losses import Loss
from pyoptim.models._dense import DenseModel, _native
from pyoptim.parameters._parameters import Parameters, to_dtype
from pyoptim.parameters._types import Array

_HIDDEN = ("relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu")
_GLOROT = ("tanh", "sigmoid")  # activations with Glorot initialization of the weights


class MLP(DenseModel):
    """Multi-layer perceptron: dense layers with an activation between them.

    A hidden layer computes ``dropout(activation(norm(x W) + b))``, plus ``x`` if it has a skip
    connection. The last layer computes ``x W + b``. Inputs are arrays of shape (rows, inputs), or
    SciPy sparse matrices.

    Parameters
    ----------
    sizes : sequence of int
        Number of inputs, number of units of each hidden layer, and number of outputs, which is the
        number of classes for "softmax".
    activation : {"relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu"}
        Activation of the hidden layers. "leaky_relu" has the factor 0.01 below 0. "gelu" is the
        tanh approximation of Hendrycks and Gimpel, arXiv:1606.08415, which also describes "silu".
    norm : {"layer", "batch"}, optional
        Normalization before the activation, over the units of each row ("layer") or over the rows
        of the batch ("batch"). Each unit then has a weight, ``layers.i.gain``. The bias is added
        after the normalization. Batch norm has running means and variances in ``model.buffers``,
        which `scores` uses. Sample weights do not change them, except that rows of weight 0 are
        left out.
    dropout : float in [0, 1)
        Probability that `loss_and_grad` sets an output of a hidden layer to 0. The other outputs
        are divided by 1 - dropout (Srivastava et al., 2014). The mask depends only on the seed and
        on the number of masks drawn so far, ``model.draws``.
    residual : bool
        Whether to add the input of a hidden layer to its output if both have the same size. Each of
        n such layers starts at 1/n of its usual output: its weights, or the weights of its norm,
        are divided by n. The biases of "sigmoid" start where sigmoid is 1/(2 n).
    loss : str or Loss
        A loss or the name of a loss in `pyoptim.losses`: for example "softmax" for classes from 0,
        "logistic" for one output and classes 0 and 1, "squared" or "huber" for regression.
    dtype : {"float32", "float64", "bfloat16"}
        Dtype of the parameters. With "bfloat16" only the weights are bfloat16, and biases, norm
        weights and all computations are float32. Then pass ``master_weights="float32"`` to the
        optimizer, because small updates are lost in bfloat16.
    seed : int, from 0 to 2^64 - 1
        Seed for dropout and the initial weights. The weights are normal with variance 2 / inputs
        for relu, leaky_relu, gelu and silu (He et al., arXiv:1502.01852), and with variance
        2 / (inputs + outputs) for tanh and sigmoid (Glorot and Bengio, 2010). Biases start at 0 and
        norm weights at 1.

    Attributes
    ----------
    buffers : dict of str to array
        Running means and variances of batch norm.
    draws : int
        Number of dropout masks drawn so far, one for each batch and hidden layer.

    Raises
    ------
    ValueError
        If an argument is out of range.
    TypeError
        If an argument has the wrong type.

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
        norm: str | None = None,
        dropout: float = 0.0,
        residual: bool = False,
        loss: str | Loss | Mapping[str, Any] = "softmax",
        dtype: npt.DTypeLike = "float32",
        seed: int = 0,
    ) -> None:
        self.sizes = as_counts("sizes", sizes)
        if len(self.sizes) < 2:
            raise ValueError(
                "sizes: expected at least two numbers, of inputs and of outputs, got "
                f"{list(self.sizes)}"
            )
        check_choice("activation", activation, *_HIDDEN)
        if norm is not None:
            check_choice("norm", norm, "layer", "batch")
        self.activation = activation
        self.norm = norm
        self.dropout = as_number("dropout", dropout)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected a number in [0, 1), got {dropout}")
        self.residual = bool(residual)
        self.loss = losses.get(loss)
        self.seed = as_count("seed", seed, 2**64 - 1, minimum=0)
        self.draws = 0
        self._make_params(to_dtype(dtype))
        self._initialize()

    def _make_params(self, dtype: np.dtype[Any]) -> None:
        self._set_dtype(dtype)
        shapes: dict[str, tuple[int, ...]] = {}
        dtypes: dict[str, np.dtype[Any]] = {}
        running: dict[str, int] = {}
        hidden = len(self.sizes) - 2
        for i, (inputs, outputs) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            shapes[f"layers.{i}.weight"] = (inputs, outputs)
            dtypes[f"layers.{i}.weight"] = dtype
            shapes[f"layers.{i}.bias"] = (outputs,)
            if self.norm is not None and i < hidden:
                shapes[f"layers.{i}.gain"] = (outputs,)
            if self.norm == "batch" and i < hidden:
                running[f"layers.{i}"] = outputs
        tables = self._tables()
        shapes = {**tables, **shapes}
        self.params = Parameters(
            shapes, dtype=dict.fromkeys(shapes, self._dtype) | dtypes, row_sparse=tables
        )
        self.buffers: dict[str, Array] = {}
        for layer, outputs in running.items():
            self.buffers[f"{layer}.running_mean"] = np.zeros(outputs, self._dtype)
            self.buffers[f"{layer}.running_var"] = np.ones(outputs, self._dtype)
        self.weights = tuple(dtypes)
        self.min_batch_size = 2 if self.buffers else 1
        self.outputs = self.sizes[-1]
        self._has_input_skip = self._is_branch(0)
        self._draws_per_batch = hidden if self.dropout > 0 else 0

    def _tables(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of row-sparse parameters; by default there are none."""
        return {}

    def _initialize(self) -> None:
        """Set the initial weights.

        The outputs of residual branches are divided by the number of branches. Otherwise the
        outputs of the network would grow with its depth, for most activations exponentially.
        """
        rng = np.random.Generator(np.random.Philox(key=self.seed))
        branches = sum(map(self._is_branch, range(len(self.weights))))
        for i, name in enumerate(self.weights):
            inputs, outputs = self.params[name].shape
            fan = inputs + outputs if self.activation in _GLOROT else inputs
            branch_scale = 1 / branches if self._is_branch(i) else 1.0
            weight_scale, gain = (branch_scale, 1.0) if self.norm is None else (1.0, branch_scale)
            std = weight_scale * (2 / fan) ** 0.5
            self.params[name] = rng.normal(scale=std, size=(inputs, outputs))
            if f"layers.{i}.gain" in self.params:
                self.params[f"layers.{i}.gain"] = gain
            if self.activation == "sigmoid" and branch_scale < 1:  # sigmoid(0) is 1/2
                self.params[f"layers.{i}.bias"] = -math.log(2 / branch_scale - 1)

    def _is_branch(self, layer: int) -> bool:
        """Whether a layer has a skip connection."""
        is_hidden = layer < len(self.sizes) - 2
        return self.residual and is_hidden and self.sizes[layer] == self.sizes[layer + 1]

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, which can be converted to JSON."""
        return {
            "sizes": list(self.sizes),
            "activation": self.activation,
            "norm": self.norm,
            "dropout": self.dropout,
            "residual": self.residual,
            "loss": self.loss.config(),
            "dtype": str(self._weight_dtype),
            "seed": self.seed,
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the state besides the parameters that a run needs to resume."""
        copies = {name: array.copy() for name, array in self.buffers.items()}
        return {"draws": self.draws, "buffers": copies}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load a state that `state_dict` returned.

        Raises
        ------
        ValueError
            If the state has buffers of other names or shapes.
        """
        buffers = {name: np.asarray(array) for name, array in state_dict["buffers"].items()}
        if _shapes(buffers) != _shapes(self.buffers):
            raise ValueError(
                f"cannot load state_dict: expected the buffers {_listed_shapes(self.buffers)}, got "
                f"{_listed_shapes(buffers)}"
            )
        self.draws = int(state_dict["draws"])
        for name, array in self.buffers.items():
            array[...] = buffers[name]

    def _make_layers(self) -> list[_core.DenseLayer]:
        return [self._make_layer(i) for i in range(len(self.weights))]

    def _make_layer(self, number: int) -> _core.DenseLayer:
        name, params, grads = f"layers.{number}", self.params, self.params.grads
        arrays = (
            params[f"{name}.weight"],
            grads[f"{name}.weight"],
            params[f"{name}.bias"],
            grads[f"{name}.bias"],
        )
        if number == len(self.weights) - 1:
            return _core.DenseLayer(_core.Activation.identity, *arrays)
        return _core.DenseLayer(
            _core.Activation[self.activation],
            *arrays,
            norm=_core.Norm[self.norm or "none"],
            norm_weight=params.get(f"{name}.gain"),
            norm_weight_grad=grads.get(f"{name}.gain"),
            running_mean=self.buffers.get(f"{name}.running_mean"),
            running_var=self.buffers.get(f"{name}.running_var"),
            dropout=self.dropout,
            residual=self._is_branch(number),
        )

    def estimate_buffers(self, batches: Iterable[Any]) -> None:
        """Estimate the running statistics of batch norm for the current parameters.

        The statistics become the mean over all batches, without dropout, weighted by the number of
        rows. Call it after replacing the parameters, for example by averaged weights. A `Trainer`
        calls it when it evaluates or saves averaged weights. Batches of one row are ignored.
        Without other batches nothing changes.

        Parameters
        ----------
        batches : iterable of inputs
            Batches of inputs, as in `scores`.

        Examples
        --------
        >>> import numpy as np, pyoptim as po
        >>> model = po.models.MLP([2, 3, 1], norm="batch", loss="squared")
        >>> x = np.random.default_rng(0).normal(size=(100, 2))
        >>> model.estimate_buffers([x[:50], x[50:]])
        >>> z = x @ model.params["layers.0.weight"]
        >>> np.allclose(model.buffers["layers.0.running_mean"], z.mean(axis=0), atol=1e-6)
        True
        """
        rows = 0
        for batch in batches if self.buffers else ():
            inputs = self._inputs(batch)
            count = inputs.shape[0]
            if count < self.min_batch_size:
                continue
            rows += count
            self._make_network().estimate_statistics(_native(inputs), count / rows)

    def __repr__(self) -> str:
        changed = "".join(
            f", {name}={value!r}"
            for name, value, default in (
                ("norm", self.norm, None),
                ("dropout", self.dropout, 0.0),
                ("residual", self.residual, False),
            )
            if value != default
        )
        return (
            f"{type(self).__name__}({list(self.sizes)}, activation={self.activation!r}{changed}, "
            f"loss={self._loss_text()}, dtype={str(self._weight_dtype)!r})"
        )

    def _loss_text(self) -> str:
        return repr(self.loss.name if isinstance(self.loss.config(), str) else self.loss)


def _shapes(arrays: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}


def _listed_shapes(arrays: Mapping[str, Array]) -> str:
    return listed(f"{name} {shape}" for name, shape in _shapes(arrays).items()) or "none"
