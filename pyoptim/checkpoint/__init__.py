"""Crash-safe checkpoints: safetensors files and a manifest with checksums, without pickle.

Use `save` and `load` for directories of checkpoints, and `save_safetensors` and `load_safetensors`
for single safetensors files. docs/checkpoints.md describes the format, the protocol and the
guarantees.
"""

from pyoptim.checkpoint._load import Checkpoint, latest, load, verify
from pyoptim.checkpoint._retention import Keep
from pyoptim.checkpoint._safetensors import save_safetensors
from pyoptim.checkpoint._save import save
from pyoptim.checkpoint._sharded import load_safetensors

__all__ = [
    "Checkpoint",
    "Keep",
    "latest",
    "load",
    "load_safetensors",
    "save",
    "save_safetensors",
    "verify",
]
