"""Callbacks: early stopping, checkpoints, learning rates, logs and progress."""

from pyoptim.train.callbacks._base import Callback
from pyoptim.train.callbacks.checkpoint import Checkpoint
from pyoptim.train.callbacks.csv_logger import CSVLogger
from pyoptim.train.callbacks.early_stopping import EarlyStopping
from pyoptim.train.callbacks.ema import EMAEvaluation
from pyoptim.train.callbacks.function import Lambda
from pyoptim.train.callbacks.keep_best import KeepBest
from pyoptim.train.callbacks.lr_schedule import LRSchedule
from pyoptim.train.callbacks.progress import Progress
from pyoptim.train.callbacks.reduce_lr import ReduceLROnPlateau
from pyoptim.train.callbacks.stop_on_nan import StopOnNaN
from pyoptim.train.callbacks.tensorboard import TensorBoard
from pyoptim.train.callbacks.timer import Timer

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "EMAEvaluation",
    "EarlyStopping",
    "KeepBest",
    "LRSchedule",
    "Lambda",
    "Progress",
    "ReduceLROnPlateau",
    "StopOnNaN",
    "TensorBoard",
    "Timer",
]
