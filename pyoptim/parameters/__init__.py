"""Named arrays in one piece of memory, their gradients, and selections of them."""

from pyoptim.parameters._parameters import Parameters
from pyoptim.parameters._row_grad import RowGrad
from pyoptim.parameters._selection import Selection

__all__ = ["Parameters", "RowGrad", "Selection"]
