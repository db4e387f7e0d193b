"""Models that an optimizer of this library trains, and their files."""

from pyoptim.models.dense import MLP, Linear, Softmax
from pyoptim.models.files import load, read_metadata
from pyoptim.models.model import Model

__all__ = ["MLP", "Linear", "Model", "Softmax", "load", "read_metadata"]
