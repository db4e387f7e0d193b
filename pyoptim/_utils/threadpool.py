"""The number of threads of NumPy's BLAS in training steps of models that use NumPy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import get_ident, main_thread
from typing import Any

# Multiplications per step below which several BLAS threads do not pay off.
_SMALL = 2**24


class _OneThread:
    """A reentrant context in which the BLAS has one thread.

    Outside the main thread it does nothing, because the number of threads is process-wide.
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
            counts = [(library, library.get_num_threads()) for library in self._libraries]
            self._restore = [(library.set_num_threads, n) for library, n in counts if n != 1]
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


def matmul_threads(multiplications: int) -> AbstractContextManager[None]:
    """Return a context in which the BLAS uses one thread if the matrices are small.

    The threads of a BLAS wait for each other by spinning. If the processors are also busy with
    other threads, such as pyoptim's, a small matmul on several threads takes up to a hundred times
    as long as on one thread. Without threadpoolctl, a dependency of scikit-learn, the context does
    nothing.

    Parameters
    ----------
    multiplications : int
        Approximate number of scalar multiplications in a training step.
    """
    return _one_thread() if multiplications < _SMALL else nullcontext()
