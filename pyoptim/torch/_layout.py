"""Memory layouts of tensors and of their gradients."""

from __future__ import annotations

from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from pyoptim import _core
from pyoptim.parameters._types import Array

Tensor: TypeAlias = Any

_DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def check_steppable(tensor: Tensor, name: str) -> None:
    """Check that a tensor's memory can be updated in place.

    Raises
    ------
    TypeError
        If the tensor is not on the CPU, not dense, or not float32, float64 or bfloat16.
    ValueError
        If its elements overlap or have gaps between them, or its storage is too small.
    RuntimeError
        If it is complex, as torch does.
    """
    if not tensor.is_cpu:
        raise TypeError(f"{name}: expected a tensor on the CPU, got one on {tensor.device}")
    if tensor.layout is not torch.strided or is_traceable_wrapper_subclass(tensor):
        kind = tensor.layout if type(tensor) is torch.Tensor else type(tensor).__name__
        raise TypeError(f"{name}: expected a dense tensor with memory of its own, got {kind}")
    if tensor.is_complex():
        raise RuntimeError(f"{name}: complex parameters are not supported")  # the message of torch
    if tensor.dtype not in _DTYPES:
        raise TypeError(f"{name}: expected float32, float64 or bfloat16, got {tensor.dtype}")
    if tensor.is_neg() or not _is_dense(tensor):
        raise ValueError(
            f"{name}: expected elements without overlaps and gaps in memory, got shape "
            f"{tuple(tensor.shape)} with strides {tensor.stride()}"
        )
    check_memory(tensor, name)


def check_memory(tensor: Tensor, name: str) -> None:
    """Raise ValueError if a tensor has less memory than its elements need.

    Its storage can be freed or shrunk. Fake tensors have no memory.
    """
    if tensor.numel() == 0:
        return
    there = tensor.untyped_storage().nbytes()
    extent = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True))
    needed = (tensor.storage_offset() + extent + 1) * tensor.element_size()
    if isinstance(tensor, FakeTensor) or tensor.data_ptr() == 0 or needed > there:
        raise ValueError(
            f"{name}: expected a tensor with memory of its own, got one that needs {needed} bytes "
            f"of a storage of {0 if needed <= there else there}"
        )


def _is_dense(tensor: Tensor) -> bool:
    """Return whether the elements fill their memory without gaps, in any order of the axes."""
    if tensor.is_contiguous():
        return True
    kept = torch.empty_like(tensor, device="meta", memory_format=torch.preserve_format)
    return bool(kept.stride() == tensor.stride())


def as_numpy(tensor: Tensor) -> Array:
    """Return a contiguous tensor's memory as a NumPy array."""
    # detach() would keep a reference to the tensor that Python's garbage collector does not see.
    tensor = tensor.data
    bfloat16 = tensor.dtype is torch.bfloat16
    array: Array = (tensor.view(torch.int16) if bfloat16 else tensor).numpy()
    return array.view(ml_dtypes.bfloat16) if bfloat16 else array


def from_numpy(array: Array) -> Tensor:
    """Return a tensor that shares an array's memory; uint16 becomes int16, as torch supports it."""
    if array.dtype.itemsize != 2:
        return torch.from_numpy(array)
    tensor = torch.from_numpy(array.view(np.int16))
    return tensor.view(torch.bfloat16) if array.dtype == ml_dtypes.bfloat16 else tensor


class Place:
    """The memory of a parameter.

    If its axes are not in row-major order, as with `torch.channels_last`, the engine sees one axis.
    """

    __slots__ = ("dtype", "flat", "name", "shape", "stride", "tensor")

    def __init__(self, tensor: Tensor, name: str) -> None:
        check_steppable(tensor, name)
        self.tensor = tensor
        self.name = name
        self.shape = tensor.shape
        self.dtype = tensor.dtype
        self.stride = tensor.stride()
        self.flat = not tensor.is_contiguous()

    def array(self) -> Array:
        """Return the memory as an array for the engine."""
        tensor = self.tensor.data
        if self.flat:
            tensor = tensor.as_strided((tensor.numel(),), (1,))
        return as_numpy(tensor)

    def like(self, array: Array) -> Tensor:
        """Return a tensor that shares the memory of a state, with the parameter's axes."""
        tensor = from_numpy(array)
        return tensor.as_strided(self.shape, self.stride) if self._by_element(array) else tensor

    def put_back(self, array: Array) -> bool:
        """Copy the previous memory to the parameter's current one; return False if impossible."""
        tensor = self.tensor.detach()
        if not tensor.is_cpu or tensor.shape != self.shape:
            return False
        if tensor.data_ptr() != array.ctypes.data or tensor.dtype is not self.dtype:
            tensor.copy_(self.like(array))
        return True

    def _by_element(self, array: Array) -> bool:
        return self.flat and array.shape == (self.tensor.numel(),)

    def readable(self, grad: Tensor) -> Tensor:
        """Return a gradient, or a copy of it, with the memory layout of the parameter."""
        name = f"gradient of {self.name}"
        if not grad.is_cpu or grad.layout is not torch.strided:
            raise TypeError(
                f"{name}: expected a dense tensor on the CPU, got {grad.layout} on {grad.device}"
            )
        if is_traceable_wrapper_subclass(grad) or grad.is_complex():
            raise TypeError(f"{name}: expected real numbers in memory, got {type(grad).__name__}")
        if grad.shape != self.shape:
            raise ValueError(f"{name}: expected shape {tuple(self.shape)}, got {tuple(grad.shape)}")
        zeros = grad._is_zerotensor()  # which has no memory
        if not zeros:
            check_memory(grad, name)
        lies_alike = grad.dtype is self.dtype and grad.stride() == self.stride
        if lies_alike and not zeros and not grad.is_neg():
            return grad
        copy = torch.empty_strided(self.shape, self.stride, dtype=self.dtype)
        return copy.copy_(grad.detach())

    def readable_array(self, grad: Tensor) -> Array:
        """Return the gradient as an array for the engine."""
        tensor = self.readable(grad).detach()
        if self.flat:
            tensor = tensor.as_strided((tensor.numel(),), (1,))
        return as_numpy(tensor.contiguous())


class Layouts:
    """`_core.Layouts` for versions of torch without the C interface of DLPack."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self._before = list(map(_layout, tensors))

    def hold(self, tensors: list[Tensor]) -> bool:
        """Return whether the memory, dtypes, shapes and strides of all tensors are unchanged."""
        return list(map(_layout, tensors)) == self._before

    def gradients(self, tensors: list[Tensor]) -> tuple[list[Tensor | None], None]:
        """Return the gradients, and None because their addresses are not known."""
        return [tensor.grad for tensor in tensors], None


def _layout(tensor: Tensor) -> tuple[Any, ...]:
    return (
        tensor.data_ptr(),
        tensor.untyped_storage().nbytes(),
        tensor.device,
        tensor.dtype,
        tensor.shape,
        tensor.stride(),
    )


def layouts(tensors: list[Tensor]) -> Layouts | _core.Layouts:
    """Return the memory layouts of tensors, to detect changes before each step."""
    api = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
    return Layouts(tensors) if api is None else _core.Layouts(tensors, torch.Tensor, api)
