"""The list of matrix rules."""

from pyoptim.optim.matrix._rule import MatrixRule
from pyoptim.optim.matrix.muon import Muon
from pyoptim.optim.matrix.shampoo import Shampoo
from pyoptim.optim.matrix.soap import SOAP

RULES = (Muon(), Shampoo(), SOAP())


def find_matrix_rule(name: str) -> MatrixRule:
    """Return the matrix rule of this name."""
    return next(rule for rule in RULES if rule.name == name)
