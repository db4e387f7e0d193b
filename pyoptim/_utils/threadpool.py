"""The number of threads of NumPy's matrix multiplications while other models are trained.

Those multiply matrices natively.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import get_ident, main_thread
from typing import Any

# Multiplications of a step below which two threads gain less than they lose beside ours.
_SMALL = 2**24


class _OneThread:
    """A context in which the BLAS has one thread; it may be entered again.

    In other Python threads than the main one it does nothing: the number is that of the process.
    """

    def __init__(self, libraries: list[Any]) -> None:
        self._libraries = libraries
        self._depth = 0
        self._restore: list[tuple[Callable[[int], object], int]] = []

    def __enter__(self) -> None:
        if get_ident() != main_thread().ident:
            return
        self._depth += 1
        if self._depth == 1:
            counts = [(each, each.get_num_threads()) for each in self._libraries]
            self._restore = [(each.set_num_threads, n) for each, n in counts if n != 1]
            for set_num_threads, _ in self._restore:
                set_num_threads(1)

    def __exit__(self, *error: object) -> None:
        if get_ident() != main_thread().ident:
            return
        self._depth -= 1
        if self._depth == 0:
            for set_num_threads, count in self._restore:
                set_num_threads(count)


@cache
def _one_thread() -> AbstractContextManager[None]:
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return nullcontext()
    return _OneThread(ThreadpoolController().select(user_api="blas").lib_controllers)


def product_threads(multiplications: int) -> AbstractContextManager[None]:
    """Return a context for a loop in which small matrix multiplications stay on one thread.

    The threads of a BLAS wait for each other by spinning: where the processors have other work,
    that of our own threads for example, small products on several threads take up to a hundred
    times as long as on one. Without threadpoolctl (it comes with scikit-learn) the BLAS is left as
    it is.

    Parameters
    ----------
    multiplications : int
        About how many a training step makes.
    """
    return _one_thread() if multiplications < _SMALL else nullcontext()
