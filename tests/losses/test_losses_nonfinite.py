"""Losses of scores that are infinite or NaN: their limit, or grads that no step is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import over
from loss_cases import DTYPES, LOSSES

import pyoptim as po
from pyoptim.losses import Loss


@over("bad", [np.inf, -np.inf, np.nan])
@over("dtype", DTYPES)
@over("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_scores_that_are_not_finite_have_the_limit_or_slopes_of_nan(
    loss: Loss, weighted: bool, dtype: Any, bad: float, instruction_set: str
) -> None:
    """Whatever `skip_nonfinite` would not find is the limit of the loss and of its grad."""
    columns = 3 if loss.labels else 1
    scores = np.linspace(-1, 1, 7 * columns).astype(dtype).reshape(7, columns)
    weights = np.linspace(0.5, 2, 7) if weighted else None
    far = np.copysign(dtype(200 if dtype is np.float32 else 2000), bad)
    for column in range(columns):
        for target in range(columns if loss.labels else 2):
            y = np.zeros(7, np.int64 if loss.labels else dtype)
            y[4] = target
            marred, limit = scores.copy(), scores.copy()
            marred[4, column], limit[4, column] = bad, far
            targets = y if loss.labels else y.reshape(-1, 1)
            value, grad, hessian = loss.value_grad_hessian(marred, targets, weights)
            assert loss(marred, targets, weights) == value or np.isnan(value)
            np.testing.assert_array_equal(loss.value_and_grad(marred, targets, weights)[1], grad)
            others = [0, 1, 2, 3, 5, 6]
            whole = loss.value_grad_hessian(scores, targets, weights)
            assert np.array_equal(grad[others], whole[1][others])
            assert np.array_equal(hessian[others], whole[2][others])
            if np.isfinite(grad).all():
                assert not np.isnan(bad)
                at_limit = loss.value_grad_hessian(limit, targets, weights)
                np.testing.assert_allclose(value, at_limit[0], rtol=1e-6)
                np.testing.assert_allclose(grad, at_limit[1], rtol=1e-6, atol=1e-30)
                assert np.isfinite(value)
            in_place = marred.copy()
            loss.value_and_grad_in_place(in_place, targets, weights)
            np.testing.assert_array_equal(in_place, grad)


@pytest.mark.parametrize("dtype", DTYPES)
@over("name", ["logistic", "focal", "hinge", "squared_hinge", "modified_huber"])
def test_a_score_that_is_infinitely_right_costs_nothing(name: str, dtype: Any) -> None:
    loss = po.losses.get(name)
    scores, targets = np.array([np.inf, -np.inf], dtype), np.array([1, 0], dtype)
    value, grad, hessian = loss.value_grad_hessian(scores, targets)
    assert value == 0
    assert not grad.any()
    assert not hessian.any()
    value, grad, hessian = loss.value_grad_hessian(-scores, targets)
    assert value == np.inf
    assert not np.isfinite(grad).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_classes_that_are_masked_by_minus_infinity(dtype: Any) -> None:
    scores = np.array([[0.5, -np.inf, 1.0], [-np.inf, 0.0, 0.0]], dtype)
    for targets in (np.array([2, 1]), np.array([[0, 0, 1], [0, 1, 0]], dtype)):
        value, grad = po.losses.softmax.value_and_grad(scores, targets)
        first, of_first = po.losses.softmax.value_and_grad(scores[:1, ::2], np.array([1]))
        second, of_second = po.losses.softmax.value_and_grad(scores[1:, 1:], np.array([0]))
        assert value == pytest.approx((first + second) / 2, rel=1e-6)
        np.testing.assert_allclose(grad[0, ::2], of_first[0] / 2, rtol=1e-6)
        np.testing.assert_allclose(grad[1, 1:], of_second[0] / 2, rtol=1e-6)
        assert grad[0, 1] == grad[1, 0] == 0
