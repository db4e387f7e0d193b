"""Examples in docstrings and in the README run as they stand."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import pyoptim

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(pyoptim.__path__, "pyoptim.")
    if name not in ("pyoptim._core", "pyoptim.libpyoptim")
]
ROOT = Path(__file__).parent.parent
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", ["pyoptim", *MODULES])
def test_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


@pytest.mark.parametrize("rule", pyoptim.rules(), ids=lambda rule: rule.name)
def test_examples_of_optimizers(rule: pyoptim.Rule) -> None:
    cls = getattr(pyoptim, rule.name)
    examples = doctest.DocTestFinder(recurse=False).find(cls, rule.name, globs={})
    runner = doctest.DocTestRunner()
    assert sum(len(example.examples) for example in examples) >= 3
    for example in examples:
        runner.run(example)
    assert runner.failures == 0


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.name)
def test_examples_of_the_documentation(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, text.name, "exec"), names)


def test_the_readme_has_an_example() -> None:
    assert "```python" in (ROOT / "README.md").read_text(encoding="utf-8")
