"""Losses by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyoptim.losses import _builtin
from pyoptim.losses._base import Loss

_CLASSES = {
    cls.name: cls
    for cls in vars(_builtin).values()
    if isinstance(cls, type) and issubclass(cls, Loss) and cls is not Loss
}


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
        raise ValueError(f"loss: expected one of {', '.join(_CLASSES)}, got {loss!r}")
    return _CLASSES[loss](**parameters)
