"""Actions that run out of memory: MemoryError, and nothing changed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import pyoptim as po
from pyoptim import wrappers
from pyoptim.optim.matrix import _linalg as products
from pyoptim.wrappers import _row_sums as row_sums

SHAPES = [(6, 4), (4, 6), (3, 3), (5,)]


@contextmanager
def running_out(monkeypatch: pytest.MonkeyPatch, module: Any, left: int) -> Iterator[list[int]]:
    """Let np.empty fail in a module, after so many times."""
    calls = [0]

    class Short:
        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

        def empty(self, *arguments: Any, **keywords: Any) -> Any:
            calls[0] += 1
            if calls[0] > left:
                raise MemoryError
            return np.empty(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(module, "np", Short())
        yield calls


def exhaust(
    monkeypatch: pytest.MonkeyPatch, module: Any, action: Callable[[], Any], seen: Callable[[], str]
) -> int:
    """Do an action with memory for nothing, for one array, for two ... until it succeeds."""
    for left in range(1000):
        before = seen()
        with running_out(monkeypatch, module, left):
            try:
                action()
            except MemoryError:
                assert seen() == before
                continue
        return left
    raise AssertionError("it never succeeds")


def everything(opt: Any, params: list[Any]) -> str:
    state = opt.state_dict()
    return repr(
        [(key, np.asarray(state[key]).tobytes()) for key in state]
        + [param.tobytes() for param in params]
    )


@pytest.mark.parametrize("rule", [po.Muon, po.Shampoo, po.SOAP])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_step_of_a_matrix_rule(monkeypatch: pytest.MonkeyPatch, rule: Any, dtype: str) -> None:
    random = np.random.default_rng(0)
    start = [random.normal(size=shape).astype("float32") for shape in SHAPES]
    gradients = [random.normal(size=shape).astype("float32") for shape in SHAPES]
    if dtype == "bfloat16":
        start = [array.astype(ml_dtypes.bfloat16) for array in start]
        gradients = [array.astype(ml_dtypes.bfloat16) for array in gradients]
    tried, undisturbed = ([array.copy() for array in start] for _ in range(2))
    opt, other = (rule(params, lr=0.1, weight_decay=0.1) for params in (tried, undisturbed))
    failures = 0
    for _ in range(25):
        failures += exhaust(
            monkeypatch,
            products,
            lambda: opt.step(gradients),
            lambda: everything(opt, tried),
        )
        other.step(gradients)
        assert everything(opt, tried) == everything(other, undisturbed)
    assert failures > 3


def test_accumulation_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> tuple[Any, Any]:
        params = po.Parameters({"a": (9, 2), "b": (9, 3)}, row_sparse=["a", "b"])
        return params, wrappers.GradientAccumulation(po.SGD(params, lr=1.0), every=3)

    (params, opt), (others, other) = make(), make()
    saved = opt.state_dict()
    random = np.random.default_rng(0)
    for step in range(6):
        rows = {name: random.integers(0, 9, 2 + step) for name in ("a", "b")}
        for held in (params, others):
            for name, chosen in rows.items():
                values = np.ones((len(chosen), held[name].shape[1]), np.float32)
                held.grads[name] = po.RowGrad(chosen, values)
        exhaust(
            monkeypatch, row_sums, opt.step, lambda: everything(opt, [params["a"], params["b"]])
        )
        other.step()
        assert everything(opt, [params["a"]]) == everything(other, [others["a"]])
        if step == 1:
            saved = opt.state_dict()
    _, fresh = make()
    failures = exhaust(
        monkeypatch, row_sums, lambda: fresh.load_state_dict(saved), lambda: everything(fresh, [])
    )
    assert failures > 1
    assert everything(fresh, []) == repr([(key, np.asarray(saved[key]).tobytes()) for key in saved])
