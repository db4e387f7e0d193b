"""Linear and softmax regression."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy.typing as npt

from pyoptim import _core, losses
from pyoptim._utils.validation import as_count
from pyoptim.losses import Loss
from pyoptim.models._dense import DenseModel
from pyoptim.parameters._parameters import Parameters, to_dtype


class _SingleLayer(DenseModel):
    """Base class of models with one dense layer, whose parameters start at zero."""

    weights = ("layers.0.weight",)
    _fixed_loss: ClassVar[Loss]
    _outputs_name: ClassVar[str]

    def __init__(self, inputs: int, outputs: int, dtype: npt.DTypeLike) -> None:
        self.sizes = (as_count("inputs", inputs), as_count(self._outputs_name, outputs))
        self.outputs = self.sizes[1]
        self.loss = self._fixed_loss
        self._set_dtype(to_dtype(dtype))
        self.params = Parameters(
            {"layers.0.weight": self.sizes, "layers.0.bias": self.sizes[1:]},
            dtype={"layers.0.weight": self._weight_dtype, "layers.0.bias": self._dtype},
        )

    def _make_layers(self) -> list[_core.DenseLayer]:
        params, grads = self.params, self.params.grads
        return [
            _core.DenseLayer(
                _core.Activation.identity,
                params["layers.0.weight"],
                grads["layers.0.weight"],
                params["layers.0.bias"],
                grads["layers.0.bias"],
            )
        ]

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, which can be converted to JSON."""
        inputs, outputs = self.sizes
        return {"inputs": inputs, self._outputs_name: outputs, "dtype": str(self._weight_dtype)}

    def __repr__(self) -> str:
        inputs, outputs = self.sizes
        return f"{type(self).__name__}({inputs}, {outputs}, dtype={str(self._weight_dtype)!r})"


class Linear(_SingleLayer):
    """Linear regression, ``x W + b`` with the mean squared error.

    All parameters start at zero. The parameters are ``layers.0.weight`` of shape (inputs, outputs)
    and ``layers.0.bias`` of shape (outputs,).

    Parameters
    ----------
    inputs : int
        Number of columns of the inputs.
    outputs : int
        Number of columns of the targets.
    dtype : {"float32", "float64", "bfloat16"}
        Dtype of the weights. With "bfloat16", the bias and all computations are float32.

    Raises
    ------
    ValueError
        If a number of columns is not a whole number of at least 1.
    TypeError
        If the dtype is not supported.

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
    _fixed_loss = losses.get("squared")
    _outputs_name = "outputs"

    def __init__(self, inputs: int, outputs: int = 1, *, dtype: npt.DTypeLike = "float32") -> None:
        super().__init__(inputs, outputs, dtype)


class Softmax(_SingleLayer):
    """Softmax (multinomial logistic) regression with the cross-entropy loss.

    The score of a class is its column of ``x W + b``. All parameters start at zero. The parameters
    are ``layers.0.weight`` of shape (inputs, classes) and ``layers.0.bias`` of shape (classes,).

    Parameters
    ----------
    inputs : int
        Number of columns of the inputs.
    classes : int
        Number of classes.
    dtype : {"float32", "float64", "bfloat16"}
        Dtype of the weights. With "bfloat16", the bias and all computations are float32.

    Raises
    ------
    ValueError
        If `inputs` or `classes` is not a whole number of at least 1.
    TypeError
        If the dtype is not supported.

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
    _fixed_loss = losses.get("softmax")
    _outputs_name = "classes"

    def __init__(self, inputs: int, classes: int, *, dtype: npt.DTypeLike = "float32") -> None:
        super().__init__(inputs, classes, dtype)
