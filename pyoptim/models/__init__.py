"""Models that an optimizer of this library trains, their files, and fine-tuning."""

from pyoptim.models.dense import MLP
from pyoptim.models.embedding import EmbeddingMLP
from pyoptim.models.factorization_machine import FactorizationMachine
from pyoptim.models.files import load, read_metadata
from pyoptim.models.linear import Linear, Softmax
from pyoptim.models.matrix_factorization import MatrixFactorization
from pyoptim.models.model import Model
from pyoptim.models.param_groups import param_groups
from pyoptim.models.pretrained import load_pretrained
from pyoptim.models.protocol import Trainable

__all__ = [
    "MLP",
    "EmbeddingMLP",
    "FactorizationMachine",
    "Linear",
    "MatrixFactorization",
    "Model",
    "Softmax",
    "Trainable",
    "load",
    "load_pretrained",
    "param_groups",
    "read_metadata",
]
