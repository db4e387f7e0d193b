"""The C interface at the limits of counts, sizes and text, called through ctypes."""

import ctypes
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyoptim._utils.install_paths import get_library_dir
from pyoptim._utils.text import shown

ARGUMENT, STATE, FUNCTION = 1, 2, 6
LARGEST = 2**53
SIZE_T_MAX = 2**64 - 1
PAST_THE_END = "reaches past the end of the address space"


class Setting(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("value", ctypes.c_double))


class Argument(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("number", ctypes.c_double),
        ("word", ctypes.c_char_p),
        ("numbers", ctypes.c_void_p),
        ("schedules", ctypes.c_void_p),
        ("count", ctypes.c_size_t),
    )


class Gradient(ctypes.Structure):
    _fields_ = (
        ("values", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
        ("row_count", ctypes.c_size_t),
    )


def library() -> Any:
    lib = ctypes.CDLL(str(Path(get_library_dir()) / "libpyoptim.so.0"))
    lib.pyoptim_last_error.restype = ctypes.c_char_p
    return lib


LIB = library()


def message() -> str:
    return bytes(LIB.pyoptim_last_error()).decode()


class Optimizer:
    """SGD of 4 rows of 2, whose second buffer may be added."""

    def __init__(self, built: bool = True) -> None:
        self.handle = ctypes.c_void_p()
        self.param = (ctypes.c_float * 8)(*range(8))
        self.grad = (ctypes.c_float * 8)(*[1.0] * 8)
        assert LIB.pyoptim_create(b"SGD", None, ctypes.c_size_t(0), ctypes.byref(self.handle)) == 0
        assert self.add(b"w", ctypes.addressof(self.param), 4, 2) == 0
        if built:
            assert LIB.pyoptim_build(self.handle) == 0

    def add(self, name: bytes, data: int, *shape: int, ndim: int | None = None) -> int:
        return int(
            LIB.pyoptim_add_buffer(
                self.handle,
                name,
                0,
                ctypes.c_void_p(data),
                ctypes.c_size_t(len(shape) if ndim is None else ndim),
                (ctypes.c_size_t * len(shape))(*shape),
            )
        )

    def step(self, data: int | None = None) -> int:
        address = ctypes.addressof(self.grad) if data is None else data
        grads = (ctypes.c_void_p * 1)(address)
        return int(LIB.pyoptim_step(self.handle, grads, ctypes.c_double(1), None))

    def step_rows(self, values: int, rows: int, count: int) -> int:
        grad = Gradient(values, rows, count)
        return int(LIB.pyoptim_step_rows(self.handle, ctypes.byref(grad), ctypes.c_double(1), None))

    def set_steps(self, steps: int) -> int:
        return int(LIB.pyoptim_set_steps(self.handle, ctypes.c_int64(steps)))

    def steps(self) -> int:
        steps = ctypes.c_int64()
        assert LIB.pyoptim_get_steps(self.handle, ctypes.byref(steps)) == 0
        return steps.value


@pytest.fixture
def optimizer() -> Iterator[Optimizer]:
    made = Optimizer()
    yield made
    LIB.pyoptim_destroy(made.handle)


@pytest.fixture
def described() -> Iterator[Optimizer]:
    made = Optimizer(built=False)
    yield made
    LIB.pyoptim_destroy(made.handle)


def test_no_step_counts_past_the_largest_count(optimizer: Optimizer) -> None:
    assert optimizer.set_steps(LARGEST - 1) == 0
    assert optimizer.step() == 0
    assert optimizer.steps() == LARGEST
    before = list(optimizer.param)
    rows = (ctypes.c_int64 * 1)(1)
    for _ in range(2):
        assert optimizer.step() == STATE
        assert message() == (
            "the number of steps: expected a count below 2^53, after which there is no step, got "
            "9007199254740992"
        )
        values = ctypes.addressof(optimizer.grad)
        assert optimizer.step_rows(values, ctypes.addressof(rows), 1) == STATE
    assert optimizer.steps() == LARGEST
    assert list(optimizer.param) == before
    assert optimizer.set_steps(0) == 0
    assert optimizer.step() == 0


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (2**64 - 64, (32,)),
        (2**64 - 64, (16,)),  # whose end is the first address again
        (4096, (2**61,)),
        (2**63 + 2**62, (2**59, 2)),
        (4096, (2**33, 2**31)),
    ],
)
def test_a_buffer_past_the_last_address_is_refused(
    described: Optimizer, data: int, shape: tuple[int, ...]
) -> None:
    assert described.add(b"big", data, *shape) == ARGUMENT
    assert message().startswith("big: ")
    assert described.add(b"big", 0, 0) == 0  # the name is not taken


def test_lists_past_the_last_address_are_refused(described: Optimizer) -> None:
    some = (Setting * 1)(Setting(b"lr", 1.0))
    for count in (SIZE_T_MAX, 2**60):
        size = ctypes.c_size_t(count)
        assert LIB.pyoptim_add_group(described.handle, some, size) == ARGUMENT
        assert f"settings: {PAST_THE_END}" in message()
        made = ctypes.c_void_p()
        assert LIB.pyoptim_create(b"SGD", some, size, ctypes.byref(made)) == ARGUMENT
        arguments = (Argument * 1)(Argument(b"lr", 1.0))
        status = LIB.pyoptim_schedule_create(b"constant", arguments, size, ctypes.byref(made))
        assert (status, made.value) == (ARGUMENT, None)
        values = (ctypes.c_double * 1)(1.0)
        for kind in ("numbers", "schedules"):
            given = (Argument * 1)(Argument(b"milestones", count=SIZE_T_MAX))
            setattr(given[0], kind, ctypes.addressof(values))
            one = ctypes.c_size_t(1)
            status = LIB.pyoptim_schedule_create(b"multi_step", given, one, ctypes.byref(made))
            assert (status, made.value) == (ARGUMENT, None)
            assert f"milestones: {PAST_THE_END}" in message()
    assert described.add(b"deep", 4096, 1, ndim=SIZE_T_MAX) == ARGUMENT
    assert f"deep: the shape: {PAST_THE_END}" in message()


def test_gradients_past_the_last_address_are_refused(optimizer: Optimizer) -> None:
    before = list(optimizer.param)
    assert optimizer.step(2**64 - 16) == ARGUMENT
    assert f"gradient 0: {PAST_THE_END}" in message()
    rows = (ctypes.c_int64 * 1)(1)
    values, at = ctypes.addressof(optimizer.grad), ctypes.addressof(rows)
    for count in (2**61, 2**63, SIZE_T_MAX):
        assert optimizer.step_rows(values, at, count) == ARGUMENT
        assert f"gradient 0: rows: {PAST_THE_END}" in message()
    assert optimizer.step_rows(2**64 - 4, at, 1) == ARGUMENT
    assert f"gradient 0: {PAST_THE_END}" in message()
    assert list(optimizer.param) == before


def test_names_in_messages_are_shown_escaped() -> None:
    made = ctypes.c_void_p()

    def refused(name: bytes) -> str:
        args = (name, None, ctypes.c_size_t(0), ctypes.byref(made))
        assert LIB.pyoptim_create(*args) == ARGUMENT
        return message().removeprefix("there is no optimizer '").partition("'; there are")[0]

    chars = [chr(code) for code in range(1, sys.maxunicode + 1)]
    kinds = {"Cc", "Cf", "Zl", "Zp", "Zs"}
    escaped = [c for c in chars if unicodedata.category(c) in kinds]
    for begin in range(0, len(escaped), 50):
        name = "".join(escaped[begin : begin + 50])
        assert refused(name.encode()) == shown(name)
    printed = [c for c in chars if c.isprintable() and c != "'"]
    for begin in range(0, len(printed), 5000):
        name = "".join(printed[begin : begin + 200])
        assert refused(name.encode()) == name
    assert refused(b"a\x9b31m\xff\xe2\x80") == "a\\x9b31m\\xff\\xe2\\x80"
    assert refused(b"\xed\xa0\x80\xc0\x9b\xf5") == "\\xed\\xa0\\x80\\xc0\\x9b\\xf5"
    assert refused(rb"a\x1b") == r"a\x1b"


def test_the_messages_of_functions_are_shown_escaped_and_cut_between_characters() -> None:
    def failed(text: str) -> str:
        assert LIB.pyoptim_fail(FUNCTION, text.encode()) == FUNCTION
        return message()

    assert failed("a\x1b[31m\n\u202eb") == r"a\x1b[31m\n\u202eb"
    assert LIB.pyoptim_fail(FUNCTION, LIB.pyoptim_last_error()) == FUNCTION
    assert message() == r"a\x1b[31m\n\u202eb"
    assert failed("x" * 1019 + "\x1b") == "x" * 1019 + r"\x1b"
    assert failed("x" * 1020 + "\x1b") == "x" * 1020
