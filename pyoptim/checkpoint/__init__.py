"""Checkpoints that survive a crash: safetensors files, a manifest with checksums, no pickling.

`save` and `load` are for directories of checkpoints, `save_safetensors` and `load_safetensors` for
safetensors files. docs/checkpoints.md tells the format, the protocol and what they guarantee.
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
