"""Threads, forks, and the neighbours in the process."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pyoptim as po
from pyoptim import _core

LARGE = 5 * _core.serial_below


def steps_of_adam(size: int, steps: int, seed: int = 0, threads: int | None = None) -> np.ndarray:
    """Return the parameters after so many steps on given gradients."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=size).astype(np.float32)
    grads = rng.normal(size=(steps, size)).astype(np.float32)
    opt = po.Adam([w], clip_norm=1.0, num_threads=threads)
    for grad in grads:
        opt.step([grad])
    return w


def run_python(code: str, *, timeout: float | None = None, **environment: str) -> str:
    """Return what a fresh interpreter prints, started outside of the source tree."""
    variables = {**os.environ, **environment}
    for name, value in environment.items():
        if not value:
            variables.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=variables,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_number_of_threads_can_be_set() -> None:
    automatic = po.get_num_threads()
    try:
        po.set_num_threads(3)
        assert po.get_num_threads() == 3
        assert po.config()["threads"] == 3
    finally:
        po.set_num_threads(None)
    assert po.get_num_threads() == automatic
    for bad in (0, -1, 1.5, 10**6):
        with pytest.raises(ValueError, match="count must be a whole number from 1 to 512"):
            po.set_num_threads(bad)  # type: ignore[arg-type]


def test_omp_num_threads_is_heeded() -> None:
    code = "import pyoptim as po; print(po.get_num_threads())"
    assert run_python(code, OMP_NUM_THREADS="3") == "3"
    assert run_python(code, OMP_NUM_THREADS="1") == "1"
    processors = run_python("import os; print(len(os.sched_getaffinity(0)))")
    assert 1 <= int(run_python(code, OMP_NUM_THREADS="")) <= int(processors)


@pytest.mark.parametrize(
    "value", ["100000", "2147483648", "4,2", " 3 ", "abc", "0", "-1", "1 2", ""]
)
def test_any_omp_num_threads_leaves_a_number_of_threads_that_can_be_had(value: str) -> None:
    code = """
import numpy as np, pyoptim as po
opt = po.Adam([np.zeros(100_000, np.float32)])
opt.step([np.ones(100_000, np.float32)])
config = po.config()
print(po.get_num_threads(), config["thread limit"], config["usable processors"], opt.steps)
"""
    threads, limit, processors, steps = map(int, run_python(code, OMP_NUM_THREADS=value).split())
    assert steps == 1
    assert limit <= _core.max_threads
    # What OpenMP refuses counts as not set.
    expected = {"100000": limit, "2147483648": limit, "4,2": 4, " 3 ": 3}.get(value, processors)
    assert threads == expected


def test_threads_that_cannot_be_started_are_done_without() -> None:
    # OpenMP ends the process where it cannot start a thread.
    code = """
import os, resource
import numpy as np, pyoptim as po
w, grad = np.zeros(100_000, np.float32), np.ones(100_000, np.float32)
opt = po.SGD([w], lr=1.0, num_threads=400)
pages = int(open("/proc/self/statm").read().split()[0])
room = pages * os.sysconf("SC_PAGE_SIZE") + (100 << 20)  # for the stacks of some threads
resource.setrlimit(resource.RLIMIT_AS, (room, room))
opt.step([grad])
print(opt.steps, (w == -1).all(), len(os.listdir("/proc/self/task")))
"""
    assert run_python(code, OPENBLAS_NUM_THREADS="1") == "1 True 1"


def test_a_subinterpreter_cannot_import_it() -> None:
    subinterpreters = pytest.importorskip("_xxsubinterpreters")
    assert subinterpreters
    code = """
import sys, _xxsubinterpreters
other = _xxsubinterpreters.create()
for module in ("pyoptim", "pyoptim._core", "pyoptim.cython_optim"):
    try:
        _xxsubinterpreters.run_string(other, f"import sys; sys.path = {sys.path}; import {module}")
    except _xxsubinterpreters.RunFailedError as error:
        print(error)
import pyoptim
print(pyoptim.get_num_threads() > 0)
"""
    *refusals, last = run_python(code, timeout=60).splitlines()
    assert len(refusals) == 3
    assert all("ImportError" in line and "not supported; import it in" in line for line in refusals)
    assert last == "True"


def test_affinity_is_heeded() -> None:
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "import pyoptim as po; print(po.get_num_threads(), po.config()['usable processors'])"
    )
    assert run_python(code, OMP_NUM_THREADS="") == "1 1"


def test_threadpoolctl_limits_our_threads() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    assert any(pool["user_api"] == "openmp" for pool in threadpoolctl.threadpool_info())
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        assert po.get_num_threads() == 1


def test_an_instruction_set_can_be_forced() -> None:
    code = "import pyoptim as po; print(po.config()['instruction set'])"
    for name in _core.instruction_sets():
        assert run_python(code, PYOPTIM_ISA=name) == name
    assert run_python(code, PYOPTIM_ISA="") == _core.instruction_sets()[-1]
    failed = subprocess.run(
        [sys.executable, "-P", "-c", "import pyoptim"],
        env={**os.environ, "PYOPTIM_ISA": "mmx"},
        capture_output=True,
        text=True,
    )
    assert failed.returncode != 0
    assert "PYOPTIM_ISA: instruction set 'mmx' is not available here; available: baseline" in (
        failed.stderr
    )


def test_show_config_prints_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    po.show_config()
    printed = capsys.readouterr().out
    for name, value in po.config().items():
        assert f"{name}:" in printed
        assert str(value) in printed


def test_a_step_over_few_rows_of_a_large_table_wakes_no_thread() -> None:
    code = """
import os
import numpy as np, pyoptim as po
opt = po.Adam([np.zeros((100_000, 64), np.float32)], num_threads=16, clip_norm=1.0)
for rows in (0, 500, 5000):
    grad = po.RowGrad(np.arange(rows)[::-1], np.ones((rows, 64), np.float32))
    before = len(os.listdir("/proc/self/task"))
    opt.step(grad)
    print(len(os.listdir("/proc/self/task")) > before)
"""
    assert run_python(code).split() == ["False", "False", "True"]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_steps_right() -> None:
    expected = steps_of_adam(LARGE, 3, threads=4)  # the parent's threads are running now

    def child() -> str:
        assert _core.in_forked_child()
        return str(np.array_equal(steps_of_adam(LARGE, 3, threads=4), expected))

    assert in_child(child) == "True"
    assert not _core.in_forked_child()
    assert np.array_equal(steps_of_adam(LARGE, 3, threads=4), expected)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_a_step_is_told_so() -> None:
    w = np.zeros(40 * LARGE, np.float32)
    opt, grads = po.Adam([w], num_threads=1), [np.ones_like(w)]
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            opt.step(grads)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        # The fork may fall between two steps; one of a few does not.
        answers = {in_child(lambda: str(opt.steps)) for _ in range(20)}
    finally:
        stop.set()
        worker.join()
    told = [answer for answer in answers if "forked while another thread stepped" in answer]
    assert told
    assert all(answer in told or answer.isdigit() for answer in answers)


def in_child(work: Callable[[], str]) -> str:
    """Return what work() gives, or the error it raises, in a forked child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = work()
        except BaseException as error:
            answer = str(error)
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


@pytest.mark.parametrize("size", [1000, LARGE])
def test_eight_threads_step_optimizers_of_their_own(size: int) -> None:
    expected = [steps_of_adam(size, 10, seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda seed: steps_of_adam(size, 10, seed), range(8)))
    assert all(map(np.array_equal, found, expected))


@pytest.mark.parametrize("size", [1000, LARGE])
def test_threads_that_share_an_optimizer_take_turns(size: int) -> None:
    w = np.zeros(size)
    opt = po.SGD([w], lr=1.0)
    grad = -np.ones(size)
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        for _ in range(50):
            opt.step([grad])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opt.steps == 200
    assert (w == 200).all()


def test_threads_that_share_an_optimizer_take_turns_with_rows() -> None:
    table = np.zeros((3000, 40))
    opt = po.SGD([table], lr=1.0)
    random = np.random.default_rng(0)
    grads = [
        po.RowGrad(random.integers(0, 3000, count), -np.ones((count, 40))) for count in (9, 2000)
    ]

    def work(seed: int) -> None:
        for step in range(20):
            opt.step(grads[(step + seed) % 2])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert opt.steps == 80
    times = sum(np.bincount(grad.rows, minlength=3000) for grad in grads)
    assert (table == 40 * times[:, None]).all()
