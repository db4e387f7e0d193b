"""Mutated files for the strict reader: python tests/support/fuzzing.py [--seconds 600] [--seed 0].

Every file must be read or refused by CheckpointError, with little memory: nothing else may happen.
A file that breaks this is kept, and its path printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import malformed
import numpy as np

import pyoptim as po

LIMIT = 64 * 2**20  # bytes of memory that reading a small file may take

_TOKENS = [
    *(b'{ } [ ] , : " \\ \\u0000 \\ud800 null true NaN -0 1e3 0.5 -1 __metadata__ ../x'.split()),
    *(b"dtype shape data_offsets F32 F4 BOOL U8 18446744073709551616 9223372036854775808".split()),
    *(b'"w": {"dtype":"U8","shape":[0],"data_offsets":[0,0]} \xff \xef\xbb\xbf \x00'.split()),
    b" " * 64,
    b"[" * 64,
    b'{"a":' * 64,
]  # fmt: skip


class Report(NamedTuple):
    """How many files there were, how many were refused and read, and the most memory one took."""

    files: int
    refused: int
    read: int
    memory: int


def seeds() -> list[bytes]:
    """Return files to mutate: valid ones, and every malformed one that is small."""
    tensors = {
        "layers.0.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "layers.0.bias": {"dtype": "BF16", "shape": [3], "data_offsets": [24, 30]},
        "mask": {"dtype": "BOOL", "shape": [2], "data_offsets": [30, 32]},
    }
    valid = malformed.packed({"__metadata__": {"format": "np"}, **tensors}, bytes(32))
    plain = malformed.packed(json.dumps(malformed.tensor()))
    small = [case.content for case in malformed.table() if len(case.content) < 2000]
    return [valid, plain] * (len(small) // 2) + small


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return a file with some changes; mostly with a size field that is right again."""
    data = changed(content, rng)
    if len(data) >= 8 and rng.random() < 0.8:
        end = data.rfind(b"}") + 1
        data[:8] = max(end - 8, 0).to_bytes(8, "little")
    return bytes(data)


def changed(content: bytes, rng: random.Random) -> bytearray:
    """Return bytes with some changes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        rng.choice(_CHANGES)(data, rng)
    return data


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _replace(data: bytearray, rng: random.Random) -> None:
    if data:
        at = rng.randrange(len(data))
        data[at : at + rng.randrange(6)] = rng.choice(_TOKENS)


def _insert(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice(_TOKENS)


def _repeat(data: bytearray, rng: random.Random) -> None:
    begin = rng.randrange(len(data) + 1)
    piece = data[begin : begin + rng.randrange(40)]
    data[begin:begin] = piece * rng.choice((1, 2, 50))


def _cut(data: bytearray, rng: random.Random) -> None:
    begin = rng.randrange(len(data) + 1)
    del data[begin : begin + rng.choice((1, 8, 1000))]


def _number(data: bytearray, rng: random.Random) -> None:
    digits = [i for i in range(8, len(data)) if 48 <= data[i] < 58]
    if digits:
        value = rng.choice((0, 1, 8, 2**31, 2**32, 2**63, 2**64 - 1, rng.randrange(100)))
        data[(at := rng.choice(digits)) : at + 1] = str(value).encode()


_CHANGES: list[Callable[[bytearray, random.Random], None]] = [
    _flip, _replace, _insert, _repeat, _cut, _number
]  # fmt: skip


def fuzz(folder: Path, seed: int, files: int | None = None, seconds: float | None = None) -> Report:
    """Read so many mutated files, or for so long.

    Raises
    ------
    Exception
        Whatever the reader raises but CheckpointError; the file is then in the folder.
    """
    rng = random.Random(seed)
    originals = seeds()
    ends = None if seconds is None else time.monotonic() + seconds
    count = refused = memory = 0
    read(originals[0])  # imports what is needed
    tracemalloc.start()
    try:
        while (files is None or count < files) and (ends is None or time.monotonic() < ends):
            content = mutated(rng.choice(originals), rng)
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            try:
                refused += not read(content)
            except BaseException:
                (folder / f"{seed}-{count}.safetensors").write_bytes(content)
                raise
            memory = max(memory, tracemalloc.get_traced_memory()[1] - before)
            count += 1
    finally:
        tracemalloc.stop()
    return Report(count, refused, count - refused, memory)


def read(content: bytes) -> bool:
    """Return whether the reader accepts a file; touch all that it gives."""
    descriptor = os.memfd_create("mutated")  # a file that no disk waits for
    try:
        os.write(descriptor, content)
        arrays = po.checkpoint.load_safetensors(f"/proc/self/fd/{descriptor}")
    except po.CheckpointError:
        return False
    finally:
        os.close(descriptor)
    total = sum(array.nbytes for array in arrays.values())
    assert total == sum(len(array.tobytes()) for array in arrays.values())
    assert total < len(content)
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    return True


def main() -> None:
    """Fuzz for some time; the status is 1 if memory grew beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pyoptim-fuzz-"))
    print(f"a file that the reader fails on will be in {folder}", flush=True)
    report = fuzz(folder, options.seed, seconds=options.seconds)
    print(report)
    if report.memory > LIMIT:
        sys.exit(f"a file took {report.memory} bytes of memory")


if __name__ == "__main__":
    main()
