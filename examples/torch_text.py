"""Predict the next character of a text with an LSTM or a Transformer, trained by pyoptim.torch.

python examples/torch_text.py FILE [--model lstm|transformer] [--steps 1000] [--optimizer AdamW]

The optimizer's state is saved and loaded half-way, as in a long training.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

import pyoptim.torch as optim

CONTEXT, WIDTH, BATCH = 32, 64, 32


class LSTM(nn.Module):
    """One layer of LSTM."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, WIDTH)
        self.cells = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, characters)

    def forward(self, text: Tensor) -> Tensor:
        """Return the scores of what follows each character."""
        scores: Tensor = self.head(self.cells(self.embedding(text))[0])
        return scores


class Transformer(nn.Module):
    """Two blocks of attention to the characters before; the head's weight is the embedding's."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, WIDTH)
        self.places = nn.Parameter(torch.zeros(CONTEXT, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, dropout=0.0, batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(WIDTH, characters)
        self.head.weight = self.embedding.weight
        nn.init.normal_(self.embedding.weight, std=WIDTH**-0.5)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT))

    def forward(self, text: Tensor) -> Tensor:
        """Return the scores of what follows each character."""
        x = self.embedding(text) + self.places
        scores: Tensor = self.head(self.blocks(x, mask=self.mask, is_causal=True))
        return scores


MODELS = {"lstm": LSTM, "transformer": Transformer}


def main(arguments: Sequence[str] | None = None) -> float:
    """Train, print the loss now and then, and return its mean over the last tenth of the steps."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", choices=MODELS, default="transformer")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--optimizer", default="AdamW", choices=optim.__all__[1:])
    options = parser.parse_args(arguments)

    torch.manual_seed(0)
    text = torch.tensor(list(options.file.read_bytes())).unique(return_inverse=True)[1]
    model = MODELS[options.model](int(text.max()) + 1)
    optimizer = getattr(optim, options.optimizer)(model.parameters(), lr=3e-3)
    losses: list[float] = []
    for step in range(options.steps):
        starts = torch.randint(len(text) - CONTEXT, (BATCH, 1))
        windows = text[starts + torch.arange(CONTEXT + 1)]
        optimizer.zero_grad()
        scores = model(windows[:, :-1])
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), windows[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step == options.steps // 2:
            checkpoint = io.BytesIO()
            torch.save(optimizer.state_dict(), checkpoint)
            checkpoint.seek(0)
            optimizer = getattr(optim, options.optimizer)(model.parameters())
            optimizer.load_state_dict(torch.load(checkpoint, weights_only=True))
        if (step + 1) % -(-options.steps // 10) == 0:
            print(f"step {step + 1}: loss {loss.item():.4f}")
    last = losses[-max(1, options.steps // 10) :]
    return sum(last) / len(last)


if __name__ == "__main__":
    main()
