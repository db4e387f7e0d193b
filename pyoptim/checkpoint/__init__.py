"""Checkpoints that survive a crash: safetensors files, a manifest with checksums, no pickling.

`save` and `load` are for directories of checkpoints, `save_safetensors` and `load_safetensors` for
safetensors files. docs/checkpoints.md tells the format, the protocol and what they guarantee.
"""

from pyoptim.checkpoint.files import save_safetensors
from pyoptim.checkpoint.loading import Checkpoint, latest, load, verify
from pyoptim.checkpoint.retention import Keep
from pyoptim.checkpoint.saving import save
from pyoptim.checkpoint.sharded import load_safetensors

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
