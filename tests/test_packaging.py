"""The distribution: its name, and what the tree asks an index for."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyoptim as po

ROOT = Path(__file__).parent.parent
NAME = "pyoptim-native"  # pyoptim itself is another project on PyPI
KINDS = {".cfg", ".md", ".py", ".pyi", ".pyx", ".sh", ".toml", ".txt", ".yaml", ".yml"}
PLACES = (".ci", "benchmarks", "docs", "examples", "pyoptim", "tests", "tools")
MANIFESTS = sorted(
    path
    for path in ROOT.rglob("pyproject.toml")
    if not {"build", ".nox"} & {*path.relative_to(ROOT).parts}
)

# What would have an installer or importlib.metadata look for the other project.
WRONG = re.compile(
    r"""
    \b(?:pip|uv|pipx|conda|mamba)\s[^\n]*?\b(?:install|download|wheel|run|add)\b
        [^\n&|;]*?(?<![\w./=+-])pyoptim(?![\w./-])   # a requirement of a command
    | session\.install\([^)]*["']pyoptim(?![\w./-])
    | \bpyoptim\[[a-z]                               # with extras
    | \bpyoptim\s*(?:[=~!<>]=|@\s*(?:file|http))     # with a version or an address
    | \b(?:version|distribution|metadata|requires|files)\(["']pyoptim["']\)
    """,
    re.VERBOSE,
)


def texts() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.suffix in KINDS)
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*")):
            if path.is_file() and (path.suffix in KINDS or place == ".ci"):
                yield path


def requirements(manifest: Path) -> list[str]:
    """Return what a pyproject.toml asks an installer for."""
    content = tomllib.loads(manifest.read_text(encoding="utf-8"))
    project = content["project"]
    return [
        *content["build-system"]["requires"],
        *project.get("dependencies", []),
        *(one for extra in project.get("optional-dependencies", {}).values() for one in extra),
    ]


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_project_requires_the_stranger_of_our_import_name(path: Path) -> None:
    assert "pyoptim" not in map(name_of, requirements(path))


def test_nothing_asks_an_index_for_the_import_name() -> None:
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in texts()
        if path != here
        for match in WRONG.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "pip install pyoptim",
        "pip install -U 'pyoptim[torch]>=0.1'",
        "python -m pip download numpy pyoptim",
        'session.install("pyoptim")',
        "pyoptim[test] @ file:///dist/pyoptim.whl",
        "pyoptim==0.1.0",
        'importlib.metadata.version("pyoptim")',
    ],
)
def test_the_search_finds_what_would_ask_for_it(line: str) -> None:
    assert WRONG.search(line)


@pytest.mark.parametrize(
    "line",
    [
        "pip install pyoptim-native",
        "pip install 'pyoptim-native[all]'",
        "pip install '.[all]' && pyoptim demo",
        'pip install -q --find-links dist "pyoptim-native[test]" && python -m pyoptim',
        "pip install ./pyoptim/dist/pyoptim_native-0.1.0.whl",
        "from pyoptim import config",
    ],
)
def test_the_search_finds_nothing_else(line: str) -> None:
    assert not WRONG.search(line)


def test_the_installed_distribution_has_the_projects_name_and_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == NAME
    assert importlib.metadata.version(NAME) == po.__version__


def test_every_requirement_has_one_lower_bound() -> None:
    """So that the tests run on the lowest versions: nox -s lowest."""
    tool = str(ROOT / "tools" / "lowest.py")
    done = subprocess.run([sys.executable, "-P", tool], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = dict(line.split("==") for line in done.stdout.splitlines())
    required = {name_of(one) for one in requirements(ROOT / "pyproject.toml")} - {NAME}
    assert {name_of(name) for name in found} == required


def test_the_projects_in_cython_require_what_the_tests_do() -> None:
    bounds = {one for one in requirements(ROOT / "pyproject.toml") if ">=" in one}
    for path in MANIFESTS:
        built_with = tomllib.loads(path.read_text(encoding="utf-8"))["build-system"]["requires"]
        assert {*built_with} - bounds <= {NAME}, path
