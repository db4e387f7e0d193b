"""Models for training with pyoptim, with files, pretrained weights and fine-tuning."""

from pyoptim.models._base import Model
from pyoptim.models._io import load, read_metadata
from pyoptim.models._pretrained import load_pretrained
from pyoptim.models._protocol import Trainable
from pyoptim.models.embedding import EmbeddingMLP
from pyoptim.models.factorization_machine import FactorizationMachine
from pyoptim.models.linear import Linear, Softmax
from pyoptim.models.linear_objective import LinearObjective, column_moments
from pyoptim.models.matrix_factorization import MatrixFactorization
from pyoptim.models.mlp import MLP
from pyoptim.models.param_groups import param_groups

__all__ = [
    "MLP",
    "EmbeddingMLP",
    "FactorizationMachine",
    "Linear",
    "LinearObjective",
    "MatrixFactorization",
    "Model",
    "Softmax",
    "Trainable",
    "column_moments",
    "load",
    "load_pretrained",
    "param_groups",
    "read_metadata",
]
