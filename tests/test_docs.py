"""Examples in docstrings and in the README run as they stand."""

import doctest
import importlib
import importlib.util
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import pyoptim

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(pyoptim.__path__, "pyoptim.")
    if name not in ("pyoptim._core", "pyoptim.libpyoptim")
]
ROOT = Path(__file__).parent.parent
PICTURES = sorted((ROOT / "docs").rglob("*.svg"))
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def with_torch(value: Any) -> Any:
    """Return a parameter of a test that needs torch."""
    return pytest.param(value, marks=[pytest.mark.peers, needs_torch])


@pytest.mark.parametrize(
    "name",
    ["pyoptim", *(with_torch(n) if n.startswith("pyoptim.torch") else n for n in MODULES)],
)
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


@pytest.mark.parametrize(
    "text",
    [with_torch(text) if text.stem == "torch" else text for text in TEXTS],
    ids=lambda text: text.name,
)
def test_examples_of_the_documentation(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text.read_text(encoding="utf-8"), re.DOTALL):
        if "import jax" not in block:  # forbids os.fork(): tests/models/test_protocol.py runs it
            exec(compile(block, text.name, "exec"), names)


def test_every_schedule_is_on_the_page() -> None:
    page = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")
    for name in set(pyoptim.schedules.__all__) - {"Schedule"}:
        section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", page, re.DOTALL | re.MULTILINE)
        assert section is not None, name
        code = re.search(r"```python\n(.*?)```", section[1], re.DOTALL)
        assert code is not None
        assert f"po.schedules.{name}(" in code[1]
        assert f"![{name}](schedules/{name}.svg)" in section[1]


def test_every_loss_and_penalty_is_on_the_page() -> None:
    page = (ROOT / "docs" / "losses.md").read_text(encoding="utf-8")
    for name, loss in vars(pyoptim.losses).items():
        if isinstance(loss, pyoptim.losses.Loss):
            row = re.search(rf"^\| `{name}` \|.*$", page, re.MULTILINE)
            assert row is not None, name
            for field in loss.fields:
                assert f"`{field.name}` {field.default:g}" in row[0]
            assert page.count(f"`{name}`") >= 2, name  # what it predicts, too
    for name in set(pyoptim.penalties.__all__) - {"Penalty"}:
        assert re.search(rf"^\| `{name}\(", page, re.MULTILINE), name


def test_the_pictures_of_schedules_are_up_to_date() -> None:
    pytest.importorskip("matplotlib")
    tool = str(ROOT / "tools" / "draw_schedules.py")
    run = subprocess.run([sys.executable, "-P", tool, "--check"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_readme_has_an_example() -> None:
    assert "```python" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_pictures_are_xml(picture: Path) -> None:
    root = ElementTree.parse(picture).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("end", ["; text-anchor: end", ""])
def test_the_tool_of_pictures_leaves_them_valid(end: str) -> None:
    """Whether the font of a text comes last in its style or not."""
    pytest.importorskip("matplotlib")
    path = ROOT / "tools" / "draw_schedules.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = f"""<g><text style="font-family: 'DejaVu Sans', serif{end}" x="1">a</text>"""
    line = '<path style="fill: none; stroke: red"/></g>'
    expected = f'<g><text style="font-family: sans-serif{end}" x="1">a</text>'
    assert tool.smaller(text + line) == expected + line
