"""What holds for the code as a whole: the length of files, where names stand, what is imported."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyoptim as po
from pyoptim.cli._commands import pyoptim as command

ROOT = Path(__file__).parent.parent
FOLDERS = ("benchmarks", "cmake", "csrc", "docs", "examples", "pyoptim", "tests", "tools")
KINDS = (".py", ".pyi", ".pyx", ".pxd", ".cpp", ".hpp", ".h", ".cmake", ".txt", ".md", ".toml")
LONGEST = 800  # lines


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*"))]
    return [path for path in found if path.suffix in KINDS]


def generated(path: Path) -> bool:
    return "do not edit" in read(path)[:300]


@pytest.mark.parametrize("folder", [".", *FOLDERS])
def test_files_are_short(folder: str) -> None:
    found = files(folder) if folder != "." else [p for p in ROOT.iterdir() if p.suffix in KINDS]
    lengths = {path: read(path).count("\n") for path in found if not generated(path)}
    assert [f"{path}: {n} lines" for path, n in lengths.items() if n > LONGEST] == []


@pytest.mark.parametrize("folder", ["rules", "losses", "schedules"])
def test_every_rule_loss_and_schedule_is_listed(folder: str) -> None:
    place = ROOT / "csrc" / folder
    listed = re.findall(rf'#include "{folder}/(\w+\.hpp)"', read(place / "all.hpp"))
    shared = {"all.hpp", "arguments.hpp", "kernel_table.hpp", "loss.hpp", "loss_kernels.hpp"}
    shared |= {"mean_loss.hpp", "registry.hpp", "rule.hpp", "schedule.hpp"}
    there = {path.name for path in place.glob("*.hpp")} - shared
    assert listed == sorted(there)


# A folder includes headers of folders in earlier lines, and its own.
NATIVE_LAYERS = (
    {"core"},
    {"simd"},
    {"rules", "losses", "schedules", "linalg", "foreach", "data"},
    {"optim", "nn", "embedding"},
    {"linear", "solvers"},
    {"capi", "bindings"},
)


def included_folders(path: Path) -> set[str]:
    """Return the folders of csrc whose headers a file includes."""
    return set(re.findall(r'#include "(\w+)/', read(path))) - {"pyoptim"}


def test_native_layers_include_only_earlier_ones() -> None:
    native = ROOT / "csrc"
    earlier: set[str] = set()
    for layer in NATIVE_LAYERS:
        for folder in layer:
            sources = [p for p in files(f"csrc/{folder}") if p.suffix in (".cpp", ".hpp")]
            assert sources != []
            for path in sources:
                assert included_folders(path) <= earlier | {folder}, path
        earlier |= layer
    folders = {path.name for path in native.iterdir() if path.is_dir()}
    assert folders - earlier == {"bench", "include", "tests"}


def test_each_topic_declares_its_own_kernels() -> None:
    """Kernels are compiled once for each instruction set, so their tables are plain data."""
    tables = sorted((ROOT / "csrc").rglob("kernel_table.hpp"))
    assert len(tables) >= 8
    for path in tables:
        includes = re.findall(r"#include <(\w+)>", read(path))
        assert set(includes) <= {"cstddef", "cstdint"}, path
        assert "inline " not in re.sub(r"inline constexpr|//[^\n]*", "", read(path)), path


def cpp_words(path: Path) -> Iterator[str]:
    """Yield the identifiers of a C++ file, and what stands in its strings if it is one word."""
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", read(path), flags=re.DOTALL)
    for string, word in re.findall(r'"((?:[^"\\\n]|\\.)*)"|(\w+)', code):
        yield string or word


def python_words(path: Path) -> Iterator[str]:
    """Yield the names of a Python file, and its strings that are no docstrings."""
    for node in ast.walk(ast.parse(read(path))):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name
            case ast.Constant(value=str(text)):
                yield text


def cython_words(path: Path) -> Iterator[str]:
    yield from re.findall(r"\w+", re.sub(r'#[^\n]*|""".*?"""', "", read(path), flags=re.DOTALL))


def words(path: Path) -> Iterator[str]:
    if path.suffix == ".py":
        return python_words(path)
    return cython_words(path) if path.suffix in (".pyx", ".pxd") else cpp_words(path)


def test_a_rule_is_named_in_its_file_and_in_the_list_only() -> None:
    """So a new optimizer is one new file and one line.

    The default of trainers and of the command line may be named, too, and what the matrix rules
    take gradients in with.
    """
    names = {rule.name.lower(): rule.name for rule in po.rules()}
    default = po.AdamW.__name__.lower()
    home = {
        name: path
        for path in (ROOT / "csrc" / "rules").glob("*.hpp")
        for name in re.findall(r'\bname = "(\w+)"', read(path))
    }
    assert sorted(home) == sorted(names.values())
    examples = {ROOT / "csrc" / "tests", ROOT / "csrc" / "bench"}
    everywhere = [ROOT / "CMakeLists.txt", *files("csrc", "pyoptim", "cmake", "tools")]
    named = [
        f"{path}: {names[word.lower()]}"
        for path in everywhere
        if path.suffix != ".md" and not examples & set(path.parents)
        if path.name != "all.hpp" and not generated(path)
        for word in set(words(path))
        if word.lower() in names and home[names[word.lower()]] != path
        if not (word.lower() == default and path.suffix == ".py")
        if not (word == po.SGD.__name__ and path.parts[-2:] == ("matrix", "_backend.py"))
    ]
    assert named == []


def test_the_list_names_every_rule_once() -> None:
    listed = read(ROOT / "csrc" / "rules" / "all.hpp").partition("AllRules =")[2]
    in_order = re.findall(r"\b[A-Z]\w+(?=[<,> ])", listed.replace("RuleList", ""))
    assert list(dict.fromkeys(in_order)) == [rule.name for rule in po.rules()]


def test_importing_takes_numpy_and_nothing_heavier() -> None:
    code = (
        "import sys; before = set(sys.modules); import pyoptim;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert run.stderr == ""
    imported = set(run.stdout.split()) - sys.stdlib_module_names
    assert {name for name in imported if not re.match(r"_?cython", name)} == {"numpy", "pyoptim"}


def test_versions_agree() -> None:
    project = re.search(r"project\(pyoptim VERSION (\S+)", read(ROOT / "CMakeLists.txt"))
    changes = re.search(r"^## (\S+)", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert project is not None
    assert changes is not None
    assert project[1] == changes[1] == po.__version__


def test_no_compiler_flag_depends_on_the_building_cpu() -> None:
    scripts = [ROOT / "CMakeLists.txt", ROOT / "CMakePresets.json", *files("cmake")]
    scripts += [path for path in files("csrc") if path.name == "CMakeLists.txt"]
    assert len(scripts) >= 5
    for path in scripts:
        assert re.findall(r"-m(?:arch|tune|cpu)=\S*|-f\w*fast-math|-Ofast", read(path)) == []


def test_processes_are_waited_for_however_a_test_ends() -> None:
    """An unreaped process is a ResourceWarning, in whichever test happens to run then."""
    for path in files("benchmarks", "examples", "pyoptim", "tests", "tools"):
        if path.suffix == ".py":
            tree = ast.parse(read(path))
            managed = {
                id(item.context_expr)
                for node in ast.walk(tree)
                if isinstance(node, ast.With)
                for item in node.items
            }
            started = [
                f"{path}:{node.lineno}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Popen")
                if id(node) not in managed
            ]
            assert started == []


def test_no_test_imports_a_test_file() -> None:
    """Helpers that tests share are in tests/support."""
    imported = [
        f"{path}:{node.lineno}: {name}"
        for path in files("tests")
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
        if name.rpartition(".")[2].startswith("test_")
    ]
    assert imported == []


def test_the_list_of_mutations_fits_the_code() -> None:
    spec = importlib.util.spec_from_file_location("mutate", ROOT / "tools" / "mutate.py")
    assert spec is not None
    assert spec.loader is not None
    mutate = importlib.util.module_from_spec(spec)
    sys.modules["mutate"] = mutate  # for its dataclasses
    spec.loader.exec_module(mutate)
    mutations = mutate.read_mutations()
    assert len(set(mutations)) == len(mutations) >= 40
    for mutation in mutations:
        paths = [word for word in mutation.tests.split() if word.startswith("tests/")]
        assert paths
        assert all((ROOT / path).exists() for path in paths), mutation


def test_every_folder_of_tests_has_fast_tests() -> None:
    assigned = re.search(r"^FAST = (\(.*?^\))", read(ROOT / "tests" / "conftest.py"), re.M | re.S)
    assert assigned is not None
    fast = ast.literal_eval(assigned[1])
    for name in fast:
        file, _, test = name.partition("::")
        assert f"def {test}" in read(ROOT / "tests" / file), name
    folders = {path.parent for path in files("tests") if re.match(r"test_.*\.py", path.name)}
    assert folders == {(ROOT / "tests" / name.partition("::")[0]).parent for name in fast}


def test_no_fixture_is_defined_twice() -> None:
    """Fixtures of one name may differ, as the folders of commands do; they may not be the same."""
    places: dict[tuple[str, str], list[str]] = {}
    for path in files("tests"):
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(read(path))):
            if not isinstance(node, ast.FunctionDef):
                continue
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            if any(re.match(r"pytest\.fixture\b", decorator) for decorator in decorators):
                body = [part for part in node.body if not isinstance(part, ast.Expr)
                        or not isinstance(part.value, ast.Constant)]  # fmt: skip
                key = node.name, "\n".join(map(ast.unparse, body))
                places.setdefault(key, []).append(f"{path}:{node.lineno}")
    assert len(places) > 30
    assert {name[0]: where for name, where in places.items() if len(where) > 1} == {}


def test_the_commands_of_the_readme_exist() -> None:
    readme = read(ROOT / "README.md")
    for line in ("pip install '.[all]' && pyoptim demo", "pip install '.[test]' && pytest"):
        assert line in readme
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    assert {"all", "test"} <= project["optional-dependencies"].keys()
    assert project["scripts"] == {"pyoptim": "pyoptim.cli:main"}
    code = "".join(re.findall(r"```.*?```", readme, re.DOTALL))
    named = set(re.findall(r"(?:^|&& )pyoptim (\w+)", code, re.MULTILINE))
    assert named >= {"demo", "train", "predict", "info"}
    assert named <= set(command.commands)


@pytest.mark.parametrize("text", ["README.md", *(f"docs/{p.name}" for p in files("docs"))])
def test_links_between_documents_lead_somewhere(text: str) -> None:
    document = ROOT / text
    for link in re.findall(r"\]\(([^)#\s]+)\)", read(document)):
        if "://" not in link:
            assert (document.parent / link).exists(), f"{text} links {link}"


def test_numbers_and_text_are_converted_without_the_locale() -> None:
    """`text` and `take_number` of csrc/core/text.hpp do; these depend on the locale."""
    depends = re.compile(
        r"\bsto(?:d|f|ld)\b|\bstrto(?:d|f|ld)\b|\batof\b|stringstream\b|\b[a-z]*printf\b|\blocale\b"
        r"|\bto_string\((?:double|float)\b"
    )
    shipped = [
        path for path in files("csrc") if path.relative_to(ROOT).parts[1] not in ("tests", "bench")
    ]
    sources = {
        path: re.sub(r"//[^\n]*|/\*.*?\*/", "", read(path), flags=re.DOTALL) for path in shipped
    }
    assert [
        f"{path}: {found[0]}" for path, code in sources.items() for found in depends.finditer(code)
    ] == []


def test_generated_code_is_up_to_date() -> None:
    """The stub for PyTorch is compared where torch is installed."""
    command = [sys.executable, str(ROOT / "tools" / "generate"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
