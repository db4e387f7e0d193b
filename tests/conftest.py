"""Fixtures of all tests, the mark `fast`, and the check of their names."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyoptim as po
from pyoptim import _core

ADDRESS = re.compile(r"\bat 0x[0-9a-f]+")

TESTS = Path(__file__).parent
# Files, or single tests, with the mark `fast`. Together they should take at most 20 seconds.
FAST = (
    "_utils/test_blas.py",
    "checkpoint/test_checkpoint.py::test_a_policy_keeps_the_right_number_and_the_best",
    "checkpoint/test_checkpoint.py::test_the_best_are_kept",
    "checkpoint/test_checkpoint.py::test_the_newest_are_kept",
    "cli/test_cli_checkpoints.py",
    "cli/test_cli_model_files.py",
    "data/test_masked_data.py",
    "losses/test_weights.py",
    "models/test_layers.py",
    "models/test_param_groups.py",
    "optim/matrix/test_matrix.py::test_empty_matrices",
    "optim/matrix/test_matrix_settings.py::test_defaults_are_those_of_the_papers",
    "optim/matrix/test_matrix_settings.py::test_settings_out_of_range",
    "optim/test_begin.py",
    "optim/test_points.py",
    "optim/test_row_grad_errors.py",
    "parameters/test_parameters.py",
    "schedules/test_schedules.py",
    "solvers/test_problems.py",
    "tabular/test_tabular.py",
    "test_codebase.py::test_versions_agree",
    "torch/test_torch_dropin_errors.py",
    "train/test_interrupts.py",
    "wrappers/test_wrapper_range.py",
)
FAST_FILES = {name.partition("::")[0] for name in FAST}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the files without fast tests if only these are asked for."""
    if config.option.markexpr != "fast" or not collection_path.name.startswith("test_"):
        return None
    return True if collection_path.relative_to(TESTS).as_posix() not in FAST_FILES else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark fast tests, and reject names of tests that differ between processes of pytest-xdist."""
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        file = item.path.relative_to(TESTS).as_posix()
        if file in FAST or f"{file}::{getattr(item, 'originalname', item.name)}" in FAST:
            item.add_marker("fast")
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
