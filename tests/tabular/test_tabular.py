"""Tables: reading files, encoding columns, targets."""

import datetime
import decimal
import gzip
import json
import re

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

from pyoptim.tabular import (  # noqa: E402
    Columns,
    TableError,
    Target,
    find_target,
    fit_target,
    guess_task,
    read_table,
    target_from_json,
)
from pyoptim.tabular._table_error import listing, no_such_column  # noqa: E402


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def fit(table):
    return Columns.fit(table, np.arange(table.num_rows))


def encode(**columns):
    table = pa.table(columns)
    return fit(table)[0].encode(table)


# CSV


def test_csv_reads_types_and_missing_values(write):
    path = write("a.csv", 'n,t,d\n1,x,2013-01-01\n,NA,2013-01-02\n3,"a,b",\n')
    table = read_table(path)
    assert table.to_pydict() == {
        "n": [1, None, 3],
        "t": ["x", None, "a,b"],
        "d": [datetime.date(2013, 1, 1), datetime.date(2013, 1, 2), None],
    }


def test_csv_may_be_compressed(write):
    path = write("a.csv.gz", gzip.compress(b"a,b\n1,2\n"))
    assert read_table(path).to_pydict() == {"a": [1], "b": [2]}


RAGGED = [
    ("a,b\n1,2\n3\n4,5\n", "line 3: expected 2 fields as in the header, got 1 (3)"),
    ("a,b\n1,2\n3,4,5\n", "line 3: expected 2 fields as in the header, got 3 (3,4,5)"),
    ("a,b\r\n1,2\r\n3\r\n", "line 3: expected 2 fields"),
    ('a,b\n"x\ny",2\n3\n', "line 4: expected 2 fields"),
    (
        'a,b\n1,2\n\n"p\nq"\n',
        r"the record on lines 4 to 5: expected 2 fields as in the header, got 1 (p\nq)",
    ),
    ('"a\nb",c\n1,2\n3\n', "line 4: expected 2 fields"),
    ("a,b\n1,2\n\n\n3\n", "line 5: expected 2 fields"),
    ("a,b\n1,2\n" + "x" * 100 + "\n", "x" * 60 + "..."),
]


@pytest.mark.parametrize(("text", "message"), RAGGED)
def test_ragged_csv_names_the_line(write, text, message):
    for path in (write("a.csv", text), write("a.csv.gz", gzip.compress(text.encode()))):
        with pytest.raises(TableError, match=re.escape(message)) as caught:
            read_table(path)
        assert "\n" not in str(caught.value)


def test_ragged_csv_names_the_line_beyond_the_first_block(write, monkeypatch):
    monkeypatch.setattr("pyoptim.tabular._read._CSV_BLOCK_BYTES", 1 << 12)
    good = '1,"two\nlines"\n' * 5000
    path = write("a.csv", f"a,b\n{good}1,2,3\n{good}")
    with pytest.raises(TableError, match="line 10002: expected 2 fields"):
        read_table(path)


def test_csv_with_quoted_newlines_in_many_blocks(write, monkeypatch):
    monkeypatch.setattr("pyoptim.tabular._read._CSV_BLOCK_BYTES", 1 << 12)
    rows = [f"{i},line\n{i}" for i in range(3000)]
    text = "a,b\n" + "".join(f'{i},"line\n{i}"\n' for i in range(3000))
    table = read_table(write("a.csv", text))
    assert [f"{a},{b}" for a, b in zip(*table.to_pydict().values(), strict=True)] == rows


def test_csv_with_a_quote_left_open(write):
    path = write("a.csv", 'a,b\n1,2\n3,"x\n' + "4,5\n" * 10)
    with pytest.raises(TableError, match=r"unclosed quote in the record that begins on line 3"):
        read_table(path)


def test_csv_with_a_quote_inside_an_unquoted_field(write):
    assert read_table(write("a.csv", 'a,b\n5" pipe,2\n'))["a"].to_pylist() == ['5" pipe']


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "\n\n", "is empty"),
        ("a.csv", "a,b\n", "has no rows"),
        ("a.csv", "a,b,a\n1,2,3\n", "expected distinct column names, got 'a' 2 times"),
        ("a.csv", b"caf\xe9,b\n1,2\n", "the header is not UTF-8 text"),
        ("a.csv.gz", b"a,b\n1,2\n", "a.csv.gz"),
        ("a.parquet", "no", "cannot be read as Parquet"),
        ("a.npz", "no", "not an NPZ file"),
        ("a.svm", "1 a:b\n", "cannot be read as svmlight"),
        ("a.xlsx", "no", "unknown file extension; expected one of .csv, .csv.gz, .parquet"),
    ],
)
def test_unreadable_files(write, name, content, message):
    with pytest.raises(TableError, match=re.escape(message)) as caught:
        read_table(write(name, content))
    assert "\n" not in str(caught.value)


# Parquet, NPZ, svmlight


def test_parquet(tmp_path):
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").equals(table)


def test_npz_with_x_and_y(tmp_path):
    x = np.arange(12, dtype="f4").reshape(3, 2, 2)
    np.savez(tmp_path / "a.npz", X=x, y=np.array([b"a", b"b", b"a"]), w=np.ones(3, ">i4"))
    table = read_table(tmp_path / "a.npz")
    assert table.column_names == ["X[0]", "X[1]", "X[2]", "X[3]", "y", "w"]
    assert table["X[2]"].to_pylist() == [2, 6, 10]
    assert table["y"].to_pylist() == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"X": np.zeros((3, 2)), "y": np.zeros(2)},
            "expected arrays of equal length, got 'y' 2, 'X[0]' 3",
        ),
        (
            {"a": np.zeros((3, 2))},
            "array 'a': expected one value per row, got shape (3, 2); only X",
        ),
        ({"a": np.array([{}, 1])}, "array 'a': cannot be read (Python objects are not supported)"),
        (
            {"a": np.zeros(2, complex)},
            "array 'a': expected numbers, booleans, text, dates or durations, got dtype complex128",
        ),
        ({"X": np.zeros((0, 3)), "y": np.zeros(0)}, "has no rows"),
    ],
)
def test_npz_files_that_are_not_tables(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(TableError, match=re.escape(message)):
        read_table(tmp_path / "a.npz")


def test_svmlight_columns_are_named_by_their_numbers(write):
    path = write("a.svm", "1 1:0.5 3:2\n-1 2:1\n")
    assert read_table(path).to_pydict() == {
        "f1": [0.5, 0],
        "f2": [0, 1],
        "f3": [2, 0],
        "y": [1, -1],
    }
    short = read_table(write("b.libsvm", "1 1:7\n"), expected=["f0", "f1", "f3"])
    assert short.to_pydict() == {"f0": [0], "f1": [7], "f3": [0], "y": [1]}
    assert read_table(write("c.svm", "1 0:7\n")).column_names == ["f0", "y"]


# Columns


def test_numbers_are_standardised_and_missing_ones_the_mean():
    encoded = encode(a=[1.0, None, 3.0, np.nan], b=[True, False, True, False])
    np.testing.assert_array_equal(encoded, [[-1, 1], [0, -1], [1, 1], [0, -1]])
    assert encoded.dtype == np.float32


def test_mean_scale_and_categories_use_only_training_rows():
    table = pa.table({"a": [1.0, 3.0, 100.0], "t": ["x", "y", "new"]})
    columns, _ = Columns.fit(table, np.array([0, 1]))
    np.testing.assert_array_equal(columns.encode(table), [[-1, 1, 0], [1, 0, 1], [98, 0, 0]])


def test_text_is_one_hot_encoded_with_zeros_for_unknown_values():
    columns, _ = fit(pa.table({"t": ["b", "a", None]}))
    encoded = columns.encode(pa.table({"t": ["a", None, "c", "b"]}))
    np.testing.assert_array_equal(encoded, [[1, 0], [0, 0], [0, 0], [0, 1]])


def test_dictionaries_are_categories_with_any_values():
    numbers = pa.array([10, 7, 10]).dictionary_encode()
    columns, _ = fit(pa.table({"c": numbers}))
    for column in (numbers, pa.array([10, 7, 10]), pa.array([10.0, 7.0, 10.0]), ["10", "7", "10"]):
        np.testing.assert_array_equal(
            columns.encode(pa.table({"c": column})), [[1, 0], [0, 1], [1, 0]]
        )


TIMES = {
    "date": [datetime.date(2020, 1, 1), datetime.date(2020, 1, 3)],
    "timestamp": [datetime.datetime(2020, 1, 1, 6), datetime.datetime(2020, 1, 3, 6)],
    "zone": pa.array([0, 3600], pa.timestamp("ns", "Europe/Berlin")),
    "time": [datetime.time(1, 0), datetime.time(3, 0)],
    "duration": [datetime.timedelta(1), datetime.timedelta(3)],
    "time32": pa.array([1, 3], pa.time32("ms")),
    "date64": pa.array([0, 2 * 86_400_000], pa.date64()),
    "decimal": [decimal.Decimal("1.5"), decimal.Decimal("3.5")],
    "half": pa.array(np.array([1, 3], "f2")),
    "large": pa.array([2**60, 2**61], pa.uint64()),
}


@pytest.mark.parametrize("name", TIMES)
def test_everything_with_an_order_becomes_a_number(name):
    np.testing.assert_array_equal(encode(a=TIMES[name]), [[-1], [1]])


def test_dates_and_timestamps_agree():
    columns, _ = fit(pa.table({"d": TIMES["date"]}))
    later = pa.table({"d": [datetime.datetime(2020, 1, 2)]})
    np.testing.assert_array_equal(columns.encode(later), [[0]])


def test_uninformative_columns_are_dropped_with_a_reason():
    rows = 1100
    table = pa.table(
        {
            "a": np.arange(rows),
            "same": np.ones(rows),
            "same text": ["x"] * rows,
            "id": [f"id{i}" for i in range(rows)],
            "none": pa.nulls(rows),
            "no text": pa.nulls(rows, pa.string()),
            "no number": pa.nulls(rows, pa.float64()),
            "list": [[1]] * rows,
            "bytes": [b"\xff"] * rows,
            "sometimes": ["x", None] * (rows // 2),
        }
    )
    columns, report = fit(table)
    assert columns.names == ["a", "sometimes"]
    assert report.dropped == {
        "same": "constant",
        "same text": "constant",
        "id": "1100 different values",
        "none": "empty",
        "no text": "empty",
        "no number": "empty",
        "list": "type list<item: int64>",
        "bytes": "bytes that are not UTF-8",
    }


def test_missing_numbers_are_counted():
    _, report = fit(pa.table({"a": [1, None, 2, None], "b": [1.0, np.nan, 2.0, 3.0]}))
    assert report.missing == {"a": 2, "b": 1}


def test_no_column_left():
    with pytest.raises(TableError, match=r"no column is left to train on \(a: constant\)"):
        fit(pa.table({"a": [1, 1]}))


def test_infinite_numbers_are_rejected():
    table = pa.table({"a": [1.0, np.inf, -np.inf]})
    message = r"column 'a': 2 values are infinite, the first in row 2 of the table"
    with pytest.raises(TableError, match=message):
        fit(table)
    with pytest.raises(TableError, match="1 value is infinite or far too large"):
        fit(pa.table({"a": [1.0, 1e200]}))
    columns, _ = fit(pa.table({"a": [1.0, 2.0]}))
    with pytest.raises(TableError, match=message):
        columns.encode(table)
    with pytest.raises(TableError, match="far too large"):
        columns.encode(pa.table({"a": [1.0, 1e40]}))


def test_columns_are_found_by_name():
    columns, _ = fit(pa.table({"a": [0.0, 2.0], "b": [0.0, 4.0]}))
    np.testing.assert_array_equal(
        columns.encode(pa.table({"z": [9], "b": [4], "a": [1]})), [[0, 1]]
    )
    with pytest.raises(TableError, match="missing: a, b; the table has z"):
        columns.encode(pa.table({"z": [1]}))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["1", "x"], r"column 'a': expected number as in training, got text \(.*'x'"),
        (TIMES["date"], "expected number as in training, got date"),
        ([[1], [2]], "got type list"),
    ],
)
def test_a_column_of_another_kind_than_in_training(column, message):
    columns, _ = fit(pa.table({"a": [0.0, 2.0]}))
    with pytest.raises(TableError, match=message):
        columns.encode(pa.table({"a": column}))


def test_numbers_may_be_text_booleans_or_missing():
    columns, _ = fit(pa.table({"a": [0.0, 2.0]}))
    for column, expected in ((["2", "1"], [1, 0]), ([True, False], [0, -1]), ([None] * 2, [0, 0])):
        np.testing.assert_array_equal(columns.encode(pa.table({"a": column}))[:, 0], expected)


def test_columns_survive_json():
    table = pa.table({"a": [0.1, 0.7], "d": TIMES["date"], "t": ["é", '"']})
    columns, _ = fit(table)
    again = Columns.from_json(json.loads(json.dumps(columns.to_json())))
    assert again == columns
    np.testing.assert_array_equal(again.encode(table), columns.encode(table))


# Targets


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("delay", Target("delay")),
        ("delay > 15", Target("delay", ">", 15)),
        (" delay>=-1.5e1 ", Target("delay", ">=", -15)),
        ("delay != 0", Target("delay", "!=", 0)),
        ("a > 1", Target("a > 1")),
    ],
)
def test_find_target(text, target):
    assert find_target(text, ["delay", "a > 1", "a"]) == target


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Delya", "there is no column 'Delya' (did you mean 'delay'?); the columns are delay, x"),
        ("dely > 3", "there is no column 'dely' (did you mean 'delay'?)"),
        ("delay > soon", "target 'delay > soon': expected a number after >, got 'soon'"),
        ("delay > nan", "expected a number after >, got 'nan'"),
        ("qqq", "there is no column 'qqq'; the columns are"),
    ],
)
def test_find_target_rejects(text, message):
    with pytest.raises(TableError, match=re.escape(message)):
        find_target(text, ["delay", "x"])


def test_long_lists_of_columns_are_truncated():
    names = [f"c{i}" for i in range(500)]
    assert str(no_such_column("q", names)).endswith("c19 and 480 more")
    assert listing(["a", "b"]) == "a, b"


@pytest.mark.parametrize(
    ("sign", "answers"),
    [
        (">", ["no", "no", "yes", None]),
        (">=", ["no", "yes", "yes", None]),
        ("<", ["yes", "no", "no", None]),
        ("<=", ["yes", "yes", "no", None]),
        ("==", ["no", "yes", "no", None]),
        ("!=", ["yes", "no", "yes", None]),
    ],
)
def test_comparisons(sign, answers):
    for missing in (None, np.nan):
        table = pa.table({"a": [1.0, 2.0, 3.0, missing]})
        assert Target("a", sign, 2.0).read(table).to_pylist() == answers


def test_targets_of_the_wrong_kind():
    table = pa.table({"t": ["x"], "d": [datetime.date(2020, 1, 1)], "l": [[1]], "n": [1]})
    with pytest.raises(
        TableError, match="target 't > 1': expected a column of numbers to compare, got text"
    ):
        Target("t", ">", 1).read(table)
    with pytest.raises(
        TableError, match="target 'd': expected text, true or false, or numbers, got a date"
    ):
        Target("d").read(table)
    with pytest.raises(TableError, match=r"target 'l': .*, got type list"):
        Target("l").read(table)
    rows = np.arange(1)
    with pytest.raises(TableError, match="target 't': expected numbers for regression, got text"):
        fit_target(Target("t"), "regression", table["t"], rows)
    with pytest.raises(TableError, match=r"target 'n': .* different values, got only 1"):
        fit_target(Target("n"), "regression", table["n"], rows)
    with pytest.raises(TableError, match=r"target 't': .* different values, got only x"):
        fit_target(Target("t"), "classification", table["t"], rows)
    many = pa.chunked_array([np.arange(1500)])
    with pytest.raises(TableError, match=r"expected at most 1000 different values .*, got 1500"):
        fit_target(Target("n"), "classification", many, rows)


@pytest.mark.parametrize(
    ("column", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        ([3, 1, 2], "classification"),
        ([3.0, 1.0, 2.0], "classification"),
        ([0.5, 1.0], "regression"),
        (list(range(21)), "regression"),
    ],
)
def test_guess_task(column, task):
    assert guess_task(pa.chunked_array([column])) == task


def test_labels_are_in_order_and_survive_json():
    for column, values in (
        ([10, 9, 10], ("9", "10")),
        ([10.0, -1.0], ("-1", "10")),
        (["b", "a"], ("a", "b")),
        ([True, False], ("false", "true")),
    ):
        chunked = pa.chunked_array([column])
        labels = fit_target(Target("y"), "classification", chunked, np.arange(2))
        assert labels.values == values
        numbers = labels.encode(chunked)
        assert numbers.dtype == np.int64
        assert labels.decode(numbers) == [str(v).lower().replace(".0", "") for v in column]
        assert target_from_json(json.loads(json.dumps(labels.to_json()))) == labels
    assert labels.encode(pa.chunked_array([["maybe"]])).tolist() == [-1]


def test_amounts_are_standardised_by_the_training_rows():
    column = pa.chunked_array([[100, 300, 1000]])
    amount = fit_target(Target("y"), "regression", column, np.array([0, 1]))
    assert amount.encode(column).tolist() == [-1, 1, 8]
    assert amount.decode(np.array([-1, 8], dtype="f4")).tolist() == [100, 1000]
    assert target_from_json(json.loads(json.dumps(amount.to_json()))) == amount
    with pytest.raises(TableError, match="column 'y': 1 value is infinite"):
        fit_target(Target("y"), "regression", pa.chunked_array([[1.0, np.inf]]), np.arange(2))
