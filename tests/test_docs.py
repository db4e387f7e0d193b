"""Examples in docstrings and in the README run as they stand."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
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
    if name.startswith("pyoptim.torch"):
        pytest.importorskip("torch")
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
    if text.stem == "torch":
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text.read_text(encoding="utf-8"), re.DOTALL):
        if "import jax" not in block:  # which forbids os.fork(): tests/test_protocol.py runs it
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
