"""Whatever a user is handed: it can be copied, pickled, compared and shown."""

import copy
import inspect
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyoptim as po
from pyoptim.data._csr import CSR
from pyoptim.train._batch_size import BatchSizeReport

CLONES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "oldest pickle": lambda x: pickle.loads(pickle.dumps(x, protocol=2)),
}
all_clones = pytest.mark.parametrize("clone", CLONES.values(), ids=CLONES)


def parameters(value: float = 1.0) -> po.Parameters:
    params = po.Parameters({"w": (3, 2), "b": (2,), "table": (4, 2)}, row_sparse=["table"])
    for array in params.values():
        array[...] = value
    params.flat_grad[...] = math.nan
    params.grads["table"] = po.RowGrad([1, 3], np.full((2, 2), value, np.float32))
    return params


def info(grad: float, **options: Any) -> po.StepInfo:
    return po.SGD([np.zeros(3)], **options).step([np.full(3, grad)])


def history(loss: float) -> po.train.History:
    made = po.train.History()
    made.rows += [{"epoch": 1, "loss": loss, "val_loss": math.nan}]
    made.stop_reason = po.train.StopReason.NAN
    return made


def checkpoint(value: float, folder: Path) -> Any:
    po.checkpoint.save(folder, {"a": np.array([value, math.nan])}, metadata={"x": [value]}, step=1)
    return po.checkpoint.load(folder)


def csr(value: float) -> CSR:
    return CSR(np.array([value, 2, 3]), np.array([0, 2, 1]), np.array([0, 2, 2, 3]), (3, 3))


def records(folder: Path) -> list[list[Any]]:
    """Of each type, values that all differ."""
    return [
        [*po.rules()],
        [*po.rules()[0].fields],
        [info(1.0), info(1.0, clip_norm=1.0), info(math.inf, skip_nonfinite=True),
         info(math.nan, clip_norm=1.0)],
        [po.RowGrad([1], np.ones((1, 2))), po.RowGrad([2], np.ones((1, 2))),
         po.RowGrad([1], np.ones((1, 2), np.float32)), po.RowGrad([1], np.full((1, 2), math.nan))],
        [parameters(1.0), parameters(2.0), po.Parameters({"w": (3, 2)})],
        [parameters(1.0).grads, parameters(2.0).grads],
        [parameters(1.0).select("w"), parameters(2.0).select("w"), parameters(1.0).select("*")],
        [po.checkpoint.Keep(2), po.checkpoint.Keep(3), po.checkpoint.Keep(2, best=1)],
        [checkpoint(1.0, folder / "1"), checkpoint(2.0, folder / "2")],
        [*po.train.StopReason],
        [history(1.0), history(math.nan), po.train.History()],
        [BatchSizeReport(2, {2: 0.5}), BatchSizeReport(2, {2: 1.5})],
        [csr(1.0), csr(5.0), csr(math.nan), csr(1.0)[1:]],
        [po.losses.Huber(1.0), po.losses.Huber(2.0)],
        [po.penalties.L1(0.1), po.penalties.L1(0.2)],
        [po.penalties.ElasticNet(0.1, 0.1), po.penalties.ElasticNet(0.1, 0.2)],
        [po.penalties.MaxNorm(1.0), po.penalties.MaxNorm(2.0)],
        [po.schedules.linear(1.0, 5), po.schedules.linear(1.0, 6)],
    ]  # fmt: skip


@all_clones
def test_copies_are_equal_to_what_they_are_of_and_to_nothing_else(
    clone: Callable[[Any], Any], tmp_path: Path
) -> None:
    for values in records(tmp_path):
        for value in values:
            again = clone(value)
            assert type(again) is type(value)
            assert again == value
            assert (again != value) is False
            assert repr(again) == repr(value)
            assert "0x" not in repr(value)
            assert hash_of(again) == hash_of(value)
            assert [other for other in values if other == again] == [value]
            assert again != 3
            assert again is not None


def hash_of(value: Any) -> int | None:
    try:
        return hash(value)
    except TypeError:  # what can be changed, or holds arrays
        return None


def test_every_public_dataclass_is_tested(tmp_path: Path) -> None:
    tested = {type(values[0]) for values in records(tmp_path)}
    public = {
        value
        for module in (po, po.checkpoint, po.train, po.losses)
        for name in module.__all__
        if inspect.isclass(value := getattr(module, name)) and hasattr(value, "__match_args__")
    }
    assert public - tested == set()


@all_clones
def test_copies_of_parameters_are_not_the_same_memory(clone: Callable[[Any], Any]) -> None:
    params = parameters()
    again = clone(params)
    again["w"][...] = 7
    assert again != params
    assert (params["w"] == 1).all()
    assert (again.grads["table"].values == 1).all()
    assert again.grads["table"] == params.grads["table"]


def optimizers(params: Any) -> list[Any]:
    inner = po.Adam(params, lr=po.schedules.linear(0.1, steps=10))
    return [
        inner,
        po.ScheduleFreeSGD(params, lr=0.1),
        po.Muon(params),
        po.wrappers.EMA(po.Adam(params)),
        po.wrappers.GradientAccumulation(po.SGD(params, momentum=0.9), 2),
        po.wrappers.Lookahead(po.SGD(params, momentum=0.9)),
    ]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_pickle_takes_optimizers_and_what_steps_give(protocol: int) -> None:
    def clone(x: Any) -> Any:
        return pickle.loads(pickle.dumps(x, protocol=protocol))

    made = info(2.0, clip_norm=1.0)
    assert clone(made) == made
    for opt in optimizers(po.Parameters({"w": (3, 2)})):
        again = clone(opt)
        again.step()
        again_params(again)["w"][...] = 1
        assert again.state_dict().keys() == opt.state_dict().keys()


@pytest.mark.parametrize("which", range(6))
@all_clones
def test_a_copy_of_an_optimizer_steps_as_the_optimizer_does(
    clone: Callable[[Any], Any], which: int
) -> None:
    params = po.Parameters({"w": (3, 2), "b": (2,)})
    opt = optimizers(params)[which]

    def steps(of: Any, grads: Any) -> None:
        for _ in range(4):
            for grad in grads.values():
                grad[...] = np.arange(grad.size).reshape(grad.shape) + 1
            of.step()

    steps(opt, params.grads)
    before = params.flat.copy()
    shares = clone is copy.copy
    again = clone(opt)
    theirs = params if shares else again_params(again)
    steps(again, theirs.grads)
    after = theirs.flat.copy()
    if shares:
        params.flat[...] = before
    assert (params.flat == before).all()
    steps(opt, params.grads)
    assert (params.flat == after).all()
    assert again.steps == opt.steps


def again_params(opt: Any) -> Any:
    params: Any = getattr(opt, "unwrapped", opt)._groups[0]
    return params


@all_clones
def test_a_copy_of_a_trainer_trains_its_own_model(clone: Callable[[Any], Any]) -> None:
    model = po.models.Linear(2, dtype="float64")
    trainer = po.train.Trainer(model, optimizer=po.SGD(model.params, lr=0.1), epochs=2)
    again = clone({"model": model, "trainer": trainer})
    x, y = np.eye(2), np.ones(2)
    again["trainer"].fit(x, y)
    of_copy = again["model"].params
    assert of_copy.flat.any()
    assert (of_copy is model.params) == (clone is copy.copy)
    if clone is not copy.copy:
        assert not model.params.flat.any()


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_group_is_not_copied_apart_from_its_optimizer(clone: Callable[[Any], Any]) -> None:
    group = po.SGD([np.zeros(3)]).param_groups[0]
    with pytest.raises(TypeError, match=r"ParamGroup: .* copy the optimizer"):
        clone(group)
    assert group == group
    assert group != po.SGD([np.ones(3)]).param_groups[0]
    assert group == po.SGD([np.zeros(3)]).param_groups[0]
    assert copy.deepcopy(dict(group))["lr"] == group["lr"]


@all_clones
def test_a_copy_of_a_state_has_its_values(clone: Callable[[Any], Any]) -> None:
    opt = po.Adam({"w": np.zeros(3)})
    opt.step({"w": np.ones(3)})
    again = clone(opt.state)
    assert again["w"]["step"] == 1
    assert again["w"]["exp_avg"].tolist() == opt.state["w"]["exp_avg"].tolist()
    assert "exp_avg" in repr(opt.state)
