"""A callback from functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyoptim.train.callbacks._base import Callback

HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class Lambda(Callback):
    """A callback that calls functions, without a class of your own.

    Parameters
    ----------
    **functions : callable
        Callables that take the trainer, by names of methods of `Callback`, such as
        ``on_epoch_end``.

    Raises
    ------
    TypeError
        If `Callback` has no such method, or a value is not callable.

    Examples
    --------
    >>> import numpy as np, pyoptim as po
    >>> x = np.zeros((10, 1))
    >>> show = po.train.Lambda(on_epoch_end=lambda trainer: print(trainer.epochs_done))
    >>> _ = po.train.Trainer(po.models.Linear(1), epochs=2, callbacks=[show],
    ...                      progress=False).fit(x, x)
    1
    2
    """

    def __init__(self, **functions: Callable[[Any], object]) -> None:
        for name, function in functions.items():
            if name not in HOOKS:
                raise TypeError(
                    f"Lambda: expected the name of a method of Callback, got {name!r}; choose one "
                    f"of {', '.join(HOOKS)}"
                )
            if not callable(function):
                raise TypeError(f"{name}: expected a callable, got {function!r}")
            setattr(self, name, function)
