"""The Cython face, compiled as a user would."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyoptim.cython_optim import Stepper

import pyoptim as po

USER_CODE = """
# cython: language_level=3, boundscheck=False, wraparound=False
from pyoptim.cython_optim cimport Stepper


def least_squares(double[:, ::1] x, double[::1] y, double[::1] w, optimizer, int epochs):
    cdef double[::1] grad = w.copy()
    cdef Stepper stepper = Stepper(optimizer, [grad])
    cdef Py_ssize_t i, j, n = x.shape[0], m = x.shape[1]
    cdef double r
    cdef int epoch
    with nogil:
        for epoch in range(epochs):
            grad[:] = 0
            for i in range(n):
                r = -y[i]
                for j in range(m):
                    r += x[i, j] * w[j]
                for j in range(m):
                    grad[j] += 2 * r * x[i, j] / n
            if epoch == epochs // 2:
                stepper.set(0, b"lr", 0.01)
            stepper.step()


def bad_setting(optimizer, grads):
    cdef Stepper stepper = Stepper(optimizer, grads)
    with nogil:
        stepper.set(0, b"lr", -1)
"""

BUILD = """
from setuptools import Extension, setup
from Cython.Build import cythonize
setup(name="user", ext_modules=cythonize([Extension("user", ["user.pyx"])]), script_args=[
      "-q", "build_ext", "--inplace"])
"""


def test_a_stepper_is_the_optimizer_seen_from_cython() -> None:
    rng = np.random.default_rng(0)
    grad = rng.normal(size=100)
    one, two = np.zeros(100), np.zeros(100)
    a, b = po.Adam([one], clip_norm=1.0), po.Adam([two], clip_norm=1.0)
    for _ in range(7):
        a.step([grad])
    assert Stepper(b, [grad]).run(7) == 7
    assert np.array_equal(one, two)
    assert b.steps == 7
    assert np.array_equal(a.state["0"]["exp_avg"], b.state["0"]["exp_avg"])


def test_parameters_have_their_gradients() -> None:
    params = po.Parameters({"w": (3,), "b": (1,)}, dtype="float64")
    params.flat_grad[...] = 1
    opt = po.SGD(params, lr=1.0, skip_nonfinite=True)
    stepper = Stepper(opt)
    assert stepper.run(2) == 2
    params.grads["b"][...] = np.nan
    assert stepper.run(2) == 0
    assert params.flat.tolist() == [-2] * 4


def test_what_a_stepper_refuses() -> None:
    w = np.zeros(3)
    with pytest.raises(ValueError, match="not schedules"):
        Stepper(po.SGD([w], lr=po.schedules.linear(1.0, 3)), [w.copy()])
    with pytest.raises(ValueError, match=r"expected 1 gradients.* got 2"):
        Stepper(po.SGD([w]), [w.copy(), w.copy()])
    with pytest.raises(ValueError, match="C-contiguous, aligned"):
        Stepper(po.SGD([w]), [np.zeros(6)[::2]])
    with pytest.raises(ValueError, match="gradients are needed"):
        Stepper(po.SGD([w]))


def test_a_users_cython_code_compiles_and_trains(tmp_path: Path) -> None:
    pytest.importorskip("Cython")
    (tmp_path / "user.pyx").write_text(USER_CODE)
    (tmp_path / "build.py").write_text(BUILD)
    done = subprocess.run(
        [sys.executable, "-P", "build.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    check = """
import numpy as np, pyoptim as po, user
rng = np.random.default_rng(0)
x = rng.normal(size=(50, 3)); w = np.zeros(3)
user.least_squares(x, x @ [1.0, -2.0, 3.0], w, po.Adam([w], lr=0.1), 1500)
assert np.abs(w - [1, -2, 3]).max() < 1e-3, w
try:
    user.bad_setting(po.SGD([w]), [w.copy()])
except ValueError as error:
    assert "lr must be at least 0" in str(error), error
else:
    raise AssertionError("no error")
"""
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
