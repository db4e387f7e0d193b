"""Print the lowest versions that pyproject.toml allows, as constraints for pip.

python tools/lowest.py > constraints.txt
pip install --constraint constraints.txt '.[test]'
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?(?:>=([\w.]+))?")


def lowest() -> dict[str, str]:
    """Return the lowest version of every package that the build, the library or a test needs.

    Raises
    ------
    ValueError
        If a requirement names no lower bound, or two name different ones.
    """
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = content["project"]
    extras = project["optional-dependencies"]
    requirements = [*content["build-system"]["requires"], *project["dependencies"]]
    requirements += [requirement for extra in extras.values() for requirement in extra]
    found: dict[str, str] = {}
    for requirement in requirements:
        match = REQUIREMENT.fullmatch(requirement)
        if match is None:
            raise ValueError(f"pyproject.toml: expected NAME>=VERSION, got {requirement!r}")
        name, version = match[1], match[2]
        if name == project["name"]:
            continue
        if version is None:
            raise ValueError(f"pyproject.toml: {name} has no lower bound; write {name}>=VERSION")
        if found.setdefault(name, version) != version:
            raise ValueError(
                f"pyproject.toml: {name} has the lower bounds {found[name]} and {version}; "
                "write one everywhere"
            )
    return found


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}=={version}\n" for name, version in sorted(lowest().items()))
