"""Optimizers in reference cycles, which Python's garbage collector finds and frees."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim import wrappers
from pyoptim.models import Linear
from pyoptim.train import Trainer

SHAPE = (2, 2)
OPTIMIZERS = [
    po.SGD,
    po.Adam,
    lambda params, **settings: po.Adam(params, zero_grads=True, ema_decay=0.5, **settings),
    po.Adafactor,
    po.ScheduleFreeAdamW,
    po.Muon,
    lambda params, **settings: po.SOAP([{"params": params, "adamw": True}], **settings),
]
WRAPPERS = [wrappers.Wrapper, wrappers.EMA, wrappers.SAM, wrappers.AGC, wrappers.Lookahead]


class Weights(np.ndarray):
    """An array with attributes."""

    optimizer: Any


def weights() -> Weights:
    return np.ones(SHAPE).view(Weights).copy()


def assert_freed(make: Callable[[], Any]) -> None:
    """Check that what is made is gone when nobody has it any more."""
    gc.collect()
    watched = weakref.ref(make())
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_array_that_has_its_optimizer(optimizer: Any) -> None:
    def make() -> Weights:
        w = weights()
        w.optimizer = optimizer([w])
        w.optimizer.step([np.ones(SHAPE)])
        w.optimizer.eval()
        return w

    assert_freed(make)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_schedule_that_knows_its_optimizer(optimizer: Any) -> None:
    def make() -> Any:
        made: list[Any] = []
        opt = optimizer([np.ones(SHAPE)], lr=lambda step: 1.0 + len(made))
        made.append(opt)
        opt.step([np.ones(SHAPE)])
        return opt

    assert_freed(make)


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_an_array_that_has_the_wrapper(wrap: Any) -> None:
    def make() -> Weights:
        w = weights()
        w.optimizer = wrap(po.SGD([w]))
        gradients = [np.ones(SHAPE)]
        w.optimizer.step((lambda: gradients) if w.optimizer.takes_closure else gradients)
        return w

    assert_freed(make)


def test_row_sparse_parameters_that_a_schedule_knows() -> None:
    def make() -> Any:
        params = po.Parameters({"table": (5, 2)}, row_sparse=["table"])
        known: list[Any] = [params]
        opt = po.Adam(params, lr=lambda step: float(len(known)))
        known.append(opt)
        params.grads["table"] = po.RowGrad([1], np.ones((1, 2), np.float32))
        opt.step()
        return params

    assert_freed(make)


def test_a_schedule_that_knows_its_trainer() -> None:
    def make() -> Any:
        known: list[Any] = []
        model = Linear(2)
        opt = po.SGD(model.params, lr=lambda step: 0.1 + 0 * len(known))
        trainer = Trainer(model, None, opt, epochs=1, progress=False)
        known.append(trainer)
        trainer.fit(np.ones((4, 2)), np.ones(4))
        return trainer

    assert_freed(make)


class TestTorch:
    """Tensors that know their optimizers."""

    @pytest.fixture
    def torch(self) -> Any:
        return pytest.importorskip("torch")

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    @pytest.mark.parametrize("learned", [False, True])
    def test_a_tensor_that_has_its_optimizer(
        self, torch: Any, optimizer: Any, learned: bool
    ) -> None:
        def make() -> Any:
            w = torch.ones(SHAPE, requires_grad=learned)
            w.optimizer = optimizer([w])
            w.optimizer.step([np.ones(SHAPE, np.float32)])
            return w

        assert_freed(make)

    @pytest.mark.parametrize(
        "name", ["SGD", "Adam", "Lion", "ScheduleFreeAdamW", "Muon", "Shampoo"]
    )
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    @pytest.mark.parametrize("turned", [False, True])
    def test_a_parameter_that_has_its_optimizer(
        self, torch: Any, name: str, dtype: str, turned: bool
    ) -> None:
        from pyoptim import torch as optim

        if turned and name in ("Muon", "Shampoo"):
            turned = False  # these need contiguous tensors

        def make() -> Any:
            values = torch.ones(SHAPE, dtype=getattr(torch, dtype))
            w = torch.nn.Parameter(values.t() if turned else values)
            w.optimizer = getattr(optim, name)([w])
            for _ in range(2):
                w.grad = torch.ones_like(w)
                w.optimizer.step()
            w.optimizer.state_dict()
            return w

        assert_freed(make)
