"""Fine-tune an embedding table from a .safetensors file with sparse gradients and pyoptim.torch.

python examples/torch_finetune.py TABLE.safetensors TEXT
    [--tensor NAME] [--vocab FILE] [--steps 200] [--out FILE]

Each line of TEXT has a label, a tab, and words separated by spaces. --vocab names a file with one
token per line (vocab.txt), which maps words to rows. Without it, TEXT has row numbers instead of
words. A linear layer predicts the label from the mean of the rows. A step updates only these
rows.

The embeddings of MiniLM, with its safetensors file and vocab.txt:

python examples/torch_finetune.py model.safetensors TEXT --vocab vocab.txt
    --tensor embeddings.word_embeddings.weight
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import pyoptim.torch as optim


def word_pieces(word: str, vocabulary: dict[str, int]) -> list[int]:
    """Return the rows of the longest pieces that make a word; one row for a word of others."""
    rows, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if mark + word[start:end] in vocabulary), None)
        if end is None:
            return [vocabulary["[UNK]"]]
        rows.append(vocabulary[mark + word[start:end]])
        start = end
    return rows


def examples(text: Path, vocab: Path | None) -> tuple[Tensor, list[Tensor]]:
    """Return labels, and the rows of each example."""
    lines = [line.split("\t") for line in text.read_text(encoding="utf-8").splitlines()]
    labels = torch.tensor([int(label) for label, _ in lines])
    if vocab is None:
        return labels, [torch.tensor([int(row) for row in words.split()]) for _, words in lines]
    tokens = vocab.read_text(encoding="utf-8").splitlines()
    rows = {token: row for row, token in enumerate(tokens)}
    return labels, [
        torch.tensor([row for word in words.lower().split() for row in word_pieces(word, rows)])
        for _, words in lines
    ]


def main(arguments: Sequence[str] | None = None) -> float:
    """Train, write the table if asked, and return the last loss over all examples."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--tensor", help="the table's name in the file; the first one by default")
    parser.add_argument("--vocab", type=Path, help="a token a line, to look up the words of TEXT")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", type=Path, help="where to write the file with the new table")
    options = parser.parse_args(arguments)
    if options.out is not None and options.out.exists():
        parser.error(f"--out: {options.out} exists; choose another path")

    torch.manual_seed(0)
    tensors = load_file(options.table)
    name = options.tensor or next(iter(tensors))
    labels, rows = examples(options.text, options.vocab)
    table = nn.EmbeddingBag.from_pretrained(tensors[name], freeze=False, mode="mean", sparse=True)
    head = nn.Linear(table.embedding_dim, int(labels.max()) + 1, dtype=table.weight.dtype)
    optimizers = [
        optim.Adagrad(table.parameters(), lr=0.05),
        optim.AdamW(head.parameters(), lr=0.01),
    ]
    offsets = torch.tensor([0, *map(len, rows[:-1])]).cumsum(0)
    for step in range(options.steps):
        loss = nn.functional.cross_entropy(head(table(torch.cat(rows), offsets)), labels)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        if (step + 1) % -(-options.steps // 5) == 0:
            print(f"step {step + 1}: loss {loss.item():.4f}")
    if options.out is not None:
        save_file({**tensors, name: table.weight.detach()}, options.out)
    return loss.item()


if __name__ == "__main__":
    main()
