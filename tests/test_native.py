"""The C and C++ faces: consumers built from the installed package, and schedules to the bit."""

import ctypes
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim._utils.install_paths import get_cmake_dir, get_library_dir
from pyoptim.schedules._base import Schedule
from pyoptim.schedules._cycles import CycleMomentum

HERE = Path(__file__).parent
CONSUMERS = HERE / "consumers"
PAGE = HERE.parent / "docs" / "native.md"
HEADERS = Path(po.get_include()) / "pyoptim"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
CXX_COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)]
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror"]


def run(command: Sequence[str | Path], **keywords: Any) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **keywords)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def built(source: Path, folder: Path) -> Path:
    """Build a project by CMake and return its program."""
    cmake = shutil.which("cmake")
    if cmake is None or not shutil.which("cc") or not shutil.which("c++"):
        pytest.skip("needs CMake and a compiler")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    found = run([sys.executable, "-P", "-m", "pyoptim", "--cmake-dir"]).strip()
    run([cmake, "-S", source, "-B", folder, *generator, f"-Dpyoptim_DIR={found}"])
    run([cmake, "--build", folder])
    return folder / "consumer"


def bits(array: np.ndarray) -> list[str]:
    width = 2 * array.itemsize
    return [f"{number:0{width}x}" for number in array.view(f"u{array.itemsize}").ravel().tolist()]


def optimum(size: int) -> np.ndarray:
    return 0.25 * np.arange(size) - 1


def test_a_program_in_c_gives_the_bits_of_python(tmp_path: Path) -> None:
    program = built(CONSUMERS / "c", tmp_path / "build")
    printed = run([program, tmp_path / "state"]).split()

    weight, bias = np.zeros((5, 4), np.float32), np.zeros(3)
    best = optimum(20).reshape(5, 4).astype(np.float32)
    rate = po.schedules.warmup(20, then=po.schedules.cosine(0.1, steps=280))
    groups = [{"params": [weight], "lr": rate}, {"params": [bias], "lr": 0.05}]
    opt = po.AdamW(groups, beta2=0.99, weight_decay=0, clip_norm=1.5)
    for _ in range(300):
        opt.step([2 * (weight - best), 2 * (bias - optimum(3))])
    assert printed == bits(weight) + bits(bias)


def test_a_program_in_cpp_gives_the_bits_of_python(tmp_path: Path) -> None:
    lines = run([built(CONSUMERS / "cpp", tmp_path)]).splitlines()
    printed = {name: words for name, *words in map(str.split, lines)}

    w = np.zeros(7)
    cycle = po.schedules.one_cycle(0.1, steps=200)
    opt: po.Optimizer = po.SGD([w], lr=cycle, momentum=cycle.momentum(), clip_norm=10)
    for _ in range(400):
        opt.step([2 * (w - optimum(7))])
    assert printed.pop("momentum") == bits(w)

    table = np.ones((10, 3), np.float32)
    values = np.array([[1, 2, 3], [4, 5, 6], [-0.5, 0.25, 1]], np.float32)
    opt = po.Adagrad([table], lr=0.5)
    for _ in range(5):
        opt.step([po.RowGrad([7, 2, 7], values)])
    assert printed.pop("embedding") == bits(table)

    w = np.zeros(5)
    opt = po.ScheduleFreeSGD([w], lr=0.4)
    for _ in range(1500):
        opt.step([2 * (w - optimum(5))])
    with opt.evaluation():
        assert printed.pop("averaged") == bits(w)
    assert printed == {}


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_header_is_clean_c99(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "alone.c").write_text('#include "pyoptim/pyoptim.h"\nint nothing;\n')
    run([compiler, "-std=c99", *WARNINGS, f"-I{po.get_include()}", "-fsyntax-only", "alone.c"],
        cwd=tmp_path)  # fmt: skip


@pytest.mark.parametrize("compiler", CXX_COMPILERS)
def test_each_header_is_clean_cpp_alone(compiler: str, tmp_path: Path) -> None:
    found = sorted(path.name for path in HEADERS.iterdir())
    assert {"pyoptim.h", "pyoptim.hpp", "rules.hpp", "schedules.hpp"} <= set(found)
    for name in found:
        (tmp_path / "alone.cpp").write_text(f'#include "pyoptim/{name}"\n')
        command = [compiler, "-std=c++20", *WARNINGS, f"-I{po.get_include()}", "-fsyntax-only"]
        run([*command, "alone.cpp"], cwd=tmp_path)


@pytest.mark.parametrize("compiler", CXX_COMPILERS)
def test_an_old_standard_is_one_error(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "old.cpp").write_text('#include "pyoptim/pyoptim.hpp"\n')
    command = [compiler, "-std=c++17", f"-I{po.get_include()}", "-fsyntax-only", "old.cpp"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.count("error:") == 1, done.stderr
    assert "needs C++20" in done.stderr


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not here")
def test_a_project_needs_to_say_no_standard(tmp_path: Path) -> None:
    """The target asks for C++20, where there is C++."""
    pages = re.findall(r"```cmake\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    project = next(page for page in pages if "LANGUAGES CXX" in page)
    assert "STANDARD" not in project
    project = project.replace("find_package", "set(CMAKE_CXX_STANDARD 17)\nfind_package")
    (tmp_path / "CMakeLists.txt").write_text(project)
    shutil.copy(CONSUMERS / "cpp" / "consumer.cpp", tmp_path)
    assert run([built(tmp_path, tmp_path / "build")])


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not here")
@pytest.mark.parametrize("language", ["c", "cpp"])
def test_the_programs_of_the_page_run(language: str, tmp_path: Path) -> None:
    programs = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert programs
    for number, program in enumerate(programs):
        folder = tmp_path / str(number)
        shutil.copytree(CONSUMERS / language, folder)
        (folder / f"consumer.{language}").write_text(program)
        assert "done" in run([built(folder, folder / "build")])


def test_every_folder_is_where_it_is_said_to_be() -> None:
    flags = ["--cmake-dir", "--include-dir", "--lib-dir"]
    printed = run([sys.executable, "-P", "-m", "pyoptim", *flags]).split()
    assert printed == [get_cmake_dir(), po.get_include(), get_library_dir()]
    assert (Path(get_cmake_dir()) / "pyoptimConfigVersion.cmake").exists()


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("lr", -1e-310, "got -1e-310"),
        ("lr", -1500000.5, "got -1500000.5"),
        ("beta1", math.nextafter(1, 2), "got 1.0000000000000002"),
        ("eps", -5e-324, "got -5e-324"),
        ("clip_norm", math.nextafter(-1, -2), "got -1.0000000000000002"),
    ],
)
def test_messages_have_the_shortest_number_that_reads_back(
    setting: str, value: float, words: str
) -> None:
    with pytest.raises(ValueError, match=f"{re.escape(words)}$"):
        po.Adam([np.zeros(3)], **{setting: value})
    if setting != "clip_norm":
        opt = po.Adam([np.zeros(3)])
        with pytest.raises(ValueError, match=f"{re.escape(words)}$"):
            opt.param_groups[0][setting] = value


def test_a_group_that_there_is_not_is_an_index_error() -> None:
    opt = po.SGD([np.zeros(3)])
    for call in (
        lambda: opt._native.get(1, "lr"),
        lambda: opt._native.set(1, "lr", 1.0),
        lambda: opt._native.set(2**40, "lr", 1.0),
    ):
        with pytest.raises(IndexError, match=r"there is no group .*, but 1"):
            call()


# ---- Schedules, through the C interface ----------------------------------------------------------


class Argument(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("number", ctypes.c_double),
        ("word", ctypes.c_char_p),
        ("numbers", ctypes.POINTER(ctypes.c_double)),
        ("schedules", ctypes.POINTER(ctypes.c_void_p)),
        ("count", ctypes.c_size_t),
    )


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    found = ctypes.CDLL(str(Path(get_library_dir()) / "libpyoptim.so.0"))
    for name in ("pyoptim_last_error", "pyoptim_schedule_name", "pyoptim_version"):
        getattr(found, name).restype = ctypes.c_char_p
    found.pyoptim_schedule_destroy.argtypes = [ctypes.c_void_p]
    found.pyoptim_schedule_value.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    return found


def native(library: ctypes.CDLL, schedule: Schedule) -> ctypes.c_void_p:
    """Make the native schedule of a Python one, with the arguments that are not its defaults."""
    name = "cycle_momentum" if isinstance(schedule, CycleMomentum) else type(schedule).__name__
    arguments = []
    parts: list[ctypes.c_void_p] = []
    for field, value in vars(schedule).items():
        if value == getattr(type(schedule), field, value) and hasattr(type(schedule), field):
            continue  # so that defaults are compared, too
        argument = Argument(name=field.encode())
        items: Any = value if isinstance(value, tuple) else (value,)
        if isinstance(value, str):
            argument.word = value.encode()
        elif items and callable(items[0]):
            made = [native(library, part) for part in items]
            parts += made
            argument.schedules = (ctypes.c_void_p * len(made))(*made)
            argument.count = len(made)
        elif isinstance(value, tuple):
            flat = [
                float(x) for item in items for x in (item if isinstance(item, tuple) else [item])
            ]
            argument.numbers = (ctypes.c_double * len(flat))(*flat)
            argument.count = len(flat)
        else:
            argument.number = float(value)
        arguments.append(argument)
    made_here = ctypes.c_void_p()
    status = library.pyoptim_schedule_create(
        name.encode(),
        (Argument * len(arguments))(*arguments),
        ctypes.c_size_t(len(arguments)),
        ctypes.byref(made_here),
    )
    assert status == 0, library.pyoptim_last_error()
    for part in parts:
        library.pyoptim_schedule_destroy(part)
    return made_here


def table() -> dict[str, Schedule]:
    s = po.schedules
    cycle = s.one_cycle(0.3, steps=50)
    schedules: list[Schedule] = [
        s.constant(0.3),
        s.linear(0.3, steps=77),
        s.linear(0.1, steps=1, end=0.7),
        s.cosine(0.3, steps=77),
        s.cosine(0.3, steps=93, end=0.01),
        s.polynomial(0.3, steps=77),
        s.polynomial(0.3, steps=77, power=2.3, end=0.02),
        s.step(0.3, every=7),
        s.step(0.3, every=3, factor=0.93),
        s.multi_step(0.3, [5, 20, 20, 90]),
        s.multi_step(0.3, [1, 2], factor=1.7),
        s.exponential(0.3, factor=0.977),
        s.inverse_time(0.3, rate=0.07),
        s.piecewise_constant(0.3, {30: 0.7, 10: 0.3, 99: 1.9}),
        s.piecewise_interpolate(0.3, {30: 0.7, 10: 3.3, 99: 0.1}),
        s.piecewise_interpolate(0.3, {30: 0.7, 10: 3.3}, interpolate_type="cosine"),
        s.cosine_restarts(0.3, T0=13),
        s.cosine_restarts(0.3, T0=3, T_mult=2, end=0.01),
        s.cosine_restarts(0.3, T0=3, T_mult=2**52),
        s.geometric_restarts(0.3, lr_max=0.37, T=9),
        cycle,
        s.one_cycle(0.3, steps=77, anneal_strategy="linear", div_factor=7.7, final_div_factor=3.1),
        s.one_cycle(0.3, steps=77, pct_start=0.41, three_phase=True),
        s.one_cycle(0.3, steps=1),
        s.one_cycle(0.3, steps=9, pct_start=0),
        s.cyclic(0.01, 0.3),
        s.cyclic(0.01, 0.3, step_size_up=7, step_size_down=11, mode="triangular2"),
        s.cyclic(0.01, 0.3, step_size_up=7, mode="exp_range", gamma=0.991),
        cycle.momentum(0.8, 0.97),
        s.cyclic(0.01, 0.3, step_size_up=17).momentum(),
        s.warmup(11, then=s.cosine(0.3, steps=77)),
        s.warmup(3, then=s.warmup(4, then=s.step(0.3, every=5)), start=0.7),
        s.warmup_stable_decay(0.3, 7, 30, 40),
        s.warmup_stable_decay(0.3, 0, 0, 40, shape="linear", end=0.03),
        s.warmup_stable_decay(0.3, 7, 30, 41, shape="cosine", start=0.01),
        s.sequence([s.constant(0.3), s.linear(0.3, 20), s.cosine(0.1, 9)], boundaries=[13, 50]),
        s.chain([s.exponential(0.3, 0.97), s.linear(1.0, 99), s.step(0.7, 10)]),
    ]
    return {repr(schedule): schedule for schedule in schedules}


TABLE = table()
STEPS = [*range(130), 1000, 4000, 12345, 2**31 + 3, 2**52 + 1]


@pytest.mark.parametrize("name", TABLE)
def test_a_native_schedule_has_the_bits_of_the_python_one(name: str, library: ctypes.CDLL) -> None:
    schedule = TABLE[name]
    made = native(library, schedule)
    value = ctypes.c_double()
    for step in STEPS:
        assert library.pyoptim_schedule_value(made, step, ctypes.byref(value)) == 0
        expected = schedule(step)
        assert value.value == expected, f"step {step}: {value.value!r} instead of {expected!r}"
    assert library.pyoptim_schedule_value(made, -1, ctypes.byref(value)) != 0
    library.pyoptim_schedule_destroy(made)


def test_every_native_schedule_is_compared(library: ctypes.CDLL) -> None:
    size = library.pyoptim_schedule_count()
    names = {library.pyoptim_schedule_name(ctypes.c_size_t(i)).decode() for i in range(size)}
    compared = {type(schedule).__name__ for schedule in TABLE.values()}
    assert names == compared - {"CycleMomentum"} | {"cycle_momentum"}
    remember_or_call = {"Schedule", "lambda_", "multiplicative", "reduce_on_plateau"}
    assert names - {"cycle_momentum"} == set(po.schedules.__all__) - remember_or_call


WRONG: list[tuple[Callable[..., Schedule], str, list[tuple[str, float]]]] = [
    (po.schedules.cosine, "cosine", [("lr", -1), ("steps", 10)]),
    (po.schedules.cosine, "cosine", [("lr", math.nan), ("steps", 10)]),
    (po.schedules.cosine, "cosine", [("lr", 1), ("steps", 0)]),
    (po.schedules.step, "step", [("lr", 1), ("every", 1), ("factor", 0)]),
    (po.schedules.one_cycle, "one_cycle", [("max_lr", 1), ("steps", 9), ("pct_start", 1.1)]),
    (po.schedules.geometric_restarts, "geometric_restarts", [("lr", 1), ("lr_max", 0), ("T", 1)]),
]


@pytest.mark.parametrize(("schedule", "name", "arguments"), WRONG)
def test_what_python_refuses_is_refused(
    schedule: Callable[..., Schedule],
    name: str,
    arguments: list[tuple[str, float]],
    library: ctypes.CDLL,
) -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        schedule(**dict(arguments))
    given = (Argument * len(arguments))(
        *(Argument(name=key.encode(), number=value) for key, value in arguments)
    )
    made = ctypes.c_void_p()
    status = library.pyoptim_schedule_create(
        name.encode(), given, ctypes.c_size_t(len(given)), ctypes.byref(made)
    )
    assert status == 1
    assert not made
    argument = str(refused.value).partition(" ")[0]
    assert library.pyoptim_last_error().decode().startswith(f"{name}: {argument} must be")


def test_the_version_is_that_of_the_package(library: ctypes.CDLL) -> None:
    assert library.pyoptim_version().decode() == po.__version__
