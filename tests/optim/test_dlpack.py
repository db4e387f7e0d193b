"""Memory by DLPack: what its capsule says is believed only where it can be true."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyoptim as po

FLOAT, BFLOAT, INT, COMPLEX = 2, 4, 0, 5
READ_ONLY, IS_COPIED = 1, 2
CPU, CUDA = 1, 2


class Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("dimensions", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class Managed(ctypes.Structure):
    _fields_ = (
        ("tensor", Tensor),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    )


class ManagedVersioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    )


new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def numbers(values: Any) -> Any:
    return None if values is None else (ctypes.c_int64 * max(len(values), 1))(*values)


class Exporter:
    """Gives a capsule made of what it is told, in place of what is true."""

    def __init__(
        self,
        values: np.ndarray,
        *,
        name: bytes | None = None,
        version: tuple[int, int] | None = (1, 0),
        flags: int = 0,
        **fields: Any,
    ) -> None:
        self.values = values
        bits = 8 * values.itemsize
        shape = numbers(fields.pop("shape", values.shape))
        strides = numbers(fields.pop("strides", None))
        given = {"data": values.ctypes.data, "device_type": CPU, "dimensions": values.ndim}
        given |= {"code": FLOAT, "bits": bits, "lanes": 1, **fields}
        tensor = Tensor(**given, shape=shape, strides=strides)
        if version is None:
            self.managed: Any = Managed(tensor)
        else:
            self.managed = ManagedVersioned(*version, None, None, flags, tensor)
        self.kept = shape, strides
        self.name = name or (b"dltensor" if version is None else b"dltensor_versioned")

    def __dlpack__(self, **_: Any) -> Any:
        return new_capsule(ctypes.addressof(self.managed), self.name, None)

    def __dlpack_device__(self) -> tuple[int, int]:
        return CPU, 0


def stepped(param: Any, grad: Any) -> None:
    po.SGD({"w": param}, lr=1.0).step({"w": grad})


@pytest.mark.parametrize("version", [None, (1, 0), (1, 3)])
@pytest.mark.parametrize("strides", [None, (3, 1)])
def test_what_is_right_is_taken(version: Any, strides: Any) -> None:
    values = np.zeros((2, 3), np.float32)
    stepped(
        Exporter(values, version=version, strides=strides),
        Exporter(np.ones((2, 3), np.float32), version=version),
    )
    assert (values == -1).all()


def test_offsets_are_added() -> None:
    values = np.zeros(6, np.float32)
    stepped(Exporter(values, byte_offset=8, shape=(3,)), np.ones(3, np.float32))
    assert values.tolist() == [0, 0, -1, -1, -1, 0]


def test_no_elements_need_no_memory() -> None:
    stepped(
        Exporter(np.zeros((0, 3), np.float32), data=None),
        Exporter(np.zeros((0, 3), np.float32), data=None),
    )


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"version": (2, 0)}, TypeError, r"expected a tensor of DLPack 1, got one of version 2.0"),
        ({"version": (0, 8)}, TypeError, r"expected a tensor of DLPack 1, got one of version 0.8"),
        ({"data": None}, ValueError, "expected a tensor with memory of its own, got one without"),
        ({"data": None, "version": None}, ValueError, "got one without"),
        ({"data": None, "byte_offset": 64}, ValueError, "got one without"),
        ({"device_type": CUDA}, TypeError, "expected memory of the CPU, got DLPack device type 2"),
        ({"name": b"used_dltensor"}, TypeError, "gave no tensor that is still to be taken"),
        ({"name": b"arrow_array"}, TypeError, "gave no tensor that is still to be taken"),
        ({"bits": 16}, TypeError, "got DLPack code 2 of 16 bits"),
        ({"bits": 32, "lanes": 2}, TypeError, "got DLPack code 2 of 32 bits and 2 lanes"),
        ({"lanes": 0}, TypeError, "and 0 lanes"),
        ({"code": INT}, TypeError, "got DLPack code 0 of 32 bits"),
        ({"code": BFLOAT}, TypeError, "got DLPack code 4 of 32 bits"),
        ({"code": COMPLEX}, TypeError, "got DLPack code 5 of 32 bits"),
        ({"dimensions": -1}, ValueError, "expected a shape of at most 64 axes"),
        ({"dimensions": 65}, ValueError, "expected a shape of at most 64 axes"),
        ({"shape": None}, ValueError, "got a DLPack tensor of 1 without one"),
        ({"shape": (-3,)}, ValueError, r"expected axes of at least 0 elements, got \[-3\]"),
    ],
    ids=str,
)
@pytest.mark.parametrize("place", ["parameter", "gradient"])
def test_what_cannot_be_read_is_refused_by_name(
    wrong: dict[str, Any], error: type[Exception], message: str, place: str
) -> None:
    bad = Exporter(np.ones(3, np.float32), **wrong)
    good = np.zeros(3, np.float32)
    name = r"params\['w'\]: " if place == "parameter" else r"gradient of params\['w'\]: "
    with pytest.raises(error, match=f"^{name}.*{message}"):
        stepped(*((bad, good) if place == "parameter" else (good, bad)))
    assert not good.any()


def test_a_copy_is_no_parameter_but_a_gradient() -> None:
    copy = Exporter(np.ones(3, np.float32), flags=IS_COPIED)
    with pytest.raises(ValueError, match=r"params\['w'\]: .* update in place, got a copy"):
        stepped(copy, np.ones(3, np.float32))
    w = np.zeros(3, np.float32)
    stepped(w, copy)
    assert w.tolist() == [-1] * 3
    with pytest.raises(ValueError, match=r"zero_grads needs .* writable arrays"):
        po.SGD([w], zero_grads=True).step([copy])


def test_what_is_read_only_is_no_parameter_but_a_gradient() -> None:
    constant = Exporter(np.ones(3, np.float32), flags=READ_ONLY)
    with pytest.raises(ValueError, match=r"params\['w'\]: .* got a read-only one"):
        stepped(constant, np.ones(3, np.float32))
    w = np.zeros(3, np.float32)
    stepped(w, constant)
    assert w.tolist() == [-1] * 3


@pytest.mark.parametrize("what", [None, 3, "dltensor"])
def test_what_is_no_capsule_is_refused(what: Any) -> None:
    class Strange:
        def __dlpack__(self, **_: Any) -> Any:
            return what

    with pytest.raises(TypeError, match=r"params\[0\]: __dlpack__ of Strange gave no tensor"):
        po.SGD([Strange()])


@pytest.mark.parametrize("error", [BufferError, RuntimeError])
def test_what_is_not_exported_is_refused_by_name(error: type[Exception]) -> None:
    class Elsewhere:
        def __dlpack__(self, **_: Any) -> Any:
            raise error("on another device")

    with pytest.raises(TypeError, match=r"params\[0\]: .* of Elsewhere failed: on another device"):
        po.SGD([Elsewhere()])


def negated(torch: Any) -> list[Any]:
    """Return tensors of [2, 4] whose memory has the negatives."""
    return [
        torch._neg_view(torch.tensor([-2.0, -4.0])),
        torch.tensor([2 - 2j, 4 - 4j]).conj().imag,
    ]


def without_memory(torch: Any) -> list[Callable[[], Any]]:
    from torch._subclasses.fake_tensor import FakeTensorMode

    def resized(size: int) -> Any:
        tensor = torch.ones(1000)
        tensor.untyped_storage().resize_(size)
        return tensor

    def fake() -> Any:
        with FakeTensorMode():
            return torch.ones(1000)

    return [
        lambda: resized(0),
        lambda: resized(3996),
        lambda: torch.ones(1000, device="meta"),
        fake,
        lambda: torch._efficientzerotensor(1000),
        lambda: torch.ones(1000).to_sparse(),
    ]


@pytest.mark.peers
def test_negative_bits_of_tensors() -> None:
    torch = pytest.importorskip("torch")
    for grad in negated(torch):
        assert grad.tolist() == [2, 4]
        w = np.zeros(2, np.float32)
        stepped(w, grad)
        assert w.tolist() == [-2, -4]
        with pytest.raises(ValueError, match=r"params\['w'\]: .* pass tensor.resolve_neg\(\)"):
            stepped(grad, np.zeros(2, np.float32))
    with pytest.raises(TypeError, match=r"gradient of params\['w'\]: .* conjugate bit"):
        stepped(np.zeros(2, np.float32), torch.tensor([2 - 2j, 4 - 4j]).conj())


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize("case", range(6))
def test_tensors_without_memory(case: int) -> None:
    torch = pytest.importorskip("torch")
    tensor = without_memory(torch)[case]()
    w = np.zeros(1000, np.float32)
    with pytest.raises((TypeError, ValueError), match=r"gradient of params\['w'\]: expected .*mem"):
        stepped(w, tensor)
    assert not w.any()
    with pytest.raises((TypeError, ValueError), match=r"params\['w'\]: expected .*mem"):
        stepped(tensor, w)


@pytest.mark.peers
def test_a_parameter_whose_memory_is_freed_is_refused() -> None:
    torch = pytest.importorskip("torch")
    for sizes in ((0,), (96,), (0, 96), (0, 3996)):  # memory freed first may be had again
        tensor = torch.zeros(1000)
        opt = po.SGD([tensor], lr=1.0)
        for size in sizes:
            tensor.untyped_storage().resize_(size)
        with pytest.raises(ValueError, match="the tensor's memory is no longer the one it had"):
            opt.step([torch.ones(1000)])


@pytest.mark.peers
def test_a_gradient_over_its_parameter_is_refused() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.ones(4, requires_grad=True)
    opt = po.SGD([tensor], lr=1.0)
    tensor.grad = tensor.detach()
    with pytest.raises(ValueError, match=r"gradient of params\[0\] overlaps a parameter"):
        opt.step([tensor.grad])
    assert tensor.tolist() == [1] * 4


@pytest.mark.parametrize("flip", [False, True])
def test_a_strided_gradient_over_its_parameter_is_read_before_it_is_written(flip: bool) -> None:
    w = np.arange(4.0).reshape(2, 2)
    po.SGD([w], lr=1.0).step([w[::-1] if flip else w.T])
    assert w.tolist() == ([[-2, -2], [2, 2]] if flip else [[0, -1], [1, 0]])
