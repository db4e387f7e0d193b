"""The element types of safetensors and the corresponding NumPy dtypes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class DType(NamedTuple):
    """The width of an element and its NumPy name (None for elements narrower than a byte)."""

    bits: int
    numpy: str | None


DTYPES = {
    "BOOL": DType(8, "bool"),
    "U8": DType(8, "uint8"),
    "I8": DType(8, "int8"),
    "U16": DType(16, "uint16"),
    "I16": DType(16, "int16"),
    "U32": DType(32, "uint32"),
    "I32": DType(32, "int32"),
    "U64": DType(64, "uint64"),
    "I64": DType(64, "int64"),
    "F16": DType(16, "float16"),
    "F32": DType(32, "float32"),
    "F64": DType(64, "float64"),
    "C64": DType(64, "complex64"),
    "BF16": DType(16, "bfloat16"),
    "F8_E4M3": DType(8, "float8_e4m3fn"),
    "F8_E5M2": DType(8, "float8_e5m2"),
    "F8_E8M0": DType(8, "float8_e8m0fnu"),
    "F8_E4M3FNUZ": DType(8, "float8_e4m3fnuz"),
    "F8_E5M2FNUZ": DType(8, "float8_e5m2fnuz"),
    "F4": DType(4, None),
    "F6_E2M3": DType(6, None),
    "F6_E3M2": DType(6, None),
}

_NAMES = {dtype.numpy: name for name, dtype in DTYPES.items() if dtype.numpy}


def to_numpy(name: str) -> np.dtype[Any] | None:
    """Return the NumPy dtype of a safetensors name, or None if NumPy and ml_dtypes have none.

    >>> to_numpy("F32"), to_numpy("BF16"), to_numpy("F4")
    (dtype('float32'), dtype(bfloat16), None)
    """
    numpy_name = DTYPES[name].numpy
    if numpy_name is None:
        return None
    try:
        return np.dtype(numpy_name)
    except TypeError:
        import ml_dtypes

    scalar_type = getattr(ml_dtypes, numpy_name, None)
    return None if scalar_type is None else np.dtype(scalar_type)


def to_name(dtype: np.dtype[Any]) -> str | None:
    """Return the safetensors name of a NumPy dtype of either byte order, or None.

    >>> import numpy as np
    >>> to_name(np.dtype("float32")), to_name(np.dtype("U3"))
    ('F32', None)
    """
    return _NAMES.get(dtype.newbyteorder("=").name)
