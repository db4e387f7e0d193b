"""Train a convolutional network on Fashion-MNIST with pyoptim.torch.

python examples/torch_cnn.py FOLDER [--epochs 3] [--optimizer AdamW] [--limit 60000]

FOLDER holds the four files of Fashion-MNIST, train-images-idx3-ubyte.gz and so on.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import pyoptim.torch as optim


def read_idx(path: Path) -> Tensor:
    """Read an array of bytes from a gzipped IDX file: its axes, then its values."""
    content = gzip.decompress(path.read_bytes())
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    return torch.tensor(values.reshape(shape))


def images(folder: Path, part: str, limit: int) -> tuple[Tensor, Tensor]:
    """Return images of one channel, and their labels."""
    x = read_idx(folder / f"{part}-images-idx3-ubyte.gz")[:limit]
    y = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")[:limit]
    return x[:, None].float() / 255, y.long()


def network() -> nn.Module:
    """Return two convolutions and a linear layer, laid out as convolutions are fastest."""
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10),
    )
    return model.to(memory_format=torch.channels_last)


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the share of images that are recognised."""
    model.eval()
    batches = zip(x.split(500), y.split(500), strict=True)
    right = sum(int((model(a).argmax(1) == b).sum()) for a, b in batches)
    model.train()
    return right / len(y)


def main(arguments: Sequence[str] | None = None) -> float:
    """Train, print the loss of each epoch, and return the accuracy on images not seen."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--optimizer", default="AdamW", choices=optim.__all__[1:])
    parser.add_argument("--limit", type=int, default=60_000, help="images to train on")
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    x, y = images(options.folder, "train", options.limit)
    model = network()
    optimizer = getattr(optim, options.optimizer)(model.parameters(), lr=3e-3)
    steps = options.epochs * -(-len(x) // 128)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-2, total_steps=steps, cycle_momentum=False
    )
    for epoch in range(options.epochs):
        total = 0.0
        for batch in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1}: loss {total / len(x):.4f}")
    score = accuracy(model, *images(options.folder, "t10k", 10_000))
    print(f"accuracy {score:.4f}")
    return score


if __name__ == "__main__":
    main()
