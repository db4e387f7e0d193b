"""Optimizers that update matrices as wholes, and everything else with AdamW.

The classes are made from the list of rules below; `__init__.pyi` spells them out for editors and
type checkers.
"""

from pyoptim.optim.matrix._base import matrix_class
from pyoptim.optim.matrix.muon import Muon as _Muon
from pyoptim.optim.matrix.shampoo import Shampoo as _Shampoo
from pyoptim.optim.matrix.soap import SOAP as _SOAP

RULES = (_Muon(), _Shampoo(), _SOAP())

globals().update({rule.name: matrix_class(rule, "pyoptim.optim") for rule in RULES})
__all__ = [rule.name for rule in RULES]
