"""Reading CSV, Parquet, NPZ and svmlight files into one kind of table, Arrow's."""

from __future__ import annotations

import csv
import gzip
import math
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
import pyarrow as pa

from pyoptim.dependencies import requires
from pyoptim.tabular.errors import TableError, check_fits_memory, count, one_line

_CSV_BLOCK_BYTES = 16 << 20  # a record must fit in a block
_SHOWN_CHARACTERS = 60


def read_table(path: str | os.PathLike[str], *, expected: Sequence[str] = ()) -> Any:
    r"""Read a file of rows and columns, of the kind that its extension says.

    Parameters
    ----------
    path : path
        .csv or .csv.gz with a header; .parquet; .npz with one array a column, or with "X" (rows,
        then anything) and "y"; .svm, .svmlight or .libsvm, whose columns are called "f1" and so
        on by the numbers in the file, and "y". Nothing in them is unpickled.
    expected : sequence of str
        Columns the caller needs: an svmlight file leaves out zeros, so it has them all.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    TableError
        If the file is empty, damaged, or not of a known kind.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "small.csv")
    ...     _ = path.write_text("a,b\n1,x\n2,y\n")
    ...     read_table(path).column_names
    ['a', 'b']
    """
    path = Path(path)
    reader = _reader(path)
    if path.stat().st_size == 0:
        raise TableError(f"{path} is empty")
    table = reader(path, expected)
    _check_names(path, table.column_names)
    if table.num_rows == 0:
        raise TableError(f"{path} has no rows")
    return table


def _reader(path: Path) -> Callable[[Path, Sequence[str]], Any]:
    for extension, reader in _READERS.items():
        if path.name.lower().endswith(extension):
            return reader
    raise TableError(f"{path}: unknown kind of file; known extensions are {', '.join(_READERS)}")


def _check_names(path: Path, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise TableError(f"{path}: {names.count(name)} columns are called {name!r}")


# CSV


class _Record(NamedTuple):
    """A record of a CSV file, and the lines it stands on."""

    first_line: int
    last_line: int
    fields: list[str]

    def __str__(self) -> str:
        if self.last_line > self.first_line:
            return f"the record on lines {self.first_line} to {self.last_line}"
        return f"line {self.first_line}"


def _read_csv(path: Path, _expected: Sequence[str]) -> Any:
    from pyarrow import csv as arrow_csv

    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(strings_can_be_null=True),
        )
        _ = table.column_names  # decodes them
    except UnicodeDecodeError:
        raise TableError(f"{path}: the header is not UTF-8 text") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{path}{_csv_fault(path, error)}") from None
    _check_quotes(path)
    return table


def _csv_fault(path: Path, error: Exception) -> str:
    """Say what Arrow did not like; it does not know line numbers, so look for the line."""
    if "Empty CSV file" in str(error):
        return " is empty"
    try:
        uneven = _uneven_record(path)
    except (OSError, EOFError, csv.Error):
        uneven = ""
    return f", {uneven}" if uneven else f": {one_line(error)}"


def _uneven_record(path: Path) -> str:
    """Describe the first record that has not as many fields as the header."""
    with _open_text(path) as file:
        records = _records(file)
        width = len(next(records).fields)
        for record in records:
            if len(record.fields) != width:
                text = ",".join(record.fields).replace("\n", "\\n")
                fields = count(len(record.fields), "field")
                return f"{record}: {fields}, the header has {width} ({_shortened(text)})"
    return ""


def _check_quotes(path: Path) -> None:
    """Refuse a quote that is never closed: Arrow takes the rest of the file for one field."""
    with _open_bytes(path) as file:
        blocks: Iterable[bytes] = iter(lambda: file.read(_CSV_BLOCK_BYTES), b"")
        quotes = sum(block.count(b'"') for block in blocks)
    if quotes % 2 == 0:
        return
    line = 0
    with _open_text(path) as file:
        try:
            for record in _records(file, strict=True):
                line = record.last_line
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise TableError(
                    f"{path}: a quote opened in the record of line {line + 1} is never closed"
                ) from None


def _records(file: TextIO, strict: bool = False) -> Iterator[_Record]:
    """Yield records, skipping empty lines as Arrow does."""
    reader = csv.reader(file, strict=strict)
    limit = csv.field_size_limit(sys.maxsize)
    try:
        line = 1
        for fields in reader:
            if fields:
                yield _Record(line, reader.line_num, fields)
            line = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)


@contextmanager
def _open_bytes(path: Path) -> Iterator[Any]:
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        yield file


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    if path.suffix.lower() == ".gz":
        with gzip.open(path, "rt", newline="", encoding="utf-8-sig", errors="replace") as file:
            yield file
    else:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as plain:
            yield plain


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


# Parquet


def _read_parquet(path: Path, _expected: Sequence[str]) -> Any:
    from pyarrow import parquet

    try:
        return parquet.read_table(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise TableError(f"{path}: not a Parquet file that can be read ({one_line(error)})") from (
            None
        )


# NPZ


def _read_npz(path: Path, _expected: Sequence[str]) -> Any:
    if not zipfile.is_zipfile(path):
        raise TableError(f"{path}: not an NPZ file")
    columns: dict[str, Any] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            columns.update(_npz_columns(path, name, _npz_array(path, arrays, name)))
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise TableError(f"{path}: the arrays differ in length: {_lengths(lengths)}")
    return pa.table(columns)


def _lengths(lengths: dict[str, int]) -> str:
    """Name one column of each length."""
    of_length = {length: name for name, length in reversed(lengths.items())}
    return ", ".join(f"{name!r} {length}" for length, name in sorted(of_length.items()))


def _npz_array(path: Path, arrays: Any, name: str) -> Any:
    try:
        array = arrays[name]
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        reason = "Python objects are not read" if "pickle" in str(error) else one_line(error)
        raise TableError(f"{path}: the array {name!r} cannot be read ({reason})") from None
    if array.dtype.kind not in "biufUSMm":
        raise TableError(f"{path}: the array {name!r} has the type {array.dtype}, no column's type")
    return array


def _npz_columns(path: Path, name: str, array: Any) -> dict[str, Any]:
    """Return the columns that an array holds: one, or for X as many as a row has numbers."""
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.ndim == 1:
        return {name: pa.array(array)}
    if name != "X" or array.ndim == 0:
        raise TableError(
            f"{path}: the array {name!r} has the shape {array.shape}; only X may have rows of "
            "several numbers, other arrays have one a row"
        )
    columns = np.asfortranarray(array.reshape(len(array), math.prod(array.shape[1:])))
    return {f"X[{i}]": pa.array(columns[:, i]) for i in range(columns.shape[1])}


# svmlight


def _read_svmlight(path: Path, expected: Sequence[str]) -> Any:
    with requires("reading svmlight files", "cli"):
        from sklearn.datasets import load_svmlight_file

    try:
        sparse, y = load_svmlight_file(os.fspath(path), zero_based=True)
    except (ValueError, IndexError, OverflowError) as error:
        raise TableError(f"{path}: not an svmlight file ({one_line(error)})") from None
    rows, width = sparse.shape
    check_fits_memory(path, rows, width)
    dense = sparse.toarray(order="F")
    columns = {f"f{i}": pa.array(dense[:, i]) for i in range(width)}
    if "f0" in columns and "f0" not in expected and not dense[:, 0].any():
        del columns["f0"]  # most such files count from 1
    zeros = pa.array(np.zeros(rows))
    columns.update({name: zeros for name in expected if name not in columns})
    return pa.table({**columns, "y": pa.array(y)})


_READERS: dict[str, Callable[[Path, Sequence[str]], Any]] = {
    ".csv": _read_csv,
    ".csv.gz": _read_csv,
    ".parquet": _read_parquet,
    ".npz": _read_npz,
    ".svm": _read_svmlight,
    ".svmlight": _read_svmlight,
    ".libsvm": _read_svmlight,
}
