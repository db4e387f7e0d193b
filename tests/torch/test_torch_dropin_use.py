"""pyoptim.torch in use: schedulers, loss scaling, closures, hooks, groups, sparse rows, DDP."""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import re
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from torch_classes import RULES  # noqa: E402

import pyoptim as po  # noqa: E402
import pyoptim.torch as ours  # noqa: E402 - after torch was found

pytestmark = pytest.mark.peers


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


def pair(name: str, **settings: Any) -> tuple[Any, Any]:
    """Return our optimizer and torch's over equal parameters, float64."""
    made = []
    for module in (ours, torch.optim):
        values = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        p, q = torch.nn.Parameter(values), torch.nn.Parameter(values[0].clone())
        groups = [{"params": [p]}, {"params": [q], "lr": 0.03}]
        made.append(getattr(module, name)(groups, **copy.deepcopy(settings)))
    return made[0], made[1]


def parameters(optimizer: Any) -> list[Any]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def backward(optimizer: Any, t: int = 0) -> Any:
    loss = sum((p * p).sum() * (1 + 0.1 * t) + p.sum() for p in parameters(optimizer))
    loss.backward()
    return loss


def assert_alike(mine: Any, theirs: Any) -> None:
    for p, q in zip(parameters(mine), parameters(theirs), strict=True):
        assert torch.allclose(p, q, rtol=1e-12, atol=1e-12)


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "step": lambda opt: torch.optim.lr_scheduler.StepLR(opt, 2, 0.5),
    "cosine": lambda opt: torch.optim.lr_scheduler.CosineAnnealingLR(opt, 5),
    "one cycle": lambda opt: torch.optim.lr_scheduler.OneCycleLR(opt, 0.1, total_steps=9),
    "cyclic": lambda opt: torch.optim.lr_scheduler.CyclicLR(opt, 0.01, 0.1, step_size_up=3),
    "lambda": lambda opt: torch.optim.lr_scheduler.LambdaLR(opt, lambda t: 0.9**t),
}


@pytest.mark.parametrize("schedule", SCHEDULERS.values(), ids=SCHEDULERS)
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("SGD", {"momentum": 0.9}),
        ("AdamW", {}),
        ("Adam", {"lr": torch.tensor(0.01, dtype=torch.float64)}),
    ],
)
def test_schedulers(name: str, settings: dict[str, Any], schedule: Any) -> None:
    both = pair(name, **settings)
    schedulers = [schedule(optimizer) for optimizer in both]
    for t in range(7):
        for optimizer, scheduler in zip(both, schedulers, strict=True):
            optimizer.zero_grad()
            backward(optimizer, t)
            optimizer.step()
            scheduler.step()
        assert_alike(*both)


def test_reduce_on_plateau_and_settings_that_change() -> None:
    mine, theirs = pair("SGD", lr=0.05)
    plateaus = [torch.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0) for o in (mine, theirs)]
    for t in range(8):
        for optimizer, plateau in zip((mine, theirs), plateaus, strict=True):
            optimizer.zero_grad()
            backward(optimizer)
            optimizer.step()
            plateau.step(1.0)
            for group in optimizer.param_groups:
                group["momentum"] = 0.9 if t in (2, 3, 6) else 0.0  # states come and go
                group["nesterov"] = t == 6
                group["weight_decay"] = 0.01 * t
    assert_alike(mine, theirs)


@pytest.mark.parametrize("name", ["SGD", "AdamW", "NAdam"])
def test_grad_scaler(name: str) -> None:
    """torch's fused optimizers take the scale themselves; a step with infinity is skipped."""
    both = pair(name, lr=0.01)
    scalers = [torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=2) for _ in both]
    for t in range(6):
        for optimizer, scaler in zip(both, scalers, strict=True):
            optimizer.zero_grad()
            loss = sum((p * p).sum() for p in parameters(optimizer))
            scaler.scale(loss).backward()
            if t == 3:
                parameters(optimizer)[0].grad[0, 0] = torch.inf
            if t >= 2:
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(parameters(optimizer), 0.5)
            scaler.step(optimizer)
            scaler.update()
    assert scalers[0].get_scale() == scalers[1].get_scale()
    if name == "NAdam":  # keeps a product in float32 in torch
        for p, q in zip(*map(parameters, both), strict=True):
            assert torch.allclose(p, q, rtol=1e-6)
    else:
        assert_alike(*both)


def test_info_of_a_step_that_did_nothing() -> None:
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = ours.AdamW([p], clip_norm=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for factor in (1.0, torch.inf, 1.0):
        optimizer.zero_grad()
        scaler.scale((p * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert (optimizer.info is None) == (factor == torch.inf)
    optimizer.zero_grad()
    optimizer.step()
    assert optimizer.info is None


@pytest.mark.parametrize("cls", RULES, ids=lambda cls: cls.__name__)
def test_closures(cls: Any) -> None:
    p = torch.nn.Parameter(torch.ones(2, 3))
    optimizer = cls([p], lr=0.1)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure) == 6
    assert optimizer.step() is None


def test_groups_can_be_added_and_have_their_own_settings() -> None:
    both = pair("Adam", amsgrad=True)
    for t in range(4):
        for optimizer in both:
            if t == 2:
                new = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
                group = {"params": [new], "lr": 0.5, "betas": (0.5, 0.6), "maximize": True}
                optimizer.add_param_group(group)
            optimizer.zero_grad()
            backward(optimizer, t)
            optimizer.step()
    assert_alike(*both)
    assert [state["step"].item() for state in both[0].state.values()] == [4, 4, 2]


def test_hooks_of_torch() -> None:
    mine, _ = pair("Adam")
    seen: list[str] = []
    mine.register_step_pre_hook(lambda *_: seen.append("before"))
    mine.register_step_post_hook(lambda *_: seen.append("after"))
    mine.register_state_dict_post_hook(lambda _, state: {**state, "more": 1})
    mine.register_load_state_dict_pre_hook(lambda _, state: seen.append("load") or state)
    mine.register_load_state_dict_post_hook(lambda _: seen.append("loaded"))
    backward(mine)
    mine.step()
    state = mine.state_dict()
    assert state["more"] == 1
    mine.load_state_dict(state)
    assert seen == ["before", "after", "load", "loaded"]
    assert len(mine._optimizer_load_state_dict_pre_hooks) == 1


def test_hooks_of_all_optimizers_and_what_hooks_may_change() -> None:
    mine, _ = pair("Adam")
    from torch.optim.optimizer import (
        register_optimizer_step_post_hook,
        register_optimizer_step_pre_hook,
    )

    seen: list[Any] = []
    handles = [
        register_optimizer_step_pre_hook(lambda opt, *_: seen.append(opt)),
        register_optimizer_step_post_hook(lambda opt, *_: seen.append(opt)),
    ]
    try:
        backward(mine)
        mine.step()
    finally:
        for handle in handles:
            handle.remove()
    assert seen == [mine, mine]
    mine.step()
    assert len(seen) == 2
    mine.register_step_pre_hook(lambda *_: ((mine, lambda: 3.0), {}))
    assert mine.step() == 3.0


def test_profilers_see_steps() -> None:
    mine, _ = pair("Adam")
    backward(mine)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        mine.step()
    assert "Optimizer.step#Adam.step" in {event.key for event in profile.key_averages()}


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    mine, _ = pair("Adam")
    backward(mine)
    mine.step()
    state = mine.state_dict()
    bad = {**state, "state": {0: {**state["state"][0], "exp_avg": torch.ones(7)}}}
    before = mine.state[parameters(mine)[0]]["exp_avg"].clone()
    with pytest.raises(ValueError, match=r"'exp_avg' of params\[0\]: expected shape \(6, 4\)"):
        mine.load_state_dict(bad)
    assert torch.equal(mine.state[parameters(mine)[0]]["exp_avg"], before)
    mine.step()


def test_the_same_parameter_twice_is_torchs_matter() -> None:
    p = torch.nn.Parameter(torch.ones(2))
    with pytest.warns(UserWarning, match="duplicate parameters"):
        ours.SGD([p, p])
    with pytest.raises(ValueError, match="more than one parameter group"):
        ours.SGD([{"params": [p]}, {"params": [p]}])
    with pytest.raises(ValueError, match="non-leaf"):
        ours.SGD([p * 2])


@pytest.mark.parametrize("name", [c.__name__ for c in RULES if hasattr(torch.optim, c.__name__)])
def test_differentiable_is_refused(name: str) -> None:
    p = torch.nn.Parameter(torch.ones(2, 2))
    if "differentiable" in getattr(torch.optim, name)([p]).defaults:
        with pytest.raises(ValueError, match="differentiable: expected False"):
            getattr(ours, name)([p], differentiable=True)


def test_settings_of_rules_that_torch_has_not() -> None:
    p = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(TypeError, match="bata1"):
        ours.Lion([p], bata1=0.5)
    with pytest.raises(ValueError, match="beta1"):
        ours.Lion([p], beta1=1.5)
    optimizer = ours.Lion([{"params": [p], "beta1": 0.5}], 0.1, weight_decay=0.3)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["beta1"], group["weight_decay"]) == (0.1, 0.5, 0.3)


def test_modules_and_classes_that_are_torchs() -> None:
    for name in ("lr_scheduler", "swa_utils", "LBFGS", "SparseAdam"):
        assert getattr(ours, name) is getattr(torch.optim, name)
    missing = {name for name in torch.optim.__all__ if not hasattr(ours, name)}
    assert all(name.islower() for name in missing)


@pytest.mark.parametrize("cls", RULES, ids=lambda cls: cls.__name__)
def test_sparse_gradients(cls: Any) -> None:
    tables = [torch.nn.Embedding(5, 3, sparse=sparse) for sparse in (True, False)]
    tables[1].load_state_dict(tables[0].state_dict())
    before = tables[0].weight.detach().clone()
    for table in tables:
        decays = "weight_decay" in inspect.signature(cls).parameters
        optimizer = cls(table.parameters(), lr=0.1, **({"weight_decay": 0} if decays else {}))
        table(torch.tensor([1, 3, 1])).square().sum().backward()
        if not table.sparse or cls.rule.supports_row_grad:
            optimizer.step()
        else:
            with pytest.raises(RuntimeError, match="does not support sparse gradients"):
                optimizer.step()
            assert torch.equal(table.weight, before)
            return
    assert torch.allclose(tables[0].weight[[1, 3]], tables[1].weight[[1, 3]], rtol=1e-5)
    assert torch.equal(tables[0].weight[[0, 2, 4]], before[[0, 2, 4]])


def test_estimates_of_the_hessian() -> None:
    for cls in (cls for cls in RULES if cls.rule.takes_hessian):
        w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        array = w.detach().numpy().copy()
        optimizer, plain = cls([w], lr=0.1), getattr(po, cls.__name__)([array], lr=0.1)
        for _ in range(3):
            optimizer.update_hessian([torch.tensor([2.0, 2.0])])
            plain.update_hessian([torch.tensor([2.0, 2.0])])
            w.grad = 2 * w.detach()
            plain.step([2 * array])
            optimizer.step()
        assert torch.equal(w.detach(), torch.from_numpy(array))


def test_compiled_models() -> None:
    both = []
    for module in (ours, torch.optim):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        optimizer = module.Adam(model.double().parameters(), lr=0.1)
        compiled = torch.compile(model, backend="aot_eager")
        for _ in range(3):
            optimizer.zero_grad()
            compiled(torch.ones(5, 3, dtype=torch.float64)).square().sum().backward()
            optimizer.step()
        both.append(optimizer)
    assert_alike(*both)


DDP = """
    import sys
    import torch
    import torch.distributed as dist
    import torch.multiprocessing as mp
    import pyoptim as po
    import pyoptim.torch as optim

    def work(rank, file):
        torch.set_num_threads(1)
        po.set_num_threads(1)
        dist.init_process_group("gloo", init_method="file://" + file, rank=rank, world_size=2)
        torch.manual_seed(0)
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 2))
        optimizer = optim.AdamW(model.parameters(), lr=0.1)
        x = torch.arange(16.0).reshape(4, 4)
        for _ in range(3):
            optimizer.zero_grad()
            model(x[2 * rank : 2 * rank + 2]).square().mean().backward()
            optimizer.step()
        torch.manual_seed(0)
        alone = torch.nn.Linear(4, 2)
        optimizer = optim.AdamW(alone.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            alone(x).square().mean().backward()
            optimizer.step()
        assert torch.allclose(model.module.weight, alone.weight, rtol=1e-4, atol=1e-5)
        dist.destroy_process_group()
        print("done", flush=True)

    if __name__ == "__main__":
        mp.spawn(work, (sys.argv[1],), nprocs=2)
"""


def test_a_step_in_the_backward_pass() -> None:
    """Hooks that step and free each gradient as soon as it is there."""
    p, q = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizers = {p: ours.SGD([p], lr=0.25), q: ours.SGD([q], lr=0.5)}

    def step(param: Any) -> None:
        optimizers[param].step()
        optimizers[param].zero_grad()

    for param in optimizers:
        param.register_post_accumulate_grad_hook(step)
    (p.sum() + q.sum()).backward()
    assert torch.equal(p.detach(), torch.full((3,), 0.75))
    assert torch.equal(q.detach(), torch.full((3,), 0.5))
    assert (p.grad, q.grad) == (None, None)


def test_steps_of_several_threads() -> None:
    p = torch.nn.Parameter(torch.zeros(1000))
    p.grad = torch.ones(1000)
    optimizer = ours.SGD([p], lr=1.0)
    optimizer.step()
    threads = [
        threading.Thread(target=lambda: [optimizer.step() for _ in range(50)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(p.detach(), torch.full((1000,), -201.0))


def test_an_optimizer_that_its_parameter_holds_is_freed() -> None:
    p = torch.nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    p.optimizer = ours.Adam([p])
    p.optimizer.step()
    gone = weakref.ref(p)
    del p
    gc.collect()
    assert gone() is None


def test_two_processes(tmp_path: Path) -> None:
    script = tmp_path / "two_processes.py"  # spawned processes import it
    script.write_text(textwrap.dedent(DDP), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", str(script), str(tmp_path / "store")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done") == 2


def test_what_is_imported() -> None:
    done = run("import sys, pyoptim; print('torch' in sys.modules)")
    assert (done.stdout, done.stderr) == ("False\n", "")
    done = run(
        """
        import sys, torch
        before = set(sys.modules)
        import pyoptim.torch
        print(*{name.partition(".")[0] for name in set(sys.modules) - before})
        """
    )
    imported = set(done.stdout.split()) - sys.stdlib_module_names
    others = {name for name in imported if not re.match("_?cython", name)}
    assert others | {"numpy"} == {"numpy", "pyoptim", "ml_dtypes"}


def test_without_torch_the_error_names_the_extra() -> None:
    done = run(
        """
        import sys
        sys.modules["torch"] = None
        try:
            import pyoptim.torch
        except ImportError as error:
            print(error)
        """
    )
    assert "pip install 'pyoptim-native[torch]'" in done.stdout, done.stderr


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_pickle_takes_an_optimizer(protocol: int) -> None:
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = ours.Adam([p], lr=0.1)
    for _ in range(2):
        p.grad = 2 * p.detach()
        optimizer.step()
        again = pickle.loads(pickle.dumps(optimizer, protocol=protocol))
    (q,) = again.param_groups[0]["params"]
    for x, of in ((p, optimizer), (q, again)):
        x.grad = torch.ones(3)
        of.step()
    assert torch.equal(p, q)
