"""Networks over categories: embedding tables and bags, beside numbers, before dense layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.text import dtype_text, shown
from pyoptim._utils.validation import (
    as_count,
    as_counts,
    as_indices,
    as_not_negative,
    as_real,
    check_choice,
    refuse_missing,
)
from pyoptim.data._csr import CSR, as_csr, is_sparse
from pyoptim.losses import Loss
from pyoptim.losses._class_weight import weigh_nothing
from pyoptim.models._embedding_base import Scratch, fill_normal, table_dtype
from pyoptim.models._range_check import Fault, find_code, find_index
from pyoptim.models.mlp import MLP
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array

_SPREAD = 0.05  # of initial tables
_CHUNK_ROWS = 4096  # of a forward pass without gradients

Size = int | Sequence[int]


class _Table(NamedTuple):
    """A table of embeddings, and where its columns are among the inputs of the first layer."""

    name: str
    size: int
    width: int
    at: int
    is_bag: bool

    @property
    def param(self) -> str:
        return f"tables.{self.name}"


class EmbeddingMLP(MLP):
    """Multi-layer perceptron over categories: each has a row of a table, that is trained, too.

    The inputs of the first dense layer are, one after the other: for each field, the row of its
    table that belongs to the row's category; for each bag, the mean (or sum) of the rows of its
    categories, of which there may be any number; and the numbers. Tables are row-sparse: a step
    touches what a batch reads.

    Parameters
    ----------
    fields : mapping of str to int or (int, int)
        The name of each column of categories, how many there are, and the columns of the table. By
        default these are ``1.6 size^0.56``, at most 600, as fastai has it.
    bags : mapping of str to int or (int, int)
        The same, of columns with several categories a row.
    numbers : sequence of str, or mapping of str to int
        The names of columns of numbers; with the count of each one's columns if that is not 1.
        They should be of about the same size: standardised.
    hidden : sequence of int
        The units of each hidden layer.
    outputs : int
    bag : {"mean", "sum"}
    l2 : float, at least 0
        The loss of every row has the penalty ``l2/2`` times the squares of the rows that it reads.
        (Penalties of the trainer are for the layers' weights.)
    loss, dtype, seed, **layers
        As of `MLP`, which has its ``activation`` and what else there is about layers. Tables begin
        with normal numbers of standard deviation 0.05.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range. Of inputs: ValueError if a column is missing, of another
        length or shape, or has a category that there is not; TypeError if categories are no
        integers.

    Notes
    -----
    Inputs are a mapping from the names to columns, as a data frame is: integers from 0 for fields;
    for bags a sparse matrix with a row a sample and a column a category, whose values weigh the
    categories, or a list of lists of categories; and numbers. A tuple of the columns, in this
    order, is taken everywhere, too; `cast_inputs` makes one, with all numbers in one array.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = {"cut": np.array([0, 1, 2, 0]), "tags": [[0, 3], [], [1], [2, 3]],
    ...      "carat": np.array([0.2, -1.0, 0.7, 0.1])}
    >>> y = np.array([1.0, 4.0, 3.0, 2.0])
    >>> model = po.models.EmbeddingMLP({"cut": (3, 2)}, bags={"tags": (4, 2)}, numbers=["carat"],
    ...                                hidden=[8])
    >>> trainer = po.train.Trainer(model, optimizer=po.Adam(model.params, lr=0.01), epochs=300,
    ...                            progress=False)
    >>> history = trainer.fit(x, y)
    >>> model.predict(x).round(1)
    array([1., 4., 3., 2.], dtype=float32)
    """

    kind = "EmbeddingMLP"

    def __init__(
        self,
        fields: Mapping[str, Size],
        hidden: Sequence[int] = (64, 32),
        outputs: int = 1,
        *,
        bags: Mapping[str, Size] | None = None,
        numbers: Sequence[str] | Mapping[str, int] = (),
        bag: str = "mean",
        loss: str | Loss | Mapping[str, Any] = "squared",
        l2: float = 0.0,
        dtype: npt.DTypeLike = "float32",
        seed: int = 0,
        **layers: Any,
    ) -> None:
        check_choice("bag", bag, "mean", "sum")
        self.bag = bag
        self.l2 = as_not_negative("l2", l2)
        self.numbers = _counts_of(numbers)
        self.tables: list[_Table] = []
        self._scratch = Scratch()
        width = 0
        for what, given in (("fields", fields), ("bags", bags or {})):
            if not isinstance(given, Mapping):
                raise TypeError(f"{what} must be a mapping of names, got {given!r}")
            for name, sizes in given.items():
                size, columns = _sizes(f"{what}[{name!r}]", sizes)
                self.tables.append(_Table(name, size, columns, width, what == "bags"))
                width += columns
        self._check_names()
        self._numbers_at = width
        width += sum(self.numbers.values())
        sizes = [width, *as_counts("hidden", hidden), as_count("outputs", outputs)]
        super().__init__(sizes, loss=loss, dtype=table_dtype(dtype), seed=seed, **layers)

    @property
    def _names(self) -> list[str]:
        return [*(table.name for table in self.tables), *self.numbers]

    def _check_names(self) -> None:
        names = self._names
        if not self.tables:
            raise ValueError("fields: expected at least one column of categories, or bags")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"two columns are called {twice[0]!r}")

    def _tables(self) -> dict[str, tuple[int, ...]]:
        return {table.param: (table.size, table.width) for table in self.tables}

    def _initialize(self) -> None:
        super()._initialize()
        for number, table in enumerate(self.tables):
            fill_normal(self.params[table.param], _SPREAD, self.seed, 1 + number)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them."""
        config = super().config()
        _, *hidden, outputs = config.pop("sizes")
        fields, bags = (
            {table.name: [table.size, table.width] for table in self.tables if table.is_bag == of}
            for of in (False, True)
        )
        return {
            "fields": fields,
            "hidden": hidden,
            "outputs": outputs,
            "bags": bags,
            "numbers": self.numbers,
            "bag": self.bag,
            "l2": self.l2,
            **config,
        }

    def cast_inputs(self, x: Any) -> Any:
        """Return a tuple of the codes of each field, bags, and the numbers as one array."""
        parts = x if isinstance(x, tuple) else self.columns(x)
        usual = len(self.tables) + bool(self.numbers)
        if len(parts) not in (usual, len(self._names)):
            raise ValueError(f"x: expected {usual} parts, got {len(parts)}")
        cast = [
            _bags(table, part, self.dtype) if table.is_bag else _codes(table, part)
            for table, part in zip(self.tables, parts, strict=False)
        ]
        if self.numbers:
            cast.append(self._as_numbers(parts[len(self.tables) :]))
        lengths = {len(part) for part in cast}
        if len(lengths) > 1:
            raise ValueError(f"x: its columns have {', '.join(map(str, sorted(lengths)))} rows")
        return tuple(cast)

    def find_fault(self, x: Any, weights: Array | None = None) -> Fault | None:
        """Return the first row with a category that there is not."""
        faults = [
            find_index("x", table.name, part, table.size, weights)
            if table.is_bag
            else find_code("x", table.name, part, table.size, weights)
            for table, part in zip(self.tables, x, strict=False)
        ]
        return min((fault for fault in faults if fault is not None), default=None)

    def name_input(self, part: int, column: int | None) -> tuple[str, Any]:
        """Return the name of a column, and its number in it."""
        if part < len(self.tables):
            return self.tables[part].name, column
        number = column or 0
        for name, width in self.numbers.items():
            if number < width:
                return name, number if width > 1 else None
            number -= width
        return super().name_input(part, column)

    def columns(self, x: Any) -> Any:
        """Return a tuple of the columns that x has by name."""
        if isinstance(x, tuple):
            return x
        missing = [name for name in self._names if name not in x]
        if missing:
            raise ValueError(f"x: there is no column {missing[0]!r}")
        return tuple(x[name] for name in self._names)

    def _as_numbers(self, columns: tuple[Any, ...]) -> Array:
        """Return the numbers as one array, of one or of a column for each name."""
        if len(columns) == 1:
            names = ", ".join(self.numbers)
            return _matrix(names, columns[0], self.sizes[0] - self._numbers_at, self.dtype)
        matrices = [
            _matrix(name, column, width, self.dtype)
            for (name, width), column in zip(self.numbers.items(), columns, strict=True)
        ]
        return np.concatenate(matrices, axis=1)

    def _inputs(self, x: Any) -> Array:
        """Return the inputs of the first layer."""
        parts = self.cast_inputs(x)
        inputs = self._scratch("inputs", (len(parts[0]), self.sizes[0]), self.dtype)
        for table, entries in self._entries(parts):
            mean = table.is_bag and self.bag == "mean"
            _core.bag_inputs(
                shown(table.name), self.params[table.param], mean, *entries, inputs, table.at
            )
        if self.numbers:
            inputs[:, self._numbers_at :] = parts[-1]
        return inputs

    def _entries(self, parts: tuple[Any, ...]) -> Iterator[tuple[_Table, _Entries]]:
        """Yield tables with what is to be looked up in them."""
        for table, part in zip(self.tables, parts, strict=False):
            if not table.is_bag:
                yield table, _Entries(None, part, None)
                continue
            weights, found, _ = part.values
            ids = self._scratch(f"{table.name} ids", found.shape, np.int64)
            offsets = self._scratch(f"{table.name} offsets", part.indptr.shape, np.int64)
            ids[...] = found
            np.subtract(part.indptr, part.indptr[0], out=offsets)
            yield table, _Entries(offsets, ids, weights)

    def scores(self, x: Any) -> Array:
        """Return the outputs for rows `x`, shape (rows, outputs), before any softmax."""
        parts = self.cast_inputs(x)
        scores = np.empty((len(parts[0]), self.sizes[-1]), dtype=self.dtype)
        for start in range(0, len(scores), _CHUNK_ROWS):
            rows = slice(start, start + _CHUNK_ROWS)
            scores[rows] = super().scores(tuple(part[rows] for part in parts))
        return scores

    def loss_and_grad(
        self,
        x: Any,
        y: npt.ArrayLike,
        loss: Loss | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Return the mean loss of a batch, penalty included, and set ``params.grads``.

        Parameters
        ----------
        x : mapping of str to columns, or tuple
        y : array
            Class labels of shape (rows,), or values of shape (rows,) or (rows, outputs).
        loss : Loss, optional
            In place of the model's own.
        sample_weight : array of shape (rows,), optional
            Loss and penalty are then ``sum_i w_i l_i / sum_i w_i``. Rows of weight 0 contribute
            nothing, whatever they hold.

        Raises
        ------
        ValueError, TypeError
            If inputs are not as they should be, a shape does not fit, or a target or weight is out
            of range.
        """
        loss = loss or self.loss
        parts, y, weights = self._counted(self.cast_inputs(x), y, loss, sample_weight)
        if weigh_nothing(weights):
            return self._no_gradient()
        slope = self._inputs(parts)
        value = self._backpropagate(slope, y, loss, weights, to_inputs=True)
        for table, entries in self._entries(parts):
            mean = table.is_bag and self.bag == "mean"
            shape = (entries.ids.size, table.width)
            values = self._scratch(table.name, shape, self.dtype)
            value += _core.bag_grads(
                shown(table.name),
                self.params[table.param],
                mean,
                *entries,
                slope,
                table.at,
                weights,
                self.l2,
                values,
            )
            self.params.grads[table.param] = RowGrad(entries.ids, values)
        return value


class _Entries(NamedTuple):
    """What of a batch is looked up in a table: as `pyoptim._core.bag_inputs` takes it."""

    offsets: Array | None
    ids: Array
    weights: Array | None


def _sizes(what: str, given: Size) -> tuple[int, int]:
    """Return the rows and columns of a table."""
    try:
        if isinstance(given, Sequence):
            size, width = given
            return as_count("rows", size), as_count("columns", width)
        size = as_count("rows", given)
    except ValueError:
        raise ValueError(
            f"{what} must be how many categories there are, or (categories, columns), got {given!r}"
        ) from None
    return size, min(600, round(1.6 * size**0.56))


def _counts_of(numbers: Sequence[str] | Mapping[str, int]) -> dict[str, int]:
    """Return how many columns each column of numbers has."""
    if isinstance(numbers, str) or not isinstance(numbers, Iterable):
        raise TypeError(f"numbers must be a sequence or mapping of names, got {numbers!r}")
    counts = numbers if isinstance(numbers, Mapping) else dict.fromkeys(numbers, 1)
    return {name: as_count(f"numbers[{name!r}]", count) for name, count in counts.items()}


def _codes(table: _Table, given: Any) -> Array:
    codes = np.asarray(given)
    refuse_missing(shown(table.name), "integers", codes)
    if codes.dtype.kind not in "biu":
        raise TypeError(f"{shown(table.name)}: expected integers, got {dtype_text(codes.dtype)}")
    if codes.ndim != 1:
        raise ValueError(f"{shown(table.name)}: expected a 1-D array, got shape {codes.shape}")
    return as_indices(codes)


def _bags(table: _Table, given: Any, dtype: np.dtype[Any]) -> CSR:
    """Return a matrix with the categories of each row."""
    if not is_sparse(given):
        lists = [np.asarray(each, None if len(each) else np.int64) for each in given]
        kinds = [each.dtype for each in lists if each.dtype.kind not in "biu"]
        if kinds:
            raise TypeError(f"{shown(table.name)}: expected integers, got {dtype_text(kinds[0])}")
        ids = np.concatenate([np.empty(0, np.int64), *map(as_indices, lists)])
        indptr = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        given = CSR(np.ones(len(ids), dtype), ids, indptr, (len(lists), table.size))
    rows = as_csr(given, dtype)
    if rows.shape[1] != table.size:
        raise ValueError(
            f"{shown(table.name)}: expected shape (rows, {table.size}), got {rows.shape}"
        )
    return rows


def _matrix(name: str, given: Any, width: int, dtype: np.dtype[Any]) -> Array:
    values = as_real(name, given).astype(dtype, copy=False)
    if values.ndim == 1:
        values = values.reshape(-1, 1)
    if values.ndim != 2 or values.shape[1] != width:
        raise ValueError(f"{shown(name)}: expected shape (rows, {width}), got {values.shape}")
    return values
