"""Small matrix products stay on one thread, and the BLAS gets its own back."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from pyoptim.blas import product_threads
from pyoptim.models import MLP

threadpoolctl = pytest.importorskip("threadpoolctl")


def blas_threads() -> set[int]:
    pools = threadpoolctl.threadpool_info()
    return {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _two_threads() -> Any:
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield


def test_in_a_loop_and_in_one_step() -> None:
    for multiplications, loop, wanted in (
        (10, True, 1),
        (10, False, 2),  # a BLAS uses one by itself
        (2**22, True, 1),
        (2**22, False, 1),
        (2**30, True, 2),
        (2**30, False, 2),
    ):
        with product_threads(multiplications, loop=loop):
            assert blas_threads() == {wanted}
        assert blas_threads() == {2}


def test_contexts_within_each_other() -> None:
    def fail() -> None:
        with product_threads(10), product_threads(2**22, loop=False):
            assert blas_threads() == {1}
            raise ZeroDivisionError

    with product_threads(10):
        with pytest.raises(ZeroDivisionError):
            fail()
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_other_threads_leave_it_alone() -> None:
    def work() -> set[int]:
        with product_threads(10):
            return blas_threads()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == {2}
        with product_threads(10):
            assert pool.submit(work).result() == {1}
            assert blas_threads() == {1}
    assert blas_threads() == {2}


@pytest.mark.parametrize(("rows", "wanted"), [(32, 1), (400, 2)])
def test_a_step_without_a_trainer(rows: int, wanted: int) -> None:
    model = MLP([784, 100, 10])
    seen = []

    class Watched(type(model.loss)):  # type: ignore[misc]
        def value_to_slope(self, *arguments: Any) -> float:
            seen.append(blas_threads())
            return super().value_to_slope(*arguments)

    x, y = np.zeros((rows, 784), np.float32), np.zeros(rows, int)
    model.loss_and_grad(x, y, Watched())
    assert seen == [{wanted}]
    assert blas_threads() == {2}
    with pytest.raises(ValueError, match="labels from 0 to 9"):
        model.loss_and_grad(x, y + 10)
    assert blas_threads() == {2}
