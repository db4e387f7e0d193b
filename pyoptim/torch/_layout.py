"""Where the elements of tensors lie, and gradients brought to the same order."""

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
    """Raise an error unless a tensor's memory can be updated in place.

    It is a TypeError, ValueError, or, for complex numbers, RuntimeError, as torch's.
    """
    if not tensor.is_cpu:
        raise TypeError(f"{name}: expected a tensor of the CPU, got one on {tensor.device}")
    if tensor.layout is not torch.strided or is_traceable_wrapper_subclass(tensor):
        kind = tensor.layout if type(tensor) is torch.Tensor else type(tensor).__name__
        raise TypeError(f"{name}: expected a dense tensor with memory of its own, got {kind}")
    if tensor.is_complex():
        raise RuntimeError(f"{name}: complex parameters are not supported")  # as torch says it
    if tensor.dtype not in _DTYPES:
        raise TypeError(f"{name}: expected float32, float64 or bfloat16, got {tensor.dtype}")
    if tensor.is_neg() or not _is_dense(tensor):
        raise ValueError(
            f"{name}: expected elements that lie in memory without overlaps and gaps, got shape "
            f"{tuple(tensor.shape)} with strides {tensor.stride()}"
        )
    check_memory(tensor, name)


def check_memory(tensor: Tensor, name: str) -> None:
    """Raise ValueError if a tensor has less memory than its elements take.

    Storage can be freed, or made smaller, under it. Fake tensors have none.
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
    """Whether elements fill their piece of memory, in any order of the axes."""
    if tensor.is_contiguous():
        return True
    kept = torch.empty_like(tensor, device="meta", memory_format=torch.preserve_format)
    return bool(kept.stride() == tensor.stride())


def as_numpy(tensor: Tensor) -> Array:
    """Return a contiguous tensor's memory as a NumPy array."""
    # What detach() gives keeps the tensor, too, where Python's garbage collector does not see it.
    tensor = tensor.data
    bfloat16 = tensor.dtype is torch.bfloat16
    array: Array = (tensor.view(torch.int16) if bfloat16 else tensor).numpy()
    return array.view(ml_dtypes.bfloat16) if bfloat16 else array


def from_numpy(array: Array) -> Tensor:
    """Return an array's memory as a tensor; halves of 16 bits as integers that all of torch has."""
    if array.dtype.itemsize != 2:
        return torch.from_numpy(array)
    tensor = torch.from_numpy(array.view(np.int16))
    return tensor.view(torch.bfloat16) if array.dtype == ml_dtypes.bfloat16 else tensor


class Place:
    """A parameter's memory.

    Where axes are in another order than row-major, as with `torch.channels_last`, the engine
    takes it as one axis.
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
        """Return the memory as the engine takes it."""
        tensor = self.tensor.data
        if self.flat:
            tensor = tensor.as_strided((tensor.numel(),), (1,))
        return as_numpy(tensor)

    def like(self, array: Array) -> Tensor:
        """Return a tensor over an array that the engine keeps, with the parameter's axes."""
        tensor = from_numpy(array)
        return tensor.as_strided(self.shape, self.stride) if self._by_element(array) else tensor

    def put_back(self, array: Array) -> bool:
        """Copy what was the memory to where the parameter is now; False if it cannot take it."""
        tensor = self.tensor.detach()
        if not tensor.is_cpu or tensor.shape != self.shape:
            return False
        if tensor.data_ptr() != array.ctypes.data or tensor.dtype is not self.dtype:
            tensor.copy_(self.like(array))
        return True

    def _by_element(self, array: Array) -> bool:
        return self.flat and array.shape == (self.tensor.numel(),)

    def readable(self, grad: Tensor) -> Tensor:
        """Return a gradient, or a copy of it, whose elements lie as the parameter's."""
        name = f"gradient of {self.name}"
        if not grad.is_cpu or grad.layout is not torch.strided:
            raise TypeError(
                f"{name}: expected a dense tensor of the CPU, got {grad.layout} on {grad.device}"
            )
        if is_traceable_wrapper_subclass(grad) or grad.is_complex():
            raise TypeError(f"{name}: expected real numbers in memory, got {type(grad).__name__}")
        if grad.shape != self.shape:
            raise ValueError(f"{name}: expected shape {tuple(self.shape)}, got {tuple(grad.shape)}")
        zeros = grad._is_zerotensor()  # they have no memory
        if not zeros:
            check_memory(grad, name)
        lies_alike = grad.dtype is self.dtype and grad.stride() == self.stride
        if lies_alike and not zeros and not grad.is_neg():
            return grad
        copy = torch.empty_strided(self.shape, self.stride, dtype=self.dtype)
        return copy.copy_(grad.detach())

    def readable_array(self, grad: Tensor) -> Array:
        """Return the same as the engine takes it."""
        tensor = self.readable(grad).detach()
        if self.flat:
            tensor = tensor.as_strided((tensor.numel(),), (1,))
        return as_numpy(tensor.contiguous())


class Layouts:
    """`_core.Layouts` for tensors without the C functions that describe their memory."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self._before = list(map(_layout, tensors))

    def hold(self, tensors: list[Tensor]) -> bool:
        """Whether they lie where they did, and as they did."""
        return list(map(_layout, tensors)) == self._before

    def gradients(self, tensors: list[Tensor]) -> tuple[list[Tensor | None], None]:
        """Return the gradients; None in place of their addresses, each is to be looked at."""
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
    """Return how these lie, to be asked before each step whether they still do."""
    api = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
    return Layouts(tensors) if api is None else _core.Layouts(tensors, torch.Tensor, api)
