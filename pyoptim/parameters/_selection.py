"""Selections of parameters by name patterns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from pyoptim._utils.text import listed, shown

if TYPE_CHECKING:
    from pyoptim.parameters._parameters import Parameters

Patterns: TypeAlias = str | Sequence[str]
"""One or several names or shell patterns with ``*``, ``?`` and ``[...]``."""


class Selection(Mapping[str, npt.NDArray[Any]]):
    """Some of the parameters in `Parameters`, for a group of an optimizer.

    `Parameters.select` creates it. It is a mapping from names to the arrays themselves. If all
    groups of an optimizer are selections, its `step` needs no arguments and reads ``whole.grads``.
    Parameters in no group do not change.

    Attributes
    ----------
    whole : Parameters
        The parameters from which these are selected.
    grads : mapping of str to array
        Gradients of the selected parameters.
    """

    __slots__ = ("__weakref__", "_names", "_whole")

    def __init__(self, whole: Parameters, names: Iterable[str]) -> None:
        self._whole = whole
        self._names = tuple(names)

    @property
    def whole(self) -> Parameters:
        """The parameters from which these are selected."""
        return self._whole

    @property
    def grads(self) -> Mapping[str, Any]:
        """The gradients of the selected parameters."""
        return {name: self.whole.grads[name] for name in self._names}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._names:
            raise KeyError(f"no parameter {name!r}; the parameters are {listed(self)}")
        return self.whole[name]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selection):
            return NotImplemented
        return self._names == other._names and self.whole == other.whole

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{shown(name)}: {array.shape}" for name, array in self.items())
        return f"Selection({shapes}; of {len(self.whole)} parameters)"


def match(names: Iterable[str], patterns: Patterns, what: str = "pattern") -> list[str]:
    """Return the names that match a pattern, in their order.

    Raises
    ------
    ValueError
        If a pattern matches none of the names.

    Examples
    --------
    >>> match(["layers.0.weight", "layers.0.bias", "head"], ["*.bias", "h*"])
    ['layers.0.bias', 'head']
    """
    names = list(names)
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"{what} {pattern!r} matches none of {listed(names)}")
    return [name for name in names if any(fnmatchcase(name, each) for each in patterns)]
