"""How many threads matrix products get while training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

_SMALL = (
    2**23
)  # multiplications a step; two threads gain nothing below it, and lose on a busy machine


def product_threads(multiplications: int) -> AbstractContextManager[Any]:
    """Return a context in which small matrix products stay on one thread.

    The threads of a BLAS wait for each other by spinning: where the processors have other work,
    small products on several threads take up to a hundred times as long as on one. Without
    threadpoolctl (it comes with scikit-learn) the BLAS is left as it is.

    Parameters
    ----------
    multiplications : int
        About how many a training step makes.
    """
    if multiplications >= _SMALL:
        return nullcontext()
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits
