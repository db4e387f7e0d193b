"""Multi-layer perceptrons with embedding tables for categorical inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyoptim import _core
from pyoptim._utils.text import dtype_text, listed, shown
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
from pyoptim.losses._class_weight import all_weights_zero
from pyoptim.models._embedding_base import Scratch, fill_normal, table_dtype
from pyoptim.models._range_check import OutOfRange, find_code, find_index
from pyoptim.models.mlp import MLP
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._types import Array

_INITIAL_STD = 0.05  # standard deviation of the initial tables
_CHUNK_ROWS = 4096  # rows at a time in a forward pass without gradients

Size = int | Sequence[int]


class _Table(NamedTuple):
    """An embedding table, and the position of its columns in the inputs of the first layer."""

    name: str
    size: int  # number of categories
    width: int  # number of columns
    offset: int
    is_bag: bool

    @property
    def param(self) -> str:
        return f"tables.{self.name}"


class EmbeddingMLP(MLP):
    """Multi-layer perceptron with embedding tables for categorical inputs.

    Use it for tabular data with categorical columns. The inputs of the first dense layer are a
    concatenation of:

    - for each field, the row of its embedding table for the category,
    - for each bag, the mean or sum of the table's rows for all categories of the bag,
    - the numeric columns.

    Tables are row-sparse, so a step updates only the rows that a batch reads.

    Parameters
    ----------
    fields : mapping of str to int or (int, int)
        Names of the categorical columns. The values are the number of categories, or the number of
        categories and the number of columns of the table. The default number of columns is
        ``1.6 categories^0.56``, at most 600, as in fastai.
    hidden : sequence of int
        Number of units of each hidden layer.
    outputs : int
        Number of outputs, which is the number of classes for "softmax".
    bags : mapping of str to int or (int, int), optional
        Names of the columns with several categories in each row, with values as in `fields`.
    numeric : sequence of str, or mapping of str to int
        Names of the numeric inputs, or a mapping of names to numbers of columns. Standardize them,
        so that they have similar magnitudes.
    bag : {"mean", "sum"}
        How to combine the table's rows for the categories of a bag.
    loss : str or Loss
        A loss or the name of a loss in `pyoptim.losses`.
    l2 : float, at least 0
        Strength of the L2 penalty on tables. The loss of each row gains ``l2/2`` times the sum of
        squares of the table rows that it reads. Penalties of the trainer apply only to the weights
        of the dense layers.
    dtype : {"float32", "float64"}
        Dtype of the parameters and computations.
    seed : int, from 0 to 2^64 - 1
        Seed for dropout and the initial weights. Initial tables are normal with standard deviation
        0.05.
    **layers
        Other keyword arguments of `MLP`: `activation`, `norm`, `dropout` and `residual`.

    Raises
    ------
    ValueError
        If an argument is out of range, a column of the inputs is missing or has a wrong shape, or a
        category is out of range.
    TypeError
        If an argument has the wrong type, or categories are not integers.

    Notes
    -----
    Inputs are a mapping of names to columns, such as a data frame. A field is an array of integers
    from 0. A bag is a list of lists of categories, or a sparse matrix of shape (rows, categories)
    whose values are the weights of the categories. A tuple with the columns of all fields, bags and
    numeric inputs, in the order of the arguments, is accepted, too. `cast_inputs` returns such a
    tuple, in which all numeric columns are one array.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = {"cut": np.array([0, 1, 2, 0]), "tags": [[0, 3], [], [1], [2, 3]],
    ...      "carat": np.array([0.2, -1.0, 0.7, 0.1])}
    >>> y = np.array([1.0, 4.0, 3.0, 2.0])
    >>> model = po.models.EmbeddingMLP({"cut": (3, 2)}, bags={"tags": (4, 2)}, numeric=["carat"],
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
        numeric: Sequence[str] | Mapping[str, int] = (),
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
        self.numeric = _column_counts(numeric)
        self.tables: list[_Table] = []
        self._scratch = Scratch()
        width = 0
        for argument, sizes in (("fields", fields), ("bags", {} if bags is None else bags)):
            if not isinstance(sizes, Mapping):
                raise TypeError(f"{argument}: expected a mapping of names to sizes, got {sizes!r}")
            for name, size in sizes.items():
                categories, columns = _table_size(f"{argument}[{name!r}]", size)
                self.tables.append(_Table(name, categories, columns, width, argument == "bags"))
                width += columns
        self._check_names()
        self._numeric_offset = width
        width += sum(self.numeric.values())
        layer_sizes = [width, *as_counts("hidden", hidden), as_count("outputs", outputs)]
        super().__init__(layer_sizes, loss=loss, dtype=table_dtype(dtype), seed=seed, **layers)

    @property
    def _names(self) -> list[str]:
        return [*(table.name for table in self.tables), *self.numeric]

    def _check_names(self) -> None:
        names = self._names
        if not self.tables:
            raise ValueError("fields: expected at least one field or bag, got none")
        duplicates = [name for name in names if names.count(name) > 1]
        if duplicates:
            raise ValueError(
                "fields, bags, numeric: expected different column names, got "
                f"{duplicates[0]!r} twice"
            )

    def _tables(self) -> dict[str, tuple[int, ...]]:
        return {table.param: (table.size, table.width) for table in self.tables}

    def _initialize(self) -> None:
        super()._initialize()
        for number, table in enumerate(self.tables):
            fill_normal(self.params[table.param], _INITIAL_STD, self.seed, 1 + number)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, which can be converted to JSON."""
        config = super().config()
        _, *hidden, outputs = config.pop("sizes")
        fields, bags = (
            {t.name: [t.size, t.width] for t in self.tables if t.is_bag == is_bag}
            for is_bag in (False, True)
        )
        return {
            "fields": fields,
            "hidden": hidden,
            "outputs": outputs,
            "bags": bags,
            "numeric": self.numeric,
            "bag": self.bag,
            "l2": self.l2,
            **config,
        }

    def cast_inputs(self, x: Any) -> Any:
        """Return a tuple of the codes of each field, the bags, and one array of numeric columns."""
        parts = x if isinstance(x, tuple) else self.columns(x)
        count = len(self.tables) + bool(self.numeric)
        if len(parts) not in (count, len(self._names)):
            raise ValueError(f"x: expected a tuple of {count} parts, got {len(parts)}")
        cast = [
            _bags(table, part, self.dtype) if table.is_bag else _codes(table, part)
            for table, part in zip(self.tables, parts, strict=False)
        ]
        if self.numeric:
            cast.append(self._cast_numeric(parts[len(self.tables) :]))
        lengths = {len(part) for part in cast}
        if len(lengths) > 1:
            raise ValueError(
                "x: expected columns with the same number of rows, got "
                f"{' and '.join(map(str, sorted(lengths)))} rows"
            )
        return tuple(cast)

    def find_out_of_range(self, x: Any, weights: Array | None = None) -> OutOfRange | None:
        """Return the first row with a category out of range, or None."""
        invalid_rows = [
            find_index("x", table.name, part, table.size, weights)
            if table.is_bag
            else find_code("x", table.name, part, table.size, weights)
            for table, part in zip(self.tables, x, strict=False)
        ]
        return min((invalid for invalid in invalid_rows if invalid is not None), default=None)

    def name_input(self, part: int, column: int | None) -> tuple[str, Any]:
        """Return the name of an input, and the column in it or None if it has only one."""
        if part < len(self.tables):
            return self.tables[part].name, column
        column = column or 0
        for name, width in self.numeric.items():
            if column < width:
                return name, column if width > 1 else None
            column -= width
        return super().name_input(part, column)

    def columns(self, x: Any) -> Any:
        """Return the columns of a mapping as a tuple; return a tuple unchanged."""
        if isinstance(x, tuple):
            return x
        missing = [name for name in self._names if name not in x]
        if missing:
            raise ValueError(
                f"x: expected the columns {listed(self._names)}, got none named {missing[0]!r}"
            )
        return tuple(x[name] for name in self._names)

    def _cast_numeric(self, columns: tuple[Any, ...]) -> Array:
        """Return one array of all numeric columns, given as one array or as one for each name."""
        if len(columns) == 1:
            names = ", ".join(self.numeric)
            return _matrix(names, columns[0], self.sizes[0] - self._numeric_offset, self.dtype)
        matrices = [
            _matrix(name, column, width, self.dtype)
            for (name, width), column in zip(self.numeric.items(), columns, strict=True)
        ]
        return np.concatenate(matrices, axis=1)

    def _inputs(self, x: Any) -> Array:
        """Return the inputs of the first layer."""
        parts = self.cast_inputs(x)
        inputs = self._scratch("inputs", (len(parts[0]), self.sizes[0]), self.dtype)
        for table, lookup in self._lookups(parts):
            mean = table.is_bag and self.bag == "mean"
            _core.bag_inputs(
                shown(table.name), self.params[table.param], mean, *lookup, inputs, table.offset
            )
        if self.numeric:
            inputs[:, self._numeric_offset :] = parts[-1]
        return inputs

    def _lookups(self, parts: tuple[Any, ...]) -> Iterator[tuple[_Table, _Lookup]]:
        """Yield each table with the rows that a batch reads."""
        for table, part in zip(self.tables, parts, strict=False):
            if not table.is_bag:
                yield table, _Lookup(None, part, None)
                continue
            weights, categories, _ = part.values
            ids = self._scratch(f"{table.name} ids", categories.shape, np.int64)
            offsets = self._scratch(f"{table.name} offsets", part.indptr.shape, np.int64)
            ids[...] = categories
            np.subtract(part.indptr, part.indptr[0], out=offsets)
            yield table, _Lookup(offsets, ids, weights)

    def scores(self, x: Any) -> Array:
        """Return the outputs for each row of `x`, before any softmax; shape (rows, outputs)."""
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
        """Return the mean loss of a batch with its penalty, and write gradients to `params.grads`.

        Parameters
        ----------
        x : mapping of str to columns, or tuple of columns
            Inputs of the batch.
        y : array
            Class labels of shape (rows,), or values of shape (rows,) or (rows, outputs).
        loss : Loss, optional
            Loss to use instead of the model's loss.
        sample_weight : array of shape (rows,), optional
            Weights of the rows. Loss and penalty become ``sum_i w_i l_i / sum_i w_i``. Rows of
            weight 0 do not contribute, even if they contain NaN.

        Raises
        ------
        ValueError
            If a column is missing, a shape does not match, or a category, target or weight is out
            of range.
        TypeError
            If categories are not integers, or numeric inputs, targets or weights are not real
            numbers.
        """
        loss = loss or self.loss
        parts, y, weights = self._drop_zero_weights(self.cast_inputs(x), y, loss, sample_weight)
        if all_weights_zero(weights):
            return self._zero_gradients()
        inputs = self._inputs(parts)
        value = self._backpropagate(inputs, y, loss, weights, to_inputs=True)
        input_grads = inputs  # overwritten by the backward pass
        for table, lookup in self._lookups(parts):
            mean = table.is_bag and self.bag == "mean"
            shape = (lookup.ids.size, table.width)
            values = self._scratch(table.name, shape, self.dtype)
            value += _core.bag_grads(
                shown(table.name),
                self.params[table.param],
                mean,
                *lookup,
                input_grads,
                table.offset,
                weights,
                self.l2,
                values,
            )
            self.params.grads[table.param] = RowGrad(lookup.ids, values)
        return value


class _Lookup(NamedTuple):
    """Rows of a table that a batch reads, as arguments of `pyoptim._core.bag_inputs`."""

    offsets: Array | None  # start of each row's ids, or None for one id in each row
    ids: Array
    weights: Array | None


def _table_size(name: str, size: Size) -> tuple[int, int]:
    """Return the numbers of categories and columns of a table."""
    try:
        if isinstance(size, Sequence):
            categories, columns = size
            return as_count("categories", categories), as_count("columns", columns)
        categories = as_count("categories", size)
    except ValueError:
        raise ValueError(
            f"{name}: expected a number of categories, or (categories, columns), got {size!r}"
        ) from None
    return categories, min(600, round(1.6 * categories**0.56))


def _column_counts(numeric: Sequence[str] | Mapping[str, int]) -> dict[str, int]:
    """Return the number of columns of each numeric input."""
    if isinstance(numeric, str) or not isinstance(numeric, Iterable):
        raise TypeError(
            "numeric: expected a sequence of names, or a mapping of names to numbers of columns, "
            f"got {numeric!r}"
        )
    try:
        counts = numeric if isinstance(numeric, Mapping) else dict.fromkeys(numeric, 1)
    except TypeError:  # unhashable names
        raise TypeError(f"numeric: expected a sequence of names, got {numeric!r}") from None
    return {name: as_count(f"numeric[{name!r}]", count) for name, count in counts.items()}


def _codes(table: _Table, column: Any) -> Array:
    codes = np.asarray(column)
    refuse_missing(shown(table.name), "integers", codes)
    if codes.dtype.kind not in "biu":
        raise TypeError(f"{shown(table.name)}: expected integers, got {dtype_text(codes.dtype)}")
    if codes.ndim != 1:
        raise ValueError(f"{shown(table.name)}: expected a 1-D array, got shape {codes.shape}")
    return as_indices(codes)


def _bags(table: _Table, column: Any, dtype: np.dtype[Any]) -> CSR:
    """Return a CSR matrix with the weights of the categories of each row."""
    if not is_sparse(column):
        lists = [np.asarray(bag, None if len(bag) else np.int64) for bag in column]
        invalid = [bag.dtype for bag in lists if bag.dtype.kind not in "biu"]
        if invalid:
            raise TypeError(f"{shown(table.name)}: expected integers, got {dtype_text(invalid[0])}")
        ids = np.concatenate([np.empty(0, np.int64), *map(as_indices, lists)])
        indptr = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        column = CSR(np.ones(len(ids), dtype), ids, indptr, (len(lists), table.size))
    rows = as_csr(column, dtype)
    if rows.shape[1] != table.size:
        raise ValueError(
            f"{shown(table.name)}: expected shape (rows, {table.size}), got {rows.shape}"
        )
    return rows


def _matrix(name: str, columns: Any, width: int, dtype: np.dtype[Any]) -> Array:
    values = as_real(name, columns).astype(dtype, copy=False)
    if values.ndim == 1:
        values = values.reshape(-1, 1)
    if values.ndim != 2 or values.shape[1] != width:
        raise ValueError(f"{shown(name)}: expected shape (rows, {width}), got {values.shape}")
    return values
