"""Masked arrays as data: arrays with masked values are rejected."""

from typing import Any

import numpy as np
import pytest

import pyoptim as po

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(12, 2)
Y = X.sum(1)
WEIGHTS = np.ones(12)


def masked(values: Any) -> Any:
    return np.ma.masked_array(values, mask=np.arange(values.size).reshape(values.shape) == 3)


def trained(x: Any, y: Any, weights: Any, **settings: Any) -> Any:
    model = po.models.Linear(2)
    trainer = po.train.Trainer(model, epochs=1, progress=False, **settings)
    trainer.fit(x, y, sample_weight=weights)
    return model.params.flat.copy()


@pytest.mark.parametrize(
    "data",
    [(masked(X), Y, WEIGHTS), (X, masked(Y), WEIGHTS), (X, Y, masked(WEIGHTS))],
    ids=["x", "y", "sample_weight"],
)
def test_masked_values_are_rejected(data: Any) -> None:
    with pytest.raises(TypeError, match="expected values without a mask"):
        trained(*data)
    with pytest.raises(TypeError, match="expected values without a mask"):
        trained(X, Y, WEIGHTS, validation=data)
    with pytest.raises(TypeError, match="expected values without a mask"):
        po.models.Linear(2).evaluate(data[0], data[1], sample_weight=data[2])


def test_masked_rows_are_not_predicted() -> None:
    with pytest.raises(TypeError, match="x: expected values without a mask"):
        po.models.Linear(2).predict(masked(X))


def test_masked_arrays_without_masked_values_are_accepted() -> None:
    plain = trained(X, Y, WEIGHTS)
    assert np.array_equal(trained(*map(np.ma.masked_array, (X, Y, WEIGHTS))), plain)
