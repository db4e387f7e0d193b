"""The training loop."""

from pyoptim.train.early_stopping import EarlyStopping
from pyoptim.train.history import History, StopReason
from pyoptim.train.trainer import Trainer

__all__ = ["EarlyStopping", "History", "StopReason", "Trainer"]
