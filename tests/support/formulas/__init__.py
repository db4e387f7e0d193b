"""Every rule in plain NumPy.

A formula is a function of one array. The scalars of a step are Python floats, rounded once to the
type F of the arithmetic; arrays are added, multiplied and divided in the order written here.
"""

from formulas import beyond_torch, factored, measuring, of_torch
from formulas.common import Formula
from formulas.measuring import Measuring

FORMULAS: dict[str, Formula | Measuring] = {
    **of_torch.FORMULAS,
    **beyond_torch.FORMULAS,
    **measuring.FORMULAS,
    **factored.FORMULAS,
}
