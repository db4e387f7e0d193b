"""Minimization of functions to convergence: L-BFGS, gradient descent, Newton's method and more.

`minimize` has the signature and the result of `scipy.optimize.minimize`. Every method is also a
function of its own, which `scipy.optimize.minimize` accepts as `method`. All loops are native. A
result has a `state`, from which another call continues bit-identically.

Examples
--------
>>> import numpy as np, pyoptim as po
>>> def rosenbrock(x):
...     a, b = 1 - x[0], x[1] - x[0] ** 2
...     return a**2 + 100 * b**2, np.array([-2 * a - 400 * x[0] * b, 200 * b])
>>> result = po.minimize(rosenbrock, [-1.2, 1.0], jac=True)
>>> result.success, result.x.round(4)
(True, array([1., 1.]))
"""

from pyoptim.solvers._methods import (
    gradient_descent,
    lbfgs,
    newton,
    newton_cg,
    optimizer,
    trust_region,
)
from pyoptim.solvers._minimize import METHODS, minimize
from pyoptim.solvers._native import native_function
from pyoptim.solvers._result import OptimizeResult

__all__ = [
    "METHODS",
    "OptimizeResult",
    "gradient_descent",
    "lbfgs",
    "minimize",
    "native_function",
    "newton",
    "newton_cg",
    "optimizer",
    "trust_region",
]
