"""What a user writes to takes effect, or refuses the write and tells what to do instead."""

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyoptim as po


def optimizer(**settings: Any) -> po.Optimizer:
    opt = po.Adam({"a": np.zeros(3), "b": np.zeros(2)}, lr=0.1, **settings)
    opt.step({"a": np.ones(3), "b": np.ones(2)})
    return opt


def wrapped() -> Any:
    return po.wrappers.EMA(optimizer())


def matrix() -> Any:
    opt = po.Muon({"a": np.ones((2, 2)), "b": np.zeros(2)})
    opt.step({"a": np.ones((2, 2)), "b": np.ones(2)})
    return opt


MAKERS = [optimizer, wrapped, matrix]
all_makers = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)

LIST_WRITES: dict[str, Callable[[Any], Any]] = {
    "item": lambda x: x.__setitem__(0, np.ones(3)),
    "slice": lambda x: x.__setitem__(slice(0, 1), [np.ones(3)]),
    "delete": lambda x: x.__delitem__(0),
    "append": lambda x: x.append(np.ones(3)),
    "extend": lambda x: x.extend([np.ones(3)]),
    "insert": lambda x: x.insert(0, np.ones(3)),
    "remove": lambda x: x.remove(x[0]),
    "pop": lambda x: x.pop(),
    "clear": lambda x: x.clear(),
    "reverse": lambda x: x.reverse(),
    "sort": lambda x: x.sort(key=id),
    "+=": lambda x: x.__iadd__([np.ones(3)]),
    "*=": lambda x: x.__imul__(2),
}
DICT_WRITES: dict[str, Callable[[Any], Any]] = {
    "item": lambda x: x.__setitem__(next(iter(x)), 1),
    "delete": lambda x: x.__delitem__(next(iter(x))),
    "pop": lambda x: x.pop(next(iter(x))),
    "popitem": lambda x: x.popitem(),
    "clear": lambda x: x.clear(),
    "update": lambda x: x.update({}),
    "setdefault": lambda x: x.setdefault("c", 1),
    "|=": lambda x: x.__ior__({}),
}


@all_makers
@pytest.mark.parametrize("write", LIST_WRITES.values(), ids=LIST_WRITES)
def test_arrays_of_a_group_and_groups_cannot_change(
    make: Callable[[], Any], write: Callable[[Any], Any]
) -> None:
    opt = make()
    with pytest.raises(TypeError, match=r"^params: the arrays of a group .* make a new optimizer$"):
        write(opt.param_groups[0]["params"])
    with pytest.raises(TypeError, match=r"^param_groups: the groups of an optimizer cannot change"):
        write(opt.param_groups)
    assert [len(group["params"]) for group in opt.param_groups] == [2]


@all_makers
@pytest.mark.parametrize("write", DICT_WRITES.values(), ids=DICT_WRITES)
def test_states_cannot_be_changed_there(
    make: Callable[[], Any], write: Callable[[Any], Any]
) -> None:
    opt = make()
    for state in (opt.state, opt.state["a"]):
        with pytest.raises(
            TypeError, match=r"^state: .* cannot be changed here; use load_state_dict"
        ):
            write(state)


@all_makers
@pytest.mark.parametrize("name", ["params", "param_groups", "state", "steps", "evaluating"])
def test_what_is_shown_cannot_be_replaced(make: Callable[[], Any], name: str) -> None:
    opt = make()
    if name == "params":
        with pytest.raises(ValueError, match=r"^params: the arrays of a group cannot change"):
            opt.param_groups[0]["params"] = []
    else:
        with pytest.raises(AttributeError):
            setattr(opt, name, {})


def test_arrays_of_a_group_are_listed() -> None:
    opt = optimizer()
    params = opt.param_groups[0]["params"]
    assert isinstance(params, tuple)
    assert len(params) == 2
    assert repr(params) == repr(list(params))
    assert params.copy()[0] is params[0]
    for again in (copy.copy(params), copy.deepcopy(params), pickle.loads(pickle.dumps(params))):
        assert [array.tolist() for array in again] == [array.tolist() for array in params]
        with pytest.raises(TypeError, match="make a new optimizer"):
            again.clear()


@pytest.mark.parametrize("rule", po.rules(), ids=lambda rule: rule.name)
def test_settings_are_not_attributes(rule: po.Rule) -> None:
    opt = getattr(po, rule.name)([np.zeros(3)])
    names = ["lr", "weight_decay", "decoupled_weight_decay", "maximize"]
    for name in (*names, *(field.name for field in rule.fields)):
        with pytest.raises(AttributeError, match=rf"^{name}: .* set param_groups\[0\]\['{name}'\]"):
            setattr(opt, name, 0.5)
    for name in ("clip_norm", "clip_value", "skip_nonfinite", "num_threads", "ema_decay", "rule"):
        with pytest.raises(AttributeError, match=f"^{name}: cannot change; make a new"):
            setattr(opt, name, 1)
    wrapped = po.wrappers.Wrapper(opt)
    for name in (*names, *(field.name for field in rule.fields), "clip_norm", "ema_decay"):
        with pytest.raises(AttributeError, match=f"^{name}: "):
            setattr(wrapped, name, 0.5)
    opt.name = "mine"  # an attribute of the caller's own
    assert opt.name == "mine"


def test_parameters_have_no_other_attributes() -> None:
    params = po.Parameters({"w": (3,), "b": (2,)})
    for name in ("w", "weight", "size", "row_sparse", "dtype", "flat", "flat_grad", "grads"):
        with pytest.raises(AttributeError):
            setattr(params, name, np.ones(3))
    for mapping in (params, params.grads, params.select("w")):
        with pytest.raises((AttributeError, TypeError)):
            del mapping["w"]  # type: ignore[attr-defined]
    with pytest.raises(KeyError):
        params.grads["v"] = np.ones(3)
    with pytest.raises(AttributeError):
        params.select("w").whole = params  # type: ignore[misc]
    with pytest.raises(AttributeError):
        params.grads.w = np.ones(3)  # type: ignore[attr-defined]


def test_what_a_schedule_gives_is_an_error_with_setting_and_step() -> None:
    w = np.zeros(2)
    opt = po.SGD([w], lr=po.schedules.exponential(1.0, 1e300), momentum=0.5)
    opt.step([np.ones(2)])
    opt.step([np.ones(2)])
    before = w.copy()
    with pytest.raises(
        ValueError, match=r"^lr at step 2 must be finite, got an error: exponential"
    ):
        opt.step([np.ones(2)])
    assert (w == before).all()
    opt.param_groups[0]["lr"] = lambda step: 1.0 if step < 3 else -1.0
    opt.step([np.ones(2)])
    with pytest.raises(
        ValueError, match=r"lr must be at least 0 .* got -1, by a schedule at step 3"
    ):
        opt.step([np.ones(2)])
    with pytest.raises(ValueError, match=r"momentum at step 3 must be finite"):
        opt.param_groups[0]["momentum"] = lambda step: 10.0 ** (1000 * step)
    for bad in (True, np.True_, "0.1", None, np.ones(2)):
        with pytest.raises(TypeError, match=r"^lr at step 0 must be a number, got "):
            po.SGD([w], lr=lambda step, bad=bad: bad)
    assert opt.steps == 3


@pytest.mark.parametrize("value", [True, np.True_, "0.1", b"1", None, [0.1], np.ones(1), 1 + 0j])
def test_settings_that_are_no_numbers(value: Any) -> None:
    opt = po.Adam([np.zeros(2)])
    with pytest.raises(TypeError, match=r"^lr must be a number, got "):
        po.Adam([np.zeros(2)], lr=value)
    with pytest.raises(TypeError, match=r"^beta1 must be a number, got "):
        opt.param_groups[0]["beta1"] = value
    if value is not None:
        with pytest.raises(TypeError, match=r"^clip_norm must be a number, got "):
            po.Adam([np.zeros(2)], clip_norm=value)
    state = opt.state_dict()
    with pytest.raises(TypeError, match=r"^groups.0.lr must be a number, got "):
        opt.load_state_dict({**state, "groups.0.lr": value})


@pytest.mark.parametrize("value", [True, "2", None, np.array([2.0]), 1j, 10**400])
def test_a_grad_scale_that_is_no_number(value: Any) -> None:
    for make in MAKERS:
        opt: Any = make()
        before = opt.steps
        grads = [np.ones_like(array) for array in opt.param_groups[0]["params"]]
        with pytest.raises((TypeError, ValueError), match=r"^grad_scale .* got "):
            opt.step(grads, grad_scale=value)
        opt.step(grads, grad_scale=np.float32(2))
        assert opt.steps == before + 1


def test_a_shape_has_no_bools() -> None:
    for shape in (True, (True, 3)):
        with pytest.raises(TypeError, match="shape: expected whole numbers, got"):
            po.Parameters({"w": shape})


@pytest.mark.parametrize("value", [True, np.True_, 1, 1.0, np.float32(1), np.array(1)])
def test_flags_may_be_numbers_and_those_of_numpy(value: Any) -> None:
    opt = po.Adam([np.zeros(2)], amsgrad=value, maximize=value)
    assert opt.param_groups[0]["amsgrad"] is True
    assert opt.param_groups[0]["maximize"] is True
    state = opt.state_dict()
    opt.load_state_dict({**state, "groups.0.maximize": value})
    assert po.Muon([np.ones((2, 2))], nesterov=value).param_groups[0]["nesterov"] is True


def writable(obj: object, owned: Callable[[str], bool] = lambda _: False) -> list[str]:
    """Return the public attributes and arguments that can be set without an error that names them.

    Methods can be replaced, and state can be set: `owned` tells which names are state.
    """
    names = {name for name in dir(obj) if not callable(getattr(obj, name, None))}
    names |= set(inspect.signature(type(obj)).parameters) - {"settings", "keywords"}
    found = []
    for name in sorted(name for name in names if not name.startswith("_") and not owned(name)):
        try:
            setattr(obj, name, 0.5)
        except AttributeError as error:
            if name in str(error):
                continue
        found.append(name)
    return found


@pytest.mark.parametrize("rule", po.rules(), ids=lambda rule: rule.name)
def test_attributes_without_effect_cannot_be_set(rule: po.Rule) -> None:
    opt = getattr(po, rule.name)([np.zeros((2, 2))], lr=po.schedules.linear(0.1, steps=9))
    for of in (opt, copy.copy(opt), pickle.loads(pickle.dumps(opt))):
        assert writable(of) == []
    group = opt.param_groups[0]
    for name in (*group, "schedules", "learning_rate", "betas"):
        with pytest.raises(AttributeError, match=f"^{name}: a group has no attributes"):
            setattr(group, name, 5)
    with pytest.raises(TypeError):
        group.schedules["lr"] = 5
    assert list(group.schedules) == ["lr"]


def each_wrapper() -> list[Any]:
    made = []
    for name in po.wrappers.__all__:
        cls = getattr(po.wrappers, name)
        if isinstance(cls, type) and issubclass(cls, po.wrappers.Wrapper):
            more = {"every": 2} if "every" in inspect.signature(cls).parameters else {}
            made.append(cls(po.SGD([np.zeros((2, 2))], skip_nonfinite=True), **more))
    return made


@pytest.mark.parametrize("wrapper", each_wrapper(), ids=lambda w: type(w).__name__)
def test_attributes_of_wrappers_without_effect_cannot_be_set(wrapper: Any) -> None:
    before = repr(wrapper)
    for of in (wrapper, copy.copy(wrapper), copy.deepcopy(wrapper)):
        assert writable(of, type(of)._numbers.__contains__) == []
        assert repr(of) == before
        of.mine = 3  # an attribute of the caller's own
        assert of.mine == 3


def test_a_wrapper_of_a_users_own_sets_its_arguments_when_it_likes() -> None:
    class Halving(po.wrappers.Wrapper):
        _numbers = ("factor",)

        def __init__(self, optimizer: Any, factor: float = 1.0, tag: str = "") -> None:
            super().__init__(optimizer, factor=factor, tag=tag)
            self.factor = factor
            self.tag = tag
            self.seen = 0

        def _after_update(self) -> None:
            self.factor /= 2
            self.seen += 1

    class Named(Halving):
        def __init__(self, optimizer: Any) -> None:
            super().__init__(optimizer, tag="a")
            self.tag = "b"

    opt = Named(po.SGD([np.zeros(2)]))
    opt.step([np.ones(2)])
    assert (opt.factor, opt.seen, opt.tag) == (0.5, 1, "b")
    opt.factor = 3.0
    with pytest.raises(AttributeError, match=r"^tag: cannot change; make a new Named$"):
        opt.tag = "c"


@pytest.mark.parametrize("name", ["lr", "weight_decay", "decoupled_weight_decay", "maximize"])
def test_settings_are_not_attributes_of_wrappers(name: str) -> None:
    for wrapper in (wrapped(), po.wrappers.SAM(optimizer()), po.wrappers.Lookahead(optimizer())):
        with pytest.raises(AttributeError, match=rf"set param_groups\[0\]\['{name}'\]"):
            setattr(wrapper, name, 0.5)
