"""The base class of optimizers whose rule is for matrices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from pyoptim._utils.text import listed
from pyoptim.optim._base import Optimizer, Params
from pyoptim.optim._elementwise import make_class
from pyoptim.optim.matrix._backend import MatrixEngine
from pyoptim.optim.matrix._rule import MatrixRule

_OPTIONS_DOC = """\
    adamw_params : collection of names or numbers
        Matrices that AdamW updates, too, as embeddings and the last layer often are: their keys in
        a mapping, or their places in a list, counted over all groups. A group with ``"adamw":
        True`` has all of its parameters updated by AdamW.
"""

_NOTES = """\
    Notes
    -----
    Parameters of two axes are updated by this rule, all others by AdamW with the settings that
    start with ``adamw_``; clipping, maximize and skipped steps are common to both. Matrices are
    multiplied by NumPy's BLAS, on the threads it has: for one number of threads, results are the
    same to the bit. A bfloat16 gradient of a matrix is rounded again after it is scaled.

"""

_EXAMPLE = """\
    >>> w, b = np.eye(3), np.ones(3)
    >>> opt = po.{name}([w, b], lr=po.schedules.linear(0.2, steps=200))
    >>> for _ in range(200):
    ...     info = opt.step([2 * (w - 1), 2 * b])  # the gradients of |w - 1|^2 + |b|^2
    >>> bool(abs(w - 1).max() < 0.1)
    True
"""


class MatrixOptimizer(Optimizer):
    """Base class of `pyoptim.Muon` and its like: a rule for matrices, AdamW for all the rest."""

    _matrix_rule: ClassVar[MatrixRule]

    def __init__(
        self,
        params: Params,
        settings: Mapping[str, Any] | None = None,
        *,
        adamw_params: Collection[str | int] = (),
        **options: Any,
    ) -> None:
        names = [adamw_params] if isinstance(adamw_params, str) else adamw_params
        self._adamw_params = frozenset(map(str, names))
        super().__init__(params, settings, **options)

    def _engine(self, groups: list[Any], options: Mapping[str, Any]) -> MatrixEngine:
        unknown = sorted(self._adamw_params - set(self._keys))
        if unknown:
            raise ValueError(
                f"adamw_params: there is no parameter {listed(unknown)}; "
                f"there are {listed(self._keys)}"
            )
        chosen = {i for i, key in enumerate(self._keys) if key in self._adamw_params}
        return MatrixEngine(self._matrix_rule, groups, options, chosen)

    def _try_settings(self, index: int, values: list[tuple[str, Any]]) -> None:
        assert isinstance(self._native, MatrixEngine)
        self._native.try_settings(index, values)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "adamw_params": self._adamw_params}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._adamw_params = state["adamw_params"]
        super().__setstate__(state)


def matrix_class(rule: MatrixRule, module: str) -> type[Optimizer]:
    """Make the optimizer class of a matrix rule."""
    made = make_class(
        rule.entry(),
        MatrixOptimizer,
        module=module,
        options={"adamw_params": ()},
        options_doc=_OPTIONS_DOC,
        notes=_NOTES,
        example=_EXAMPLE,
    )
    made._matrix_rule = rule  # type: ignore[attr-defined]
    return made
