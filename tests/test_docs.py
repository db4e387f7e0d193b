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
README = Path(__file__).parent.parent / "README.md"


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


def test_readme_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
