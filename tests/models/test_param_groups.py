"""Parameter groups: frozen parameters, and learning rates by pattern and layer."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.models import MLP, param_groups
from pyoptim.parameters._parameters import Parameters
from pyoptim.train import Checkpoint, EarlyStopping, Lambda, LRSchedule, ReduceLROnPlateau, Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
Y = RNG.integers(0, 3, 40)
SIZES = [4, 6, 5, 3]


def rates(groups: list[dict[str, Any]], setting: str = "lr") -> dict[str, Any]:
    return {name: group.get(setting) for group in groups for name in group["params"]}


def make(seed: int = 1) -> MLP:
    return MLP(SIZES, seed=seed, dtype="float64")


@pytest.mark.parametrize("name", [*(rule.name for rule in po.rules()), "Muon", "Shampoo", "SOAP"])
def test_groups_step_from_their_own_gradients(name: str) -> None:
    """Results are bit-identical to groups of array lists, and frozen parameters do not change."""
    cls = getattr(po, name)
    frozen = ["layers.1.weight", "layers.0.bias"]
    model, other = make(), make()
    groups = param_groups(model.params, freeze=frozen, lr={"layers.2.*": 0.01, "*": 0.05})
    optimizer = cls(groups)
    listed = [
        {"params": [other.params[name] for name in group["params"]], "lr": group["lr"]}
        for group in groups
    ]
    reference = cls(listed)
    assert [len(group["params"]) for group in groups] == [2, 2]
    before = {name: model.params[name].copy() for name in frozen}
    for _ in range(3):
        for net in (model, other):
            net.loss_and_grad(X, Y)
        optimizer.step()
        reference.step([other.params.grads[name] for group in groups for name in group["params"]])
    assert np.array_equal(model.params.flat, other.params.flat)
    for name in frozen:
        assert np.array_equal(model.params[name], before[name])
        assert name not in optimizer.state
        assert not [key for key in optimizer.state_dict() if f".{name}." in key]
    assert set(optimizer.state) == set(model.params) - set(frozen)


def test_selections_share_the_arrays() -> None:
    params = make().params
    chosen = params.select("layers.0.*", "*.2.bias")
    assert list(chosen) == ["layers.0.weight", "layers.0.bias", "layers.2.bias"]
    assert chosen["layers.0.bias"] is params["layers.0.bias"]
    assert chosen.grads["layers.2.bias"] is params.grads["layers.2.bias"]
    assert len(chosen) == 3
    assert "layers.0.weight: (4, 6)" in repr(chosen)
    with pytest.raises(
        KeyError, match=r"no parameter 'layers.1.bias'; the parameters are layers.0.weight"
    ):
        chosen["layers.1.bias"]
    with pytest.raises(ValueError, match=r"pattern 'layer.\*' matches none of layers.0.weight"):
        params.select("layer.*")
    params.flat_grad[...] = 1
    before = params.flat.copy()
    po.SGD(chosen, lr=1.0).step()
    assert np.count_nonzero(params.flat != before) == 24 + 6 + 3
    with pytest.raises(ValueError, match="two parameters are called"):
        po.SGD([{"params": params.select("*.bias")}, {"params": params.select("layers.0.*")}])


def test_rates_by_pattern_and_layer() -> None:
    params = make().params
    found = param_groups(params, lr={"*.bias": 1.0, "layers.0.*": 2.0})
    assert rates(found) == {
        "layers.0.weight": 2.0, "layers.0.bias": 1.0, "layers.1.weight": None,
        "layers.1.bias": 1.0, "layers.2.weight": None, "layers.2.bias": 1.0,
    }  # fmt: skip
    assert [list(group["params"]) for group in found][1] == [
        "layers.0.bias", "layers.1.bias", "layers.2.bias",
    ]  # fmt: skip
    assert po.SGD(found, lr=0.5).param_groups[2]["lr"] == 0.5

    found = param_groups(params, freeze=["layers.0.weight"], lr=8.0, layer_decay=0.5)
    assert rates(found) == {
        "layers.0.bias": 2.0, "layers.1.weight": 4.0, "layers.1.bias": 4.0,
        "layers.2.weight": 8.0, "layers.2.bias": 8.0,
    }  # fmt: skip
    found = param_groups(
        params, lr={"layers.2.*": 10.0, "*": 8.0}, layer_decay=0.5,
        layers=[["layers.0.*", "layers.1.weight"], "*"],
    )  # fmt: skip
    assert rates(found)["layers.1.weight"] == 4.0
    assert rates(found)["layers.1.bias"] == 8.0
    assert rates(found)["layers.2.bias"] == 10.0


def test_layers_from_names_of_other_libraries() -> None:
    """The names are those of BERT. In a file sorted by name, layer 10 is before layer 2."""
    layers = [f"encoder.layer.{i}.{part}" for i in (0, 1, 10, 2) for part in ("att.w", "norm.w")]
    params = Parameters(
        dict.fromkeys(["embeddings.word.weight", *layers, "head.weight", "head.bias"], 1)
    )
    found = rates(param_groups(params, lr=1.0, layer_decay=0.1))
    exponent = {name: round(-np.log10(rate)) for name, rate in found.items()}
    assert exponent["head.weight"] == exponent["head.bias"] == 0
    for depth, number in enumerate((10, 2, 1, 0), 1):
        assert exponent[f"encoder.layer.{number}.att.w"] == depth
        assert exponent[f"encoder.layer.{number}.norm.w"] == depth
    assert exponent["embeddings.word.weight"] == 5


def test_names_are_not_patterns() -> None:
    params = Parameters({"w[0]": 1, "w0": 2, "b": 3})
    groups = param_groups(params, freeze="b", lr={"w0": 1.0, "*": 2.0})
    assert [list(group["params"]) for group in groups] == [["w[0]"], ["w0"]]


def test_schedules_are_scaled() -> None:
    params = make().params
    schedule = po.schedules.cosine(0.1, steps=10)
    groups = param_groups(params, lr=schedule, layer_decay=0.5)
    assert [len(group["params"]) for group in groups] == [2, 2, 2]
    for t in range(10):
        assert [group["lr"](t) for group in groups] == [
            0.25 * schedule(t), 0.5 * schedule(t), schedule(t),
        ]  # fmt: skip
    plateau = po.schedules.reduce_on_plateau(0.1)
    with pytest.raises(ValueError, match="lr: expected a number or a schedule without state"):
        param_groups(params, lr=plateau, layer_decay=0.5)
    assert param_groups(params, lr=plateau)[0]["lr"] is plateau


def test_errors_name_what_is_wrong() -> None:
    model = MLP([3, 4, 2])
    for other in (model, dict(model.params), [model.params["layers.0.weight"]]):
        with pytest.raises(
            TypeError, match=r"params: expected Parameters, such as model\.params, got"
        ):
            param_groups(other)  # type: ignore[arg-type]
    params = make().params
    for keywords, message in (
        ({"freeze": "layer.*"}, r"freeze 'layer.\*' matches none of layers.0.weight"),
        ({"freeze": ["*"]}, r"freeze: .* got \['\*'\], which matches all"),
        ({"lr": {"head": 1.0}}, "lr 'head' matches none of"),
        ({"lr": 1.0, "layer_decay": 0.0}, "layer_decay must be above 0"),
        ({"layer_decay": 0.5}, r"lr: expected a learning rate for layers.0.weight"),
        ({"lr": 1.0, "layer_decay": 0.5, "layers": ["layers.0.*"]}, "layers: .* layers.1.weight"),
        ({"lr": 1.0, "layers": ["*"]}, "layers: expected None without layer_decay"),
    ):
        with pytest.raises(ValueError, match=message):
            param_groups(params, **keywords)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no"):
        po.SGD(param_groups(params, rate=1.0))
    other = make()
    with pytest.raises(ValueError, match=r"or with groups of model\.params\.select"):
        Trainer(other, optimizer=po.SGD(params.select("*")))
    with pytest.raises(ValueError, match="over the model's params"):
        Trainer(other, optimizer=po.SGD([{"params": params.select("*.bias")},
                                         {"params": other.params.select("*.weight")}]))  # fmt: skip


def trainer(*callbacks: Any, wrap: Any = lambda o: o, epochs: int = 4, **keywords: Any) -> Trainer:
    model = make()
    groups = param_groups(model.params, freeze="layers.0.*", lr=0.05, layer_decay=0.5)
    return Trainer(
        model,
        optimizer=wrap(po.AdamW(groups)),
        epochs=epochs,
        batch_size=16,
        callbacks=callbacks,
        validation=(X[:10], Y[:10]),
        progress=False,
        **keywords,
    )


WRAPPERS: dict[str, Any] = {
    "none": lambda o: o,
    "EMA": lambda o: po.wrappers.EMA(o, decay=0.8),
    "SAM": po.wrappers.SAM,
    "Lookahead": po.wrappers.Lookahead,
    "accumulation": lambda o: po.wrappers.GradientAccumulation(o, every=2),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_frozen_parameters_do_not_change_and_resuming_is_bit_identical(
    name: str, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "wrap": WRAPPERS[name],
        "penalty": [po.penalties.ElasticNet(0.01, 0.1), po.penalties.MaxNorm(0.5)],
    }
    best = EarlyStopping(patience=9)
    whole = trainer(best, **settings)
    whole.fit(X, Y)
    start = make().params
    for part in ("weight", "bias"):
        assert np.array_equal(whole.model.params[f"layers.0.{part}"], start[f"layers.0.{part}"])
        assert (whole.model.params[f"layers.1.{part}"] != start[f"layers.1.{part}"]).any()
    norms = np.linalg.norm(start["layers.0.weight"], axis=0)
    assert (norms > 0.5).any()  # the frozen ones are not bound
    for step in (2, 6):
        folder = tmp_path / str(step)
        stop = Lambda(on_step_end=lambda t, step=step: t.step == step and t.stop())
        trainer(EarlyStopping(patience=9), stop, Checkpoint(folder), **settings).fit(X, Y)
        again = trainer(EarlyStopping(patience=9), **settings).resume(folder)
        again.fit(X, Y)
        assert np.array_equal(again.model.params.flat, whole.model.params.flat)
        assert again.history["val_loss"] == whole.history["val_loss"]


def test_penalties_apply_to_trained_parameters() -> None:
    model = make()
    groups = param_groups(model.params, freeze=["layers.0.*", "layers.1.*"])
    expected = model.loss_and_grad(X, Y) + 0.5 * np.square(model.params["layers.2.weight"]).sum()
    history = Trainer(
        model,
        optimizer=po.SGD(groups, lr=0.0),
        epochs=1,
        batch_size=40,
        penalty=po.penalties.L2(1.0),
        progress=False,
    ).fit(X, Y)
    assert history["loss"][0] == pytest.approx(expected, rel=1e-12)


def test_checkpoints_of_other_groups_are_rejected(tmp_path: Path) -> None:
    trainer(Checkpoint(tmp_path), epochs=1).fit(X, Y)
    model = make()
    other = Trainer(
        model,
        optimizer=po.AdamW(param_groups(model.params, freeze="*.bias")),
        validation=0.5,
        progress=False,
    )
    with pytest.raises(ValueError, match=r"missing keys: .*params\.layers\.0\.weight\.exp_avg"):
        other.resume(tmp_path)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_stay_tied_to_their_parameters(clone: Any) -> None:
    model = make()
    optimizer = po.AdamW(param_groups(model.params, freeze="layers.0.*", lr=0.1))
    model.loss_and_grad(X, Y)
    optimizer.step()
    other, stepped = clone((model, optimizer))
    assert stepped.updates(other.params)
    assert not stepped.updates(model.params)
    for net, opt in ((model, optimizer), (other, stepped)):
        net.loss_and_grad(X, Y)
        opt.step()
    assert np.array_equal(model.params.flat, other.params.flat)


def test_callbacks_that_change_rates() -> None:
    reduced = trainer(
        ReduceLROnPlateau("loss", 0.5, patience=0, threshold=1e9, threshold_mode="abs"), epochs=3
    )
    reduced.fit(X, Y)
    assert [group["lr"] for group in reduced.optimizer.param_groups] == [0.025 / 4, 0.05 / 4]
    with pytest.raises(ValueError, match=r"same learning rate, got 0.025, 0.05; pass a schedule"):
        trainer(LRSchedule(lambda epoch: 0.1)).fit(X, Y)


def test_state_is_allocated_for_trained_parameters_only() -> None:
    params = Parameters({"base": (1000, 10), "head": (10, 2)})
    optimizer = po.AdamW(param_groups(params, freeze="base"))
    arrays = [a for state in optimizer.state.values() for a in state.values() if np.ndim(a)]
    assert sum(array.size for array in arrays) == 2 * 20


def test_the_states_names_are_the_parameters() -> None:
    model = make()
    optimizer = po.AdamW(param_groups(model.params, freeze="layers.0.*", lr=0.1, layer_decay=0.5))
    state = optimizer.state_dict()
    assert {"groups.0.lr", "groups.1.lr", "params.layers.2.bias.exp_avg"} <= state.keys()
    assert (state["groups.0.lr"], state["groups.1.lr"]) == (0.05, 0.1)
    twin = make()
    other = po.AdamW(param_groups(twin.params, freeze="layers.0.*"))
    with pytest.raises(ValueError, match="does not fit"):
        other.load_state_dict(state)  # one group, not two
