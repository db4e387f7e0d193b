"""The training loop, its history and its callbacks."""

from pyoptim.train._history import History, StopReason
from pyoptim.train._trainer import Trainer
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
