"""Write the code that follows from the registries of rules, losses and schedules.

python tools/generate          write the files
python tools/generate --check  fail if a file is not up to date

The files for PyTorch have its classes' arguments: they are left alone where torch is not installed.
"""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import cpp
import losses
import optim

from pyoptim._utils.atomic import replace_text
from pyoptim._utils.ownership import check_replaceable

ROOT = Path(__file__).parent.parent.parent


def texts() -> dict[Path, str]:
    """Return every generated file with its text."""
    files = {**cpp.texts(), **optim.texts(), **losses.texts()}
    if importlib.util.find_spec("torch") is not None:
        import for_torch

        files.update(for_torch.texts())
    return {ROOT / path: text for path, text in files.items()}


def is_generated(path: Path) -> bool:
    """Return whether this tool wrote a file."""
    return "do not edit" in path.read_text(encoding="utf-8")[:500]


def main(arguments: Sequence[str]) -> None:
    """Write the files, or check them."""
    for path, text in texts().items():
        if "--check" not in arguments:
            check_replaceable(path, is_generated, allow="removing it")
            replace_text(path, lambda file, text=text: file.write(text))
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is not up to date: run python tools/generate")


if __name__ == "__main__":
    main(sys.argv[1:])
