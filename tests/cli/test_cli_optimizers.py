"""The commands accept every optimizer of the package."""

from pathlib import Path

import pytest

pytest.importorskip("click.testing")
pytest.importorskip("pyarrow")
pytest.importorskip("matplotlib")

from command_line import invoke

import pyoptim as po
from pyoptim.cli._optimizers import all_rules

OPTIMIZERS = sorted(
    name
    for name in po.__all__
    if isinstance(getattr(po, name), type)
    if issubclass(getattr(po, name), po.Optimizer) and getattr(po, name) is not po.Optimizer
)
every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def test_the_optimizers_of_commands_are_those_of_the_package() -> None:
    assert sorted(rule.name for rule in all_rules()) == OPTIMIZERS


@every_optimizer
def test_info_describes_an_optimizer(name: str) -> None:
    rule = next(rule for rule in all_rules() if rule.name == name)
    for written in (name, name.lower()):
        shown = invoke("info", written).output
        assert shown.startswith(f"{name}\n\n{rule.doc}\n")
        assert f"\n  lr = {rule.lr:g}\n" in shown
        for field in rule.fields:
            assert f"\n  {field.name} = " in shown


@every_optimizer
def test_train_takes_an_optimizer(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Drawing takes most of the time.
    monkeypatch.setattr("pyoptim.plots.history", lambda _, path, **__: Path(path).touch())
    Path("data.csv").write_text("x,z,y\n" + "\n".join(f"{i},{i * i},{i % 7}" for i in range(32)))
    train = ("train", "data.csv", "--target", "y", "--task", "regression", "--hidden", "3")
    result = invoke(*train, "--epochs", "1", "--optimizer", name.lower())
    assert f", {name} with lr " in result.output
    assert Path("pyoptim-model/model.safetensors").exists()
