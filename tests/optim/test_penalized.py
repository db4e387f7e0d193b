"""Penalties within wrappers: the plain optimizer's minimum, and all kept weights satisfy them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.models import MLP, Linear
from pyoptim.penalties import L1, L2, ElasticNet, MaxNorm, Penalty
from pyoptim.train import Trainer
from pyoptim.wrappers import (
    AGC,
    ASAM,
    EMA,
    SAM,
    SWA,
    DynamicLossScale,
    GradientAccumulation,
    Lookahead,
    Wrapper,
)

SKIPS = {"skip_nonfinite": True}

WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda opt: opt,
    "Wrapper": Wrapper,
    "AGC": lambda opt: AGC(opt, clip_factor=0.5, eps=1.0, unit_axis=-1),
    "SAM": lambda opt: SAM(opt, rho=1e-9),
    "ASAM": lambda opt: ASAM(opt, rho=1e-9),
    "EMA": lambda opt: EMA(opt, decay=0.9),
    "SWA": lambda opt: SWA(opt, start=400, every=7),
    "DynamicLossScale": lambda opt: DynamicLossScale(opt, init_scale=4.0, growth_interval=100),
    "GradientAccumulation": lambda opt: GradientAccumulation(opt, every=2),
    "SAM of sums": lambda opt: SAM(GradientAccumulation(opt, every=2), rho=1e-9),
    "Lookahead": lambda opt: Lookahead(opt, k=3),
    "EMA of SAM of Lookahead of AGC": lambda opt: EMA(
        SAM(Lookahead(AGC(opt, clip_factor=0.5, eps=1.0, unit_axis=-1)), rho=1e-9), decay=0.9
    ),
    "AGC of Lookahead": lambda opt: AGC(Lookahead(opt), clip_factor=0.5, eps=1.0, unit_axis=-1),
    "SWA of scaled sums": lambda opt: SWA(
        GradientAccumulation(DynamicLossScale(opt, init_scale=8.0), every=2), start=250
    ),
}

PENALTIES: dict[str, Penalty] = {
    "L1": L1(0.4),
    "L2": L2(0.5),
    "ElasticNet": ElasticNet(0.3, 0.2),
    "MaxNorm": MaxNorm(1.25),
}


def problem() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 5))
    return x, x @ [3.0, -2.0, 0.1, 0.0, 0.5] + 0.05 * rng.normal(size=24) + 0.3


def trained(
    wrap: Callable[[Any], Any], penalty: Penalty | None, accumulate: int = 1, **options: Any
) -> tuple[Any, Trainer]:
    """Return the weights that training ends with, and the trainer."""
    x, y = problem()
    model = Linear(5, dtype=options.pop("dtype", "float64"))
    optimizer = wrap(po.SGD(model.params, lr=0.1, **SKIPS, **options))
    if accumulate > 1:
        optimizer = po.wrappers.GradientAccumulation(optimizer, every=accumulate)
    trainer = Trainer(
        model, None, optimizer, epochs=600, batch_size=24 // accumulate,
        shuffle=False, penalty=penalty, progress=False,
    )  # fmt: skip
    trainer.fit(x, y)
    return model.params["layers.0.weight"].copy(), trainer


def satisfied(penalty: Penalty, weights: Any, trained_weights: Any, near: float = 1e-12) -> bool:
    """Whether weights that are kept satisfy what a penalty asks of those that are trained."""
    if isinstance(penalty, MaxNorm):
        return bool(np.linalg.norm(weights.astype(float)) <= penalty.max_norm * (1 + near))
    if isinstance(penalty, ElasticNet) and penalty.l1 > 0:
        return bool(np.array_equal(weights == 0, trained_weights == 0))
    return True


PLAIN: dict[str, Any] = {}


def plain(name: str) -> Any:
    if name not in PLAIN:
        PLAIN[name] = trained(WRAPPERS["plain"], PENALTIES[name])[0]
    return PLAIN[name]


def test_every_wrapper_has_cases() -> None:
    assert set(po.wrappers.__all__) <= WRAPPERS.keys()


# SAM cannot stand within what accumulates; AGC there clips the gradient of each part, not the mean.
CASES = [
    (wrapper, accumulate)
    for wrapper in WRAPPERS
    for accumulate in (1, 2, 4)
    if accumulate == 1 or not ("SAM" in wrapper or "AGC" in wrapper)
]


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize(("wrapper", "accumulate"), CASES)
def test_every_wrapper_leads_to_the_minimum_of_the_plain_optimizer(
    wrapper: str, accumulate: int, name: str
) -> None:
    penalty = PENALTIES[name]
    weights, trainer = trained(WRAPPERS[wrapper], penalty, accumulate)
    np.testing.assert_allclose(weights, plain(name), rtol=0, atol=1e-6)
    assert satisfied(penalty, weights, plain(name))
    optimizer: Any = trainer.optimizer
    while isinstance(optimizer, Wrapper):
        for kept in getattr(optimizer, "weights", {}).values():
            if kept.size == weights.size:
                assert satisfied(penalty, kept, plain(name))
        optimizer = optimizer.optimizer


@pytest.mark.parametrize("wrapper", ["SAM", "ASAM"])
def test_weights_that_start_at_zero_move_with_sam_and_a_penalty(wrapper: str) -> None:
    x = np.random.default_rng(0).normal(size=(64, 3))
    model = Linear(3, dtype="float64")
    optimizer = WRAPPERS[wrapper](po.SGD(model.params, lr=0.1))
    Trainer(
        model, None, optimizer, epochs=200, batch_size=64, penalty=L1(1e-6), progress=False
    ).fit(x, x @ [3.0, -2.0, 1.0])
    weights = model.params["layers.0.weight"][:, 0]
    np.testing.assert_allclose(weights, [3, -2, 1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_the_lasso_of_accumulated_gradients_is_that_of_the_whole_batch(accumulate: int) -> None:
    x, y = np.array([[1.0], [-1], [1], [-1]]), np.array([3.0, -3, 3, 3])
    model = Linear(1, dtype="float64")
    optimizer = po.wrappers.GradientAccumulation(po.SGD(model.params, lr=0.1), every=accumulate)
    Trainer(
        model, None, optimizer, epochs=200, batch_size=4 // accumulate,
        shuffle=False, penalty=L1(0.1), progress=False,
    ).fit(x, y)  # fmt: skip
    assert model.params["layers.0.weight"][0, 0] == pytest.approx(1.45)


def test_the_loss_shown_is_the_same_however_gradients_are_accumulated() -> None:
    x, y = problem()
    shown = []
    for accumulate in (1, 2, 4):
        model = Linear(5, dtype="float64")
        model.params["layers.0.weight"] = np.ones((5, 1))
        optimizer = po.wrappers.GradientAccumulation(po.SGD(model.params, lr=0.1), every=accumulate)
        trainer = Trainer(
            model, None, optimizer, epochs=3, batch_size=24 // accumulate,
            shuffle=False, penalty=[L1(0.3), L2(0.2)], progress=False,
        )  # fmt: skip
        shown.append(trainer.fit(x, y)["loss"])
    np.testing.assert_allclose(shown, [shown[0]] * 3, rtol=1e-12)


KEEPING: list[dict[str, Any]] = [
    {"ema_decay": 0.9},
    {"bfloat16_copy": True, "ema_decay": 0.5},
    {"master_weights": "float32", "ema_decay": 0.9},
    {"master_weights": "split", "ema_decay": 0.9},
    {"modifier": "cautious", "ema_decay": 0.9},
    {"state_dtype": "bfloat16", "momentum": 0.5, "bfloat16_copy": True},
]


@pytest.mark.parametrize("name", ["L1", "ElasticNet", "MaxNorm"])
@pytest.mark.parametrize("options", KEEPING, ids=str)
def test_what_an_optimizer_keeps_satisfies_the_penalty(options: dict[str, Any], name: str) -> None:
    penalty = PENALTIES[name]
    dtype = "bfloat16" if "master_weights" in options else "float32"
    rounding = 2**-8 if dtype == "bfloat16" or "bfloat16_copy" in options else 1e-6
    w = np.zeros((5, 1)).astype(po.Parameters({"w": (1,)}, dtype=dtype)["w"].dtype)
    x, y = problem()
    opt = po.SGD([w], lr=0.1, **options)
    opt.penalize(penalty)
    for _ in range(400):
        wide = w.astype(float)
        grad = 2 * x.T @ (x @ wide - y[:, None]) / len(x)
        opt.step([grad.astype(w.dtype)])
        kept = {n: v for n, v in opt.state["0"].items() if n in ("ema", "bfloat16_copy", "master")}
        for values in kept.values():
            assert satisfied(penalty, values, w, near=rounding)
        if "bfloat16_copy" in kept:
            assert np.array_equal(kept["bfloat16_copy"], w.astype(kept["bfloat16_copy"].dtype))
    if dtype == "float32":
        exact = np.zeros((5, 1))
        reference = po.SGD([exact], lr=0.1)
        reference.penalize(penalty)
        for _ in range(400):
            reference.step([2 * x.T @ (x @ exact - y[:, None]) / len(x)])
        np.testing.assert_allclose(
            w, exact, rtol=0, atol=1e-3 if "state_dtype" in options else 1e-5
        )


AVERAGING = [rule.name for rule in po.rules() if rule.has_eval_mode]


@pytest.mark.parametrize("rule", AVERAGING)
def test_the_first_field_of_averaging_rules_is_the_share_of_the_average(rule: str) -> None:
    (described,) = (each for each in po.rules() if each.name == rule)
    w = np.array([1.0, -2.0])
    opt = getattr(po, rule)([w], lr=0.1)
    for _ in range(5):
        opt.step([2 * w])
    share, y = opt.param_groups[0][described.fields[0].name], w.copy()
    opt.eval()
    z = opt.state["0"][described.copied_state]
    np.testing.assert_allclose(y, share * w + (1 - share) * z, rtol=1e-12)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", AVERAGING)
def test_averages_of_a_rule_satisfy_the_penalty(rule: str, dtype: str, name: str) -> None:
    penalty = PENALTIES[name]
    x, y = problem()
    model = Linear(5, dtype=dtype)
    options = {"bfloat16_copy": True} if dtype == "float32" else {}
    optimizer = getattr(po, rule)(model.params, lr=0.1, **options)
    trainer = Trainer(
        model, None, optimizer, epochs=1500, batch_size=24, shuffle=False, penalty=penalty,
        progress=False,
    )  # fmt: skip
    trainer.fit(x, y)
    weights = model.params["layers.0.weight"]
    near = 1e-6 if dtype == "float32" else 1e-12
    assert optimizer.evaluating
    assert satisfied(penalty, weights, plain(name), near)
    (described,) = (each for each in po.rules() if each.name == rule)
    if name != "MaxNorm" or len(described.states) == 1:
        # A projection after steps of other lengths for each element ends elsewhere on the bound.
        np.testing.assert_allclose(weights, plain(name), rtol=0, atol=5e-3)
    if options:
        kept = optimizer.state["layers.0.weight"]["bfloat16_copy"]
        assert np.array_equal(kept, weights.astype(kept.dtype))
    at_evaluation = weights.copy()
    optimizer.train()
    assert satisfied(penalty, weights, plain(name), near)
    optimizer.eval()
    assert np.array_equal(weights, at_evaluation)


def test_rules_declare_their_mean_of_the_parameters() -> None:
    declared = [rule for rule in po.rules() if rule.mean_state]
    assert declared
    for rule in declared:
        assert rule.mean_state in rule.states
        w = np.arange(3.0)
        opt = getattr(po, rule.name)([w])
        opt.step([np.ones(3)])
        assert (opt.state["0"][rule.mean_state] == w).all()


@pytest.mark.parametrize("name", ["L1", "ElasticNet", "MaxNorm"])
@pytest.mark.parametrize("dtype", [None, "bfloat16"])
@pytest.mark.parametrize("rule", [rule.name for rule in po.rules() if rule.mean_state])
def test_means_that_a_rule_keeps_satisfy_the_penalty(
    rule: str, dtype: str | None, name: str
) -> None:
    (described,) = (each for each in po.rules() if each.name == rule)
    x, y = (values.astype(np.float32) for values in problem())
    w = np.zeros(5, np.float32)
    settings = {"t0": 20.0} if any(f.name == "t0" for f in described.fields) else {}
    opt = getattr(po, rule)([w], lr=0.1, state_dtype=dtype, **settings)
    opt.penalize(PENALTIES[name])
    for _ in range(60):
        opt.step([2 * x.T @ (x @ w - y) / np.float32(len(x))])
        mean = opt.state["0"][described.mean_state]
        assert satisfied(PENALTIES[name], mean, w, near=1e-6 if dtype is None else 2**-8)
    opt = getattr(po, rule)([w], state_dtype="float8")
    with pytest.raises(ValueError, match=r"penalize: the state 'ax'.* use 'bfloat16'"):
        opt.penalize(PENALTIES[name])


@pytest.mark.parametrize("name", ["L1", "MaxNorm"])
@pytest.mark.parametrize("wrapper", ["plain", "EMA", "SWA", "Lookahead"])
def test_the_best_weights_satisfy_the_penalty(wrapper: str, name: str) -> None:
    x, y = problem()
    penalty = L1(1.5) if name == "L1" else MaxNorm(0.5)
    model = Linear(5, dtype="float64")
    optimizer = {**WRAPPERS, "SWA": SWA}[wrapper](po.SGD(model.params, lr=0.1))
    stop = po.train.EarlyStopping(patience=20)
    trainer = Trainer(
        model, None, optimizer, epochs=60, batch_size=24, validation=(x, y), penalty=penalty,
        callbacks=[stop], progress=False,
    )  # fmt: skip
    assert trainer.fit(x, y).best_epoch is not None
    weights = model.params["layers.0.weight"]
    if name == "L1":
        assert (weights == 0).any()
    else:
        assert np.linalg.norm(weights) <= 0.5 * (1 + 1e-12)


def test_slow_weights_that_start_outside_a_bound_are_brought_within() -> None:
    w = np.array([3.0, 4.0])
    opt = Lookahead(po.SGD([w], lr=0.1), k=2, alpha=0.1)
    opt.penalize(MaxNorm(1.0))
    for _ in range(2):
        opt.step([np.zeros(2)])
    assert np.linalg.norm(opt.weights["0"]) <= 1 + 1e-12
    assert np.array_equal(opt.weights["0"], w)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("grad_scale", [1.0, 0.25, -2.0, 0.0])
def test_a_step_is_that_of_the_gradients_with_the_penalty(grad_scale: float, dtype: str) -> None:
    params = po.Parameters({"w": (4,), "free": (3,), "frozen": (2,)}, dtype=dtype)
    params.flat[...] = np.linspace(-2, 2, 9)
    twin = po.Parameters({"w": (4,), "free": (3,), "frozen": (2,)}, dtype=dtype)
    twin.flat[...] = params.flat
    opt, other = po.SGD(params, lr=0.25), po.SGD(twin, lr=0.25)
    opt.penalize(ElasticNet(0.5, 0.25), "w")
    rng = np.random.default_rng(0)
    for _ in range(3):
        grads = [rng.integers(-4, 5, n).astype(params.dtype) for n in (4, 3)]
        given = [g.copy() for g in grads]
        opt.step([*grads, None], grad_scale=grad_scale)
        assert all(map(np.array_equal, grads, given))
        penalty = ElasticNet(0.5, 0.25)
        scaled = [(g.astype(float) * grad_scale).astype(g.dtype) for g in grads]
        penalty.before_step(twin["w"], scaled[0])
        other.step([*scaled, None])
        penalty.after_step(twin["w"])
        assert np.array_equal(params.flat, twin.flat)


def test_groups_that_maximize_maximize_less_the_penalty() -> None:
    down, up = np.zeros(3), np.zeros(3)
    target = np.array([3.0, 0.2, -1.0])
    opt = po.SGD([{"params": [down]}, {"params": [up], "maximize": True}], lr=0.1)
    opt.penalize(L1(0.5))
    for _ in range(300):
        opt.step([down - target, target - up])
    np.testing.assert_allclose(down, [2.5, 0, -0.5], atol=1e-9)
    assert np.array_equal(up, down)


def test_a_skipped_step_changes_nothing_and_says_so() -> None:
    w = np.array([3.0, -4.0])
    opt = DynamicLossScale(po.SGD([w], lr=0.1, skip_nonfinite=True))
    opt.penalize([L1(0.5), MaxNorm(1.0)])
    info = opt.step([np.array([np.inf, 1.0])])
    assert info is not None
    assert info.skipped
    assert w.tolist() == [3, -4]
    opt.step([np.zeros(2)])
    assert np.linalg.norm(w) <= 1 + 1e-12


def test_gradients_are_set_to_zero_with_a_penalty_too() -> None:
    params = po.Parameters({"w": (3,), "b": (1,)}, dtype="float64")
    params.flat[...] = 1
    opt = po.SGD(params, lr=0.5, zero_grads=True, skip_nonfinite=True)
    opt.penalize(L1(0.5), ["w"])
    params.flat_grad[...] = 1
    opt.step()
    assert params.flat.tolist() == [0.25, 0.25, 0.25, 0.5]
    assert not params.flat_grad.any()
    params.flat_grad[...] = np.nan
    assert opt.step().skipped
    assert not params.flat_grad.any()


def pickled(opt: Any) -> Any:
    return pickle.loads(pickle.dumps(opt))


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, pickled])
def test_copies_have_the_penalties(clone: Any) -> None:
    w = np.array([3.0, 0.2])
    opt = EMA(po.SGD([w], lr=0.1))
    opt.penalize(L1(0.5))
    opt.step([np.ones(2)])
    twin: Any = clone(opt)
    (theirs,) = twin.param_groups[0]["params"]
    theirs[...] = [3.0, 0.2]
    twin.step([np.ones(2)])
    assert theirs.tolist() == [3 - 0.1 * 1.5, 0.2 - 0.1 * 1.5]
    opt.penalize(None)
    assert not opt.unwrapped.penalized
    assert twin.unwrapped.penalized


def test_a_trainer_without_penalties_does_not_inherit_those_of_another() -> None:
    x, y = problem()
    model = Linear(5, dtype="float64")
    opt = po.SGD(model.params, lr=0.1)
    for penalty in (L1(100.0), None):
        Trainer(model, None, opt, epochs=300, batch_size=24, penalty=penalty, progress=False).fit(
            x, y
        )
        assert model.params["layers.0.weight"].any() == (penalty is None)


def test_training_by_hand_and_by_a_trainer_penalize_alike() -> None:
    x, y = problem()
    by_hand, trained_model = (MLP([5, 4, 1], loss="squared", dtype="float64") for _ in range(2))
    opt, other = (
        SAM(GradientAccumulation(po.Adam(model.params, lr=0.01), every=2))
        for model in (by_hand, trained_model)
    )
    penalties = [L1(0.01), MaxNorm(1.0)]
    opt.penalize(penalties, by_hand.weights)
    for step in range(40):
        half = slice(0, 12) if step % 2 == 0 else slice(12, 24)

        def gradients(half: slice = half) -> None:
            by_hand.loss_and_grad(x[half], y[half])

        opt.step(gradients)
    Trainer(
        trained_model, None, other, epochs=20, batch_size=12, shuffle=False, penalty=penalties,
        progress=False,
    ).fit(x, y)  # fmt: skip
    np.testing.assert_allclose(trained_model.params.flat, by_hand.params.flat, rtol=1e-12)


def test_errors_name_what_is_wrong() -> None:
    w = np.ones(3)
    opt = po.SGD([w], lr=0.1)
    rows = po.Parameters({"table": (4, 2), "b": (2,)}, row_sparse=["table"])
    penalty: Any = "l1"
    with pytest.raises(TypeError, match=r"penalty: expected one of pyoptim.penalties, got 'l1'"):
        opt.penalize([penalty])
    with pytest.raises(ValueError, match="names: no parameter 'w'; the parameters are 0"):
        opt.penalize(L1(1), ["w"])
    with pytest.raises(TypeError, match="penalties act on whole arrays, and 'table' is row-sparse"):
        po.SGD(rows, lr=0.1).penalize(L1(1))
    opt.penalize(L1(1))
    with pytest.raises(TypeError, match=r"gradient of .*0.*: expected an array, got a RowGrad"):
        opt.step([po.RowGrad([0], np.ones(1))])
    with pytest.raises(ValueError, match="grad_scale must be finite, got inf"):
        opt.step([w.copy()], grad_scale=np.inf)
    assert w.tolist() == [1, 1, 1]
    opt.step([np.zeros(3)])  # an error leaves no step half made
    np.testing.assert_allclose(w, 0.9)
    dense_and_rows = po.SGD(rows, lr=0.5)
    dense_and_rows.penalize(L1(1), "b")
    rows["b"] = 1
    dense_and_rows.step(
        [po.RowGrad([1], np.ones((1, 2), np.float32)), rows.grads["b"]], grad_scale=2
    )
    assert rows["table"].tolist() == [[0, 0], [-1, -1], [0, 0], [0, 0]]
    assert rows["b"].tolist() == [0.5, 0.5]


def test_compiled_code_does_not_step_past_the_penalties() -> None:
    stepper = pytest.importorskip("pyoptim.cython_optim").Stepper
    w = np.ones(3)
    opt = po.SGD([w], lr=0.1)
    opt.penalize(L1(1))
    with pytest.raises(TypeError, match="Stepper: compiled code applies no penalties"):
        stepper(opt, [np.ones(3)])
    opt.penalize(None)
    stepper(opt, [np.ones(3)]).run(1)
    with pytest.raises(TypeError, match="penalize: a Stepper uses this optimizer"):
        opt.penalize(L1(1))
