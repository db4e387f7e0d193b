"""Classify texts from few examples with the word embeddings of a language model.

python examples/finetune_minilm.py MODEL.safetensors VOCAB.txt TEXTS.tsv
    [--examples 10] [--epochs 10] [--random]

A linear layer predicts the label from the mean of the embeddings of a text's words. The model's
embeddings are fine-tuned with the layer at a smaller learning rate. VOCAB.txt has one token per
line, as for models of the BERT family such as MiniLM (all-MiniLM-L6-v2). Each line of TEXTS.tsv
has a label, a tab and a text. --examples sets the number of training examples for each label, and
the other texts are predicted. With --random, the embeddings start as random numbers of the same
size.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import pyoptim as po

LONGEST = 100  # words


class BagOfWords:
    """A linear layer over the mean embedding of a text, which is the share of each word in it."""

    loss = po.losses.get("softmax")

    def __init__(self, embeddings: np.ndarray, classes: int) -> None:
        shapes = {"head.weight": (embeddings.shape[1], classes), "head.bias": (classes,)}
        self.params = po.Parameters({"embeddings": embeddings, **shapes})

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Return a score for each label."""
        params = self.params
        scores: np.ndarray = x @ params["embeddings"] @ params["head.weight"] + params["head.bias"]
        return scores

    def loss_and_grad(self, x: np.ndarray, y: np.ndarray, loss: Any) -> float:
        """Return the mean loss of a batch and write its gradient to ``params.grads``."""
        params, grads = self.params, self.params.grads
        value, grad = loss.value_and_grad(self.scores(x), y)
        grads["embeddings"][...] = x.T @ (grad @ params["head.weight"].T)
        grads["head.weight"][...] = (x @ params["embeddings"]).T @ grad
        grads["head.bias"][...] = grad.sum(axis=0)
        return float(value)


def read(texts: Path, vocab: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the share of each word in each text, the texts' labels, and the words' tokens."""
    tokens = {token: row for row, token in enumerate(vocab.read_text("utf-8").splitlines())}
    lines = [line.split("\t", 1) for line in texts.read_text("utf-8").splitlines()]
    found = [
        [tokens[word] for word in re.findall(r"\w+", text.lower())[:LONGEST] if word in tokens]
        for _, text in lines
    ]
    words = np.unique(np.concatenate(found))
    shares = np.zeros((len(lines), len(words)), np.float32)
    for share, of_text in zip(shares, found, strict=True):
        np.add.at(share, np.searchsorted(words, of_text), 1 / max(len(of_text), 1))
    _, labels = np.unique([label for label, _ in lines], return_inverse=True)
    return shares, labels, words


def main(arguments: Sequence[str] | None = None) -> float:
    """Tune, and return the accuracy on the other texts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("vocab", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--tensor", default="embeddings.word_embeddings.weight")
    parser.add_argument("--examples", type=int, default=10, help="of each label")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--random", action="store_true", help="begin with random embeddings")
    options = parser.parse_args(arguments)

    x, y, words = read(options.texts, options.vocab)
    table = po.models.load_pretrained(options.weights, map={options.tensor: "table"})["table"]
    embeddings = table[words] / table[words].std()
    rng = np.random.default_rng(0)
    if options.random:
        embeddings = rng.normal(size=embeddings.shape).astype(np.float32)
    order = rng.permutation(len(y))
    few = np.concatenate([order[y[order] == c][: options.examples] for c in range(y.max() + 1)])
    others = np.setdiff1d(order, few)

    model = BagOfWords(embeddings, int(y.max()) + 1)
    groups = po.models.param_groups(model.params, lr={"embeddings": 0.003, "head.*": 0.03})
    trainer = po.train.Trainer(
        model,
        optimizer=po.AdamW(groups, weight_decay=0.0),
        epochs=options.epochs,
        validation=(x[others], y[others]),
        progress=False,
    )
    history = trainer.fit(x[few], y[few])
    print(f"{len(few)} examples, {len(others)} others: accuracy {history['val_accuracy'][-1]:.3f}")
    return history["val_accuracy"][-1]


if __name__ == "__main__":
    main()
