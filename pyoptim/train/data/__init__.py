"""Where rows come from, in mini-batches whose order a seed fixes."""

from pyoptim.train.data.chunks import Chunks
from pyoptim.train.data.inputs import Validation, as_validation, prepare
from pyoptim.train.data.order import Shuffle, batches, split_blocks, split_rows
from pyoptim.train.data.prefetch import batches_of, prefetched
from pyoptim.train.data.rows import Rows
from pyoptim.train.data.source import Batch, Order, Source
from pyoptim.train.data.table import Table

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
