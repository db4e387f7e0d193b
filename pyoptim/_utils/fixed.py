"""Immutable sequences and mappings that raise an error with advice on every change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

_T = TypeVar("_T")


class FixedList(tuple[_T, ...]):
    """A tuple with the interface of a list, whose mutating methods raise TypeError.

    The error has the message `reason`.

    >>> FixedList([1, 2], "numbers: they cannot change")
    [1, 2]
    """

    _reason: str

    def __new__(cls, items: Iterable[_T], reason: str) -> FixedList[_T]:
        result = super().__new__(cls, items)
        result._reason = reason
        return result

    def _raise(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(self._reason)

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _raise
    append = extend = insert = remove = pop = clear = sort = reverse = _raise

    def copy(self) -> list[_T]:
        """Return a list of the items."""
        return list(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple | list):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return FixedList, (list(self), self._reason)

    def __repr__(self) -> str:
        return repr(list(self))


class FixedDict(Mapping[str, Any]):
    """A mapping with the interface of a dict, whose mutating methods raise TypeError.

    The error has the message `reason`. Copies and unpickled objects are dicts.
    """

    __slots__ = ("_items", "_reason")

    def __init__(self, items: dict[str, Any], reason: str) -> None:
        self._items = items
        self._reason = reason

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def _raise(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(self._reason)

    __setitem__ = __delitem__ = __ior__ = _raise
    clear = pop = popitem = setdefault = update = _raise

    def copy(self) -> dict[str, Any]:
        """Return a dict of the items."""
        return dict(self._items)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self._items,)

    def __repr__(self) -> str:
        return repr(self._items)
