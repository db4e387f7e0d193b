"""The measurement of quality runs, on data as small as can be."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
KINDS = ["float32", "bfloat16", "float8", "bfloat16, nearest", "float8, nearest"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.quality", "--quick", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def write_idx(path: Path, values: Any) -> None:
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes()))


def check(figures: Path) -> None:
    """All kinds of states are there; with one seed, they start from the same numbers."""
    (section,) = json.loads(figures.read_text())["sections"].values()
    assert list(section["runs"]) == list(section["final"]) == KINDS
    starts = {tuple(run["losses"][0] for run in runs) for runs in section["runs"].values()}
    assert len(starts) == 1
    assert len({*starts.pop()}) == 2


def test_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part, size in (("train", 200), ("t10k", 100)):
        labels = rng.integers(10, size=size)
        images = rng.integers(200, size=(size, 6, 5)) + 5 * labels[:, None, None]
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    done = run(
        *("--only", "images", "--images", tmp_path, "--seeds", 2),
        *("--plot", tmp_path / "curves.svg", "--json", tmp_path / "figures.json"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" ok") + done.stdout.count(" below") == 8
    check(tmp_path / "figures.json")
    picture = (tmp_path / "curves.svg").read_text(encoding="utf-8")
    assert all(f">{kind}<" in picture for kind in KINDS)
    ElementTree.fromstring(picture)


@pytest.mark.peers
def test_text(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "text.txt").write_text("To be, or not to be, that is the question:\n" * 50)
    done = run(
        *("--only", "text", "--text", tmp_path / "text.txt", "--seeds", 2),
        *("--json", tmp_path / "figures.json"),
    )
    assert done.returncode == 0, done.stderr
    check(tmp_path / "figures.json")


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    for section, needed in (("images", "--images FOLDER"), ("text", "--text FILE")):
        done = run("--only", section, f"--{section}", tmp_path / "none")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"error: {needed} is needed" in done.stderr
        assert "data/usr/share/datasets" in done.stderr or "pip download" in done.stderr
