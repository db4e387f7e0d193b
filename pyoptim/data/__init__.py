"""Data sources for training, and mini-batches in an order that depends only on a seed."""

from pyoptim.data._arrays import Table
from pyoptim.data._batch import Rows
from pyoptim.data._chunks import Chunks
from pyoptim.data._prefetch import batches_of, prefetched
from pyoptim.data._prepare import Validation, as_validation, prepare
from pyoptim.data._sampler import Shuffle, batches, split_blocks, split_rows
from pyoptim.data._source import Batch, Order, Source

__all__ = [
    "Batch",
    "Chunks",
    "Order",
    "Rows",
    "Shuffle",
    "Source",
    "Table",
    "Validation",
    "as_validation",
    "batches",
    "batches_of",
    "prefetched",
    "prepare",
    "split_blocks",
    "split_rows",
]
