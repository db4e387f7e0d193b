"""Named arrays in one piece of memory, and optimizers over them."""

import copy
import pickle
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import pyoptim as po


def test_all_arrays_are_views_of_one() -> None:
    params = po.Parameters({"w": (2, 3), "b": (3,), "scale": ()}, dtype="float64")
    params["w"][...] = np.arange(6).reshape(2, 3)
    params["b"] = 7
    params["scale"] = 9
    assert params.flat.tolist() == [0, 1, 2, 3, 4, 5, 7, 7, 7, 9]
    params.grads["b"][...] = 1
    assert params.flat_grad.tolist() == [0] * 6 + [1] * 3 + [0]
    params.zero_grad()
    assert not params.flat_grad.any()
    assert list(params) == ["w", "b", "scale"]
    assert params["scale"].shape == ()


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_dtypes(dtype: str) -> None:
    params = po.Parameters({"w": (3,)}, dtype=dtype)
    assert str(params["w"].dtype) == str(params.grads["w"].dtype) == dtype
    params["w"] = [1, 2, 3]
    assert params["w"].astype(float).tolist() == [1, 2, 3]


def test_arrays_are_copied_and_give_the_dtype() -> None:
    w = np.arange(3, dtype=np.float64)
    params = po.Parameters({"w": w, "b": (2,)})
    assert params.dtype == np.float64
    params["w"][0] = 5
    assert w[0] == 0
    assert po.Parameters({"w": (2,)}).dtype == np.float32
    assert po.Parameters({"w": np.ones(2, ml_dtypes.bfloat16)}).dtype == ml_dtypes.bfloat16


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(TypeError, match=r"float32, float64 or bfloat16, got int64"):
        po.Parameters({"w": np.arange(3)})
    with pytest.raises(TypeError, match=r"several dtypes \(float32, float64\)"):
        po.Parameters({"w": np.ones(3), "b": np.ones(3, np.float32)})
    with pytest.raises(ValueError, match="the names of the parameters as keys; different are b, v"):
        po.Parameters({"w": (3,), "b": (1,)}, dtype={"w": "float32", "v": "float32"})
    with pytest.raises(ValueError, match="sizes of at least 0"):
        po.Parameters({"w": (3, -1)})
    with pytest.raises(TypeError, match="names: expected strings"):
        po.Parameters({1: (3,)})  # type: ignore[dict-item]
    params = po.Parameters({"w": (3,), "b": (1,)})
    with pytest.raises(KeyError, match="no parameter 'v'; the parameters are w, b"):
        params["v"] = 1


def test_shapes_may_be_numpy_numbers_and_views_cannot_be_replaced() -> None:
    params = po.Parameters({"w": (np.int64(3), 4), "b": np.int32(2)})
    assert params["w"].shape == (3, 4)
    assert params["b"].shape == (2,)
    with pytest.raises(AttributeError):
        params.flat_grad = np.ones(14)  # type: ignore[misc]
    for size in (2**61 - 1, 2**80):
        with pytest.raises(MemoryError):
            po.Parameters({"w": (size,)})


def test_several_dtypes() -> None:
    dtypes = {"w": "bfloat16", "b": "float32", "v": "bfloat16"}
    params = po.Parameters({"w": (3, 2), "b": np.ones(2), "v": (5,)}, dtype=dtypes)
    assert list(params) == list(params.grads) == list(dtypes)
    assert {name: str(array.dtype) for name, array in params.items()} == dtypes
    assert {name: str(array.dtype) for name, array in params.grads.items()} == dtypes
    assert params.size == 13
    assert params["w"].base is params["v"].base or np.may_share_memory(
        params["w"].base, params["v"].base
    )
    assert repr(params).endswith("13 of bfloat16, float32)")
    for name in ("flat", "flat_grad", "dtype"):
        with pytest.raises(TypeError, match=r"several dtypes \(bfloat16, float32\)"):
            getattr(params, name)
    params["w"] = 1
    for grad in params.grads.values():
        grad[...] = 0.5
    po.SGD(params, lr=1.0).step()
    assert (params["w"] == 0.5).all()
    assert (params["b"] == 0.5).all()
    clone = copy.deepcopy(params)
    assert {name: str(array.dtype) for name, array in clone.items()} == dtypes
    assert (clone.grads["v"] == 0.5).all()
    params.zero_grad()
    assert not any(grad.any() for grad in params.grads.values())
    assert (clone.grads["v"] == 0.5).all()


def test_memory_is_aligned_and_zero() -> None:
    for size in (1, 1000, 3 << 20):
        params = po.Parameters({"w": (size,)})
        assert params.flat.ctypes.data % 64 == 0
        assert not params.flat.any()
        assert not params.flat_grad.any()
    # Large buffers that one loop walks do not share their address modulo 4096.
    opt = po.Adam(params)
    buffers = [params.flat, params.flat_grad, *list(opt.state["w"].values())[1:]]
    offsets = sorted(array.ctypes.data % 4096 for array in buffers)
    assert len(buffers) == 4
    assert np.diff([*offsets, offsets[0] + 4096]).min() >= 256


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
def test_copies_have_memory_of_their_own(clone: Any) -> None:
    params = po.Parameters({"w": np.arange(4.0), "b": (2, 2)})
    params.flat_grad[...] = 3
    again = clone(params)
    assert again["w"].base is not params["w"].base
    assert (again.flat == params.flat).all()
    assert (again.flat_grad == 3).all()
    again["w"][0] = 9
    assert again.flat[0] == 9
    assert params.flat[0] == 0


def test_an_optimizer_over_parameters_has_its_gradients() -> None:
    params = po.Parameters({"w": (3,), "b": ()})
    opt = po.SGD(params, lr=1.0)
    params.grads["w"][...] = [1, 2, 3]
    params.grads["b"][...] = 4
    assert opt.step().step == 1
    assert params.flat.tolist() == [-1, -2, -3, -4]
    opt.step({"b": np.float32(1).reshape(()), "w": np.zeros(3, np.float32)})
    assert params.flat.tolist() == [-1, -2, -3, -5]
    assert set(opt.state) == {"w", "b"}


def test_groups_of_parameters_have_their_gradients_too() -> None:
    body, head = po.Parameters({"w": (2,)}), po.Parameters({"v": (2,)})
    opt = po.SGD([{"params": body, "lr": 1.0}, {"params": head}], lr=0.5)
    body.flat_grad[...] = 1
    head.flat_grad[...] = 1
    opt.step()
    assert body["w"].tolist() == [-1, -1]
    assert head["v"].tolist() == [-0.5, -0.5]


def test_forms_of_params() -> None:
    def w() -> np.ndarray:
        return np.zeros(2)

    g = np.ones(2)
    for params, grads in [
        (w(), g),
        ([w()], [g]),
        ((w(),), (g,)),
        ({"w": w()}, {"w": g}),
        ({"w": w()}, [g]),
        ([{"params": [w()]}, {"params": {"v": w()}}], {"0": g, "v": g}),
        ([{"params": w()}], [g]),
        ((w() for _ in range(1)), [g]),
    ]:
        opt = po.SGD(params, lr=1.0)
        opt.step(grads)
        for group in opt.param_groups:
            for array in group["params"]:
                assert array.tolist() == [-1, -1]


def test_groups_have_settings_of_their_own_that_can_change() -> None:
    w, b = np.zeros(1), np.zeros(1)
    opt = po.SGD([{"params": [w], "lr": 0.1}, {"params": [b]}], lr=0.01, momentum=0.9)
    assert [group["lr"] for group in opt.param_groups] == [0.1, 0.01]
    assert dict(opt.param_groups[1])["momentum"] == 0.9
    opt.param_groups[0]["lr"] = 0.5
    opt.step([np.ones(1), np.ones(1)])
    assert w[0] == -0.5
    assert b[0] == -0.01
    assert "lr=0.5" in repr(opt)


def test_a_schedule_is_followed_and_can_be_replaced() -> None:
    w = np.zeros(1)
    opt = po.SGD([w], lr=po.schedules.linear(1.0, steps=4))
    rates = []
    for _ in range(5):
        before = w[0]
        opt.step([np.ones(1)])
        rates.append(before - w[0])
    assert rates == [1, 0.75, 0.5, 0.25, 0]
    assert opt.param_groups[0]["lr"] == po.schedules.linear(1.0, steps=4)
    opt.param_groups[0]["lr"] = 2.0
    opt.step([np.ones(1)])
    assert w[0] == -4.5
    opt.param_groups[0]["lr"] = lambda step: 0.5 * step
    opt.step([np.ones(1)])
    assert w[0] == -4.5 - 0.5 * 6


def test_a_schedule_that_gives_a_bad_rate_is_an_error_and_nothing_changes() -> None:
    w = np.zeros(1)
    opt = po.SGD([w], lr=lambda step: 1.0 if step == 0 else -1.0)
    opt.step([np.ones(1)])
    with pytest.raises(ValueError, match="lr must be at least 0 and finite, got -1"):
        opt.step([np.ones(1)])
    assert opt.steps == 1
    assert w[0] == -1


def test_every_class_has_a_signature_and_help() -> None:
    import inspect

    for rule in po.rules():
        cls = getattr(po, rule.name)
        parameters = inspect.signature(cls).parameters
        assert list(parameters)[:2] == ["params", "lr"]
        assert parameters["lr"].default == rule.lr
        for field in rule.fields:
            assert parameters[field.name].default == field.default
            assert f"{field.name} : " in cls.__doc__
            assert field.doc in cls.__doc__
        assert rule.doc.splitlines()[0] in cls.__doc__
    with pytest.raises(TypeError, match="base class"):
        po.Optimizer([np.zeros(1)])
