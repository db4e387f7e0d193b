"""Losses against mpmath and NumPy, at extremes, with weights, on every instruction set."""

from __future__ import annotations

import inspect
import json
import pickle
from collections.abc import Iterator
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from cases import over
from formulas.losses import OF_SCORES, PLAIN, softmax, sum_in_blocks
from loss_cases import DTYPES, LOSSES, NAMES

import pyoptim as po
from pyoptim import _core
from pyoptim.losses import Loss

ANY_NUMBER = {e["name"] for e in _core.losses() if e["targets"] == "a finite number"}
BY_SCORE = [loss for loss in LOSSES if not loss.labels]
SHAPES = [(1, 1), (7, 1), (40, 1), (3, 17), (300, 33), (3, 9000)]


@pytest.fixture
def digits() -> Iterator[None]:
    """So many that differences have enough of them."""
    with mp.workdps(110):
        yield


def some_targets(loss: Loss, rng: np.random.Generator, shape: Any, dtype: Any) -> Any:
    if loss.labels:
        return rng.integers(0, shape[1], shape[0])
    if loss.name in ANY_NUMBER:
        return rng.normal(size=shape).astype(dtype)
    if loss.link in ("sign", "logistic"):
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.poisson(2, shape).astype(dtype)


def problem(loss: Loss, rows: int, columns: int, dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(rows * 100 + columns)
    scores = (3 * rng.normal(size=(rows, columns))).astype(dtype)
    return scores, some_targets(loss, rng, (rows, columns), dtype)


def derivatives(loss: Loss, z: Any, y: Any, parameters: dict[str, Any]) -> list[Any]:
    """Value, grad and hessian of one score, by differences of 110 digits."""

    def value(at: Any) -> Any:
        return OF_SCORES[loss.name](at, y, **parameters)

    h = mp.mpf(10) ** -18 * max(1, abs(z))  # small, so that no kink is between
    above, here, below = value(z + h), value(z), value(z - h)
    return [here, (above - below) / (2 * h), (above - 2 * here + below) / h**2]


def check_exact(loss: Loss, score: Any, target: float, got: list[float], dtype: Any) -> None:
    """All three are what they are for arguments that differ in their last place, or so."""
    eps = mp.mpf(float(np.finfo(dtype).eps))
    least, most = float(np.finfo(dtype).tiny), float(np.finfo(dtype).max)
    z, y = mp.mpf(float(score)), mp.mpf(target)
    given = {name: mp.mpf(value) for name, value in loss.parameters.items()}
    rounded = {n: v if np.float32(v) == v else v * (1 + eps) for n, v in given.items()}
    wanted = derivatives(loss, z, y, given)
    near = [
        derivatives(loss, z * (1 + eps), y, given),
        derivatives(loss, z, y * (1 + eps), given),
        derivatives(loss, z, y, rounded),
    ]
    for i, (one, right) in enumerate(zip(got, wanted, strict=True)):
        if abs(right) > most and not np.isfinite(one):
            assert one == np.sign(float(mp.sign(right))) * np.inf
            continue
        slack = 6 * eps * abs(right) + 6 * sum(abs(other[i] - right) for other in near)
        noise = 2 * least + mp.mpf(10) ** -60  # what is flushed, and that of the differences
        assert abs(mp.mpf(one) - right) <= slack + noise, (score, target, i, one, right)


@pytest.mark.usefixtures("digits")
@over("dtype", DTYPES)
@pytest.mark.parametrize("loss", BY_SCORE, ids=repr)
def test_values_and_derivatives_are_as_exact_as_scores_and_targets(loss: Loss, dtype: Any) -> None:
    """Near, and so far out that differences cancel and powers overflow."""
    far = [10.0, 30.0, 85.0, 1e4, 1e30]
    z = np.concatenate([np.linspace(-4, 4, 9) + 0.01234, far, np.negative(far), [1e-6, 0.0]])
    z = z.astype(dtype)
    targets = {"sign": [0, 1], "logistic": [0, 1, 0.25]}.get(loss.link, [0, 1, 3.5])
    for y in targets:
        for score in z:
            value, grad, hessian = loss.value_grad_hessian(np.array([score]), [y])
            if y == score or abs(abs(score) - 1) < 1e-3:
                continue  # a kink
            check_exact(loss, score, y, [value, float(grad[0]), float(hessian[0])], dtype)


@pytest.mark.usefixtures("digits")
@pytest.mark.parametrize("dtype", DTYPES)
@over("smoothing", [0.0, 0.1, 1.0])
def test_softmax_and_its_derivatives(smoothing: float, dtype: Any, instruction_set: str) -> None:
    loss = po.losses.Softmax(smoothing)
    eps = float(np.finfo(dtype).eps)
    rng = np.random.default_rng(0)
    rows = [
        *(3 * rng.normal(size=(4, 5))),
        np.array([1e4, -1e4, 0, 3, 9]),
        np.array([-1e4] * 5),
        np.array([60.0, 0, 1, 2, 3]),
    ]
    for z in np.array(rows).astype(dtype):
        for label in range(5):
            for as_labels in (True, False):
                y = np.eye(5)[label] if as_labels else rng.dirichlet(np.ones(5)).astype(dtype)
                targets = np.array([label]) if as_labels else y.reshape(1, -1)
                got = loss.value_grad_hessian(z.reshape(1, -1), targets)
                zs, ys = [mp.mpf(float(each)) for each in z], [mp.mpf(float(each)) for each in y]
                wanted = softmax(zs, ys, mp.mpf(smoothing))
                size = float(max(z) - min(z)) if smoothing or not as_labels else 0
                assert abs(got[0] - float(wanted)) <= 16 * eps * (float(wanted) + size)
                powers = [mp.exp(each) for each in zs]
                p = np.array([float(each / mp.fsum(powers)) for each in powers])
                others = [mp.fsum(powers[:k] + powers[k + 1 :]) for k in range(5)]
                q = np.array([float(each / mp.fsum(powers)) for each in others])
                smooth = (1 - smoothing) * y + smoothing / 5
                total = float(smooth.sum())
                grad = (total - smooth) * p - smooth * q
                if as_labels and smoothing == 0:
                    np.testing.assert_allclose(got[1][0], grad, rtol=60 * eps, atol=1e-37)
                np.testing.assert_allclose(got[1][0], grad, rtol=60 * eps, atol=4 * eps)
                np.testing.assert_allclose(got[2][0], total * p * q, rtol=60 * eps, atol=1e-37)


@over("dtype", DTYPES)
@pytest.mark.parametrize("loss", [x for x in LOSSES if x.name in PLAIN], ids=repr)
def test_plain_arithmetic_has_the_bits_of_numpy(
    loss: Loss, dtype: Any, instruction_set: str
) -> None:
    assert set(PLAIN) <= set(NAMES)
    for rows, columns in SHAPES:
        scores, targets = problem(loss, rows, columns, dtype)
        values, grads, hessians = PLAIN[loss.name](scores, targets, **loss.parameters)
        weights = np.random.default_rng(0).integers(0, 4, rows) / 4 + 0.25
        value, grad, hessian = loss.value_grad_hessian(scores, targets)
        assert value == sum_in_blocks(values.astype(float), columns) / values.size
        scale = dtype(1 / values.size)
        assert np.array_equal(grad, scale * grads)
        assert np.array_equal(hessian, scale * hessians)
        value, grad = loss.value_and_grad(scores, targets, weights)
        per_score = np.repeat(weights, columns).reshape(rows, columns)
        total = weights.sum() * columns  # quarters: exact in any order
        assert value == sum_in_blocks(per_score * values.astype(float), columns) / total
        assert np.array_equal(grad, (per_score * (1 / total)).astype(dtype) * grads)


@over("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_same_bits_on_every_instruction_set_and_thread_count(
    loss: Loss, dtype: Any, instruction_sets: list[str]
) -> None:
    results = set()
    given = [
        (*problem(loss, rows, columns, dtype), np.random.default_rng(0).uniform(0, 2, rows))
        for rows, columns in [(21000, 13), (301, 1), (37, 3)]
        if not loss.labels or columns > 1
    ]
    for name in instruction_sets:
        _core.set_instruction_set(name)
        for threads in (1, 2, 5):
            po.set_num_threads(threads)
            parts = []
            for scores, targets, weights in given:
                for chosen in (None, weights):
                    three = loss.value_grad_hessian(scores, targets, chosen)
                    two = loss.value_and_grad(scores, targets, chosen)
                    assert three[0] == two[0] == loss(scores, targets, chosen)
                    assert np.array_equal(three[1], two[1])
                    parts += [np.float64(three[0]).tobytes(), *map(bytes, three[1:])]
            results.add(b"".join(parts))
    assert len(results) == 1


@over("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_weights(loss: Loss, dtype: Any) -> None:
    for rows, columns in [(40, 1), (300, 33), (3, 9000)]:
        if loss.labels and columns == 1:
            continue
        scores, targets = problem(loss, rows, columns, dtype)
        plain = loss.value_grad_hessian(scores, targets)
        for ones in (np.ones(rows), np.full(rows, True), np.ones(rows, np.uint8)):
            found = loss.value_grad_hessian(scores, targets, ones)
            assert found[0] == plain[0]
            assert all(map(np.array_equal, found[1:], plain[1:]))
        # Whole weights are repetitions, and 0 is absence, whatever stands there.
        times = np.random.default_rng(1).integers(0, 4, rows)
        times[:3] = [0, 1, 3]
        marred = scores.copy()
        marred[times == 0] = np.nan
        bad = targets.copy()
        bad[times == 0] = -7
        value, grad, hessian = loss.value_grad_hessian(marred, bad, times.astype(np.int8))
        again = loss.value_grad_hessian(
            np.repeat(scores, times, axis=0), np.repeat(targets, times, axis=0)
        )
        rtol = 1e-6 if dtype == np.float32 else 1e-12
        assert value == pytest.approx(again[0], rel=rtol)
        last = np.cumsum(times) - 1
        for got, other in zip((grad, hessian), again[1:], strict=True):
            assert not got[times == 0].any()
            shown = times > 0
            expected = other[last[shown]] * times[shown, None]
            near = rtol * float(np.abs(expected).max())  # what is left of differences
            np.testing.assert_allclose(got[shown], expected, rtol=2 * rtol, atol=near)
        value, grad, hessian = loss.value_grad_hessian(marred, bad, np.zeros(rows))
        assert value == 0
        assert not grad.any()
        assert not hessian.any()
        tiny = loss.value_and_grad(scores, targets, np.full(rows, 1e-200))
        assert tiny[0] == pytest.approx(plain[0], rel=1e-12)
        near = rtol * float(np.abs(plain[1]).max())
        np.testing.assert_allclose(tiny[1], plain[1], rtol=2 * rtol, atol=near)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_targets_of_any_type_and_layout(loss: Loss) -> None:
    scores, targets = problem(loss, 12, 3, np.float64)
    if loss.name in ANY_NUMBER or loss.link == "exponential":
        targets = np.abs(targets).round()
    expected = loss.value_and_grad(scores, targets)
    others: list[Any] = [targets.astype(np.int8), targets.astype(np.uint64), targets.tolist()]
    if set(np.unique(targets)) <= {0, 1}:
        others.append(targets.astype(bool))
    if not loss.labels:
        others += [targets.astype(np.float16), np.asfortranarray(targets)]
        column = loss.value_and_grad(scores[:, :1], targets[:, :1])
        flat = loss.value_and_grad(scores[:, :1], targets[:, 0])
        bare = loss.value_and_grad(scores[:, 0], targets[:, 0])
        assert column[0] == flat[0] == bare[0]
        assert np.array_equal(column[1], flat[1])
        assert np.array_equal(column[1][:, 0], bare[1])
    for other in others:
        found = loss.value_and_grad(scores, other)
        assert found[0] == expected[0]
        assert np.array_equal(found[1], expected[1])
    assert loss(np.asfortranarray(scores), targets) == expected[0]
    read_only = scores.copy()
    read_only.flags.writeable = False
    assert loss(read_only, targets) == expected[0]
    in_place = scores.copy()
    assert loss.value_and_grad_in_place(in_place, targets) == expected[0]
    assert np.array_equal(in_place, expected[1])


@over("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_nan_is_not_hidden(loss: Loss, dtype: Any, instruction_set: str) -> None:
    scores, targets = problem(loss, 40, 3, dtype)
    scores[17, 1] = np.nan
    value, grad, _ = loss.value_grad_hessian(scores, targets)
    assert np.isnan(value)
    assert np.isnan(grad[17]).any()
    assert np.isfinite(np.delete(grad, 17, axis=0)).all()


def test_infinity_is_not_hidden(instruction_set: str) -> None:
    scores = np.array([[0.0, np.inf], [0.0, 1.0]])
    value, grad = po.losses.softmax.value_and_grad(scores, np.array([0, 0]))
    assert not np.isfinite(value)
    assert not np.isfinite(grad[0]).all()
    assert np.isfinite(grad[1]).all()
    assert not np.isfinite(po.losses.squared(scores, np.zeros((2, 2))))


def test_classes_alone() -> None:
    """One class only: of the scores, and of the targets."""
    value, grad, hessian = po.losses.softmax.value_grad_hessian(np.ones((3, 1)), [0, 0, 0])
    assert value == 0
    assert not grad.any()
    assert not hessian.any()
    for loss in (po.losses.logistic, po.losses.hinge, po.losses.focal):
        value, grad = loss.value_and_grad(np.zeros(5), np.ones(5))
        assert value > 0
        assert (grad < 0).all()


def test_class_weights() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    weights = po.losses.compute_class_weight("balanced", labels)
    assert weights == {0: 6 / 9, 1: 2, 2: 1}
    rows = po.losses.compute_sample_weight("balanced", labels)
    assert rows.tolist() == [weights[label] for label in labels.tolist()]
    given = po.losses.compute_sample_weight({1: 5}, labels, np.arange(6))
    assert given.tolist() == [0, 1, 2, 15, 4, 5]
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    assert np.allclose(rows, sklearn.compute_sample_weight("balanced", labels))
    assert po.losses.compute_sample_weight({True: 2}, np.array([True, False])).tolist() == [2, 1]
    with pytest.raises(ValueError, match="class_weight must be a mapping or 'balanced', got 'b'"):
        po.losses.compute_class_weight("b", labels)
    with pytest.raises(ValueError, match="class_weight must be at least 0 and finite, got -1"):
        po.losses.compute_class_weight({0: -1}, labels)
    with pytest.raises(ValueError, match=r"expected one class a row, got targets \(2, 3\)"):
        po.losses.compute_class_weight("balanced", np.zeros((2, 3)))


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_a_loss_is_a_value(loss: Loss) -> None:
    assert pickle.loads(pickle.dumps(loss)) == loss
    assert hash(pickle.loads(pickle.dumps(loss))) == hash(loss)
    assert po.losses.get(loss) is loss
    assert po.losses.get(json.loads(json.dumps(loss.config()))) == loss
    assert po.losses.get(loss.name, **loss.parameters) == loss
    assert eval(repr(loss), vars(po.losses)) == loss
    assert loss != po.losses.Huber(delta=17)
    cls = type(loss)
    assert list(inspect.signature(cls).parameters) == [field.name for field in cls.fields]
    assert cls(*loss.parameters.values()) == loss
    for field in cls.fields:
        assert getattr(loss, field.name) == loss.parameters[field.name]
        assert field.name in str(cls.__doc__)
    assert getattr(po.losses, loss.name) == cls()
    assert str(cls.__doc__).count(">>>") >= 4


def test_losses_are_right_about_what_is_wrong() -> None:
    get, zeros = po.losses.get, np.zeros
    cases: list[tuple[type[Exception], str, Any]] = [
        (
            ValueError,
            "loss: expected one of squared, absolute, .* got 'hinges'",
            lambda: get("hinges"),
        ),
        (ValueError, r"loss: expected one of .* got \['huber'\]", lambda: get(["huber"])),
        (ValueError, "loss: expected one of .* got None", lambda: get({"delta": 1.0})),
        (ValueError, "delta must be above 0 and finite, got 0", lambda: get("huber", delta=0)),
        (ValueError, r"quantile must be in \(0, 1\), got 1", lambda: get("quantile", quantile=1)),
        (ValueError, "power must be at least 1", lambda: get("tweedie", power=0.5)),
        (ValueError, "gamma must be .* got nan", lambda: get("focal", gamma=np.nan)),
        (TypeError, "delta must be a number, got 'a'", lambda: get("huber", delta="a")),
        (TypeError, "Huber.*'dleta'.* It takes delta", lambda: get("huber", dleta=1)),
        (TypeError, "Squared.*It takes no arguments", lambda: get("squared", delta=1)),
        (TypeError, "has its parameters", lambda: get(po.losses.huber, delta=1)),
    ]
    softmax, scores = po.losses.softmax, zeros((3, 4))
    cases += [
        (ValueError, "labels from 0 to 3, got 4 at row 1", lambda: softmax(scores, [0, 4, 1])),
        (ValueError, "labels from 0 to 3, got -1 at row 2", lambda: softmax(scores, [0, 3, -1])),
        (ValueError, r"expected 3 contiguous int64 labels, got shape \(2,\)",
         lambda: softmax(scores, [0, 1])),
        (TypeError, "whole-number class labels, got dtype float64",
         lambda: softmax(scores, zeros(3))),
        (ValueError, r"targets of the loss softmax must be in \[0, 1\], got 2 at row 0",
         lambda: softmax(scores, zeros((3, 4)) + 2)),
        (ValueError, r"targets: expected shape \(3, 4\), got \(4, 3\)",
         lambda: po.losses.squared(scores, zeros((4, 3)))),
        (TypeError, "scores: dtype must be float32, float64",
         lambda: softmax(scores.astype(int), [0, 1, 2])),
        (TypeError, "targets: expected numbers, got dtype <U1",
         lambda: po.losses.squared(zeros(1), ["a"])),
        (ValueError, "loss hinge must be 0 or 1, got -1 at row 1",
         lambda: po.losses.hinge(zeros(2), [1, -1])),
        (ValueError, "loss logistic must be in .* got nan at row 0",
         lambda: po.losses.logistic(zeros(2), [np.nan, 1])),
        (ValueError, "loss poisson must be at least 0 and finite, got inf at row 1",
         lambda: po.losses.poisson(zeros(2), [0, np.inf])),
        (ValueError, "scores: expected at least one",
         lambda: po.losses.squared(zeros(0), zeros(0))),
        (ValueError, "sample_weight: expected finite numbers of at least 0, got -1 at row 1",
         lambda: po.losses.squared(zeros(2), zeros(2), [1, -1])),
        (ValueError, "sample_weight: .* got nan at row 0",
         lambda: po.losses.squared(zeros(2), zeros(2), [np.nan, 1])),
        (ValueError, "sum of all weights is not finite",
         lambda: po.losses.squared(zeros(2), zeros(2), [1e308, 1e308])),
        (ValueError, r"sample_weight: expected 2 contiguous .* got shape \(3,\)",
         lambda: po.losses.squared(zeros(2), zeros(2), [1, 1, 1])),
        (TypeError, "sample_weight: expected numbers, got dtype <U1",
         lambda: po.losses.squared(zeros(2), zeros(2), ["a", "b"])),
    ]  # fmt: skip
    for kind, message, action in cases:
        with pytest.raises(kind, match=message):
            action()


def test_nothing_is_written_where_targets_are_wrong() -> None:
    scores = np.zeros(300_000)
    targets = np.ones(300_000)
    targets[-1] = -1
    with pytest.raises(ValueError, match="at row 299999"):
        po.losses.poisson.value_and_grad_in_place(scores, targets)
    assert not scores.any()


@pytest.mark.peers
@pytest.mark.parametrize("name", NAMES)
def test_scikit_learn_and_torch_have_the_same_losses(name: str) -> None:
    functional = pytest.importorskip("torch").nn.functional
    import torch

    loss = po.losses.get(name)
    scores, targets = problem(loss, 50, 1 if not loss.labels else 7, np.float64)
    z = torch.tensor(scores, requires_grad=True)
    y = torch.tensor(targets)
    t = 2 * y - 1
    of_torch = {
        "squared": lambda: functional.mse_loss(z, y),
        "absolute": lambda: functional.l1_loss(z, y),
        "huber": lambda: functional.huber_loss(z, y),
        "logistic": lambda: functional.binary_cross_entropy_with_logits(z, y),
        "softmax": lambda: functional.cross_entropy(z, y),
        "poisson": lambda: functional.poisson_nll_loss(z, y),
        "hinge": lambda: functional.relu(1 - t * z).mean(),
        "squared_hinge": lambda: functional.relu(1 - t * z).square().mean(),
    }
    if name not in of_torch or name == "hinge":
        check_scikit_learn(loss, scores, targets)
    if name not in of_torch:
        return
    value = of_torch[name]()
    value.backward()
    found, grad = loss.value_and_grad(scores, targets)
    assert found == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(grad, z.grad, rtol=1e-10, atol=1e-14)


def check_scikit_learn(loss: Loss, scores: Any, targets: Any) -> None:
    from sklearn import metrics

    z, y = scores[:, 0], targets[:, 0]
    if loss.name == "hinge":
        assert loss(z, y) == pytest.approx(metrics.hinge_loss(y, z))
    elif loss.name == "quantile":
        assert loss(z, y) == pytest.approx(metrics.mean_pinball_loss(y, z, alpha=0.5))
    elif loss.link == "exponential":
        # Half the deviance, up to terms of y alone: differences between two scores are the same.
        power = {"gamma": 2.0}.get(loss.name, 1.5)
        y = y + 1.0
        other = z[::-1].copy()
        change = loss(z, y) - loss(other, y)
        deviance = metrics.mean_tweedie_deviance
        wanted = (deviance(y, np.exp(z), power=power) - deviance(y, np.exp(other), power=power)) / 2
        assert change == pytest.approx(wanted, rel=1e-9)
