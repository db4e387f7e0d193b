"""Checkpoints load bit-identical values, and are kept according to the retention policy."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from checkpoint_folders import names
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import deserialize
from safetensors.numpy import load_file

import pyoptim as po
from pyoptim._core import xxh64
from pyoptim.checkpoint import Keep
from pyoptim.checkpoint._retention import Saved
from pyoptim.checkpoint._tree import decode, encode

# Loaded values


def test_a_resumed_model_and_optimizer_are_bit_identical(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 4)).astype(np.float32), np.arange(64) % 3

    def start() -> tuple[po.models.MLP, po.AdamW]:
        model = po.models.MLP([4, 8, 3], seed=1)
        return model, po.AdamW(model.params, lr=0.01, ema_decay=0.9)

    def train(model: po.models.MLP, opt: po.AdamW, steps: int) -> None:
        for _ in range(steps):
            model.loss_and_grad(x, y)
            opt.step()

    model, opt = start()
    train(model, opt, 5)
    state = {"optimizer": opt.state_dict(), "epoch": 5}
    po.checkpoint.save(tmp_path, model.params, step=5, metadata=state)
    train(model, opt, 5)

    again, other = start()
    found = po.checkpoint.load(tmp_path)
    for name, array in found.tensors.items():
        again.params[name] = array
    other.load_state_dict(found.metadata["optimizer"])
    train(again, other, 5)
    assert np.array_equal(again.params.flat, model.params.flat)
    assert found.metadata["epoch"] == found.step == 5


@pytest.mark.parametrize("rule", po.rules(), ids=lambda rule: rule.name)
def test_states_of_every_optimizer(rule: po.Rule, tmp_path: Path) -> None:
    def make() -> po.Optimizer:
        params = po.Parameters({"w": (6, 4), "b": (4,)})
        params.flat_grad[...] = np.linspace(-1, 1, params.flat.size)
        return getattr(po, rule.name)(params, lr=0.01)

    opt = make()
    for _ in range(3):
        opt.step()
    state = opt.state_dict()
    po.checkpoint.save(tmp_path, {}, step=3, metadata=state)
    found = po.checkpoint.load(tmp_path).metadata
    assert list(found) == list(state)
    for key, value in state.items():
        assert type(found[key]) is type(value), key
        assert np.array_equal(found[key], value), key
    make().load_state_dict(found)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Return whether values have the same type and are bit-identical."""
    if isinstance(a, float):
        return (
            type(b) is float
            and (a == b or a != a != b)
            and math.copysign(1, a) == (math.copysign(1, b) if a == a else math.copysign(1, a))
        )
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_metadata_are_exact(tmp_path_factory: Any, value: Any) -> None:
    directory = tmp_path_factory.mktemp("run")
    po.checkpoint.save(directory, {}, step=0, metadata=value)
    assert same(value, po.checkpoint.load(directory).metadata)


@pytest.mark.parametrize(
    "value",
    [
        5e-324,
        1.7976931348623157e308,
        0.1 + 0.2,
        -0.0,
        math.nan,
        -math.inf,
        2**200,
        {"$float": "nan"},
        {"$tensor": "x"},
        {"$": {"$$": [{"$tensor": {}}]}},
        [{}, [], "", {"": None}],
        {"arrays": [np.arange(3), {"deep": np.float32([[1, 2]])}, np.zeros((0, 2))]},
        np.array(2.5),
        "\ud800 \0 ü",
    ],
    ids=repr,
)
def test_unusual_metadata(value: Any, tmp_path: Path) -> None:
    po.checkpoint.save(tmp_path, {"w": np.ones(2)}, step=0, metadata=value)
    found = po.checkpoint.load(tmp_path)
    assert same(value, found.metadata)
    assert list(found.tensors) == ["w"]


def test_metadata_may_be_100_levels_deep(tmp_path: Path) -> None:
    value: Any = 1.5
    for level in range(100):
        value = [value] if level % 2 else {"inside": value}
    po.checkpoint.save(tmp_path, {}, step=1, metadata=value)
    endless: dict[str, Any] = {}
    endless["again"] = endless
    for deeper in ([value], endless):
        with pytest.raises(ValueError, match=r"metadata\..*: expected at most 100 levels"):
            po.checkpoint.save(tmp_path, {}, step=2, metadata=deeper)
    assert po.checkpoint.load(tmp_path).metadata == value


def test_numpy_numbers_become_python_numbers() -> None:
    given = [np.float64(0.1), np.float32(0.1), np.int64(3), np.bool_(True), (1, 2)]
    found = decode(encode(given, {}), {})
    assert found == [0.1, float(np.float32(0.1)), 3, True, [1, 2]]
    assert [type(value) for value in found] == [float, float, int, bool, list]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"step": -1}, ValueError, "step must be at least 0, got -1"),
        ({"step": 1.5}, TypeError, "float"),
        ({"step": 10**18}, ValueError, r"step must be below 10\^18"),
        ({"step": 1, "keep": "3"}, ValueError, "newest must be a whole number .*, got '3'"),
        ({"step": 1, "max_shard_size": 0}, ValueError, "max_shard_size must be at least 1"),
        ({"step": 1, "keep": 0}, ValueError, "newest must be a whole number of at least 1, got 0"),
        ({"step": 1, "metadata": {1, 2}}, TypeError, "metadata: expected None, bool, .*, got set"),
        ({"step": 1, "metadata": {"a": [1j]}}, TypeError, r"metadata\.a\.0: .* got complex"),
        ({"step": 1, "metadata": {1: 2}}, TypeError, "metadata: expected keys of type str, got 1"),
        (
            {"step": 1, "metadata": {"a": np.array("x")}},
            TypeError,
            r"metadata\.a: safetensors does",
        ),
        (
            {"step": 1, "metadata": {"a.b": np.ones(1), "a": {"b": np.ones(1)}}},
            ValueError,
            r"metadata\.a\.b: another array has the same name",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_arguments_of_save(
    arguments: Any, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        po.checkpoint.save(tmp_path / "run", {"w": np.ones(1)}, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_other_readers_open_the_files(tmp_path: Path) -> None:
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.ones(3, ml_dtypes.bfloat16),
        "c": np.zeros(5, ml_dtypes.float8_e4m3fn),
    }
    path = po.checkpoint.save(tmp_path, arrays, step=1, max_shard_size=48)
    files = sorted(path.glob("*.safetensors"))
    assert [file.name for file in files] == [
        "tensors-00001-of-00002.safetensors",
        "tensors-00002-of-00002.safetensors",
    ]
    assert np.array_equal(load_file(files[0])["a"], arrays["a"])
    theirs = dict(entry for file in files for entry in deserialize(file.read_bytes()))
    assert {name: bytes(entry["data"]) for name, entry in theirs.items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }
    found = po.checkpoint.load(tmp_path).tensors
    assert list(found) == list(arrays)
    assert all(same(found[name], array) for name, array in arrays.items())


@pytest.mark.parametrize(
    ("limit", "sizes"), [(1, [1, 1, 1, 1]), (80, [1, 1, 2]), (160, [2, 2]), (10**6, [4])]
)
def test_files_are_split_at_the_limit(limit: int, sizes: list[int], tmp_path: Path) -> None:
    arrays = {f"{i}": np.full(size, i, np.float64) for i, size in enumerate((10, 10, 5, 5))}
    path = po.checkpoint.save(tmp_path, arrays, step=1, max_shard_size=limit)
    files = sorted(path.glob("*.safetensors"))
    assert [len(po.checkpoint.load_safetensors(file)) for file in files] == sizes
    found = po.checkpoint.load(path).tensors
    assert all(same(found[name], array) for name, array in arrays.items())


def test_loaded_arrays_outlive_the_files_and_are_writable(tmp_path: Path) -> None:
    po.checkpoint.save(tmp_path, {"w": np.arange(5.0)}, step=1)
    found = po.checkpoint.load(tmp_path)
    found.tensors["w"] += 1
    po.checkpoint.save(tmp_path, found.tensors, step=2, keep=1)  # removes the mapped file
    assert np.array_equal(found.tensors["w"], np.arange(1.0, 6.0))
    assert np.array_equal(po.checkpoint.load(tmp_path).tensors["w"], np.arange(1.0, 6.0))


# Retention


def test_the_latest_is_the_one_saved_last(tmp_path: Path) -> None:
    for step in (10, 20, 15):
        path = po.checkpoint.save(tmp_path, {}, step=step)
        assert po.checkpoint.latest(tmp_path) == path == tmp_path / f"step-{step:08}"
    assert po.checkpoint.load(tmp_path).step == 15
    assert po.checkpoint.load(tmp_path / "step-00000020").step == 20
    (tmp_path / "latest").unlink()  # as in a partial copy of a directory
    assert po.checkpoint.latest(tmp_path).name == "step-00000015"
    assert po.checkpoint.load(tmp_path).step == 15


def test_saving_a_step_again_replaces_its_checkpoint(tmp_path: Path) -> None:
    for value in range(4):
        po.checkpoint.save(tmp_path, {"w": np.full(1, value)}, step=7)
        po.checkpoint.save(tmp_path, {}, step=8)
        assert len(names(tmp_path)) == 2
    assert names(tmp_path) == ["step-00000007.4", "step-00000008.4"]
    assert po.checkpoint.load(tmp_path / "step-00000007.4").tensors["w"] == 3


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in range(5):
        po.checkpoint.save(tmp_path, {}, step=step, keep=2)
    assert names(tmp_path) == ["step-00000003", "step-00000004"]
    po.checkpoint.save(tmp_path, {}, step=1, keep=2)  # back to an earlier step
    assert names(tmp_path) == ["step-00000001", "step-00000004"]


def test_the_best_are_kept(tmp_path: Path) -> None:
    scores = [0.5, 0.2, math.nan, None, 0.3, 0.2, -math.inf, 0.9]
    for step, score in enumerate(scores[:6]):
        po.checkpoint.save(tmp_path, {}, step=step, score=score, keep=Keep(newest=1, best=2))
    assert names(tmp_path) == [
        "step-00000001",
        "step-00000005",
    ]  # the older of equal scores, and the newest
    for step, score in enumerate(scores[6:], 6):
        po.checkpoint.save(tmp_path, {}, step=step, score=score, keep=Keep(newest=1, best=2))
    assert names(tmp_path) == ["step-00000001", "step-00000006", "step-00000007"]
    assert po.checkpoint.load(tmp_path / "step-00000006").score == -math.inf
    po.checkpoint.save(tmp_path, {}, step=8, score=0.1, keep=Keep(1, 1, higher_is_better=True))
    assert names(tmp_path) == ["step-00000007", "step-00000008"]


SCORES = st.none() | st.sampled_from([math.nan, math.inf]) | st.integers(-3, 3).map(float)


@given(
    st.lists(SCORES, min_size=1, max_size=8), st.integers(1, 4), st.integers(0, 4), st.booleans()
)
def test_a_policy_keeps_the_right_number_and_the_best(
    scores: list, newest: int, best: int, higher: bool
) -> None:
    found = [Saved(f"{i}", (i,), score) for i, score in enumerate(scores)]
    kept = Keep(newest, best, higher).chosen(reversed(found))
    sign = -1 if higher else 1
    ranked = [c for c in found if c.score is not None and c.score == c.score]
    ranked.sort(key=lambda c: (sign * c.score, c.age))  # of equal scores, the older first
    assert kept == {c.name for c in found[-newest:] + ranked[:best]}


def test_damaged_checkpoints_and_foreign_files_remain(tmp_path: Path) -> None:
    old = po.checkpoint.save(tmp_path, {}, step=1)
    (old / "manifest.json").write_text("{")
    (tmp_path / "notes").mkdir()
    (tmp_path / "step-by-step.txt").touch()
    for step in (2, 3):
        po.checkpoint.save(tmp_path, {}, step=step, keep=1)
    assert names(tmp_path) == ["notes", old.name, "step-00000003", "step-by-step.txt"]


def test_nothing_is_unpickled_and_no_heavy_module_imported(tmp_path: Path) -> None:
    po.checkpoint.save(tmp_path, {"w": np.ones(2)}, step=1)
    code = (
        "import sys, pickle, pyoptim as po\n"
        "def refuse(*_): raise AssertionError\n"
        "pickle.load = pickle.loads = pickle.Unpickler = refuse\n"
        "assert po.checkpoint.load(sys.argv[1]).step == 1\n"
        "assert not {'torch', 'safetensors', 'click'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-P", "-c", code, str(tmp_path)], check=True)


# The checksum


def naive_xxh64(data: bytes) -> int:
    """Compute XXH64 with seed 0 as in its specification."""
    p1, p2, p3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
    p4, p5, mask = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5, 2**64 - 1

    def rotl(x: int, r: int) -> int:
        return (x << r | x >> (64 - r)) & mask

    def mix(acc: int, lane: int) -> int:
        return rotl((acc + lane * p2) & mask, 31) * p1 & mask

    stripes, rest = divmod(len(data), 32)
    acc = p5
    if stripes:
        accs = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        for i in range(4 * stripes):
            accs[i % 4] = mix(accs[i % 4], int.from_bytes(data[8 * i : 8 * i + 8], "little"))
        acc = sum(map(rotl, accs, (1, 7, 12, 18))) & mask
        for value in accs:
            acc = ((acc ^ mix(0, value)) * p1 + p4) & mask
    acc = (acc + len(data)) & mask
    tail = data[len(data) - rest :]
    while len(tail) >= 8:
        acc = (rotl(acc ^ mix(0, int.from_bytes(tail[:8], "little")), 27) * p1 + p4) & mask
        tail = tail[8:]
    if len(tail) >= 4:
        acc = (rotl(acc ^ int.from_bytes(tail[:4], "little") * p1 & mask, 23) * p2 + p3) & mask
        tail = tail[4:]
    for byte in tail:
        acc = rotl(acc ^ byte * p5 & mask, 11) * p1 & mask
    acc = (acc ^ acc >> 33) * p2 & mask
    acc = (acc ^ acc >> 29) * p3 & mask
    return acc ^ acc >> 32


@given(st.binary(max_size=200))
def test_the_checksum_matches_the_specification(data: bytes) -> None:
    assert xxh64(data) == naive_xxh64(data)
    assert xxh64(memoryview(b"x" + data)[1:]) == naive_xxh64(data)


def test_the_checksum_of_published_texts() -> None:
    assert xxh64(b"") == naive_xxh64(b"") == 0xEF46DB3751D8E999
    assert xxh64(b"abc") == naive_xxh64(b"abc") == 0x44BC2CF5AD770999
    with pytest.raises(TypeError, match="bytes-like"):
        xxh64("abc")
    with pytest.raises((BufferError, ValueError)):
        xxh64(np.zeros((4, 4), np.uint8)[:, ::2])


def test_a_read_only_directory(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "run").write_text("a file where the directory should be")
    else:
        (tmp_path / "run").mkdir(mode=0o500)
    with pytest.raises(OSError, match="run"):
        po.checkpoint.save(tmp_path / "run", {}, step=1)
