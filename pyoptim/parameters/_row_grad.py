"""Row-sparse gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pyoptim._utils.equality import same_values
from pyoptim._utils.text import dtype_text, listed

if TYPE_CHECKING:
    from pyoptim.parameters._types import Array


@dataclass(frozen=True, slots=True, eq=False)
class RowGrad:
    """A row-sparse gradient: 0 except in some rows of a parameter, such as an embedding table.

    A step reads and writes only these rows and their states, however large the table is. All other
    rows stay bit-identical: their momentum does not decay, and no weight decay is applied to them.
    Values of duplicate rows are summed in the order given. `Rule.supports_row_grad` shows whether
    an optimizer accepts a RowGrad. Pass it to `Optimizer.step` in place of an array, or assign it
    in the `grads` of `Parameters` for row-sparse parameters.

    Parameters
    ----------
    rows : 1-D array or list of n integers
        Row indices along the parameter's first axis, from 0, in any order.
    values : array of shape (n, *param.shape[1:])
        Gradients of these rows, in the parameter's dtype. Strided arrays are copied.

    Raises
    ------
    TypeError
        If `rows` are not integers.
    ValueError
        If `rows` are not 1-D.

    Notes
    -----
    `Optimizer.step` raises an IndexError for row indices out of range, a ValueError for values of
    another shape, and a TypeError for values of another dtype, or if the optimizer does not support
    row-sparse gradients. Nothing changes then.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> table = np.zeros((5, 2))
    >>> opt = po.SGD([table], lr=1.0)
    >>> values = np.array([[1.0, 2.0], [3.0, 4.0], [0.5, 0.0]])
    >>> info = opt.step([po.RowGrad([3, 1, 3], values)])
    >>> table
    array([[ 0. ,  0. ],
           [-3. , -4. ],
           [ 0. ,  0. ],
           [-1.5, -2. ],
           [ 0. ,  0. ]])
    """

    rows: Any
    values: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", _as_rows(self.rows))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RowGrad):
            return NotImplemented
        return same_values((self.rows, self.values), (other.rows, other.values))

    __hash__ = None  # type: ignore[assignment]


def _as_rows(value: Sequence[int] | Array) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("rows: expected an array without a mask, got a masked one")
    rows = np.asarray(value)
    if rows.size == 0 and not isinstance(value, np.ndarray):
        rows = rows.astype(np.int64)  # an empty list has no integer dtype
    if rows.dtype.kind not in "iu":
        raise TypeError(f"rows: expected integers, got {dtype_text(rows.dtype)}")
    if rows.ndim != 1:
        raise ValueError(f"rows: expected a 1-D array, got shape {rows.shape}")
    return rows


class RowSlot:
    """The gradient of a row-sparse parameter, which optimizers look up at every step."""

    __slots__ = ("grad",)

    def __init__(self, grad: RowGrad) -> None:
        self.grad = grad


class Gradients(Mapping[str, Any]):
    """The gradients of Parameters by name: arrays, or the last assigned RowGrad.

    ``grads["w"] = values`` copies into the array. ``grads["table"] = RowGrad(...)`` stores the
    object.
    """

    __slots__ = ("_kept",)

    def __init__(self, kept: Mapping[str, Array | RowSlot]) -> None:
        self._kept = dict(kept)

    def __getitem__(self, name: str) -> Any:
        kept = self._kept[name]
        return kept.grad if isinstance(kept, RowSlot) else kept

    def __setitem__(self, name: str, value: RowGrad | npt.ArrayLike) -> None:
        if name not in self._kept:
            raise KeyError(f"no parameter {name!r}; the parameters are {listed(self)}")
        kept = self._kept[name]
        if isinstance(kept, RowSlot):
            if not isinstance(value, RowGrad):
                raise TypeError(
                    f"gradient of {name!r}: expected a RowGrad, as it is row-sparse, got "
                    f"{type(value).__name__}"
                )
            kept.grad = value
        elif isinstance(value, RowGrad):
            raise TypeError(
                f"gradient of {name!r}: expected an array, as it is not row-sparse, got a RowGrad"
            )
        else:
            kept[...] = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Gradients):
            return NotImplemented
        return same_values(dict(self), dict(other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}: {grad!r}" for name, grad in self.items())
        return f"Gradients({shown})"

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def kept(self, name: str) -> Array | RowSlot:
        """Return the array or slot in which an optimizer finds the gradient of every step."""
        return self._kept[name]
