"""Version, instruction sets and threads."""

from __future__ import annotations

import os

from pyoptim import _core
from pyoptim._utils.validation import as_count


def set_num_threads(count: int | None) -> None:
    """Set the number of threads of a step for the whole process.

    Parameters
    ----------
    count : int or None
        Number of threads. None restores the automatic choice. That is OMP_NUM_THREADS if it is
        set, at most 8 threads per processor or 64, whichever is more. Otherwise it is the number of
        processors that affinity and cgroup quota leave to the process.

    Raises
    ------
    ValueError
        If `count` is not a whole number from 1 to 512.

    Examples
    --------
    >>> import pyoptim as po
    >>> po.set_num_threads(1)
    >>> po.get_num_threads()
    1
    >>> po.set_num_threads(None)
    """
    if count is None:
        _core.set_num_threads(0)
        return
    _core.set_num_threads(as_count("count", count, maximum=_core.max_threads))


def get_num_threads() -> int:
    """Return the default number of threads of a step."""
    return _core.num_threads()


def config() -> dict[str, str | int]:
    """Return version, instruction sets and threads as a dict."""
    return {
        "version": _core.__version__,
        "compiler": _core.compiler,
        "instruction set": _core.instruction_set(),
        "available": ", ".join(_core.instruction_sets()),
        "PYOPTIM_ISA": os.environ.get("PYOPTIM_ISA", "not set"),
        "threads": _core.num_threads(),
        "thread limit": _core.thread_limit(),
        "usable processors": _core.usable_processors(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
        "forked child (serial)": str(_core.in_forked_child()),
    }


def show_config() -> None:
    """Print the version, the instruction sets in use and available, and the threads."""
    for name, value in config().items():
        print(f"{name + ':':<24}{value}")
