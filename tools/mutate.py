"""Check that the tests find small faults: apply the mutations of tools/mutations.toml one by one.

python tools/mutate.py                       # all mutations
python tools/mutate.py csrc/rules "_sampler" # those whose file or text contains one of these
python tools/mutate.py --folder /tmp/mutants --table table.md

The files of this checkout are copied to another folder, built there for one instruction set, and
mutated there. A mutation is caught if a test fails or crashes, and survives if its tests pass. Run
it with a Python that has the requirements of the tests, but not pyoptim itself, as the session
`mutations` of nox does.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIST = ROOT / "tools" / "mutations.toml"
COMPILED = (".cpp", ".hpp", ".h", ".pyx", ".pxd")


@dataclass(frozen=True)
class Mutation:
    """A text that occurs once in a file, its replacement, and the tests that should fail."""

    file: str
    old: str
    new: str
    tests: str

    def __str__(self) -> str:
        return f"{self.file}: {' '.join(self.old.split())}"


@dataclass(frozen=True)
class Result:
    """The outcome of a mutation, and the test that failed."""

    mutation: Mutation
    outcome: str
    test: str = ""


def read_mutations() -> list[Mutation]:
    """Return the mutations of the list.

    Raises
    ------
    ValueError
        If a text does not occur exactly once in its file.
    """
    entries = tomllib.loads(LIST.read_text(encoding="utf-8"))["mutation"]
    mutations = [Mutation(**entry) for entry in entries]
    for mutation in mutations:
        count = (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old)
        if count != 1:
            raise ValueError(f"{mutation}: expected the text once in the file, got {count} times")
    return mutations


def copy_tree(folder: Path) -> None:
    """Copy the files that git knows or does not ignore; those that are the same stay."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    for name in listed.decode().split("\0"):
        source, target = ROOT / name, folder / name
        if not source.is_file():
            continue
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


class Tree:
    """A copy of the checkout, in which mutations are built and tested."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self.folder = folder
        self.timeout = timeout
        self.build_folder = folder / "build" / "mutations"
        copy_tree(folder)

    def configure(self) -> None:
        """Configure the build: for an unnamed processor, which has one instruction set."""
        import pybind11

        definitions = [
            "CMAKE_BUILD_TYPE=Release",
            "PYOPTIM_PYTHON=ON",
            f"Python_EXECUTABLE={sys.executable}",
            f"pybind11_DIR={pybind11.get_cmake_dir()}",
            "CMAKE_SYSTEM_NAME=Linux",
            "CMAKE_SYSTEM_PROCESSOR=generic",
        ]
        if shutil.which("ccache"):
            definitions.append("CMAKE_CXX_COMPILER_LAUNCHER=ccache")
        arguments = [f"-D{definition}" for definition in definitions]
        command = ["cmake", "-S", ".", "-B", str(self.build_folder), "-G", "Ninja", *arguments]
        subprocess.run([*command, "--log-level=WARNING"], cwd=self.folder, check=True)

    def build(self) -> bool:
        """Compile what changed and install it into the copy; return whether it compiles."""
        commands = [
            ["cmake", "--build", str(self.build_folder)],
            ["cmake", "--install", str(self.build_folder), "--prefix", str(self.folder)],
        ]
        for command in commands:
            run = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
            if run.returncode != 0:
                print(run.stdout[-2000:], run.stderr[-2000:], sep="\n")
                return False
        return True

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the copy."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=self.timeout,
        )

    def check_import(self) -> None:
        """Raise RuntimeError unless the copy's pyoptim is imported in the copy."""
        run = self.run(
            "-c", "import pyoptim._core; print(pyoptim.__file__, pyoptim._core.__file__)"
        )
        if run.stdout.split() == [] or not all(
            Path(name).is_relative_to(self.folder) for name in run.stdout.split()
        ):
            raise RuntimeError(
                f"expected pyoptim of {self.folder}, got {run.stdout or run.stderr}; use a Python "
                "in which pyoptim is not installed"
            )

    def test(self, tests: str) -> tuple[str, str]:
        """Run tests until one fails; return the outcome and the name of that test."""
        options = ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=line")
        try:
            run = self.run(*options, *shlex.split(tests))
        except subprocess.TimeoutExpired:
            return "caught", "timeout"
        if run.returncode == 0:
            return "survived", ""
        if run.returncode < 0:
            return "caught", f"crash by signal {-run.returncode}"
        failed = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if run.returncode in (1, 2) and failed:
            return "caught", failed[0].split(" ", 1)[1].split(" - ")[0]
        raise RuntimeError(f"pytest {tests}: {run.stdout[-2000:]}{run.stderr[-2000:]}")

    def apply(self, mutation: Mutation) -> Result:
        """Apply a mutation, run its tests, and undo it.

        Raises
        ------
        RuntimeError
            If the test that fails also fails without the mutation.
        """
        path = self.folder / mutation.file
        text = path.read_text(encoding="utf-8")
        compiled = path.suffix in COMPILED
        path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        try:
            if compiled and not self.build():
                return Result(mutation, "not compiled")
            result = Result(mutation, *self.test(mutation.tests))
        finally:
            path.write_text(text, encoding="utf-8")
            if compiled and not self.build():
                raise RuntimeError(f"{mutation.file}: cannot be built without a mutation")
        if result.outcome == "caught":
            tests = shlex.quote(result.test) if "::" in result.test else mutation.tests
            if self.test(tests)[0] == "caught":
                raise RuntimeError(f"pytest {tests} fails without a mutation")
        return result


def cell(text: str) -> str:
    """Return code for a cell of a table in Markdown."""
    return f"`{' '.join(text.split())}`".replace("|", "\\|") if text.strip() else "nothing"


def table(results: list[Result]) -> str:
    """Return a table in Markdown."""
    lines = ["| file | text | replaced by | outcome |", "|---|---|---|---|"]
    for result in results:
        mutation = result.mutation
        outcome = f"{result.outcome}: {cell(result.test)}" if result.test else result.outcome
        lines.append(
            f"| {mutation.file} | {cell(mutation.old)} | {cell(mutation.new)} | {outcome} |"
        )
    return "\n".join(lines) + "\n"


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("words", nargs="*", help="parts of the names or texts of mutations")
    parser.add_argument("--folder", type=Path, help="where the copy is kept for the next run")
    parser.add_argument("--table", type=Path, help="file to write the table of results to")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for the tests of one")
    return parser.parse_args()


def run(arguments: argparse.Namespace, folder: Path) -> int:
    """Apply the mutations in a folder; return how many were not caught."""
    mutations = [
        mutation
        for mutation in read_mutations()
        if not arguments.words or any(word in str(mutation) for word in arguments.words)
    ]
    tree = Tree(folder.resolve(), arguments.timeout)
    tree.configure()
    if not tree.build():
        raise RuntimeError("the copy cannot be built")
    tree.check_import()
    results = []
    for mutation in mutations:
        begin = time.monotonic()
        results.append(tree.apply(mutation))
        seconds = time.monotonic() - begin
        print(f"{results[-1].outcome} ({seconds:.0f} s) {mutation} {results[-1].test}", flush=True)
        if arguments.table is not None:
            arguments.table.write_text(table(results), encoding="utf-8")
    survived = [result for result in results if result.outcome != "caught"]
    print(f"{len(results) - len(survived)} of {len(results)} mutations were caught")
    return len(survived)


def main() -> int:
    """Apply the mutations that the command line selects."""
    arguments = parse()
    if arguments.folder is not None:
        return min(run(arguments, arguments.folder), 1)
    with tempfile.TemporaryDirectory() as folder:
        return min(run(arguments, Path(folder)), 1)


if __name__ == "__main__":
    sys.exit(main())
