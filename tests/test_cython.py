"""The Cython face: a consumer and an estimator, compiled as a user would."""

import ctypes
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import run_at_once
from pyoptim.cython_optim import Stepper, __pyx_capi__

import pyoptim as po

ROOT = Path(__file__).parent.parent
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"

all_rules = pytest.mark.parametrize("rule", po.rules(), ids=lambda rule: rule.name)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build three projects by their pyproject.toml against the installed package, at once."""
    for needed in ("Cython", "setuptools"):
        pytest.importorskip(needed)
    folder = tmp_path_factory.mktemp("built")
    site = folder / "site"
    projects = ("tests/consumers/cython", "examples/cython_logistic")
    copies = [folder / project for project in projects]
    for copy in copies:
        project = ROOT / copy.relative_to(folder)
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    page = (ROOT / "docs" / "cython.md").read_text(encoding="utf-8")
    copies.append(folder / "page")
    copies[-1].mkdir()
    for language, file in (("cython", "least_squares.pyx"), ("toml", "pyproject.toml")):
        (block,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
        assert f"`{file}`" in page
        (copies[-1] / file).write_text(block, encoding="utf-8")
    command = [sys.executable, "-P", "-c", BUILD, str(folder)]
    env = {**os.environ, "CFLAGS": "-O1 -g0"}  # which compiles in half the time
    for run in run_at_once([command] * len(copies), cwd=copies, env=env):
        assert run.returncode == 0, run.stdout
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(site)
    sys.path.insert(0, str(site))
    yield site
    sys.path.remove(str(site))


@pytest.fixture(scope="module")
def consumer(built: Path) -> Any:
    return importlib.import_module("consumer")


def pair(rule: str, **settings: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Return two optimizers over equal arrays, these arrays, and gradients."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(5, 3)), rng.normal(size=4)]
    both = [[array.copy() for array in arrays] for _ in range(2)]
    optimizers = [getattr(po, rule)(params, **settings) for params in both]
    return optimizers, both, [rng.normal(size=array.shape) for array in arrays]


def same(one: Any, two: Any) -> bool:
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


@all_rules
def test_a_stepper_is_the_optimizer_seen_from_cython(consumer: Any, rule: po.Rule) -> None:
    (one, two), (of_one, of_two), grads = pair(rule.name, clip_norm=1.0)
    stepper = Stepper(two, grads)
    for _ in range(3):
        info = one.step(grads, grad_scale=0.5)
    assert consumer.step(stepper, 3, 0.5) == (3, 3, info.grad_norm, False)
    info = one.step(grads)
    assert consumer.step(stepper, 1, 1.0) == (1, 4, info.grad_norm, False)
    assert all(map(np.array_equal, of_one, of_two))
    assert same(one, two)


@all_rules
def test_params_and_states_lie_where_cython_is_told(consumer: Any, rule: po.Rule) -> None:
    (_, opt), (_, params), grads = pair(rule.name)
    stepper = Stepper(opt, grads)
    consumer.step(stepper, 2, 1.0)
    assert consumer.count(stepper) == 2
    for index, state in enumerate(opt.state.values()):
        assert np.array_equal(consumer.param(stepper, index), params[index].ravel())
        for name, value in state.items():
            found = consumer.state(stepper, index, name.encode())
            assert np.array_equal(np.ravel(found), np.ravel(value)), name
    with pytest.raises(ValueError, match=r"parameter 1 has no state 'x'; it has .*step$"):
        consumer.state(stepper, 1, b"x")
    with pytest.raises(IndexError, match="no parameter 2, but 2"):
        consumer.param(stepper, 2)


def test_other_gradients(consumer: Any) -> None:
    (one, two), (of_one, of_two), (grad, other) = pair("AdamW")
    stepper = Stepper(two)
    for grads in ([grad, other], [grad, None], [None, other]):
        one.step(grads, grad_scale=2.0)
        flat = [None if array is None else array.ravel() for array in grads]
        assert consumer.step_on(stepper, flat, 2.0) == 1
    assert same(one, two)
    assert all(map(np.array_equal, of_one, of_two))
    with pytest.raises(ValueError, match="gradient 1 overlaps a parameter or a state"):
        consumer.step_on(stepper, [grad.ravel(), of_two[1]], 1.0)
    with pytest.raises(ValueError, match="gradients are needed"):
        consumer.step(stepper, 1, 1.0)
    assert stepper.grads is None
    assert two.steps == 3


def test_gradients_may_be_none_in_the_list(consumer: Any) -> None:
    (one, two), (of_one, of_two), (grad, _) = pair("SGD")
    one.step([grad, None])
    stepper = Stepper(two, [grad, None])
    assert stepper.run(1) == 1
    assert stepper.grads[1] is None
    assert all(map(np.array_equal, of_one, of_two))


def test_rows_of_gradients(consumer: Any) -> None:
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(6, 3)) for _ in range(2)]
    copies = [table.copy() for table in tables]
    one, two = po.Adam(tables), po.Adam(copies)
    rows, values, dense = np.array([4, 0, 4]), rng.normal(size=(3, 3)), rng.normal(size=(6, 3))
    stepper = Stepper(two)
    one.step([po.RowGrad(rows, values), dense], grad_scale=0.5)
    assert consumer.step_rows(stepper, [(rows, values), (None, dense)], 0.5) == 1
    assert all(map(np.array_equal, tables, copies))
    assert same(one, two)
    for wrong in (-1, 6):
        with pytest.raises(IndexError, match=rf"expected numbers of 6 rows, got {wrong}"):
            consumer.step_rows(stepper, [(np.array([0, wrong, 1]), values), (None, dense)], 1.0)
    with pytest.raises(ValueError, match="gradient 0 overlaps"):
        consumer.step_rows(stepper, [(rows, copies[1][:3]), (None, dense)], 1.0)
    with pytest.raises(ValueError, match="takes no gradients of rows"):
        consumer.step_rows(Stepper(po.Lion(copies)), [(rows, values), (None, dense)], 1.0)
    assert two.steps == 1


def test_settings(consumer: Any) -> None:
    w, v = np.ones(2), np.ones(2)
    opt = po.Adam([{"params": [w]}, {"params": [v], "lr": 0.5}])
    stepper = Stepper(opt, [w.copy(), v.copy()])
    assert consumer.get(stepper, 1, b"lr") == 0.5
    consumer.set(stepper, 1, b"beta1", 0.25)
    assert opt.param_groups[1]["beta1"] == consumer.get(stepper, 1, b"beta1") == 0.25
    assert opt.param_groups[0]["beta1"] == 0.9
    with pytest.raises(ValueError, match="lr must be at least 0"):
        consumer.set(stepper, 0, b"lr", -1)
    with pytest.raises(ValueError, match="has no setting 'rate'"):
        consumer.get(stepper, 0, b"rate")
    for call in (consumer.get, consumer.set):
        with pytest.raises(IndexError, match="no group 2, but 2"):
            call(stepper, 2, b"lr", *[0.1][: call is consumer.set])


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_schedules_are_followed(consumer: Any, ahead: int) -> None:
    cycle = po.schedules.one_cycle(0.1, steps=20)
    settings = {"lr": cycle, "momentum": cycle.momentum(0.85, 0.95), "skip_nonfinite": True}
    (one, two), (of_one, of_two), grads = pair("SGD", **settings)
    stepper = Stepper(two, grads, schedule_steps=ahead)
    state = one.state_dict()
    for value in (1.0, 2.0, np.nan, 3.0):
        grads[1][0] = value
        for _ in range(4):
            one.step(grads)
        consumer.step(stepper, 4, 1.0)
        assert consumer.get(stepper, 0, b"lr") == one.param_groups[0].numbers()["lr"]
    assert one.steps == 12
    for opt in (one, two):
        opt.load_state_dict(state)
    one.step(grads)
    consumer.step(stepper, 1, 1.0)
    assert same(one, two)
    assert all(map(np.array_equal, of_one, of_two))
    with pytest.raises(ValueError, match="momentum of group 0 is a schedule"):
        consumer.set(stepper, 0, b"momentum", 0.5)
    consumer.set(stepper, 0, b"weight_decay", 0.5)


@pytest.mark.parametrize("ahead", [1, 10])
def test_what_is_set_between_steps_holds_from_the_next_one(consumer: Any, ahead: int) -> None:
    w = np.zeros(1)
    opt = po.SGD([w], lr=po.schedules.linear(1.0, steps=50))
    stepper = Stepper(opt, [np.ones(1)], schedule_steps=ahead)
    rates = []

    def step(times: int) -> None:
        for _ in range(times):
            before = w[0]
            consumer.step(stepper, 1, 1.0)
            rates.append(round(before - w[0], 9))

    step(2)
    opt.param_groups[0]["lr"] = 0.5
    step(12)
    opt.param_groups[0]["lr"] = po.schedules.linear(2.0, steps=50)
    step(2)
    consumer.set(stepper, 0, b"weight_decay", 0.0)
    step(1)
    assert rates == [1.0, 0.98, *[0.5] * 12, 1.44, 1.4, 1.36]


@pytest.mark.parametrize(
    "method", ["step_on", "step_rows", "update_hessian", "get", "set", "param", "state"]
)
def test_null_in_the_place_of_what_is_needed(consumer: Any, method: str) -> None:
    stepper = Stepper(po.Sophia([np.ones(2)]), [np.ones(2)])
    with pytest.raises(ValueError, match="got NULL"):
        consumer.give_null(stepper, method)
    assert stepper.optimizer.steps == 0


def test_schedules_that_are_told_of_losses_are_followed(consumer: Any) -> None:
    w, grad = np.ones(2), np.ones(2)
    plateau = po.schedules.reduce_on_plateau(1.0, factor=0.5, patience=0)
    stepper = Stepper(po.SGD([w], lr=plateau, skip_nonfinite=True), [grad])
    rates = []
    for loss in (1.0, 2.0, 3.0, 4.0):
        grad[0] = np.nan if loss == 3.0 else 1.0  # a skipped step is not counted, but made anew
        consumer.step(stepper, 1, 1.0)
        rates.append(consumer.get(stepper, 0, b"lr"))
        plateau.update(loss)
    assert stepper.optimizer.steps == 3
    assert rates == [1.0, 1.0, 0.5, 0.25]


def test_a_schedule_must_not_step_what_asks_for_its_value() -> None:
    w = np.zeros(1)
    steps = []

    def rate(step: int) -> float:
        if step == 1 and not steps:
            steps.append(stepper.run(1))
        return 0.5

    def rate_by_optimizer(step: int) -> float:
        if step == 1 and not steps:
            steps.append(opt._native.step([np.ones(1)], 1.0))
        return 0.5

    for schedule in (rate, rate_by_optimizer):
        steps.clear()
        opt = po.SGD([w], lr=0.5)
        opt.param_groups[0]["lr"] = schedule
        stepper = Stepper(opt, [np.ones(1)])
        assert stepper.run(1) == 1
        with pytest.raises(RuntimeError, match="a schedule must not step the optimizer"):
            stepper.run(1)


@pytest.mark.parametrize("steps", [-1, 2**63, 0.5])
def test_a_number_of_steps_is_checked(steps: Any) -> None:
    stepper = Stepper(po.SGD([np.zeros(1)]), [np.ones(1)])
    with pytest.raises(ValueError, match="steps must be a whole number from 0"):
        stepper.run(steps)
    assert stepper.run(0) == 0
    with pytest.raises(ValueError, match="schedule_steps must be a whole number from 1"):
        Stepper(po.SGD([np.zeros(1)]), [np.ones(1)], schedule_steps=2**70)


def test_schedules_that_fail(consumer: Any) -> None:
    def failing(step: int) -> float:
        if step == 2:
            raise RuntimeError("no rate")
        return 0.1

    w = np.ones(2)
    opt = po.SGD([w], lr=failing)
    stepper = Stepper(opt, [np.ones(2)])
    with pytest.raises(RuntimeError, match="no rate"):
        consumer.step(stepper, 5, 1.0)
    assert opt.steps == 2
    rates = iter([0.1, -1.0])
    opt.param_groups[0]["lr"] = lambda step: next(rates)
    with pytest.raises(ValueError, match="lr must be at least 0"):
        consumer.step(stepper, 1, 1.0)
    assert opt.steps == 2
    assert w.tolist() == [0.8, 0.8]


@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
@pytest.mark.parametrize("which", [0, 1])
def test_arrays_that_were_given_another_dtype_are_refused(which: int) -> None:
    arrays = np.ones(2, np.float32), np.ones(2, np.float32)
    stepper = Stepper(po.SGD(arrays[:1], lr=1.0), list(arrays[1:]))
    arrays[which].dtype = arrays[which].dtype.newbyteorder("S")
    with pytest.raises((TypeError, ValueError), match=r"params\[0\].*-endian float32"):
        stepper.run(1)
    arrays[which].dtype = np.float32
    assert stepper.run(1) == 1
    assert arrays[0].tolist() == [0, 0]


def test_arrays_that_were_made_read_only_are_not_written() -> None:
    w = np.ones(2)
    stepper = Stepper(po.SGD([w], lr=0.1), [np.ones(2)])
    w.flags.writeable = False
    with pytest.raises(ValueError, match=r"params\[0\]: expected a writable array"):
        stepper.run(3)
    assert w.tolist() == [1, 1]


def test_hessians_and_evaluation_points(consumer: Any) -> None:
    one, two = np.ones(2), np.ones(2)
    a, b = po.Sophia([one]), po.Sophia([two])
    stepper = Stepper(b, [two.copy()])
    a.update_hessian([np.array([2.0, 3.0])])
    consumer.update_hessian(stepper, np.array([2.0, 3.0]))
    assert same(a, b)
    with pytest.raises(ValueError, match="overlaps"):
        consumer.update_hessian(stepper, two)
    with pytest.raises(ValueError, match="SGD uses no estimates of the Hessian"):
        consumer.update_hessian(Stepper(po.SGD([two])), two.copy())

    opt = po.ScheduleFreeSGD([one])
    stepper = Stepper(opt, [np.array([1.0, 2.0])])
    consumer.step(stepper, 3, 1.0)
    before = one.copy()
    consumer.evaluate(stepper, True)
    assert opt.evaluating
    assert not np.array_equal(before, one)
    with pytest.raises(RuntimeError, match="eval mode"):
        consumer.step(stepper, 1, 1.0)
    consumer.evaluate(stepper, False)
    assert np.array_equal(before, one)


def test_steps_that_are_skipped(consumer: Any) -> None:
    params = po.Parameters({"w": (3,), "b": (1,)}, dtype="float64")
    params.flat_grad[...] = 1
    stepper = Stepper(po.SGD(params, lr=1.0, skip_nonfinite=True))
    assert consumer.step(stepper, 2, 1.0) == (2, 2, 2.0, False)
    params.grads["b"][...] = np.nan
    made, steps, norm, skipped = consumer.step(stepper, 2, 1.0)
    assert (made, steps, skipped) == (0, 2, True)
    assert np.isnan(norm)
    assert params.flat.tolist() == [-2] * 4


def test_there_is_no_norm_unless_it_is_needed(consumer: Any) -> None:
    (opt, _), _, grads = pair("SGD")
    assert np.isnan(consumer.step(Stepper(opt, grads), 1, 1.0)[2])


def test_what_a_stepper_refuses() -> None:
    w = np.zeros(3)
    read_only = np.zeros(3)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match=r"expected 1 gradients.* got 2"):
        Stepper(po.SGD([w]), [w.copy(), w.copy()])
    with pytest.raises(ValueError, match="C-contiguous, aligned"):
        Stepper(po.SGD([w]), [np.zeros(6)[::2]])
    with pytest.raises(ValueError, match=r"zero_grads needs .* writable"):
        Stepper(po.SGD([w], zero_grads=True), [read_only])
    with pytest.raises(ValueError, match="gradients are needed"):
        Stepper(po.SGD([w])).run(1)
    with pytest.raises(TypeError, match="no wrapper, got Lookahead"):
        Stepper(po.wrappers.Lookahead(po.SGD([w])), [w.copy()])
    with pytest.raises(ValueError, match="schedule_steps"):
        Stepper(po.SGD([w]), [w.copy()], schedule_steps=0)


# What modules that were compiled against this version expect of all later ones: lines are added
# here, and none is changed.
INTERFACE = {
    "stepper_step": "int (Stepper, double)",
    "stepper_step_on": "int (Stepper, void const *const *, double)",
    "stepper_step_rows": (
        "int (Stepper, void const *const *, int64_t const *const *, size_t const *, double)"
    ),
    "stepper_update_hessian": "int (Stepper, void const *const *)",
    "stepper_set_evaluating": "int (Stepper, int)",
    "stepper_get": "double (Stepper, size_t, char const *)",
    "stepper_set": "int (Stepper, size_t, char const *, double)",
    "stepper_steps": "int64_t (Stepper)",
    "stepper_grad_norm": "double (Stepper)",
    "stepper_skipped": "int (Stepper)",
    "stepper_count": "size_t (Stepper)",
    "stepper_param": "void *(Stepper, size_t, size_t *)",
    "stepper_state": "void const *(Stepper, size_t, char const *, size_t *)",
}


def signature(capsule: object) -> str:
    """Return the C type that Cython compares at import."""
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    found = name(capsule)
    assert found is not None
    return re.sub(r"struct __pyx_obj_\w+_Stepper \*", "Stepper", found.decode())


def test_the_interface_that_was_compiled_against_stays() -> None:
    found = {name: signature(capsule) for name, capsule in __pyx_capi__.items()}
    assert found == INTERFACE
    assert Stepper.__basicsize__ == 7 * ctypes.sizeof(ctypes.c_void_p)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("del interface['stepper_steps']", "ImportError: .*does not export expected C function"),
        (
            "interface['stepper_steps'] = interface['stepper_step']",
            "TypeError: .*has wrong signature",
        ),
    ],
)
def test_another_interface_is_noticed_at_import(built: Path, change: str, error: str) -> None:
    code = f"from pyoptim.cython_optim import __pyx_capi__ as interface; {change}; import consumer"
    run = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(built)!r}); {code}"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert re.search(error, last), last


@pytest.fixture(scope="module")
def estimator(built: Path) -> Any:
    pytest.importorskip("sklearn", minversion="1.6")
    return importlib.import_module("cython_logistic").LogisticRegression


@pytest.mark.filterwarnings("ignore:tol was not reached")  # its data are of any scale
def test_the_example_is_an_estimator_of_scikit_learn(estimator: Any) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    check_estimator(estimator(), on_skip=None)


@pytest.mark.parametrize("classes", [2, 10])
def test_the_example_finds_the_optimum_of_scikit_learn(estimator: Any, classes: int) -> None:
    from sklearn.datasets import load_breast_cancer, load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    x, y = (load_breast_cancer if classes == 2 else load_digits)(return_X_y=True)
    x, y = StandardScaler().fit_transform(x)[:500], y[:500]
    ours = estimator(C=0.1).fit(x, y)
    theirs = LogisticRegression(C=0.1, tol=1e-9, max_iter=10_000).fit(x, y)
    assert ours.n_iter_ < ours.max_iter
    assert ours.coef_.shape == theirs.coef_.shape == (classes if classes > 2 else 1, x.shape[1])
    assert np.abs(ours.coef_ - theirs.coef_).max() < 1e-4
    assert np.abs(ours.predict_proba(x) - theirs.predict_proba(x)).max() < 1e-5
    assert ours.score(x, y) == theirs.score(x, y)


def test_the_example_tells_what_cannot_be_right(estimator: Any) -> None:
    from sklearn.exceptions import ConvergenceWarning

    x, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    for name in ("C", "tol"):
        for wrong in (-1.0, 0.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=f"{name} must be above 0 and finite, got {wrong}"):
                estimator(**{name: wrong}).fit(x, y)
    with pytest.warns(ConvergenceWarning, match="tol was not reached in 3 steps"):
        estimator(max_iter=3).fit(x, y)


def test_what_the_example_tells_of_itself_runs(estimator: Any) -> None:
    example = ROOT / "examples" / "cython_logistic"
    readme = (example / "README.md").read_text(encoding="utf-8")
    needed = tomllib.loads((example / "pyproject.toml").read_text("utf-8"))["build-system"]
    for package in needed["requires"]:
        assert f'"{package}"' in readme
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})


def test_the_module_of_the_page_finds_the_optimum(built: Path) -> None:
    fit = importlib.import_module("least_squares").fit
    x = np.random.default_rng(0).normal(size=(50, 3))
    w, grad, best = np.zeros(3), np.zeros(3), np.array([1.0, -2.0, 3.0])
    optimizer = po.Adam([w], lr=po.schedules.cosine(0.1, steps=500))
    fit(Stepper(optimizer, [grad], schedule_steps=100), x, x @ best, w, grad, steps=500)
    assert optimizer.steps == 500
    assert np.abs(w - best).max() < 1e-6


def test_a_stepper_makes_the_last_step_that_counts_and_no_more() -> None:
    asked = []

    def rate(step: int) -> float:
        asked.append(step)
        return 0.5

    w = np.ones(3, np.float32)
    opt = po.SGD([w], lr=rate)
    opt.load_state_dict({**opt.state_dict(), "step": 2**53 - 1, "params.0.step": 2**53 - 1})
    stepper = Stepper(opt, [np.ones(3, np.float32)], schedule_steps=16)
    assert stepper.run(1) == 1
    assert w.tolist() == [0.5] * 3
    with pytest.raises(RuntimeError, match=r"expected a count below 2\^53"):
        stepper.run(1)
    assert w.tolist() == [0.5] * 3
    assert max(asked) == 2**53
