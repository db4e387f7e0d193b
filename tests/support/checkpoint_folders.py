"""Names in a folder of checkpoints, and manifests that are changed but have a right checksum."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyoptim.checkpoint._manifest import checksum


def signed(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a manifest and give it a right checksum."""
    fields = json.loads((path / "manifest.json").read_text())
    del fields["checksum"]
    change(fields)
    text = "{\n" + ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in fields.items())
    end = f',\n"checksum": "{checksum(text.encode())}"\n}}\n'
    (path / "manifest.json").write_text(text + end)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name != "latest")
