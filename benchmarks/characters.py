"""The next character of a text, by a small Transformer of torch's whose tensors pyoptim steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import pyoptim as po
from benchmarks.comparisons import Problem, Run

_CONTEXT = 32
_BATCH = 32
_WIDTH = 64
_RATE = 3e-3
_POINTS = 20  # of a curve


class Transformer(nn.Module):
    """Two blocks of attention to the characters before."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(vocabulary, _WIDTH)
        self.places = nn.Embedding(_CONTEXT, _WIDTH)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                _WIDTH, 4, 4 * _WIDTH, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(_WIDTH)
        self.head = nn.Linear(_WIDTH, vocabulary)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(_CONTEXT))

    def forward(self, text: Tensor) -> Tensor:
        """Return the scores of what follows each character."""
        x = self.characters(text) + self.places.weight
        for block in self.blocks:
            x = block(x, src_mask=self.mask, is_causal=True)
        scores: Tensor = self.head(self.norm(x))
        return scores


def _windows(text: Tensor, starts: Tensor) -> Tensor:
    return text[starts[:, None] + torch.arange(_CONTEXT + 1)]


def _loss(model: Transformer, windows: Tensor) -> Tensor:
    scores = model(windows[:, :-1])
    return nn.functional.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())


@torch.no_grad()
def _mean_loss(model: Transformer, text: Tensor, count: int) -> float:
    """Return the loss over so many windows, evenly spread."""
    starts = torch.linspace(0, len(text) - _CONTEXT - 1, count).long()
    losses = [_loss(model, _windows(text, part)) * len(part) for part in torch.split(starts, 256)]
    return float(sum(losses)) / count


def characters(file: Path, *, quick: bool) -> Problem:
    """Return the problem: nine tenths of the text to train on, the last to validate on."""
    steps, windows = (20, 64) if quick else (2000, 8192)
    known, numbers = np.unique(np.frombuffer(file.read_bytes(), np.uint8), return_inverse=True)
    text = torch.from_numpy(numbers)
    training, held_out = torch.tensor_split(text, [len(text) * 9 // 10])
    warmup = steps // 20
    rate = po.schedules.warmup(warmup, then=po.schedules.cosine(_RATE, steps=steps - warmup))

    def train(settings: Mapping[str, Any], seed: int) -> Run:
        torch.manual_seed(seed)
        model = Transformer(len(known))
        params = list(model.parameters())
        optimizer = po.AdamW(params, lr=rate, **settings)
        losses = []
        for _ in range(steps):
            starts = torch.randint(len(training) - _CONTEXT, (_BATCH,))
            loss = _loss(model, _windows(training, starts))
            optimizer.step(torch.autograd.grad(loss, params))
            losses.append(loss.item())
        part = steps // _POINTS
        return Run(
            steps=list(range(part, steps + 1, part)),
            losses=np.reshape(losses, (_POINTS, part)).mean(axis=1).tolist(),
            training=_mean_loss(model, training, windows),
            validation=_mean_loss(model, held_out, windows),
        )

    name = f"Next character of {file.stem}, Transformer 2 x {_WIDTH}, {steps:,} steps of {_BATCH}"
    return Problem(name, train)
