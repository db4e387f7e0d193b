"""Fixtures of all tests, and the check of their names."""

import re
import signal
from collections.abc import Iterator

import pytest

import pyoptim as po
from pyoptim import _core

ADDRESS = re.compile(r"\bat 0x[0-9a-f]+")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names of tests that are others in the next process, as pytest-xdist would."""
    changing = [item.nodeid for item in items if ADDRESS.search(item.nodeid)]
    if changing:
        raise pytest.UsageError(
            f"ids of tests: expected the same in every process, got {changing[0]}; "
            "give its parameters ids"
        )


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let Ctrl-C and a closed terminal end programs, also in the background of a shell or nohup."""
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGHUP, hang_up)


@pytest.fixture
def instruction_sets() -> Iterator[list[str]]:
    """List the instruction sets of this machine; restore the one in use and the threads."""
    before = _core.instruction_set()
    yield _core.instruction_sets()
    _core.set_instruction_set(before)
    po.set_num_threads(None)


@pytest.fixture(params=_core.instruction_sets())
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once on each instruction set of this machine."""
    before = _core.instruction_set()
    _core.set_instruction_set(request.param)
    yield request.param
    _core.set_instruction_set(before)


@pytest.fixture
def default_float64() -> Iterator[None]:
    """Let torch and its optimizers compute in float64 where no dtype is given."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)
