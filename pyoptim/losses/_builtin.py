"""The losses of the engine's list: a class for each, and an instance with the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyoptim import _core
from pyoptim._utils.hyperparameter import Field
from pyoptim.losses._base import Loss

_TARGETS_OF_ROWS = "whole numbers from 0, one a row, or rows of probabilities, one for each class"


def _document(name: str, entry: dict[str, Any], fields: tuple[Field, ...]) -> str:
    lines = entry["doc"].replace("\n", "\n    ").replace("\n    \n", "\n\n")
    targets = _TARGETS_OF_ROWS if entry["of_rows"] else f"numbers, {entry['targets']}"
    parameters = "".join(
        f"    {field.name} : float, {field.range}, by default {field.default}\n"
        f"        {field.doc}\n"
        for field in fields
    )
    scores = "[[0.5, 2.0], [1.0, -1.0]]" if entry["of_rows"] else "[0.5, 2.0]"
    heading = f"    Parameters\n    ----------\n{parameters}\n" if fields else ""
    return f"""{lines}

    Targets are {targets}. See `pyoptim.losses.Loss` for what a loss can do.

{heading}    Raises
    ------
    ValueError
        If a parameter, a target or a weight is out of range.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> scores, targets = np.array({scores}), np.array([0, 1])
    >>> loss = po.losses.{name}()
    >>> value, slope, curvature = loss.value_slope_curvature(scores, targets)
    >>> value == loss(scores, targets), slope.shape == scores.shape
    (True, True)
    """


def _made(entry: dict[str, Any]) -> type[Loss]:
    """Make the class of a loss, with its signature and documentation."""
    fields = tuple(Field(*field) for field in entry["fields"])
    name = "".join(map(str.capitalize, entry["name"].split("_")))
    members = {
        "__doc__": _document(name, entry, fields),
        "__module__": "pyoptim.losses",
        "name": entry["name"],
        "labels": entry["of_rows"],
        "link": entry["link"].name,
        "fields": fields,
    }
    for field in fields:
        members[field.name] = property(
            lambda self, n=field.name: self._parameters[n], doc=field.doc
        )
    made = type(name, (Loss,), members)
    made.__signature__ = made._signature()  # type: ignore[attr-defined]
    return made


_CLASSES = {entry["name"]: _made(entry) for entry in _core.losses()}
_READY = {name: cls() for name, cls in _CLASSES.items()}
globals().update({cls.__name__: cls for cls in _CLASSES.values()}, **_READY)

__all__ = [
    "get",
    *(cls.__name__ for cls in _CLASSES.values()),
    *_READY,
]


def get(loss: str | Loss | Mapping[str, Any], **parameters: float) -> Loss:
    """Return the loss of this name.

    Parameters
    ----------
    loss : str, Loss, or mapping
        A name; a loss, which is returned; or what `Loss.config` returned.
    **parameters
        Those of the loss, in place of its defaults.

    Raises
    ------
    ValueError
        If there is no such loss (the message lists those there are), or a parameter is out of
        range.
    TypeError
        If the loss has no such parameter, or is given ready, with parameters.

    Examples
    --------
    >>> import pyoptim as po
    >>> po.losses.get("quantile", quantile=0.9)
    Quantile(quantile=0.9)
    """
    if isinstance(loss, Loss):
        if parameters:
            raise TypeError(f"{loss!r} has its parameters; give its name to choose others")
        return loss
    if isinstance(loss, Mapping):
        named = dict(loss)
        return get(named.pop("name", None), **named, **parameters)
    if not isinstance(loss, str) or loss not in _CLASSES:
        raise ValueError(f"there is no loss {loss!r}; there are {', '.join(_CLASSES)}")
    return _CLASSES[loss](**parameters) if parameters else _READY[loss]
