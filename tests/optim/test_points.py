"""Where rules are trained and evaluated, and what they take in beside gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import over
from reference import Array, Case, all_dtypes, all_variants, references, same_bits, some_numbers
from snapshots import through_pickle

import pyoptim as po

AVERAGING = [rule.name for rule in po.rules() if rule.has_eval_mode]
OBSERVING = [rule.name for rule in po.rules() if rule.takes_hessian]
averaging = pytest.mark.parametrize("name", AVERAGING)


def trained(case: Case, dtype: str, size: int = 70) -> tuple[Array, po.Optimizer]:
    param = some_numbers(1, size, dtype).copy()
    optimizer = case.make([param], lr=0.5)
    for seed in (2, 3, 4):
        optimizer.step([some_numbers(seed, size, dtype)])
    return param, optimizer


@all_dtypes
@all_variants
def test_training_goes_on_as_if_there_had_been_no_evaluation(case: Case, dtype: str) -> None:
    param, optimizer = trained(case, dtype)
    other, straight = trained(case, dtype)
    optimizer.eval()
    assert same_bits(param, other) != case.rule.has_eval_mode
    optimizer.eval()
    optimizer.train()
    optimizer.train()
    assert same_bits(param, other)
    for steps in (optimizer, straight):
        steps.step([some_numbers(5, 70, dtype)])
    assert same_bits(param, other)


def averaged(kind: str, param: Array) -> Any:
    if kind in AVERAGING:
        return getattr(po, kind)([param], lr=0.5)
    return getattr(po.wrappers, kind)(po.SGD([param], lr=0.5))


@pytest.mark.parametrize("kind", [*AVERAGING, "EMA", "SWA"])
def test_evaluations_may_be_nested(kind: str) -> None:
    param = some_numbers(1, 70, "float32").copy()
    opt = averaged(kind, param)
    for seed in (2, 3, 4):
        opt.step([some_numbers(seed, 70, "float32")])
    training = param.copy()
    with opt.evaluation():
        at_evaluation = param.copy()
        assert not same_bits(at_evaluation, training)
        with opt.evaluation():
            assert same_bits(param, at_evaluation)
        assert opt.evaluating
        assert same_bits(param, at_evaluation)
    assert same_bits(param, training)
    opt.eval()
    with opt.evaluation():
        pass
    assert same_bits(param, at_evaluation)
    opt.train()
    assert same_bits(param, training)
    assert not opt.evaluating


@averaging
@over("size", [70, 100_000])
@all_dtypes
def test_the_evaluation_point_is_the_average(name: str, dtype: str, size: int) -> None:
    """x = (y - (1 - beta) z) / beta, in the order of the kernel."""
    rule = next(rule for rule in po.rules() if rule.name == name)
    param, optimizer = trained(Case(rule), dtype, size)
    z = optimizer.state["0"]["z"]
    y = param.astype(z.dtype)
    optimizer.eval()
    wanted = y + z.dtype.type(1 / 0.9 - 1) * (y - z)
    assert same_bits(param, wanted.astype(param.dtype))
    assert abs(wanted - y).max() > 1e-3


@over("cloned", [through_pickle, copy.deepcopy, copy.copy])
@all_dtypes
@all_variants
def test_copies_made_at_the_points_of_evaluation(
    case: Case, dtype: str, cloned: Callable[[Any], Any]
) -> None:
    param, optimizer = trained(case, dtype)
    optimizer.eval()
    param[:3] = 7  # as where the best parameters of a run came back
    there = param.copy()
    if cloned is copy.copy:
        param_copy, twin = param, cloned(optimizer)
    else:
        param_copy, twin = cloned((param, optimizer))
    assert twin.evaluating == optimizer.evaluating == case.rule.has_eval_mode
    assert same_bits(param, there)
    assert same_bits(param_copy, there)
    ends = []
    for its_param, each in ((param_copy, twin), (param, optimizer)):
        each.train()
        its_param[:3] = 7  # for rules that have no other points
        each.step([some_numbers(5, 70, dtype)])
        ends.append(its_param.copy())
    if case.rule.has_eval_mode or cloned is not copy.copy:
        assert same_bits(*ends)


@averaging
def test_no_step_and_no_state_between_eval_and_train(name: str) -> None:
    param = np.ones(3)
    optimizer = getattr(po, name)([param])
    optimizer.step([np.ones(3)])
    optimizer.eval()
    with pytest.raises(RuntimeError, match=r"call train\(\) before the next step"):
        optimizer.step([np.ones(3)])
    with pytest.raises(RuntimeError, match=r"call train\(\) before state_dict"):
        optimizer.state_dict()
    optimizer.train()
    assert optimizer.step([np.ones(3)]).step == 2
    assert optimizer.state_dict()["step"] == 2
    with optimizer.evaluation() as same:
        assert same is optimizer
        assert optimizer.evaluating
    assert not optimizer.evaluating


@averaging
def test_eval_before_the_first_step_changes_nothing(name: str) -> None:
    param = np.ones(3)
    optimizer = getattr(po, name)([param])
    optimizer.eval()
    assert (param == 1).all()
    optimizer.train()
    assert optimizer.step([np.ones(3)]).step == 1


@pytest.mark.parametrize("name", OBSERVING)
@pytest.mark.parametrize("size", [67, 100_000])
@all_dtypes
def test_hessian(name: str, dtype: str, size: int) -> None:
    params = [some_numbers(1, size, dtype).copy(), some_numbers(1, 5, dtype).copy()]
    kept = [param.copy() for param in params]
    optimizer = getattr(po, name)(params)
    estimates = [some_numbers(seed, size, dtype) for seed in (2, 3)]
    F = np.float64 if dtype == "float64" else np.float32
    wanted = np.zeros(size, F)
    for estimate in estimates:
        optimizer.update_hessian([estimate, None])
        wanted = F(0.99) * wanted + F(1 - 0.99) * estimate.astype(F)
    assert same_bits(optimizer.state["0"]["hessian"], wanted)
    assert not optimizer.state["1"]["hessian"].any()
    assert all(map(same_bits, params, kept))
    optimizer.update_hessian({"0": None, "1": kept[1]})
    assert optimizer.state["1"]["hessian"].any()


@all_dtypes
def test_sophia_divides_by_the_larger_of_hessian_and_eps(dtype: str) -> None:
    param = some_numbers(1, 67, dtype).copy()
    optimizer = po.Sophia([param], lr=0.5, gamma=0.25, eps=1e-4, clip_threshold=1e6)
    expected = references(optimizer)
    for seed in (2, 4):
        optimizer.update_hessian([some_numbers(seed, 67, dtype)])
        hessian = optimizer.state["0"]["hessian"]
        assert 0 < np.count_nonzero(0.25 * hessian > 1e-4) < 67
        expected[0].state["hessian"] = hessian.copy()
        grad = some_numbers(seed + 1, 67, dtype)
        optimizer.step([grad])
        expected[0].step(grad)
        assert same_bits(param, expected[0].param)


def test_wrong_estimates() -> None:
    with pytest.raises(TypeError, match="Adam uses no estimates of the Hessian"):
        po.Adam([np.ones(3)]).update_hessian([np.ones(3)])
    optimizer = po.Sophia([np.ones(3)])
    with pytest.raises(ValueError, match="expected 1 gradients, one for each parameter, got 2"):
        optimizer.update_hessian([np.ones(3), np.ones(3)])
    with pytest.raises(TypeError, match="expected dtype float64"):
        optimizer.update_hessian([np.ones(3, np.float32)])
