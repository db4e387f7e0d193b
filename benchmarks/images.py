"""Fashion-MNIST and a multi-layer perceptron: pyoptim's own model and trainer."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import pyoptim as po
from benchmarks.comparisons import Problem, Run
from benchmarks.workloads import Array

HELP = """\
Fashion-MNIST is four files, train-images-idx3-ubyte.gz and so on. On Debian and Ubuntu:
  apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb data
  --images data/usr/share/datasets/fashion-mnist"""

_BATCH = 128
_RATE = 1e-3


def read_idx(path: Path) -> Array:
    """Read an array of bytes from a gzipped IDX file: its axes, then its values."""
    content = gzip.decompress(path.read_bytes())
    if content[:3] != b"\0\0\x08":
        raise ValueError(f"{path}: not an IDX file of bytes")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _rows(folder: Path, part: str, most: int) -> tuple[Array, Array]:
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")[:most]
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")[:most]
    return images.reshape(len(images), -1).astype(np.float32) / 255, labels.astype(np.int64)


def images(folder: Path, *, quick: bool) -> Problem:
    """Return the problem: 60,000 images to train on, 10,000 to validate on."""
    epochs, most = (2, 1000) if quick else (10, 60_000)
    x, y = _rows(folder, "train", most)
    held_out = _rows(folder, "t10k", most)
    sizes = [x.shape[1], 100, 10]

    def train(settings: Mapping[str, Any], seed: int) -> Run:
        model = po.models.MLP(sizes, seed=seed)
        steps_of_epoch = -(-len(x) // _BATCH)
        rate = po.schedules.cosine(_RATE, steps=epochs * steps_of_epoch)
        trainer = po.train.Trainer(
            model,
            optimizer=po.AdamW(model.params, lr=rate, **settings),
            epochs=epochs,
            batch_size=_BATCH,
            seed=seed,
            progress=False,
        )
        history = trainer.fit(x, y)
        return Run(
            steps=[steps_of_epoch * (epoch + 1) for epoch in range(epochs)],
            losses=history["loss"],
            training=model.evaluate(x, y)["loss"],
            validation=model.evaluate(*held_out)["loss"],
        )

    name = f"Fashion-MNIST, MLP {'-'.join(map(str, sizes))}, {epochs} epochs of {len(x):,}"
    return Problem(name, train)
