"""Some of the parameters, by patterns of their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from pyoptim._utils.text import listed, shown

if TYPE_CHECKING:
    from pyoptim.parameters._parameters import Parameters

Patterns: TypeAlias = str | Sequence[str]
"""A name, or several, with ``*``, ``?`` and ``[...]`` as file names have them in a shell."""


class Selection(Mapping[str, npt.NDArray[Any]]):
    """Some of the parameters in `Parameters`, as a group of an optimizer: `Parameters.select`.

    A mapping from names to the arrays themselves. An optimizer whose groups are selections steps
    without arguments, from the gradients in ``whole.grads``; what is in no group stays as it is.

    Attributes
    ----------
    whole : Parameters
        All of them.
    grads : mapping of str to array
        The gradients of those that are selected.
    """

    __slots__ = ("__weakref__", "_names", "_whole")

    def __init__(self, whole: Parameters, names: Iterable[str]) -> None:
        self._whole = whole
        self._names = tuple(names)

    @property
    def whole(self) -> Parameters:
        """All of the parameters."""
        return self._whole

    @property
    def grads(self) -> Mapping[str, Any]:
        """The gradients of those that are selected."""
        return {name: self.whole.grads[name] for name in self._names}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._names:
            raise KeyError(f"there is no parameter {name!r}; there are {listed(self)}")
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
    """Return the names that fit one of the patterns, in their order.

    Raises
    ------
    ValueError
        If a pattern fits none of the names.

    Examples
    --------
    >>> match(["layers.0.weight", "layers.0.bias", "head"], ["*.bias", "h*"])
    ['layers.0.bias', 'head']
    """
    names = list(names)
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"{what} {pattern!r} fits none of {listed(names)}")
    return [name for name in names if any(fnmatchcase(name, each) for each in patterns)]
