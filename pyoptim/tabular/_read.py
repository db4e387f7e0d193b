"""Reading of CSV, Parquet, NPZ and svmlight files into Arrow tables."""

from __future__ import annotations

import csv
import gzip
import math
import os
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
import pyarrow as pa

from pyoptim._utils.dependencies import requires
from pyoptim.tabular._memory_limit import MAX_COLUMNS, check_columns, check_growth
from pyoptim.tabular._table_error import TableError, count, one_line

_CSV_BLOCK_BYTES = 16 << 20  # maximum size of a record
_MAX_EXCERPT = 60  # characters
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, RuntimeError)  # damaged or encrypted
_NPY_HEADERS: dict[tuple[int, int], Callable[[Any], Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_table(path: str | os.PathLike[str], *, expected: Sequence[str] = ()) -> Any:
    r"""Read a table from a file, in the format of its extension.

    The formats are CSV with a header (.csv or .csv.gz), Parquet (.parquet), NPZ (.npz) and svmlight
    (.svm, .svmlight or .libsvm). An NPZ file has one array per column, or "X" with rows along its
    first axis and "y". The columns of an svmlight file are named "f1", "f2" and so on after the
    numbers in the file, and "y". Nothing is unpickled.

    Parameters
    ----------
    path : path
        Path of the file.
    expected : sequence of str
        Names of columns that the caller needs. svmlight files omit zeros, so these columns are
        added as zeros if missing.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    TableError
        If the file is empty, damaged, too large, or has an unknown extension.
    OSError
        If the file cannot be opened.

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
    raise TableError(f"{path}: unknown file extension; expected one of {', '.join(_READERS)}")


def _check_names(path: Path, names: Sequence[str]) -> None:
    check_columns(path, len(names))
    for name, repetitions in Counter(names).items():
        if repetitions > 1:
            raise TableError(
                f"{path}: expected distinct column names, got {name!r} {repetitions} times"
            )


# CSV


class _Record(NamedTuple):
    """A record of a CSV file, with its first and last line."""

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
        _check_header(path)
        quotes = _count_quotes(path)
        with path.open("rb") as file:  # Arrow does not open names that are not UTF-8
            stream = pa.PythonFile(file)
            table = arrow_csv.read_csv(
                pa.CompressedInputStream(stream, "gzip") if _is_compressed(path) else stream,
                read_options=arrow_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(strings_can_be_null=True),
            )
        _ = table.column_names  # decodes the names
    except UnicodeDecodeError:
        raise TableError(f"{path}: the header is not UTF-8 text") from None
    except (pa.ArrowException, EOFError, OSError, zlib.error) as error:
        raise TableError(f"{path}{_csv_fault(path, error)}") from None
    if quotes % 2:
        _check_quotes(path)
    return table


def _check_header(path: Path) -> None:
    """Check the number of columns before Arrow allocates memory for each."""
    with _open_text(path) as file:
        line = file.readline(_CSV_BLOCK_BYTES)
    if line.count(",") >= MAX_COLUMNS:
        check_columns(path, len(next(csv.reader([line]))))


def _csv_fault(path: Path, error: Exception) -> str:
    """Return a description of an error of Arrow, with the line, which Arrow does not report."""
    if "Empty CSV file" in str(error):
        return " is empty"
    try:
        ragged = _ragged_record(path)
    except (OSError, EOFError, csv.Error, zlib.error):
        ragged = ""
    return f", {ragged}" if ragged else f": {one_line(error)}"


def _ragged_record(path: Path) -> str:
    """Describe the first record whose number of fields differs from the header's."""
    with _open_text(path) as file:
        records = _records(file)
        width = len(next(records).fields)
        for record in records:
            if len(record.fields) != width:
                text = ",".join(record.fields).replace("\n", "\\n")
                fields = count(width, "field")
                return (
                    f"{record}: expected {fields} as in the header, got {len(record.fields)} "
                    f"({_excerpt(text)})"
                )
    return ""


def _count_quotes(path: Path) -> int:
    """Return the number of quotes in a file, and check the size of a compressed file."""
    quotes = size = 0
    with _open_bytes(path) as file:
        while block := file.read(_CSV_BLOCK_BYTES):
            quotes += block.count(b'"')
            size += len(block)
            check_growth(path, size)
    return quotes


def _check_quotes(path: Path) -> None:
    """Raise TableError for an unclosed quote, after which Arrow reads one field to the end."""
    line = 0
    with _open_text(path) as file:
        try:
            for record in _records(file, strict=True):
                line = record.last_line
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise TableError(
                    f"{path}: unclosed quote in the record that begins on line {line + 1}"
                ) from None


def _records(file: TextIO, strict: bool = False) -> Iterator[_Record]:
    """Yield records, skipping empty lines as Arrow does."""
    reader = csv.reader(_lines(file), strict=strict)
    limit = csv.field_size_limit(sys.maxsize)
    try:
        line = 1
        for fields in reader:
            if fields:
                yield _Record(line, reader.line_num, fields)
            line = reader.line_num + 1
    finally:
        csv.field_size_limit(limit)


def _lines(file: TextIO) -> Iterator[str]:
    """Yield lines, and raise csv.Error for a line that is longer than a record may be."""
    while line := file.readline(_CSV_BLOCK_BYTES):
        if len(line) == _CSV_BLOCK_BYTES and not line.endswith("\n"):
            raise csv.Error(f"a line has more than {_CSV_BLOCK_BYTES} characters")
        yield line


def _is_compressed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


@contextmanager
def _open_bytes(path: Path) -> Iterator[Any]:
    with gzip.open(path) if _is_compressed(path) else path.open("rb") as file:
        yield file


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    if _is_compressed(path):
        with gzip.open(path, "rt", newline="", encoding="utf-8-sig", errors="replace") as file:
            yield file
    else:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as plain:
            yield plain


def _excerpt(text: str) -> str:
    return text if len(text) <= _MAX_EXCERPT else text[:_MAX_EXCERPT] + "..."


# Parquet


def _read_parquet(path: Path, _expected: Sequence[str]) -> Any:
    from pyarrow import parquet

    try:
        with path.open("rb") as stream, parquet.ParquetFile(pa.PythonFile(stream)) as file:
            columns, rows = file.metadata.num_columns, file.metadata.num_rows
            check_columns(path, columns)
            check_growth(path, 8 * rows * columns)
            return pa.Table.from_batches(_batches(path, file), file.schema_arrow).combine_chunks()
    except TableError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = one_line(error) or "not enough memory"
        raise TableError(f"{path}: cannot be read as Parquet ({reason})") from None


def _batches(path: Path, file: Any) -> Iterator[Any]:
    """Yield the rows in batches, because texts may be much larger in memory than in the file."""
    size = 0
    has_text = any(column.physical_type == "BYTE_ARRAY" for column in file.schema)
    for batch in file.iter_batches(2**10 if has_text else 2**16):
        size += batch.nbytes
        check_growth(path, size)
        yield batch


# NPZ


def _read_npz(path: Path, _expected: Sequence[str]) -> Any:
    if not zipfile.is_zipfile(path):
        raise TableError(f"{path}: not an NPZ file")
    columns: dict[str, Any] = {}
    try:
        _check_members(path)
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                columns.update(_npz_columns(path, name, _npz_array(path, arrays, name)))
    except (EOFError, zlib.error, *_ZIP_ERRORS) as error:
        raise TableError(f"{path}: cannot be read as NPZ ({one_line(error)})") from None
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise TableError(f"{path}: expected arrays of equal length, got {_lengths(lengths)}")
    return pa.table(columns)


def _lengths(lengths: dict[str, int]) -> str:
    """Return the name of one column of each length, with the length."""
    of_length = {length: name for name, length in reversed(lengths.items())}
    return ", ".join(f"{name!r} {length}" for length, name in sorted(of_length.items()))


def _npz_array(path: Path, arrays: Any, name: str) -> Any:
    try:
        array = arrays[name]
    except (ValueError, EOFError, OSError, MemoryError, zlib.error, *_ZIP_ERRORS) as error:
        reason = "Python objects are not supported" if "pickle" in str(error) else one_line(error)
        raise TableError(f"{path}: array {name!r}: cannot be read ({reason})") from None
    if array.dtype.kind not in "biufUSMm":
        raise TableError(
            f"{path}: array {name!r}: expected numbers, booleans, text, dates or durations, got "
            f"dtype {array.dtype}"
        )
    return array


def _check_members(path: Path) -> None:
    """Check that the file is large enough for the arrays in its headers.

    Raises
    ------
    TableError
        If it is not. The message names the array.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        check_columns(path, len(members))
        check_growth(path, sum(member.file_size for member in members))
        for member in members:
            with archive.open(member) as file:
                try:
                    version = np.lib.format.read_magic(file)
                    if version not in _NPY_HEADERS:
                        continue  # NumPy reports the fault when it reads the array
                    shape, _, dtype = _NPY_HEADERS[version](file)
                except ValueError:
                    continue
            elements = math.prod(shape)
            if elements > member.file_size or elements * dtype.itemsize > member.file_size:
                name = member.filename.removesuffix(".npy")
                raise TableError(
                    f"{path}: array {name!r}: cannot be read ({elements} elements of {dtype} do "
                    f"not fit into {member.file_size} bytes)"
                )


def _npz_columns(path: Path, name: str, array: Any) -> dict[str, Any]:
    """Return the columns of an array: one column, or one per number in a row of X."""
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError:
            raise TableError(
                f"{path}: array {name!r}: expected UTF-8 text, got other bytes"
            ) from None
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.ndim == 1:
        return {name: pa.array(array)}
    if name != "X" or array.ndim == 0:
        raise TableError(
            f"{path}: array {name!r}: expected one value per row, got shape {array.shape}; only X "
            "may have several values per row"
        )
    width = math.prod(array.shape[1:])
    check_columns(path, width)
    columns = np.asfortranarray(array.reshape(len(array), width))
    return {f"X[{i}]": pa.array(columns[:, i]) for i in range(columns.shape[1])}


# svmlight


def _read_svmlight(path: Path, expected: Sequence[str]) -> Any:
    with requires("reading svmlight files", "cli"):
        from sklearn.datasets import load_svmlight_file

    try:
        sparse, y = load_svmlight_file(os.fspath(path), zero_based=True)
    except (ValueError, IndexError, OverflowError, MemoryError) as error:
        raise TableError(f"{path}: cannot be read as svmlight ({one_line(error)})") from None
    # Only columns with values are created, so that a large column number needs no memory.
    numbers, position = np.unique(sparse.indices, return_inverse=True)
    rows, width = len(y), len(numbers)
    check_columns(path, width)
    check_growth(path, 8 * rows * width)
    dense = np.zeros((rows, width), order="F")
    dense[np.repeat(np.arange(rows), np.diff(sparse.indptr)), position.reshape(-1)] = sparse.data
    columns = {f"f{number}": pa.array(dense[:, i]) for i, number in enumerate(numbers)}
    if "f0" in columns and "f0" not in expected and not dense[:, 0].any():
        del columns["f0"]  # most svmlight files count from 1
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
