"""What may be updated in place, what may be a gradient, and what errors say."""

import array
import ctypes
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import pyoptim as po

DTYPES = [np.float32, np.float64, ml_dtypes.bfloat16]


def ones(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.ones(shape, dtype=dtype)


def misaligned(size: int) -> np.ndarray:
    memory = np.zeros(4 * size + 8, dtype=np.uint8)
    start = 1 + (-memory.ctypes.data) % 4
    return memory[start : start + 4 * size].view(np.float32)


def read_only(values: np.ndarray) -> np.ndarray:
    values.flags.writeable = False
    return values


BAD_PARAMETERS: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("read-only", lambda: [read_only(ones(3))], ValueError,
     r"params\[0\]: expected a writable array .* got a read-only one"),
    ("bytes", lambda: [b"12345678"], TypeError,
     r"params\[0\]: expected an array \(NumPy, buffer protocol or DLPack\), got bytes"),
    ("strided", lambda: [ones(3), ones(6)[::2]], ValueError,
     r"params\[1\]: expected a C-contiguous array .* got shape \(3,\) with strides \(8,\)"),
    ("transposed", lambda: [ones(2, 3).T], ValueError,
     r"params\[0\]: expected a C-contiguous array .* shape \(3, 2\) with strides \(4, 12\)"),
    ("misaligned", lambda: [misaligned(3)], ValueError,
     r"params\[0\]: expected memory aligned to 4 bytes"),
    ("integers", lambda: [np.ones(3, dtype=np.int64)], TypeError,
     r"params\[0\]: dtype must be float32, float64 or bfloat16, got int64"),
    ("half", lambda: {"w": ones(3).astype(np.float16)}, TypeError,
     r"params\['w'\]: dtype must be float32, float64 or bfloat16, got float16"),
    ("big-endian", lambda: [ones(3).astype(">f4")], TypeError,
     r"params\[0\]: dtype must be float32, float64 or bfloat16, got big-endian float32"),
    ("list of numbers", lambda: [[1.0, 2.0]], TypeError,
     r"params\[0\]: expected an array .*, got list"),
    ("number", lambda: 3.0, TypeError, r"params: expected an array, a list .* got float"),
    ("nothing", list, ValueError, r"at least one parameter, got none"),
    ("group without params", lambda: [{"lr": 0.1}], ValueError, r"group 0 has no 'params'"),
    ("same name twice", lambda: [{"params": {"w": ones(3)}}, {"params": {"w": ones(3)}}],
     ValueError, r"two parameters are called 'w'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [case[1:] for case in BAD_PARAMETERS],
    ids=[case[0] for case in BAD_PARAMETERS],
)
def test_a_parameter_that_cannot_be_updated_in_place_is_refused(
    make: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        po.SGD(make())


def test_a_masked_array_is_refused() -> None:
    with pytest.raises(TypeError, match="without a mask"):
        po.SGD([np.ma.masked_array(ones(3), mask=[0, 1, 0])])
    with pytest.raises(TypeError, match="without a mask"):
        po.SGD([ones(3)]).step([np.ma.masked_array(ones(3), mask=[0, 1, 0])])


BAD_GRADIENTS: list[tuple[str, Callable[[list[np.ndarray]], Any], type[Exception], str]] = [
    ("count", lambda p: [ones(2, 3)], ValueError, r"expected 2 gradients.*got 1"),
    ("shape", lambda p: [ones(3, 2), ones(4)], ValueError,
     r"gradient of params\[0\]: expected shape \(2, 3\), got \(3, 2\)"),
    ("broadcastable shape", lambda p: [ones(2, 3), ones(1)], ValueError,
     r"gradient of params\[1\]: expected shape \(4,\), got \(1,\)"),
    ("dtype", lambda p: [ones(2, 3), ones(4, dtype=np.float64)], TypeError,
     r"gradient of params\[1\]: expected dtype float32 as the parameter's, got float64"),
    ("integers", lambda p: [ones(2, 3), np.ones(4, dtype=np.int32)], TypeError,
     r"gradient of params\[1\]: dtype must be float32, float64 or bfloat16, got int32"),
    ("not an array", lambda p: [ones(2, 3), "four"], TypeError,
     r"gradient of params\[1\]: expected an array .* got str"),
    ("the parameter itself", lambda p: [p[0], ones(4)], ValueError,
     r"gradient of params\[0\] overlaps a parameter or a state"),
    ("part of another parameter", lambda p: [ones(2, 3), p[0].reshape(-1)[2:]], ValueError,
     r"gradient of params\[1\] overlaps a parameter or a state"),
    ("one array for two", lambda p: ones(2, 3), TypeError,
     r"expected a list of 2 arrays, got one array"),
    ("none", lambda p: None, ValueError, r"only optimizers over Parameters have their own"),
    ("names", lambda p: {"0": ones(2, 3), "2": ones(4)}, ValueError,
     r"expected the names 0, 1; missing 1; unknown 2"),
    ("a number", lambda p: 3.0, TypeError, r"expected a list of arrays"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [case[1:] for case in BAD_GRADIENTS],
    ids=[case[0] for case in BAD_GRADIENTS],
)
def test_a_gradient_that_does_not_fit_is_refused_and_nothing_changes(
    make: Callable[[list[np.ndarray]], Any], error: type[Exception], message: str
) -> None:
    params = [ones(2, 3), ones(4)]
    opt = po.Adam(params)
    with pytest.raises(error, match=message):
        opt.step(make(params))
    assert opt.steps == 0
    assert all((param == 1).all() for param in params)


def test_a_gradient_that_overlaps_a_state_is_refused() -> None:
    opt = po.Adam([ones(8)])
    with pytest.raises(ValueError, match="overlaps a parameter or a state"):
        opt.step([opt.state["0"]["exp_avg"]])


@pytest.mark.parametrize("shift", [0, 1, 7])
def test_overlapping_parameters_are_refused_by_name(shift: int) -> None:
    memory = ones(20)
    with pytest.raises(ValueError, match=r"params\['a'\] and params\['c'\] overlap in memory"):
        po.SGD({"a": memory[:8], "b": memory[12:], "c": memory[shift : shift + 4]})


def test_parameters_that_touch_do_not_overlap() -> None:
    memory = ones(20)
    opt = po.SGD([memory[8:], memory[:8]], lr=1.0)
    opt.step([ones(12), ones(8)])
    assert (memory == 0).all()


BAD_SETTINGS = [
    ({"beta1": 1.0}, ValueError, r"AdamW: beta1 must be in \[0, 1\), got 1"),
    ({"beta2": -0.1}, ValueError, r"AdamW: beta2 must be in \[0, 1\), got -0.1"),
    ({"eps": float("nan")}, ValueError, r"AdamW: eps must be at least 0 and finite, got nan"),
    ({"lr": -1e-3}, ValueError, r"AdamW: lr must be at least 0 and finite, got -0.001"),
    ({"lr": float("inf")}, ValueError, r"AdamW: lr must be at least 0 and finite, got inf"),
    ({"lr": "fast"}, TypeError, r"lr must be a number, got 'fast'"),
    ({"weight_decay": -1}, ValueError, r"AdamW: weight_decay must be at least 0"),
    ({"amsgrad": 0.5}, ValueError, r"AdamW: amsgrad must be True or False, got 0.5"),
    ({"clip_norm": 0}, ValueError, r"clip_norm must be above 0 and finite, got 0"),
    ({"clip_norm": float("nan")}, ValueError, r"clip_norm must be above 0"),
    ({"clip_value": float("inf")}, ValueError, r"clip_value must be .* finite"),
    ({"clip_value": -1}, ValueError, r"clip_value must be above 0"),
    ({"num_threads": 0}, ValueError, r"num_threads must be a whole number from 1 to 512, got 0"),
    ({"num_threads": 100_000}, ValueError, r"num_threads must be .* to 512, got 100000"),
    ({"num_threads": 1.5}, ValueError, r"num_threads must be a whole number"),
    ({"bata1": 0.9}, TypeError, r"AdamW\(\) has no argument 'bata1'; did you mean 'beta1'\?"),
]


@pytest.mark.parametrize(("settings", "error", "message"), BAD_SETTINGS)
def test_a_setting_out_of_range_is_refused_with_the_range(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        po.AdamW([ones(3)], **settings)


def test_settings_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="SGD: nesterov needs momentum above 0 and dampening 0"):
        po.SGD([ones(3)], nesterov=True)
    with pytest.raises(ValueError, match="Rprop: step_size_min is above step_size_max"):
        po.Rprop([ones(3)], step_size_min=1.0, step_size_max=0.5)


def test_a_group_says_which_settings_there_are() -> None:
    with pytest.raises(ValueError, match=r"SGD has no setting 'beta1'; it has lr, .*momentum"):
        po.SGD([{"params": [ones(3)], "beta1": 0.9}])
    group = po.SGD([ones(3)]).param_groups[0]
    with pytest.raises(KeyError, match=r"no setting 'beta1'; there are params, lr"):
        group["beta1"] = 0.9
    with pytest.raises(ValueError, match="lr must be at least 0"):
        group["lr"] = -1
    with pytest.raises(ValueError, match=r"changing momentum from 0 to 0.9 changes which states"):
        group["momentum"] = 0.9
    assert group["lr"] == 1e-3
    assert group["momentum"] == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_contiguous_memory_is_updated_in_place(dtype: Any) -> None:
    memory = np.zeros(40, dtype=dtype)
    view = memory[3:27].reshape(2, 3, 4)
    po.SGD([view], lr=1.0).step([-np.ones((2, 3, 4), dtype=dtype)])
    assert (memory[3:27].astype(np.float32) == 1).all()
    assert (memory[:3].astype(np.float32) == 0).all()
    assert (memory[27:].astype(np.float32) == 0).all()


def test_the_buffer_protocol_is_enough() -> None:
    numbers = array.array("d", [1.0, 2.0])
    raw = (ctypes.c_float * 3)(1.0, 2.0, 3.0)
    opt = po.SGD([numbers, memoryview(raw)], lr=1.0)
    opt.step([array.array("d", [1.0, 1.0]), (ctypes.c_float * 3)(1.0, 1.0, 1.0)])
    assert list(numbers) == [0.0, 1.0]
    assert list(raw) == [0.0, 1.0, 2.0]


def test_memory_of_a_read_only_buffer_is_refused() -> None:
    with pytest.raises(ValueError, match="read-only"):
        po.SGD([memoryview(bytes(12)).cast("f")])


class Exporter:
    """An object that gives its memory through DLPack alone."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.values.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


class OldExporter(Exporter):
    """One from before DLPack 1, which knows no max_version."""

    def __dlpack__(self) -> Any:  # type: ignore[override]
        return self.values.__dlpack__()


@pytest.mark.parametrize("exporter", [Exporter, OldExporter])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dlpack_memory_is_shared(exporter: type[Exporter], dtype: Any) -> None:
    values = np.arange(6, dtype=dtype).reshape(2, 3)
    opt = po.SGD([exporter(values)], lr=1.0)
    opt.step([exporter(np.ones((3, 2), dtype=dtype).T)])
    assert values.tolist() == [[-1, 0, 1], [2, 3, 4]]


def test_dlpack_of_other_types_and_strides_is_refused() -> None:
    with pytest.raises(TypeError, match=r"dtype must be float32, float64 or bfloat16, got DLPack"):
        po.SGD([Exporter(np.ones(3, dtype=np.int32))])
    with pytest.raises(ValueError, match="C-contiguous"):
        po.SGD([Exporter(np.ones((2, 3)).T)])


def test_read_only_dlpack_memory_is_refused() -> None:
    # NumPy before 2.1 does not export it; its message is part of ours.
    with pytest.raises((ValueError, TypeError), match=r"read-?only"):
        po.SGD([Exporter(read_only(np.ones(3)))])


def test_arrays_stay_alive_and_their_owner_sees_the_update() -> None:
    opt = po.SGD([ones(5)], lr=1.0)
    opt.step([ones(5)])
    assert (opt.param_groups[0]["params"][0] == 0).all()
    views = opt.state
    del opt
    assert views["0"]["step"] == 1


def test_states_are_read_only_views() -> None:
    opt = po.Adam([ones(3)])
    view = opt.state["0"]["exp_avg"]
    opt.step([ones(3)])
    assert view[0] != 0
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_what_becomes_of_an_array_afterwards_does_not_matter() -> None:
    w = np.zeros(1000, np.float32)
    opt = po.Adam(w)
    w.dtype = np.uint8
    assert opt.state_dict()["params.0.exp_avg"].shape == (1000,)
    for count in (1000, 4000):
        with pytest.raises(
            ValueError,
            match=r"params\[0\]: expected dtype float32, .* got dtype uint8, shape \(4000",
        ):
            opt.step([np.ones(count, np.float32)])
    w.dtype = np.float32
    with pytest.raises(ValueError, match="expected shape"):
        opt.step([np.ones(4000, np.float32)])
    opt.step([np.ones(1000, np.float32)])
    assert w.all()


LAYOUTS: dict[str, tuple[str, Any]] = {
    "byte order": ("dtype", np.dtype(np.float32).newbyteorder("S")),
    "integers": ("dtype", np.dtype(np.int32)),
    "bytes": ("dtype", np.dtype(np.uint8)),
    "strides": ("strides", (4, 12)),
}


def each_optimizer(params: Any) -> list[Any]:
    return [
        po.SGD(params, lr=1.0),
        po.Muon(params),
        po.wrappers.SAM(po.SGD(params, lr=1.0), rho=0.1),
        po.wrappers.EMA(po.Adam(params)),
        po.wrappers.GradientAccumulation(po.SGD(params, lr=1.0), 1),
    ]


def step_of(opt: Any, grads: list[np.ndarray]) -> None:
    opt.step((lambda: grads) if isinstance(opt, po.wrappers.SAM) else grads)


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
@pytest.mark.parametrize(("attribute", "value"), LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("which", range(5))
def test_an_array_whose_layout_changed_is_refused(which: int, attribute: str, value: Any) -> None:
    a, b = ones(3, 2), ones(2)
    opt = each_optimizer([a, b])[which]
    step_of(opt, [ones(3, 2), ones(2)])
    kept, before = getattr(a, attribute), (a.copy(), b.copy())
    setattr(a, attribute, value)
    with pytest.raises(
        ValueError, match=r"params\[0\]: expected dtype float32, .* got .*; set them back, or make"
    ):
        step_of(opt, [ones(3, 2), ones(2)])
    setattr(a, attribute, kept)
    assert (a == before[0]).all()
    assert (b == before[1]).all()
    step_of(opt, [ones(3, 2), ones(2)])
    assert (a != before[0]).all()


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
@pytest.mark.parametrize(("attribute", "value"), LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("of", ["params", "gradients"])
def test_arrays_of_parameters_whose_layout_changed_are_refused(
    of: str, attribute: str, value: Any
) -> None:
    params = po.Parameters({"w": (3, 2)})
    array = (params if of == "params" else params.grads)["w"]
    makers: list[Any] = [po.SGD, lambda p: po.wrappers.GradientAccumulation(po.SGD(p), 1)]
    if (of, attribute) != ("gradients", "strides"):  # Muon reads gradients anew, also strided ones
        makers.append(po.Muon)
    optimizers = [make(params) for make in makers]
    kept = getattr(array, attribute)
    setattr(array, attribute, value)
    name = r"params\['w'\]" if of == "params" else r"gradient of params\['w'\]"
    for opt in optimizers:
        with pytest.raises((TypeError, ValueError), match=name + ": .*(got|expected)"):
            opt.step()
        assert opt.steps == 0
    setattr(array, attribute, kept)
    for opt in optimizers:
        opt.step()
        assert opt.steps == 1


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_an_array_may_be_given_an_equal_dtype() -> None:
    w = ones(3)
    opt = po.SGD([w], lr=1.0)
    w.dtype = np.dtype(np.float32, metadata={"unit": "m"})
    opt.step([ones(3)])
    assert not w.any()


@pytest.mark.parametrize("which", range(5))
def test_an_array_made_read_only_is_no_longer_written(which: int) -> None:
    a, b = ones(3, 2), ones(2)
    opt = each_optimizer([a, b])[which]
    step_of(opt, [ones(3, 2), ones(2)])
    before = a.copy(), b.copy()
    b.flags.writeable = False
    with pytest.raises(
        ValueError, match=r"params\[1\]: expected a writable array .* read-only one"
    ):
        step_of(opt, [ones(3, 2), ones(2)])
    assert (a == before[0]).all()
    assert (b == before[1]).all()
    b.flags.writeable = True
    step_of(opt, [ones(3, 2), ones(2)])
    assert (b != before[1]).all()


def test_arrays_of_parameters_made_read_only_are_no_longer_written() -> None:
    params = po.Parameters({"w": (3,), "b": (2,)})
    opt = po.SGD(params, lr=1.0, zero_grads=True)
    params.flat_grad[...] = 1
    params["b"].flags.writeable = False
    with pytest.raises(ValueError, match=r"params\['b'\]: expected a writable array"):
        opt.step()
    params["b"].flags.writeable = True
    params.grads["w"].flags.writeable = False  # only read, but for zero_grads
    with pytest.raises(ValueError, match=r"gradient of params\['w'\]: expected a writable array"):
        opt.step()
    assert params.flat_grad.all()
    assert not params.flat.any()
    params.grads["w"].flags.writeable = True
    opt.step()
    assert params.flat.tolist() == [-1] * 5


def test_averaging_does_not_write_a_read_only_array() -> None:
    w = ones(3)
    opt = po.ScheduleFreeSGD([w])
    average = po.wrappers.EMA(po.SGD([w]))
    opt.step([ones(3)])
    average.step([ones(3)])
    w.flags.writeable = False
    for each in (opt, average):
        with pytest.raises(ValueError, match="read-only"):
            each.eval()
        assert not each.evaluating


@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_a_resized_array_is_refused(which: int, size: int) -> None:
    a, b = ones(3, 2), ones(2)
    opt = each_optimizer([a, b])[which]
    b.resize(size, refcheck=False)
    with pytest.raises(ValueError, match=r"params\[1\]: the array's memory is no longer the one"):
        step_of(opt, [ones(3, 2), ones(2)])
    assert (a == 1).all()


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_other_axes_do_not_change_what_is_updated() -> None:
    w = np.zeros((2, 3), np.float32)
    opt = po.SGD([w], lr=1.0)
    w.shape = (6,)
    opt.step([ones(2, 3)])
    assert w.tolist() == [-1] * 6
    assert opt.param_groups[0]["params"][0].shape == (6,)


def test_a_list_of_gradients_may_change_while_a_step_runs() -> None:
    class Clearing(Exporter):
        def __dlpack__(self, **keywords: Any) -> Any:
            grads.clear()
            return super().__dlpack__(**keywords)

    a, b = np.zeros(5), np.zeros(5)
    grads: list[Any] = [np.ones(5), Clearing(np.ones(5))]
    po.SGD([a, b], lr=1.0).step(grads)
    assert grads == []
    assert a.tolist() == b.tolist() == [-1] * 5


def test_a_subclass_does_not_decide_what_is_read() -> None:
    class Odd(np.ndarray):
        def copy(self, *_: Any) -> Any:  # type: ignore[override]
            return np.ones(1)

    w = np.zeros((2, 3))
    po.SGD([w], lr=1.0).step([np.arange(6.0).reshape(3, 2).T.view(Odd)])
    assert w.tolist() == [[0, -2, -4], [-1, -3, -5]]


@pytest.mark.peers
def test_a_tensor_whose_memory_moved_is_refused() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(3)
    opt = po.SGD({"w": tensor}, lr=1.0)
    opt.step([torch.ones(3)])
    tensor.data = torch.zeros(3)
    with pytest.raises(ValueError, match=r"params\['w'\]: the tensor's memory is no longer"):
        opt.step([torch.ones(3)])
    assert tensor.tolist() == [0, 0, 0]


def test_names_may_be_numbers() -> None:
    w = np.zeros(2)
    po.SGD({7: w}, lr=1.0).step({7: np.ones(2)})
    assert w.tolist() == [-1, -1]
