"""Terms of the field in place of terms of our own, in texts, docstrings and messages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "benchmarks" / "README.md",
    ROOT / "csrc" / "bench" / "README.md",
    ROOT / "examples" / "cython_logistic" / "README.md",
]

# Folders and files of pyoptim whose docstrings and messages are checked.
CHECKED = [
    "__init__.py",
    "__main__.py",
    "_utils",
    "checkpoint",
    "cli",
    "config.py",
    "data",
    "errors.py",
    "losses",
    "models",
    "optim",
    "parameters",
    "penalties.py",
    "plots.py",
    "schedules",
    "solvers",
    "tabular",
    "torch",
    "train",
    "wrappers",
]

TERMS = {
    r"slopes?": "gradient",
    r"curvatures?": "Hessian (diagonal)",
    r"rows? (?:that )?comes?|gradients? (?:of some|by) rows": "row-sparse gradient",
    r"points? of (?:evaluation|training)|averaged points?": "averaged weights, train or eval mode",
    r"means? of the parameters": "EMA",
    r"masters(?! weights)|float32 master(?! weights?)": "master weights",
    r"states? in fewer bits|reduced states?|packed states?": "quantized state",
    r"(?:state|packed) codes?|codes of states?": "quantized state",
    r"around (?:the|an?|every) updates?": "fused options",
    r"matrix products?|products of matrices": "matrix multiplication",
    r"states of (?:rows and columns|elements)": "factored second moments, elementwise",
    r"least rows": "min_batch_size",
    r"(?:a|the) shares? of": "fraction",
    r"shaping": "gradient preprocessing",
    r"catalogs?": "registry",
    r"contenders?|trials": "competitors, comparisons",
    r"the (?:Python|C|C\+\+) face|face of": "interface",
    r"sets? of instructions": "instruction set",
    r"tells?|told": "describes",
    r"to the bit": "bit-identical",
    r"go(?:es)? on": "continues, resumes",
    r"floors?(?! ?\()": "memory bandwidth",
    r"beside": "besides, next to, compared with",
    r"(?:is|are|be) none of|must be one(?=[,.;]|$)": "is not, expected",
}
# A term in its ordinary sense, as `floor(x)`, passes. Code is not prose.
CODE = re.compile(r"```.*?```|``[^`]*``|`[^`\n]*`|^    .*$", re.DOTALL | re.MULTILINE)
TERM = {re.compile(rf"\b(?:{old})\b", re.IGNORECASE): new for old, new in TERMS.items()}


def hits(text: str) -> list[str]:
    """Return the terms to replace in a text, with the terms that replace them."""
    prose = " ".join(CODE.sub(" ", text).split())
    return [f"{hit[0]} -> {new}" for term, new in TERM.items() for hit in term.finditer(prose)]


def sentences(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of public docstrings and of messages of raised errors."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = getattr(node, "name", "")
            if not name.startswith("_") or name.endswith("__"):
                yield getattr(node, "lineno", 1), ast.get_docstring(node) or ""
        elif isinstance(node, ast.Raise) and node.exc is not None:
            for part in ast.walk(node.exc):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.lineno, part.value


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_use_the_terms_of_the_field(page: Path) -> None:
    assert hits(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", CHECKED)
def test_docstrings_and_messages_use_the_terms_of_the_field(name: str) -> None:
    path = ROOT / "pyoptim" / name
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    assert files
    found = [
        f"{file.relative_to(ROOT)}:{line}: {hit}"
        for file in files
        for line, text in sentences(file.read_text(encoding="utf-8"))
        for hit in hits(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("The slope of the loss.", 1),
        ("Slopes and curvature", 2),
        ("`slope` in code, and a slop", 0),
        ("Training goes on to the bit.", 2),
        ("```\nslope\n```\nA gradient.", 0),
        ("master weights in float32", 0),
    ],
)
def test_the_search_finds_terms(text: str, count: int) -> None:
    assert len(hits(text)) == count


def test_the_search_reads_docstrings_and_messages() -> None:
    source = 'def f():\n    """A slope."""\n    raise ValueError(f"a {1} slope")\n'
    assert [hit for _, text in sentences(source) for hit in hits(text)] == ["slope -> gradient"] * 2
