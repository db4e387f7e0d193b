"""Shared libraries that use the native library: loaded, unloaded, and several at once."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import pyoptim as po
from pyoptim._utils.install_paths import get_library_dir

PLUGINS = Path(__file__).parent / "consumers" / "plugins"
LIBRARY = Path(get_library_dir()) / "libpyoptim.so.0"
HEADER = Path(po.get_include()) / "pyoptim" / "pyoptim.h"
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror"]


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a command that must succeed, and return what it prints."""
    environment = None if env is None else {**os.environ, **env}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, (done.returncode, done.stdout + done.stderr)
    return done.stdout


def compiled(source: str, folder: Path, flags: Sequence[str] = (), links: bool = True) -> Path:
    """Compile one file as the documentation says, without CMake."""
    compiler, standard = ("cc", "c99") if source.endswith(".c") else ("c++", "c++20")
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    result = folder / source.partition(".")[0]
    lib = get_library_dir()
    linked = [f"-L{lib}", "-lpyoptim", f"-Wl,-rpath,{lib}"] if links else ["-ldl"]
    include = f"-I{po.get_include()}"
    run(compiler, PLUGINS / source, f"-std={standard}", *WARNINGS, *flags, include, "-o", result,
        *linked)  # fmt: skip
    return result


SHARED = ("-shared", "-fPIC", "-fvisibility=hidden")


def test_a_plugin_may_be_unloaded_after_a_step_on_two_threads(tmp_path: Path) -> None:
    host = compiled("host.c", tmp_path, ["-D_DEFAULT_SOURCE", "-Wno-pedantic"], links=False)
    plugin = compiled("steps.c", tmp_path, ["-shared", "-fPIC"])
    assert run(host, "20", plugin, env={"OMP_NUM_THREADS": "2"}) == "done\n"


def test_a_schedule_throws_out_of_the_call_that_asked_it(tmp_path: Path) -> None:
    """Also where the schedule is of another library, and nothing of the two is visible."""
    rates, trains = (compiled(name, tmp_path, SHARED) for name in ("rates.cpp", "trains.cpp"))
    both = compiled("both.cpp", tmp_path, ["-Wno-pedantic"], links=False)
    assert run(both, rates, trains).splitlines() == [
        "nothing",
        "out_of_range: no rate for step 1",
        "runtime_error: no rate for step 2",
    ]


def symbols(library: Path = LIBRARY) -> list[tuple[str, str, str]]:
    """Return name, kind and version of every symbol that a library shows."""
    if not shutil.which("nm"):
        pytest.skip("needs nm")
    lines = run("nm", "-D", "--defined-only", "--with-symbol-versions", library).splitlines()
    split = [line.split()[1:] for line in lines]
    return [(name.partition("@")[0], kind, name.rpartition("@")[2]) for kind, name in split]


def test_the_library_shows_its_own_names_only() -> None:
    declared = set(re.findall(r"\b(pyoptim_\w+)\(", HEADER.read_text("utf-8")))
    shown = [symbol for symbol in symbols() if symbol[1] != "A"]  # A: the versions themselves
    of_c = {name for name, _, version in shown if version == "PYOPTIM_0"}
    assert of_c == declared - {"pyoptim_status"}
    private = {name for name, _, version in shown if version == f"PYOPTIM_PRIVATE_{po.__version__}"}
    assert private | of_c == {name for name, _, _ in shown}
    assert [name for name in private if not re.match(r"_Z(N|NK|TIN|TSN|TVN)7pyoptim", name)] == []


def test_every_other_library_shows_its_entry_for_python_only() -> None:
    modules = [path for path in LIBRARY.parent.rglob("*.so*") if "cpython" in path.name]
    assert len(modules) >= 2
    for module in modules:
        entry = "PyInit_" + module.name.partition(".")[0]
        assert [(name, kind) for name, kind, _ in symbols(module)] == [(entry, "T")]


def test_the_modules_are_linked_to_versions_of_symbols() -> None:
    if not shutil.which("readelf"):
        pytest.skip("needs readelf")
    dynamic = run("readelf", "-dW", LIBRARY)
    assert re.search(r"\(SONAME\).*\[libpyoptim\.so\.0\]", dynamic)
    assert "(SYMBOLIC)" in dynamic
    assert "NODELETE" in dynamic
    for module in LIBRARY.parent.glob("*.cpython-*.so"):
        assert "[libpyoptim.so.0]" in run("readelf", "-dW", module)
        assert f"PYOPTIM_PRIVATE_{po.__version__}" in run("readelf", "-VW", module)


def test_messages_do_not_depend_on_the_locale(tmp_path: Path) -> None:
    if not shutil.which("localedef"):
        pytest.skip("needs localedef")
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")], check=False
    )
    if made.returncode != 0:
        pytest.skip("needs the source of the locale de_DE")
    program = compiled("messages.c", tmp_path)
    printed = run(program, env={"LOCPATH": str(tmp_path), "LC_ALL": "de_DE.UTF-8"}).splitlines()
    assert printed == [
        "1500000,50",
        "SGD: lr must be at least 0 and finite, got -1500000.5",
        "SGD: lr must be at least 0 and finite, got -1e-310",
        "Adam: beta1 must be in [0, 1), got 1.0000000000000002",
        "linear: lr must be at least 0 and finite, got -0.1",
    ]
