"""What networks are made of. A layer keeps its memory between steps, so that none is allocated."""

from pyoptim.models.layers.dense import DenseLayer
from pyoptim.models.layers.norms import BatchNorm, LayerNorm, Norm

__all__ = ["BatchNorm", "DenseLayer", "LayerNorm", "Norm"]
