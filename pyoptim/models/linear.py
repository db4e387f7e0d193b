"""Linear and softmax regression: perceptrons of one layer, which start from zero."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from pyoptim._utils.validation import as_count
from pyoptim.models.mlp import MLP


class Linear(MLP):
    """Linear regression: ``x W + b`` with the mean squared error; starts from zero.

    Parameters
    ----------
    inputs, outputs : int
    dtype : {"float32", "float64", "bfloat16"}

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
        super().__init__(
            [as_count("inputs", inputs), as_count("outputs", outputs)], loss="squared", dtype=dtype
        )

    def _initialize(self) -> None:
        """Leave all parameters at zero: the problem is convex."""

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""
        inputs, outputs = self.sizes
        return {"inputs": inputs, "outputs": outputs, "dtype": str(self._weight_dtype)}


class Softmax(MLP):
    """Softmax (multinomial logistic) regression with cross-entropy; starts from zero.

    Parameters
    ----------
    inputs, classes : int
    dtype : {"float32", "float64", "bfloat16"}

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
        super().__init__(
            [as_count("inputs", inputs), as_count("classes", classes)], loss="softmax", dtype=dtype
        )

    def _initialize(self) -> None:
        """Leave all parameters at zero: the problem is convex."""

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""
        inputs, classes = self.sizes
        return {"inputs": inputs, "classes": classes, "dtype": str(self._weight_dtype)}
