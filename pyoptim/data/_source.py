"""The interface between the training loop and data of any kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from pyoptim.data._batch import Rows
from pyoptim.data._sampler import Shuffle


class Batch(NamedTuple):
    """A mini-batch: its rows, their numbers in the data, and the cursor of the next mini-batch."""

    rows: Rows
    numbers: Any
    cursor: Any


Batches: TypeAlias = Generator[Batch, None, None]


@dataclass(frozen=True)
class Order:
    """The order of mini-batches, which together with the epoch's number determines their rows."""

    batch_size: int
    shuffle: Shuffle
    seed: int


class Source(ABC):
    """Base class of data sources for training.

    Attributes
    ----------
    size : int or None
        Number of rows, or None if it is unknown.
    slow : bool
        Whether reading a batch can take longer than copying it.
    """

    size: int | None
    slow: bool

    @abstractmethod
    def batches(self, order: Order, epoch: int, cursor: Any, buffers: int) -> Batches:
        """Yield the remaining mini-batches of an epoch.

        Parameters
        ----------
        order : Order
            Size, order and seed of the mini-batches.
        epoch : int
            Number of the epoch.
        cursor : object
            Cursor of the last mini-batch that was used, or 0 for the start of the epoch.
        buffers : int
            Number of mini-batches in memory. The memory of a mini-batch is reused `buffers`
            mini-batches later.
        """

    @abstractmethod
    def first_rows(self, count: int) -> Rows:
        """Return at most `count` rows, which can be read without an epoch."""

    @property
    def fingerprint(self) -> str:
        """A checksum of the values, or "" if they are unknown before training."""
        return ""

    @property
    @abstractmethod
    def row_bytes(self) -> int:
        """Approximate number of bytes of a row in the model's format."""
