"""What the training loop needs of data, wherever they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from pyoptim.data._batch import Rows
from pyoptim.data._sampler import Shuffle


class Batch(NamedTuple):
    """A mini-batch: its rows, their numbers, and where the next one of the epoch begins."""

    rows: Rows
    numbers: Any
    cursor: Any


Batches: TypeAlias = Generator[Batch, None, None]


@dataclass(frozen=True)
class Order:
    """How an epoch's mini-batches are made: all that their rows depend on, beside the epoch."""

    batch_size: int
    shuffle: Shuffle
    seed: int


class Source(ABC):
    """Rows to train on.

    Attributes
    ----------
    size : int or None
        How many there are, if that is known.
    slow : bool
        Whether to wait for a batch may take longer than to copy it.
    """

    size: int | None
    slow: bool

    @abstractmethod
    def batches(self, order: Order, epoch: int, cursor: Any, buffers: int) -> Batches:
        """Yield an epoch's mini-batches from one on.

        The rows of one are written over by those of the next but `buffers` - 1. The cursor is that
        of the batch before; 0 is the beginning.
        """

    @abstractmethod
    def first_rows(self, count: int) -> Rows:
        """Return so many rows, or as many as there are at hand."""

    @property
    def fingerprint(self) -> str:
        """A checksum of the values, "" if they are not known beforehand."""
        return ""

    @property
    @abstractmethod
    def row_bytes(self) -> int:
        """About how many bytes a row takes, as a model takes it."""
