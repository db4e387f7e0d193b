"""What several test files share."""

import re
import signal
from collections.abc import Iterator

import pytest

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
