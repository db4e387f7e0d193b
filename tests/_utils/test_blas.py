"""Small matmuls run on one BLAS thread, and the number of threads is restored."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pyoptim._utils.threadpool import matmul_threads

threadpoolctl = pytest.importorskip("threadpoolctl")


def blas_threads() -> set[int]:
    pools = threadpoolctl.threadpool_info()
    return {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _two_threads() -> Any:
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield


@pytest.mark.parametrize(("multiplications", "wanted"), [(10, 1), (2**22, 1), (2**30, 2)])
def test_small_matmuls_use_one_thread(multiplications: int, wanted: int) -> None:
    with matmul_threads(multiplications):
        assert blas_threads() == {wanted}
    assert blas_threads() == {2}


def test_contexts_within_each_other() -> None:
    def fail() -> None:
        with matmul_threads(10), matmul_threads(2**22):
            assert blas_threads() == {1}
            raise ZeroDivisionError

    with matmul_threads(10):
        with pytest.raises(ZeroDivisionError):
            fail()
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_other_python_threads_do_not_change_the_blas() -> None:
    def work() -> set[int]:
        with matmul_threads(10):
            return blas_threads()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == {2}
        with matmul_threads(10):
            assert pool.submit(work).result() == {1}
            assert blas_threads() == {1}
    assert blas_threads() == {2}
