"""Dense networks: the multi-layer perceptron."""

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
_GLOROT = ("tanh", "sigmoid")  # activations whose weights start with the variance of Glorot


class MLP(DenseModel):
    """Multi-layer perceptron: dense layers with an activation between them.

    Rows are arrays of two axes, or sparse matrices and arrays of scipy.

    ``a_0 = x``, ``a_(l+1) = dropout(activation(norm(a_l W_l) + b_l))``, plus ``a_l`` where there is
    a skip connection; the last layer is ``a_l W_l + b_l``.

    Parameters
    ----------
    sizes : sequence of int
        The number of inputs, of units of each hidden layer, and of outputs (classes, for
        "softmax"); at least two numbers.
    activation : {"relu", "leaky_relu", "tanh", "sigmoid", "gelu", "silu"}
        Activation of the hidden layers. The gradient of leaky_relu is 0.01 below 0. gelu is the
        tanh approximation of Hendrycks and Gimpel, arXiv:1606.08415, which also describes silu.
    norm : {"layer", "batch"}, optional
        Normalise each row of a hidden layer, or each unit over the batch, before the activation,
        with a gain for each unit. The bias comes after it. Batch norm keeps running means and
        variances, ``model.buffers``, which `scores` uses; samples' weights do not change them,
        but that rows of weight 0 do not count.
    dropout : float in [0, 1)
        Probability that `loss_and_grad` sets an output of a hidden layer to 0. The other outputs
        are divided by 1 - dropout (Srivastava et al., 2014). The choice depends only on the seed
        and on the number of draws so far, ``model.draws``.
    residual : bool
        Add the input of a hidden layer to its output where both have the same size. Of n layers
        of this kind each starts at 1/n: its weights, or with a norm its gains, are divided by n;
        the bias of sigmoid starts where that is 1/(2 n).
    loss : str or Loss
        A loss or the name of one in `pyoptim.losses`: for example "softmax" for classes numbered
        from 0, "logistic" for one output and classes 0 and 1, "squared" or "huber" for regression.
    dtype : {"float32", "float64", "bfloat16"}
        Dtype of the parameters. With "bfloat16" only the weights are bfloat16; biases, gains and
        all computations are float32. Then give the optimizer ``master_weights="float32"``, because
        small updates are lost otherwise.
    seed : int, from 0 to 2^64 - 1
        Seed for dropout and for the initial weights. These are normal with variance 2 / inputs for
        relu, leaky_relu, gelu and silu (He et al., arXiv:1502.01852), else with variance
        2 / (inputs + outputs) (Glorot and Bengio, 2010). Biases start at 0 and gains at 1.

    Attributes
    ----------
    buffers : dict of str to array
        The running statistics of batch norm.
    draws : int
        The number of random draws of dropout so far, one for each layer and batch.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range or has the wrong type.

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
            raise ValueError(f"sizes must be two or more numbers, got {list(self.sizes)}")
        if activation not in _HIDDEN:
            raise ValueError(f"activation must be one of {listed(_HIDDEN)}, got {activation!r}")
        if norm is not None:
            check_choice("norm", norm, "layer", "batch")
        self.activation = activation
        self.norm = norm
        self.dropout = as_number("dropout", dropout)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        self.residual = bool(residual)
        self.loss = losses.get(loss)
        self.seed = as_count("seed", seed, 2**64 - 1, least=0)
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
        self._adds_inputs = self._is_branch(0)
        self._draws_per_batch = hidden if self.dropout > 0 else 0

    def _tables(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of row-sparse parameters before the layers."""
        return {}

    def _initialize(self) -> None:
        """Draw the initial weights.

        Branches beside skip connections are divided by their number. Else the outputs of a deep
        network would grow with its depth, for most activations by a factor a layer.
        """
        rng = np.random.Generator(np.random.Philox(key=self.seed))
        branches = sum(map(self._is_branch, range(len(self.weights))))
        for i, name in enumerate(self.weights):
            inputs, outputs = self.params[name].shape
            fan = inputs + outputs if self.activation in _GLOROT else inputs
            share = 1 / branches if self._is_branch(i) else 1.0
            of_weight, of_gain = (share, 1.0) if self.norm is None else (1.0, share)
            scale = of_weight * (2 / fan) ** 0.5
            self.params[name] = rng.normal(scale=scale, size=(inputs, outputs))
            if f"layers.{i}.gain" in self.params:
                self.params[f"layers.{i}.gain"] = of_gain
            if self.activation == "sigmoid" and share < 1:  # it is 1/2 without an input
                self.params[f"layers.{i}.bias"] = -math.log(2 / share - 1)

    def _is_branch(self, layer: int) -> bool:
        """Whether there is a skip connection around a layer."""
        is_hidden = layer < len(self.sizes) - 2
        return self.residual and is_hidden and self.sizes[layer] == self.sizes[layer + 1]

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""
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
        """Return what a run needs to go on, beside the parameters."""
        copies = {name: array.copy() for name, array in self.buffers.items()}
        return {"draws": self.draws, "buffers": copies}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave.

        Raises
        ------
        ValueError
            If it is of a model with other buffers.
        """
        theirs = {name: np.asarray(array) for name, array in state_dict["buffers"].items()}
        if {n: a.shape for n, a in theirs.items()} != {n: a.shape for n, a in self.buffers.items()}:
            raise ValueError(
                f"the state has the buffers {listed(theirs) or 'none'}; "
                f"this model {listed(self.buffers) or 'none'}"
            )
        self.draws = int(state_dict["draws"])
        for name, array in self.buffers.items():
            array[...] = theirs[name]

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
            gain=params.get(f"{name}.gain"),
            gain_grad=grads.get(f"{name}.gain"),
            running_mean=self.buffers.get(f"{name}.running_mean"),
            running_var=self.buffers.get(f"{name}.running_var"),
            dropout=self.dropout,
            residual=self._is_branch(number),
        )

    def estimate_buffers(self, batches: Iterable[Any]) -> None:
        """Estimate the running statistics of batch norm anew, for the parameters there are.

        They become the means over all batches of what each of these has without dropout, weighted
        by its rows. Call it where parameters are not those that training had at the end: averages
        of them, for example. A `Trainer` does it whenever it evaluates or keeps averaged weights.
        Batches of one row are left out; without any other, nothing changes.

        Parameters
        ----------
        batches : iterable of inputs
            Each is one that `scores` takes.

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
            a = self._inputs(batch)
            if a.shape[0] < self.min_batch_size:
                continue
            rows += a.shape[0]
            self._make_network().estimate_statistics(_native(a), a.shape[0] / rows)

    def __repr__(self) -> str:
        others = "".join(
            f", {name}={value!r}"
            for name, value, usual in (
                ("norm", self.norm, None),
                ("dropout", self.dropout, 0.0),
                ("residual", self.residual, False),
            )
            if value != usual
        )
        return (
            f"{type(self).__name__}({list(self.sizes)}, activation={self.activation!r}{others}, "
            f"loss={self._loss_text()}, dtype={str(self._weight_dtype)!r})"
        )

    def _loss_text(self) -> str:
        return repr(self.loss.name if isinstance(self.loss.config(), str) else self.loss)
