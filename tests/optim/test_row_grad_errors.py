"""What is no gradient of rows, who takes none, and that nothing is changed then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pyoptim.cython_optim import Stepper
from reference import VARIANTS, each_rule, same_bits, some_numbers
from snapshots import contents

import pyoptim as po
from pyoptim.optim import matrix

TAKERS = ", ".join(rule.name for rule in po.rules() if rule.supports_row_grad)
NOT_TAKEN = [case for case in VARIANTS if not case.rule.supports_row_grad]


def ones(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.ones(shape, dtype)


def some_rows_grad() -> po.RowGrad:
    return po.RowGrad([2, 0], ones(2, 3))


def test_the_optimizers_that_take_rows() -> None:
    assert TAKERS == "SGD, Adagrad, Adam, AdamW, AMSGrad, RowwiseAdagrad"


BAD_ROWS: list[tuple[Any, type[Exception], str]] = [
    ([0.0], TypeError, r"rows: expected integers, got float64"),
    ([True], TypeError, r"rows: expected integers, got bool"),
    ("ab", TypeError, r"rows: expected integers, got <U2"),
    (None, TypeError, r"rows: expected integers, got object"),
    ([2**70], TypeError, r"rows: expected integers, got object"),
    (np.zeros(0), TypeError, r"rows: expected integers, got float64"),
    (3, ValueError, r"rows: expected a 1-D array, got shape \(\)"),
    ([[1, 2]], ValueError, r"rows: expected a 1-D array, got shape \(1, 2\)"),
]


@pytest.mark.parametrize(("rows", "error", "message"), BAD_ROWS, ids=str)
def test_rows_that_are_none_are_refused(rows: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        po.RowGrad(rows, ones(1, 3))


HERE = r"gradient of params\['table'\]"
NO_ROW = HERE + r", rows: expected numbers of the parameter's 4 rows, counted from 0, got "
BAD_GRADIENTS: list[tuple[Any, Any, type[Exception], str]] = [
    ([0, -1], ones(2, 3), IndexError, NO_ROW + "-1 at position 1"),
    ([0, 3, 4], ones(3, 3), IndexError, NO_ROW + "4 at position 2"),
    ([2**31 + 1], ones(1, 3), IndexError, NO_ROW + "2147483649 at position 0"),
    ([2**32], ones(1, 3), IndexError, NO_ROW + "4294967296 at position 0"),
    ([2**62], ones(1, 3), IndexError, NO_ROW + "4611686018427387904 at position 0"),
    (np.array([2**64 - 1], np.uint64), ones(1, 3), IndexError, NO_ROW + "18446744073709551615 at"),
    (np.array([255], np.uint8), ones(1, 3), IndexError, NO_ROW + "255 at position 0"),
    (np.array([-128], np.int8), ones(1, 3), IndexError, NO_ROW + "-128 at position 0"),
    ([1], ones(3), ValueError,
     HERE + r", values: expected shape \(1, 3\) for 1 rows of a parameter of shape \(4, 3\), got"),
    ([1], ones(2, 3), ValueError, r"values: expected shape \(1, 3\) .*, got \(2, 3\)"),
    ([1, 2], ones(1, 3), ValueError, r"values: expected shape \(2, 3\) .*, got \(1, 3\)"),
    ([1], ones(1, 1), ValueError, r"values: expected shape \(1, 3\) .*, got \(1, 1\)"),
    ([1], ones(1, 3, 1), ValueError, r"values: expected shape \(1, 3\) .*, got \(1, 3, 1\)"),
    ([], ones(0), ValueError, r"values: expected shape \(0, 3\) .*, got \(0,\)"),
    ([1], ones(1, 3, dtype=np.float64), TypeError,
     HERE + ", values: expected dtype float32 as the parameter's, got float64"),
    ([1], ones(1, 3, dtype=np.int32), TypeError,
     r"values: dtype must be float32, float64 or bfloat16, got int32"),
    ([1], [[1.0, 2.0, 3.0]], TypeError, r"values: expected an array .*, got list"),
    ([1], None, TypeError, r"values: expected an array .*, got NoneType"),
    ([1], np.ma.masked_array(ones(1, 3)), TypeError, r"values: expected an array without a mask"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "values", "error", "message"), BAD_GRADIENTS)
def test_a_row_gradient_that_does_not_fit_is_refused_and_nothing_changes(
    rows: Any, values: Any, error: type[Exception], message: str
) -> None:
    optimizer = po.Adam({"bias": ones(4), "table": ones(4, 3)}, clip_norm=1.0)
    optimizer.step({"bias": ones(4), "table": some_rows_grad()})
    before = contents(optimizer)
    with pytest.raises(error, match=message):
        optimizer.step({"bias": ones(4), "table": po.RowGrad(rows, values)})
    assert contents(optimizer) == before


def test_values_that_overlap_a_parameter_or_a_state_are_refused() -> None:
    table = ones(4, 3)
    optimizer = po.Adam([table])
    for values in (table[:2], optimizer.state["0"]["exp_avg"][:2]):
        with pytest.raises(ValueError, match=r"gradient of params\[0\] overlaps a parameter or a"):
            optimizer.step(po.RowGrad([0, 1], values))
    assert (table == 1).all()


def test_a_number_has_no_rows() -> None:
    with pytest.raises(TypeError, match=r"a parameter of shape \(\) has no rows"):
        po.SGD([np.ones(())]).step(po.RowGrad([0], np.ones(1)))


def test_one_row_gradient_is_for_one_parameter() -> None:
    with pytest.raises(TypeError, match=r"expected a list of 2 arrays, got one RowGrad"):
        po.SGD([ones(4, 3), ones(2)]).step(some_rows_grad())


@each_rule(NOT_TAKEN)
def test_other_rules_refuse(case: Any) -> None:
    table = ones(4, 3)
    optimizer = case.make([table])
    name = case.rule.name
    with pytest.raises(TypeError, match=rf"\]: {name} takes no RowGrad; {TAKERS} do"):
        optimizer.step([some_rows_grad()])
    assert (optimizer.steps, table.min(), table.max()) == (0, 1, 1)


EXTRAS = [
    {"state_dtype": "bfloat16"},
    {"ema_decay": 0.5},
    {"bfloat16_copy": True},
    {"modifier": "cautious"},
    {"zero_grads": True},
]


@pytest.mark.parametrize("extra", EXTRAS, ids=str)
def test_what_is_done_around_every_element_excludes_rows(extra: dict[str, Any]) -> None:
    table = ones(4, 3)
    optimizer = po.AdamW([table], **extra)
    with pytest.raises(TypeError, match=rf"AdamW takes no RowGrad together with .*{min(extra)}"):
        optimizer.step([some_rows_grad()])
    assert (optimizer.steps, table.min(), table.max()) == (0, 1, 1)


@pytest.mark.parametrize("name", [rule.name for rule in matrix.RULES])
@pytest.mark.parametrize("by_adamw", [False, True])
def test_matrix_optimizers_refuse(name: str, by_adamw: bool) -> None:
    table, bias = ones(4, 3), ones(2)
    optimizer = getattr(po, name)([table, bias], adamw_params=[0] if by_adamw else [])
    message = rf"gradient of params\[0\]: {name} takes no RowGrad; {TAKERS} do"
    with pytest.raises(TypeError, match=message):
        optimizer.step([some_rows_grad(), ones(2)])
    with pytest.raises(TypeError, match=message):
        getattr(po, name)([table]).step(some_rows_grad())
    assert (table == 1).all()
    assert (bias == 1).all()


NEEDS_ALL = (
    r"gradient of params\[0\]: expected an array of all elements, got a RowGrad(, which|; name the)"
)


def test_the_hessian_and_compiled_code_take_whole_arrays() -> None:
    with pytest.raises(TypeError, match=NEEDS_ALL):
        po.Sophia([ones(4, 3)]).update_hessian([some_rows_grad()])
    with pytest.raises(TypeError, match=NEEDS_ALL):
        Stepper(po.SGD([ones(4, 3)]), [some_rows_grad()])


WRAPPERS = po.wrappers
CHANGING: dict[str, Callable[[po.Optimizer], Any]] = {
    "GradientAccumulation": lambda opt: WRAPPERS.GradientAccumulation(opt, every=2).step,
    "AGC": lambda opt: WRAPPERS.AGC(opt).step,
}


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.parametrize("grads", [[some_rows_grad()], some_rows_grad()], ids=["list", "alone"])
def test_wrappers_that_work_on_gradients_refuse(name: str, grads: Any) -> None:
    table = ones(4, 3)
    optimizer = po.SGD([table])
    with pytest.raises(TypeError, match=NEEDS_ALL):
        CHANGING[name](optimizer)(grads)
    with pytest.raises(TypeError, match=NEEDS_ALL):
        WRAPPERS.EMA(WRAPPERS.AGC(optimizer), 0.5).step(grads)
    assert (optimizer.steps, table.min(), table.max()) == (0, 1, 1)


PASSING = set(WRAPPERS.__all__) - CHANGING.keys()


@pytest.mark.parametrize("name", sorted(PASSING))
def test_wrappers_that_pass_gradients_on_see_the_same_steps(name: str) -> None:
    """A wrapper around lazy steps is what it is around the dense steps that lead there, too."""
    wrap = getattr(WRAPPERS, name)
    by_rows, whole = (some_numbers(1, 12, "float32").reshape(4, 3).copy() for _ in range(2))
    # Without momentum a gradient of rows is the dense one with zeros.
    opts = [wrap(po.Adagrad([p], skip_nonfinite=True, lr=0.5)) for p in (by_rows, whole)]
    for t in range(5):
        values = some_numbers(t, 6, "float32").reshape(2, 3)
        dense = np.zeros((4, 3), np.float32)
        dense[[3, t % 3]] = values
        for opt, grads in zip(opts, ([po.RowGrad([3, t % 3], values)], [dense]), strict=True):
            opt.step((lambda grads=grads: grads) if opt.takes_closure else grads)
        assert same_bits(by_rows, whole)
    with opts[0].evaluation(), opts[1].evaluation():
        assert same_bits(by_rows, whole)


def test_masked_rows_are_refused() -> None:
    with pytest.raises(TypeError, match="without a mask"):
        po.RowGrad(np.ma.array([0, 2], mask=[False, True]), ones(2, 3))
