"""The base class of optimizers whose rule is for matrices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from pyoptim._utils.text import listed
from pyoptim.optim._base import Optimizer, Params
from pyoptim.optim._options import Option
from pyoptim.optim.matrix._backend import MatrixEngine
from pyoptim.optim.matrix._registry import find_matrix_rule
from pyoptim.optim.matrix._rule import MatrixRule

ADAMW_PARAMS = Option(
    "adamw_params",
    "Collection[str | int]",
    "collection of names or numbers",
    (),
    "Matrices to update with AdamW, often the embeddings and the last layer: their keys in a "
    "mapping, or their indices in a list, counted over all groups. AdamW updates all parameters "
    'of a group with ``"adamw": True``.',
)


class MatrixOptimizer(Optimizer):
    """Base class of Muon, Shampoo and SOAP: a rule for matrices, and AdamW for other parameters."""

    _matrix_rule: ClassVar[MatrixRule]

    def __init_subclass__(cls, **keywords: Any) -> None:
        cls._matrix_rule = find_matrix_rule(cls.rule)
        cls._rule = cls._matrix_rule.entry()
        super().__init_subclass__(**keywords)

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
                f"adamw_params: no parameter {listed(unknown)}; the parameters are "
                f"{listed(self._keys)}"
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
