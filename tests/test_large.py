"""Arrays of more elements than 32 bits can count, and files larger than memory, as good as empty.

The arrays are files of 4 GiB each. States take 4 GiB of memory, and what of the files does not fit
beside them goes to disk.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import ml_dtypes
import numpy as np
import pytest
from reference import Array, same_bits

import pyoptim as po

pytestmark = pytest.mark.slow

SIZE = 2**31 + 5
BYTES = 2 * SIZE
MEMORY = 6 * 2**30
# Where bytes, and elements, are too many for 31 bits, and both ends: whole blocks of scales.
WINDOWS = [slice(0, 256), slice(2**30 - 256, 2**30 + 256), slice(2**31 - 256, SIZE)]
# The gradient where it is not 0: such numbers that sums of squares are exact.
GRADIENT = {0: 1, 2**30 - 1: -2, 2**30: 4, 2**31 - 1: 2, 2**31: -4, 2**31 + 4: 8}

CASES: dict[str, dict[str, Any]] = {
    "SGD": {"clip_norm": 100.0},
    "AdamW": {"clip_norm": 1.0, "state_dtype": "float8", "stochastic_rounding": False},
    "LAMB": {"clip_norm": 1.0, "state_dtype": "float8", "stochastic_rounding": False},
}


def available_memory() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024


def empty(file: IO[bytes]) -> Array:
    return np.asarray(np.memmap(file, np.uint16, "w+", shape=(SIZE,))).view(ml_dtypes.bfloat16)


@pytest.fixture
def arrays() -> Iterator[tuple[Array, Array]]:
    """Parameters and gradient, all 0: files without a name, which nothing can leave behind."""
    if shutil.disk_usage(tempfile.gettempdir()).free < 2 * BYTES:
        pytest.skip(f"needs {2 * BYTES >> 30} GiB in {tempfile.gettempdir()}")
    if available_memory() < MEMORY:
        pytest.skip(f"needs {MEMORY >> 30} GiB of memory")
    with tempfile.TemporaryFile() as params, tempfile.TemporaryFile() as grad:
        yield empty(params), empty(grad)


def gathered(array: Array) -> Array:
    return np.concatenate([array[window] for window in WINDOWS])


def is_zero(array: Array) -> bool:
    bits = array.view(np.uint16)
    return not any(bits[start : start + 2**26].any() for start in range(0, bits.size, 2**26))


@pytest.mark.parametrize("rule", CASES)
def test_elements_beyond_32_bits(rule: str, arrays: tuple[Array, Array]) -> None:
    """A small array of what is not 0 changes to the same bits, and nothing else does."""
    params, grad = arrays
    for window in WINDOWS:
        params[window] = 1
    for place, value in GRADIENT.items():
        grad[place] = value
    few, few_grad = gathered(params), gathered(grad)
    make = partial(getattr(po, rule), lr=0.25, weight_decay=0.0, **CASES[rule])
    large, small = make([params]), make([few])
    for _ in range(2):
        norm = large.step([grad]).grad_norm
        assert norm == small.step([few_grad]).grad_norm
        assert norm == math.sqrt(sum(value**2 for value in GRADIENT.values()))
    assert same_bits(gathered(params), few)
    assert np.array_equal(few != 1, few_grad != 0)
    if rule == "SGD":
        assert [params[place] for place in GRADIENT] == [
            1 - value / 2 for value in GRADIENT.values()
        ]
    for window in WINDOWS:
        params[window] = 0
    assert is_zero(params)


def test_twenty_gigabytes_train_in_two() -> None:
    """An epoch of 100 million rows; 2 GB are the limit of all memory, pages of the file included.

    What is the process's own, which RLIMIT_DATA limits, is much less.
    """
    script = str(Path(__file__).parent / "support" / "mapped_training.py")
    run = subprocess.run(
        [sys.executable, "-P", script, "--gigabytes", "20", "--limit", "1000"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout)
    assert found["bytes"] == 20_000_000_000
    assert found["steps"] == found["steps_per_epoch"] == 24_170
    assert found["mib_own"] < 200
    assert found["mib_most"] < 1000
