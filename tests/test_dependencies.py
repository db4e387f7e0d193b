"""Without the packages of an extra: the library imports, and errors name the extra."""

import ast
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pyoptim"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = {"scikit-learn": "sklearn"}  # whose distribution has another name


def modules_of(requirements: list[str]) -> set[str]:
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}
    return {MODULES.get(name, name) for name in names - {PROJECT["name"]}}


NEEDED = modules_of(PROJECT["dependencies"])
EXTRAS = {
    extra: modules_of(requirements)
    for extra, requirements in PROJECT["optional-dependencies"].items()
    if extra != "test"
}
OPTIONAL = sorted(set().union(*EXTRAS.values()))


def run_without(
    packages: list[str], code: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    block = f"import sys; sys.modules.update(dict.fromkeys({packages!r}))\n"
    return subprocess.run(
        [sys.executable, "-P", "-c", block + textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
    )


def check_message(message: str, package: str) -> None:
    assert f"needs {package}, which is not installed" in message
    extra = re.search(r"run pip install 'pyoptim-native\[(\w+)\]'$", message)
    assert extra is not None, message
    assert package in EXTRAS[extra[1]], message


def test_every_module_imports_or_names_an_extra() -> None:
    done = run_without(
        OPTIONAL,
        """
        import importlib, pkgutil, pyoptim

        def walk(path, prefix):
            for module in pkgutil.iter_modules(path, prefix):
                name = module.name
                if name.startswith(("pyoptim.libpyoptim", "pyoptim.__main__", "pyoptim.cli.")):
                    continue  # the command line says it by its function main
                try:
                    found = importlib.import_module(name)
                except ImportError as error:
                    print(f"{name}|{type(error).__name__}|{error.name}|{error}")
                else:
                    if module.ispkg:
                        walk(found.__path__, f"{name}.")

        walk(pyoptim.__path__, "pyoptim.")
        """,
    )
    assert done.stderr == ""
    lines = [line.split("|") for line in done.stdout.splitlines()]
    assert {"pyoptim.torch", "pyoptim.tabular", "pyoptim.train._scorers"} <= {x[0] for x in lines}
    for _, kind, package, message in lines:
        assert kind == "MissingPackageError"
        check_message(message, package.partition(".")[0])


USES = {
    "plot_schedule": ("matplotlib", "po.plot_schedule(po.schedules.linear(0.1, 9), 10)"),
    "history": ("matplotlib", "fit().plot()"),
    "metrics": ("sklearn", "fit(metrics=['neg_mean_absolute_error'], validation=0.5)"),
    "TensorBoard": ("tensorboard", "fit(callbacks=[po.train.TensorBoard('board')])"),
    "torch": ("torch", "import pyoptim.torch"),
    "tables": ("pyarrow", "import pyoptim.tabular"),
}


@pytest.mark.parametrize("use", USES)
def test_what_needs_a_package_names_its_extra(use: str) -> None:
    package, code = USES[use]
    done = run_without(
        [package],
        f"""
        import numpy as np
        import pyoptim as po

        def fit(**options):
            model = po.models.Linear(1)
            opt = po.SGD(model.params)
            return po.train.Trainer(model, optimizer=opt, epochs=1, **options).fit(x, x)

        x = np.arange(8.0).reshape(-1, 1)
        try:
            {code}
        except ImportError as error:
            print(error)
        """,
    )
    assert done.returncode == 0, done.stderr
    check_message(done.stdout.strip(), package)


COMMANDS = {
    "train": ["train", "data.csv", "--target", "y", "--epochs", "1"],
    "demo": ["demo", "--epochs", "1"],
    "predict": ["predict", ".", "data.csv"],
    "verify": ["verify", "."],
}
CASES = [
    *(("train", package) for package in ("click", "matplotlib", "pyarrow")),
    *(("demo", package) for package in ("matplotlib", "sklearn")),
    ("predict", "pyarrow"),
    ("verify", "pyarrow"),
]


@pytest.mark.parametrize(("command", "package"), CASES)
def test_commands_end_with_one_line_that_names_the_extra(
    command: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text("x,y\n1,2\n2,3\n3,4\n4,6\n")
    done = run_without([package], "from pyoptim.cli import main; main()", *COMMANDS[command])
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    check_message(line, package)
    assert list(tmp_path.iterdir()) == [tmp_path / "data.csv"]


def test_imports_of_optional_packages_are_guarded() -> None:
    """Those within functions; modules as wholes are imported by a test above.

    The package `tabular` is guarded as a whole for pyarrow, the command line for everything.
    """
    whole = {"tabular": {"pyarrow"}, "cli": set(OPTIONAL)}
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        guarded = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.With)
            if any("requires(" in ast.unparse(item.context_expr) for item in node.items)
            for inner in ast.walk(node)
        }
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Import):
                        names = {alias.name.partition(".")[0] for alias in node.names}
                    elif isinstance(node, ast.ImportFrom):
                        names = {(node.module or "").partition(".")[0]}
                    else:
                        continue
                    names -= whole.get(path.relative_to(PACKAGE).parts[0], set())
                    if names & set(OPTIONAL) and id(node) not in guarded:
                        found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_the_hard_dependencies_are_no_extras() -> None:
    assert {"numpy", "ml_dtypes", "tqdm"} == NEEDED
    assert not NEEDED & set(OPTIONAL)
