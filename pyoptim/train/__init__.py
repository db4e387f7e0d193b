"""The training loop, and the callbacks around it."""

from pyoptim.train.callbacks import (
    Callback,
    Checkpoint,
    CSVLogger,
    EarlyStopping,
    EMAEvaluation,
    KeepBest,
    Lambda,
    LRSchedule,
    Progress,
    ReduceLROnPlateau,
    StopOnNaN,
    TensorBoard,
    Timer,
)
from pyoptim.train.history import History, StopReason
from pyoptim.train.trainer import Trainer

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EMAEvaluation",
    "EarlyStopping",
    "History",
    "KeepBest",
    "LRSchedule",
    "Lambda",
    "Progress",
    "ReduceLROnPlateau",
    "StopOnNaN",
    "StopReason",
    "TensorBoard",
    "Timer",
    "Trainer",
]
